/* SPDX-License-Identifier: Apache-2.0
 *
 * choose.c - which hypervisor a machine gets
 */
#include "machine/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHOICE "HULL_MACHINE"

static const struct machine_ops *find(const char *name)
{
	static const struct machine_ops *const all[] = { &machine_hullvmm_ops, &machine_qemu_ops };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];

	return NULL;
}

int machine_choose(const struct machine_ops **ret, struct err *err)
{
	const char *name = getenv(CHOICE);
	const struct machine_ops *ops = name && *name ? find(name) : &machine_qemu_ops;
	int r;

	if (!ops)
		return err_setk(err, ERR_USAGE, EINVAL,
				"there is no hypervisor '%s' (" CHOICE "): hull-vmm or qemu", name);
	r = ops->probe(err);
	if (r == 0)
		*ret = ops;

	return r;
}
