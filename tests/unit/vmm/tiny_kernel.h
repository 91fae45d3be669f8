/* SPDX-License-Identifier: Apache-2.0
 *
 * tiny_kernel.h - a kernel of a few bytes, which every KVM can run
 */
#ifndef TESTS_VMM_TINY_KERNEL_H
#define TESTS_VMM_TINY_KERNEL_H

#include <stddef.h>

#define TINY_KERNEL_MAX_BYTES 64

/* An ELF file with a PVH note whose 32-bit code is @text, at 1 MiB. A descriptor, the caller's. */
int tiny_kernel(const void *text, size_t len);

#endif
