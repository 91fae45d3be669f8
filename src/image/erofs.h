/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs.h - one uncompressed EROFS file, written in one pass while its content arrives
 *
 * Data goes to the end of the file as it comes. Inodes, with the ends of short files behind
 * them, are gathered in segments of 64 KiB that lie between the data. Folders are written last,
 * when all names are known, then the superblock, so that a file that was cut off is no
 * filesystem. The first block holds the superblock and the root's inode alone.
 *
 * Files of 16 KiB and more are kept in whole blocks, so that nearly all of the content can be
 * mapped directly (DAX). Sparse files have a map of chunks, in which holes take no room.
 *
 * The same calls give the same bytes.
 */
#ifndef IMAGE_EROFS_H
#define IMAGE_EROFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "image/tree.h"

struct erofs;

/**
 * typedef erofs_placed_fn - learns where data of a file is
 * @ctx:	of erofs_new()
 * @at:		offset in the EROFS file
 * @len:	bytes there
 * @err:	filled in on failure, may be NULL
 *
 * Called in the order of the data, for all of a file by the end of erofs_file_end().
 */
typedef int erofs_placed_fn(void *ctx, uint64_t at, uint64_t len, struct err *err);

/**
 * erofs_new() - Begin a filesystem
 * @fd:		empty file, open for reading and writing; borrowed
 * @max_bytes:	it may not grow beyond this
 * @placed:	callback, or NULL
 * @ctx:	its first argument
 * @err:	filled in on failure, may be NULL
 *
 * Return: the writer, released by erofs_free(), or NULL without memory.
 */
struct erofs *erofs_new(int fd, uint64_t max_bytes, erofs_placed_fn *placed, void *ctx,
			struct err *err);
void erofs_free(struct erofs *e);
DEFINE_AUTO_PTR(erofs)

/*
 * A regular file: begin, its stored bytes in ascending order, end. @sparse when some will be
 * left out. All return 0, -EFBIG beyond @max_bytes, -E2BIG for more metadata than an inode can
 * hold, -ENOMEM, or what writing answered.
 */
int erofs_file_begin(struct erofs *e, const struct tree_attr *attr, uint64_t size_bytes,
		     bool sparse, struct err *err);
int erofs_file_data(struct erofs *e, uint64_t offset_bytes, const void *buf, size_t len,
		    struct err *err);
int erofs_file_end(struct erofs *e, uint64_t *ret_nid, struct err *err);

/* A symbolic link; at most EROFS_MAX_LINK_BYTES. */
#define EROFS_MAX_LINK_BYTES 4095
int erofs_symlink(struct erofs *e, const struct tree_attr *attr, const char *target,
		  uint64_t *ret_nid, struct err *err);

/* A device, fifo or socket, as the type in @attr->mode says. */
int erofs_special(struct erofs *e, const struct tree_attr *attr, uint32_t dev_major,
		  uint32_t dev_minor, uint64_t *ret_nid, struct err *err);

/**
 * erofs_finish() - Write folders, whiteouts, link counts and the superblock
 * @e:		writer; only erofs_free() may follow
 * @tree:	names of all inodes that were written
 * @err:	filled in on failure, may be NULL
 *
 * A whiteout, or a hard link to a file of a layer below, becomes a character device 0:0, an opaque
 * folder has trusted.overlay.opaque: what overlayfs wants to see in a lower layer.
 *
 * Return: as above.
 */
int erofs_finish(struct erofs *e, struct tree *tree, struct err *err);

/* What a layer's file cannot say of itself alone. */
enum erofs_traits {
	EROFS_HIDES_ALL = 1 << 0,    /* its root is opaque, where overlayfs does not look */
	EROFS_IMPLIES = 1 << 1,	     /* a folder other than the root has no member of its own */
	EROFS_LINKS_BELOW = 1 << 2,  /* a hard link to a file of a layer below is a whiteout */
	EROFS_IMPLIES_ROOT = 1 << 3, /* the root has no member of its own */
	EROFS_SETS_ROOT = 1 << 4,    /* the root's member says what no layer would make up */
};

/**
 * erofs_get_traits() - What is to be known of a layer before others lie below it
 * @fd:		file that erofs_finish() wrote, borrowed
 * @err:	filled in on failure, may be NULL
 *
 * The volume's label holds it.
 *
 * Return: enum erofs_traits; -EUCLEAN for a file that is none of ours, or another negative errno.
 */
int erofs_get_traits(int fd, struct err *err);

#endif
