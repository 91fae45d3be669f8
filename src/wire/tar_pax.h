/* SPDX-License-Identifier: Apache-2.0
 *
 * tar_pax.h - pax extended headers; for tar_*.c only
 */
#ifndef WIRE_TAR_PAX_H
#define WIRE_TAR_PAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/tar.h"

/* A sparse map as it grows. */
struct tar_map {
	struct tar_segment *segments;
	size_t len, room;
	uint64_t stored_bytes; /* sum of the lengths */
	uint64_t end_bytes;    /* end of the last segment */
};

/* Append; refuses segments that go back. Empty ones are dropped. 0, -EBADMSG, -E2BIG, -ENOMEM. */
int tar_map_add(struct tar_map *map, uint64_t offset_bytes, uint64_t len_bytes, struct err *err);
void tar_map_done(struct tar_map *map);

enum tar_pax_has {
	TAR_PAX_UID = 1 << 0,
	TAR_PAX_GID = 1 << 1,
	TAR_PAX_SIZE = 1 << 2,
	TAR_PAX_MTIME = 1 << 3,
	TAR_PAX_REAL_SIZE = 1 << 4,   /* a GNU sparse file of any version */
	TAR_PAX_MAP_IN_DATA = 1 << 5, /* GNU sparse 1.0 */
};

/**
 * struct tar_pax - what the pax header before a member says about it
 * @has:	enum tar_pax_has: which numbers are set
 * @path:	slices point into the text that was parsed; NULL start: absent
 * @sparse_name: true name of a GNU sparse file
 * @size_bytes:	stored size
 * @real_size_bytes: size of a GNU sparse file once unpacked
 * @map:	GNU sparse 0.0 and 0.1
 */
struct tar_pax {
	unsigned has;
	struct slice path, link, uname, gname, sparse_name;
	uint32_t uid, gid;
	uint64_t size_bytes, real_size_bytes;
	int64_t mtime_s;
	uint32_t mtime_ns;
	struct tar_map map;
	uint64_t pending_offset_bytes;
	bool offset_pending, map_given;
	struct tar_xattr *xattrs;
	size_t xattrs_len;
};

/* Zero is the empty state. */
void tar_pax_done(struct tar_pax *pax);

/**
 * tar_pax_parse() - Read the records of one pax header
 * @pax:	empty; filled in, and to be released also after a failure
 * @text:	the header's data, which must live as long as @pax is used
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -EBADMSG, -E2BIG or -ENOMEM.
 */
int tar_pax_parse(struct tar_pax *pax, struct slice text, struct err *err);

#endif
