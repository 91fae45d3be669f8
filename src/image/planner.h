/* SPDX-License-Identifier: Apache-2.0
 *
 * planner.h - from the bytes of a layer's archive to an EROFS file and a skeleton
 *
 * Reads members, keeps the tree of names, writes inodes and data as they come. Pure but for
 * writing to the two descriptors: it opens nothing, and runs in the jail of unpack.c.
 */
#ifndef IMAGE_PLANNER_H
#define IMAGE_PLANNER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macro.h"

/* What a layer may be at most; the numbers of a layer that was unpacked. */
#define PLANNER_MAX_ENTRIES 2000000ULL
#define PLANNER_MAX_FILE_BYTES (1024 * GIB) /* of the EROFS file */

struct planner;

/**
 * planner_new() - Begin a layer
 * @layer_fd:	empty file for the EROFS image, borrowed
 * @skeleton_fd: empty file for the skeleton, borrowed
 * @seed:	random bytes, for the table of names; they do not show in the result
 * @err:	filled in on failure, may be NULL
 *
 * Return: the planner, released by planner_free(), or NULL.
 */
struct planner *planner_new(int layer_fd, int skeleton_fd, const uint8_t seed[16], struct err *err);
void planner_free(struct planner *p);
DEFINE_AUTO_PTR(planner)

/* The next bytes of the uncompressed archive. 0 or a negative errno with the reason. */
int planner_feed(struct planner *p, const void *buf, size_t len, struct err *err);

/* The archive has ended: write what is left. */
int planner_finish(struct planner *p, struct err *err);

/* Members of the archive so far. */
uint64_t planner_entries(const struct planner *p);

#endif
