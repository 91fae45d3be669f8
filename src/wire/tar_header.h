/* SPDX-License-Identifier: Apache-2.0
 *
 * tar_header.h - the 512-byte header block and its number fields; for tar_*.c only
 */
#ifndef WIRE_TAR_HEADER_H
#define WIRE_TAR_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/tar.h"

/* One entry of the sparse map of the old GNU form. */
struct tar_header_segment {
	char offset[12], len[12];
};

#define TAR_GNU_SEGMENTS 4	 /* in the header itself */
#define TAR_GNU_MORE_SEGMENTS 21 /* in each block that follows it */

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
	char type;
	char link[100], magic[6], version[2], uname[32], gname[32], dev_major[8], dev_minor[8];
	union {
		char prefix[155]; /* POSIX */
		struct {
			char prefix[131], times[24];
		} star;
		struct {
			char times[24], offset[12], longnames[4], unused;
			struct tar_header_segment segments[TAR_GNU_SEGMENTS];
			char is_extended;
			char real_size[12];
		} gnu;
	};
	char unused[8];
	char star_magic[4];
};

struct tar_header_more {
	struct tar_header_segment segments[TAR_GNU_MORE_SEGMENTS];
	char is_extended;
	char unused[7];
};

_Static_assert(sizeof(struct tar_header) == TAR_BLOCK_BYTES, "a header is one block");
_Static_assert(sizeof(struct tar_header_more) == TAR_BLOCK_BYTES, "so is a sparse extension");

enum tar_dialect {
	TAR_V7,
	TAR_POSIX,
	TAR_STAR,
	TAR_GNU,
};

enum tar_dialect tar_header_dialect(const struct tar_header *h);

/* True when the checksum field holds the sum of the bytes, signed or unsigned. */
bool tar_header_sum_ok(const struct tar_header *h);
/* Fill in the checksum field. */
void tar_header_set_sum(struct tar_header *h);

/* Octal digits within spaces and NULs, or GNU's base-256. An empty field is 0. 0 or -EINVAL. */
int tar_header_number(const char *field, size_t len, int64_t *ret_value);

/* As octal digits and a NUL; false when @value needs more room. */
bool tar_header_set_number(char *field, size_t len, uint64_t value);

/* The text of a field that a NUL ends if it is shorter than the field. */
struct slice tar_header_text(const char *field, size_t len);

#endif
