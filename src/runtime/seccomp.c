/* SPDX-License-Identifier: Apache-2.0
 *
 * seccomp.c - the filter a workload gets: none, the default, or its user's profile
 */
#include "runtime/seccomp.h"

#include <errno.h>

int runtime_seccomp(const struct spec_sandbox *spec, struct seccomp_filter *ret, bool *ret_confined,
		    struct err *err)
{
	int r = -EINVAL;

	*ret_confined = false;
	if (spec->privileged)
		return 0;
	switch (spec->seccomp) {
	case SPEC_SECCOMP_UNCONFINED:
		return 0;
	case SPEC_SECCOMP_DEFAULT:
		r = seccomp_default(spec->process.caps, ret, err);
		break;
	case SPEC_SECCOMP_PROFILE:
		r = runtime_seccomp_profile(spec->seccomp_profile, spec->process.caps, ret, err);
		break;
	}
	*ret_confined = r == 0;

	return r;
}
