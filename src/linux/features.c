/* SPDX-License-Identifier: Apache-2.0
 *
 * features.c - HULL_DISABLE
 */
#include "linux/features.h"

#include <stdlib.h>

#include "base/parse.h"

static const char *const NAMES[FEATURE_COUNT] = {
	[FEATURE_OVERLAY_FD] = "overlay-fd",
	[FEATURE_CLONE_CGROUP] = "clone-cgroup",
	[FEATURE_CGROUP_KILL] = "cgroup-kill",
	[FEATURE_EROFS_FILE] = "erofs-file",
};

bool feature_wanted(enum feature feature)
{
	struct slice rest = slice_of(getenv("HULL_DISABLE")), name;

	while (slice_next(&rest, ',', &name))
		if (slice_eq(name, NAMES[feature]))
			return false;

	return true;
}
