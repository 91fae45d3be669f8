/* SPDX-License-Identifier: Apache-2.0
 *
 * ingest.h - layers into the store, whatever they come from
 */
#ifndef IMAGE_INGEST_H
#define IMAGE_INGEST_H

#include <stdint.h>

#include "base/err.h"
#include "image/progress.h"
#include "image/unpack.h"
#include "spec/image.h"
#include "store/store.h"

/* A range of a file that holds a blob; @fd is borrowed. @len UINT64_MAX: up to the end. */
struct blob {
	int fd;
	uint64_t at, len;
	bool seekable; /* else read from where the descriptor stands */
};

/**
 * struct ingest_want - what is known of a layer before it is read
 * @blob:	what the manifest says of the blob; an empty digest: nothing
 * @diff_id:	what the config says of the archive in it
 * @keep_blob:	keep the blob, too
 * @max_ratio:	as in struct unpack_job
 */
struct ingest_want {
	const struct spec_descriptor *blob;
	const char *diff_id;
	bool keep_blob;
	unsigned max_ratio;
};

/**
 * ingest_layer() - Bring a layer whose digests are known
 * @s:		store
 * @blob:	where it is; seekable
 * @want:	what it must turn out to be
 * @progress:	told of every step
 * @err:	filled in on failure, may be NULL
 *
 * A layer that the store has is not read. What does not fit its digests is not kept.
 *
 * Return: 0 or a negative errno.
 */
int ingest_layer(struct store *s, const struct blob *blob, const struct ingest_want *want,
		 struct progress *progress, struct err *err);

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
