/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack.h - a layer's blob, fed as it comes, into the files of an ingest
 *
 * Theory of operation. A blob is whatever a registry or an archive gives out: bytes from a
 * stranger that go through a decompressor and an archive reader. Both run in a child of their
 * own that has been jailed (jail.h); what it has are three descriptors: a pipe with the blob,
 * the two files of the ingest, and a pipe for its result.
 *
 *	this process:	receive -> digest of the blob -> pipe
 *	child:		pipe -> inflate -> tar -> EROFS, skeleton
 *	its 2nd thread:	digest of what inflate yields (the diff_id), through a ring of buffers
 *
 * The caller owns the source, so that it may be a file, a member of an archive, or a connection.
 */
#ifndef IMAGE_UNPACK_H
#define IMAGE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/macro.h"

#define UNPACK_DIGEST_BYTES 72 /* "sha256:" + 64 digits + NUL */
#define UNPACK_MAX_TAR_BYTES (1024 * GIB)
/* More output than this for a byte of input is a bomb, once it is more than a small layer. */
#define UNPACK_MAX_RATIO 200
#define UNPACK_FREE_BYTES (128 * MIB)

/* What a blob turned out to be. */
struct unpack_result {
	char digest[UNPACK_DIGEST_BYTES];  /* of the blob */
	char diff_id[UNPACK_DIGEST_BYTES]; /* of the archive in it */
	uint64_t blob_bytes, tar_bytes;
	uint64_t entries;
	int format; /* enum inflate_format */
};

/* A SHA-256 as a digest. */
void unpack_digest_text(const uint8_t sum[32], char ret[UNPACK_DIGEST_BYTES]);

struct unpack;

/**
 * struct unpack_job - what the child is to do
 * @layer_fd:	empty file for the EROFS image, borrowed
 * @skeleton_fd: empty file for the skeleton, borrowed. -1 for something that is no layer: it is
 *		only decompressed to @layer_fd, from its current offset
 * @max_ratio:	UNPACK_MAX_RATIO for this blob, or 0 for that
 * @nonblock:	it is fed by unpack_feed_some()
 */
struct unpack_job {
	int layer_fd, skeleton_fd;
	unsigned max_ratio;
	bool nonblock;
};

/**
 * unpack_start() - Start the child
 * @job:	what it is to do
 * @ret:	handle, ended by unpack_finish() or unpack_abort()
 * @err:	filled in on failure, may be NULL
 *
 * Must be called from a single-threaded process.
 *
 * Return: 0 or a negative errno.
 */
int unpack_start(const struct unpack_job *job, struct unpack **ret, struct err *err);

/**
 * unpack_feed() - The next bytes of the blob
 * @u:		handle
 * @buf:	bytes
 * @len:	their number
 * @err:	filled in on failure, may be NULL: with the child's reason, where it gave up
 *
 * Return: 0 or a negative errno.
 */
int unpack_feed(struct unpack *u, const void *buf, size_t len, struct err *err);

/*
 * The same without waiting: takes what the pipe has room for. Bytes taken, maybe 0, or a negative
 * errno. The descriptors say when there is room (POLLOUT) and, after the end, the result (POLLIN).
 */
ssize_t unpack_feed_some(struct unpack *u, const void *buf, size_t len, struct err *err);
int unpack_blob_fd(const struct unpack *u);
int unpack_result_fd(const struct unpack *u);

/* The blob has ended; the result may take a while. */
void unpack_end(struct unpack *u);

/* The blob has ended: wait for the result. @u is released on every way out. */
int unpack_finish(struct unpack *u, struct unpack_result *ret, struct err *err);

/* Give up; NULL allowed. */
void unpack_abort(struct unpack *u);

#endif
