/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs_sink.h - a file that grows at its end, with gaps that are filled in later
 *
 * Written in large aligned pieces, past the page cache where the filesystem lets us: a layer is
 * read only when a container first needs it, and waiting for the cache to be written back is
 * what makes a durable import slow.
 */
#ifndef IMAGE_EROFS_SINK_H
#define IMAGE_EROFS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macro.h"

#define SINK_PIECE_BYTES (1 * MIB)

/* All members are the sink's own. */
struct erofs_sink {
	int fd;
	bool direct;	   /* O_DIRECT is on */
	uint8_t *piece;	   /* SINK_PIECE_BYTES, aligned to a block */
	uint64_t piece_at; /* its offset in the file */
	size_t piece_used;
	uint64_t max_bytes;
};

/**
 * erofs_sink_init() - Start writing at the beginning of an empty file
 * @s:		sink, to be released by erofs_sink_done()
 * @fd:		borrowed
 * @max_bytes:	the file may not grow beyond this
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or -ENOMEM.
 */
int erofs_sink_init(struct erofs_sink *s, int fd, uint64_t max_bytes, struct err *err);
void erofs_sink_done(struct erofs_sink *s);

/* Where the next byte goes. */
static inline uint64_t erofs_sink_at(const struct erofs_sink *s)
{
	return s->piece_at + s->piece_used;
}

/* Append; @buf NULL appends zeroes. 0, -EFBIG beyond @max_bytes, or a negative errno. */
int erofs_sink_add(struct erofs_sink *s, const void *buf, uint64_t len, struct err *err);

/* Append zeroes up to a multiple of a block. */
int erofs_sink_pad(struct erofs_sink *s, struct err *err);

/**
 * erofs_sink_put() - Overwrite what was appended before
 * @s:		sink
 * @at:		offset, a multiple of a block
 * @buf:	aligned to a block, as from erofs_sink_alloc()
 * @len:	a multiple of a block
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int erofs_sink_put(struct erofs_sink *s, uint64_t at, const void *buf, size_t len, struct err *err);

/* Overwrite any few bytes; for the rare correction. Call erofs_sink_flush() first. */
int erofs_sink_patch(struct erofs_sink *s, uint64_t at, const void *buf, size_t len,
		     struct err *err);

/* Write what is still in memory. The file's length must be a multiple of a block by then. */
int erofs_sink_flush(struct erofs_sink *s, struct err *err);

/* Zeroed memory that is aligned to a block; @len is a multiple of one. NULL without memory. */
void *erofs_sink_alloc(size_t len);

#endif
