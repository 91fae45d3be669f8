/* SPDX-License-Identifier: Apache-2.0
 *
 * ingest.h - a layer into the store of which nothing is known before it ends
 */
#ifndef IMAGE_INGEST_H
#define IMAGE_INGEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "image/progress.h"
#include "image/unpack.h"
#include "store/store.h"

/* A range of a file that holds a blob; @fd is borrowed. @len UINT64_MAX: up to the end. */
struct blob {
	int fd;
	uint64_t at, len;
	bool seekable; /* else read from where the descriptor stands */
};

/* The next bytes of @blob, of which @done_bytes were read: at most BLOB_PIECE_BYTES, 0 at its end.
 */
#define BLOB_PIECE_BYTES ((size_t)(256 * KIB))
ssize_t blob_read(const struct blob *blob, uint64_t done_bytes, void *buf);

/* A layer whose digests its end tells: begin, feed it, finish. */
struct ingest {
	struct store *store;
	struct store_ingest *in;
	struct unpack *unpack;
	struct progress *progress;
};

/* Start the unpacker, with @max_ratio of struct unpack_job, on a new ingest. 0, or a negative errno
 * with nothing left to abort. */
int ingest_begin(struct ingest *i, struct store *s, unsigned max_ratio, struct progress *progress,
		 struct err *err);
/* The next bytes of the blob. 0 or a negative errno, with the reason of the unpacker. */
int ingest_feed(struct ingest *i, const void *buf, size_t len, struct err *err);
/* Whether it worked or not, nothing is left to abort. */
int ingest_finish(struct ingest *i, struct unpack_result *ret, struct err *err);
void ingest_abort(struct ingest *i);

/* Read all of @blob into the ingest. */
int ingest_feed_blob(struct ingest *i, const struct blob *blob, struct err *err);

#endif
