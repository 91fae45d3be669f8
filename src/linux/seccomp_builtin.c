/* SPDX-License-Identifier: Apache-2.0
 *
 * seccomp_builtin.c - default filters compiled with this program (tools/gen-seccomp.c)
 */
#include "base/macro.h"
#include "linux/seccomp_filter.h"

/* Defines BUILTIN_0[] ..., and BUILTINS[] with the capabilities each one is for. */
#include "linux/seccomp_builtin.inc"

int seccomp_default(uint64_t caps, struct seccomp_filter *ret, struct err *err)
{
	caps &= BUILTIN_CAPS;
	for (size_t i = 0; i < ARRAY_SIZE(BUILTINS); i++) {
		if (BUILTINS[i].caps != caps)
			continue;
		*ret = (struct seccomp_filter){ BUILTINS[i].insns, BUILTINS[i].len, false };
		return 0;
	}

	return seccomp_default_compile(caps, ret, err);
}
