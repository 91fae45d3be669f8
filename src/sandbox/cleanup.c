/* SPDX-License-Identifier: Apache-2.0
 *
 * cleanup.c - remove what a sandbox left whose monitor was killed
 *
 * Apart from the table of backends, so that hull, which calls this, links none of them.
 */
#include "runtime/runtime.h"
#include "sandbox/sandbox.h"

int sandbox_cleanup(const char *id, struct err *err)
{
	/* Every level puts all of its processes below the cgroup that the id names. */
	return runtime_cleanup(id, err);
}
