/* SPDX-License-Identifier: Apache-2.0
 *
 * loads.c - what code calls that is compiled with -fsanitize-coverage=trace-loads, for programs
 * that do not care about loads; see virtio.c for one that does
 */

/* NOLINTBEGIN(bugprone-reserved-identifier): the names are the compiler's */
#define IGNORE_LOAD(bytes)                                                      \
	__attribute__((weak)) void __sanitizer_cov_load##bytes(const void *at); \
	__attribute__((weak)) void __sanitizer_cov_load##bytes(const void *at)  \
	{                                                                       \
		(void)at;                                                       \
	}
IGNORE_LOAD(1)
IGNORE_LOAD(2)
IGNORE_LOAD(4)
IGNORE_LOAD(8)
IGNORE_LOAD(16)
/* NOLINTEND(bugprone-reserved-identifier) */
