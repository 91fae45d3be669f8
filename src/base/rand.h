/* SPDX-License-Identifier: Apache-2.0
 *
 * rand.h - random identifiers from the kernel
 */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include <stddef.h>

/* Fill @buf; never fails on the kernels we support (getrandom(2) blocks only in early boot). */
void rand_bytes(void *buf, size_t len);

/* @hex_digits lower-case hexadecimal digits and a NUL into @buf. */
void rand_hex(char *buf, size_t hex_digits);

#endif
