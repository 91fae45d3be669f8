/* SPDX-License-Identifier: Apache-2.0
 *
 * failpoint.c - die on demand
 */
#include "base/failpoint.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void failpoint(const char *name)
{
	const char *wanted = secure_getenv("HULL_FAILPOINT");

	if (wanted && strcmp(wanted, name) == 0)
		(void)kill(getpid(), SIGKILL);
}
