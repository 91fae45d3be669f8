/* SPDX-License-Identifier: Apache-2.0
 *
 * ingest.c - a layer into the store of which nothing is known before it ends
 */
#include "image/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

ssize_t blob_read(const struct blob *blob, uint64_t done_bytes, void *buf)
{
	size_t want = (size_t)MIN((uint64_t)BLOB_PIECE_BYTES, blob->len - done_bytes);
	ssize_t n;

	do {
		n = blob->seekable ? pread(blob->fd, buf, want, (off_t)(blob->at + done_bytes))
				   : read(blob->fd, buf, want);
	} while (n < 0 && errno == EINTR);

	return n < 0 ? -errno : n;
}

static int feed_blob(struct unpack *u, const struct blob *blob, struct progress *progress,
		     struct err *err)
{
	auto_free void *buf = malloc(BLOB_PIECE_BYTES);
	uint64_t done_bytes = 0;

	if (!buf)
		return err_set(err, ENOMEM, "out of memory");
	if (blob->seekable)
		(void)posix_fadvise(blob->fd, (off_t)blob->at,
				    blob->len > INT64_MAX ? 0 : (off_t)blob->len,
				    POSIX_FADV_SEQUENTIAL);
	for (;;) {
		ssize_t n = blob_read(blob, done_bytes, buf);
		int r;

		if (n < 0)
			return err_wrap(err, (int)n, "reading the layer");
		if (n == 0)
			break;
		done_bytes += (uint64_t)n;
		progress_add(progress, (uint64_t)n);
		r = unpack_feed(u, buf, (size_t)n, err);
		if (r < 0)
			return r;
	}
	if (blob->len <= INT64_MAX && done_bytes < blob->len)
		return err_setk(err, ERR_USAGE, EBADMSG, "the file is truncated");

	return 0;
}

int ingest_begin(struct ingest *i, struct store *s, unsigned max_ratio, struct progress *progress,
		 struct err *err)
{
	struct unpack_job job;
	int r;

	*i = (struct ingest){ .store = s, .progress = progress };
	r = store_ingest_begin(s, NULL, 0, &i->in, err);
	if (r < 0)
		return r;
	job = (struct unpack_job){ store_ingest_layer_fd(i->in), store_ingest_skeleton_fd(i->in),
				   max_ratio, false };
	r = unpack_start(&job, &i->unpack, err);
	if (r < 0)
		ingest_abort(i);

	return r;
}

int ingest_feed(struct ingest *i, const void *buf, size_t len, struct err *err)
{
	progress_add(i->progress, len);

	return unpack_feed(i->unpack, buf, len, err);
}

int ingest_feed_blob(struct ingest *i, const struct blob *blob, struct err *err)
{
	return feed_blob(i->unpack, blob, i->progress, err);
}

void ingest_abort(struct ingest *i)
{
	unpack_abort(i->unpack);
	store_ingest_abort(i->in);
	i->unpack = NULL;
	i->in = NULL;
}

int ingest_finish(struct ingest *i, struct unpack_result *ret, struct err *err)
{
	bool known;
	int r = unpack_finish(take_ptr(i->unpack), ret, err);

	if (r == 0)
		r = store_ingest_name(i->in, ret->diff_id, &known, err);
	if (r < 0 || known) {
		ingest_abort(i);
		return r;
	}

	return store_ingest_commit(take_ptr(i->in), ret->tar_bytes, err);
}
