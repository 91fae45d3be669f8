/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack_child.h - the jailed half of unpack.c
 */
#ifndef IMAGE_UNPACK_CHILD_H
#define IMAGE_UNPACK_CHILD_H

#include <stdint.h>

#include "base/err.h"
#include "base/macro.h"

/* What the child writes to its result pipe, once. The parent believes none of it unchecked. */
struct unpack_report {
	struct err err; /* code 0: it worked */
	uint8_t diff_sum[32];
	uint64_t tar_bytes, entries;
	int32_t format;
};

/* Descriptors that the child was given. Without a skeleton the blob is only decompressed. */
struct unpack_fds {
	int blob, layer, skeleton, report;
};

/* Jail oneself, unpack, report, exit. @seed comes from outside, where random bytes are to be had.
 */
void unpack_child(const struct unpack_fds *fds, unsigned max_ratio,
		  const uint8_t seed[16]) NORETURN;

#endif
