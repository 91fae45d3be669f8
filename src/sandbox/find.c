/* SPDX-License-Identifier: Apache-2.0
 *
 * find.c - the isolation levels by name
 */
#include <string.h>

#include "base/macro.h"
#include "sandbox/sandbox.h"

static const struct sandbox_ops *const LEVELS[] = { &sandbox_container_ops, &sandbox_vm_ops };

const struct sandbox_ops *sandbox_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(LEVELS); i++)
		if (strcmp(LEVELS[i]->name, name) == 0)
			return LEVELS[i];

	return NULL;
}
