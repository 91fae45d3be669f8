/* SPDX-License-Identifier: Apache-2.0
 *
 * features.h - what newer kernels offer, and how to do without it for a test
 *
 * Each name has a tested fallback. Most are found out by trying: a call that the kernel refuses
 * leads to the fallback. HULL_DISABLE=name,... takes the fallback at once.
 */
#ifndef LINUX_FEATURES_H
#define LINUX_FEATURES_H

#include <stdbool.h>

enum feature {
	FEATURE_OVERLAY_FD, /* "overlay-fd": overlay layers by descriptor (6.13; detached: 6.15) */
	FEATURE_CLONE_CGROUP, /* "clone-cgroup": clone3() into a cgroup (v2) */
	FEATURE_CGROUP_KILL,  /* "cgroup-kill": cgroup.kill (5.14, v2) */
	FEATURE_EROFS_FILE,   /* "erofs-file": EROFS on a file without a loop device (6.12) */
	FEATURE_COUNT
};

/* True unless HULL_DISABLE names it; the kernel may still refuse. */
bool feature_wanted(enum feature feature);

#endif
