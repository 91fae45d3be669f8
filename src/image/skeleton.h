/* SPDX-License-Identifier: Apache-2.0
 *
 * skeleton.h - what a layer's archive holds beside the data of its files
 *
 * With it and the layer's EROFS file the archive is rebuilt byte for byte, so that no layer is
 * kept twice. A skeleton is a zstd stream of records: bytes of the archive as they were, then
 * where in the EROFS file the bytes that follow them are.
 */
#ifndef IMAGE_SKELETON_H
#define IMAGE_SKELETON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/tar.h"

struct skeleton;

/* Writes to @fd (borrowed) from its current offset. NULL without memory. */
struct skeleton *skeleton_new(int fd, struct err *err);
void skeleton_free(struct skeleton *sk);
DEFINE_AUTO_PTR(skeleton)

/* The next bytes of the archive; or: they are at @at in the layer file. 0 or a negative errno. */
int skeleton_raw(struct skeleton *sk, const void *buf, size_t len, struct err *err);
int skeleton_data(struct skeleton *sk, uint64_t at, uint64_t len, struct err *err);

/* The end of the archive: everything is written. */
int skeleton_finish(struct skeleton *sk, struct err *err);

/**
 * skeleton_rebuild() - Write the archive that a layer came from
 * @skeleton_fd: skeleton, borrowed; its offset is not used
 * @layer_fd:	its EROFS file, borrowed
 * @write:	receives the archive in order
 * @ctx:	first argument of @write
 * @err:	filled in on failure, may be NULL
 *
 * Whoever needs to be sure compares the digest of what was written.
 *
 * Return: 0, -EBADMSG for a damaged skeleton, or another negative errno.
 */
int skeleton_rebuild(int skeleton_fd, int layer_fd, tar_write_fn *write, void *ctx,
		     struct err *err);

/**
 * skeleton_walk() - Read the archive's members, and the data of those that are wanted
 * @skeleton_fd: skeleton, borrowed; its offset is not used
 * @layer_fd:	its EROFS file, borrowed; -1 when nothing will be wanted
 * @wanted:	looked at where a file's data begins: the reader's entry callback can set it; NULL:
 *		nothing is
 * @reader:	fed with the archive; its data and end callbacks are not called for files that are
 *		not wanted
 * @err:	filled in on failure, may be NULL
 *
 * Return: as above, or what the reader answered.
 */
int skeleton_walk(int skeleton_fd, int layer_fd, const bool *wanted, struct tar_reader *reader,
		  struct err *err);

#endif
