/* SPDX-License-Identifier: Apache-2.0
 *
 * ingest.c - layers into the store, whatever they come from
 */
#include "image/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/inflate.h"

#define PIECE_BYTES ((size_t)(256 * KIB))

static ssize_t read_piece(const struct blob *blob, uint64_t done_bytes, void *buf)
{
	size_t want = (size_t)MIN((uint64_t)PIECE_BYTES, blob->len - done_bytes);
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
	auto_free void *buf = malloc(PIECE_BYTES);
	uint64_t done_bytes = 0;

	if (!buf)
		return err_set(err, ENOMEM, "out of memory");
	if (blob->seekable)
		(void)posix_fadvise(blob->fd, (off_t)blob->at,
				    blob->len > INT64_MAX ? 0 : (off_t)blob->len,
				    POSIX_FADV_SEQUENTIAL);
	for (;;) {
		ssize_t n = read_piece(blob, done_bytes, buf);
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

static int check_blob_digest(const struct unpack_result *got, const struct spec_descriptor *want,
			     struct err *err)
{
	if (want->digest[0] && got->blob_bytes != want->size_bytes)
		return err_setk(
			err, ERR_USAGE, EBADMSG, "the blob has %llu bytes, the manifest says %llu",
			(unsigned long long)got->blob_bytes, (unsigned long long)want->size_bytes);
	if (want->digest[0] && strcmp(got->digest, want->digest) != 0)
		return err_setk(err, ERR_USAGE, EBADMSG, "its digest is %s, the manifest says %s",
				got->digest, want->digest);

	return 0;
}

static int check_digests(const struct unpack_result *got, const struct spec_descriptor *want,
			 const char *diff_id, struct err *err)
{
	int r = check_blob_digest(got, want, err);

	if (r < 0)
		return r;
	if (strcmp(got->diff_id, diff_id) != 0)
		return err_setk(err, ERR_USAGE, EBADMSG, "its diff_id is %s, the config says %s",
				got->diff_id, diff_id);

	return 0;
}

/* The store has the layer: is this the blob that the manifest names, all the same? */
static int check_blob(const struct blob *blob, const struct spec_descriptor *want, struct err *err)
{
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	auto_free void *buf = malloc(PIECE_BYTES);
	struct unpack_result got = { 0 };
	unsigned char sum[EVP_MAX_MD_SIZE];
	bool ok = sha && buf && EVP_DigestInit_ex(sha, EVP_sha256(), NULL);
	ssize_t n = 0;

	while (ok && (n = read_piece(blob, got.blob_bytes, buf)) > 0) {
		ok = EVP_DigestUpdate(sha, buf, (size_t)n);
		got.blob_bytes += (uint64_t)n;
	}
	ok = ok && EVP_DigestFinal_ex(sha, sum, NULL);
	EVP_MD_CTX_free(sha);
	if (n < 0)
		return err_wrap(err, (int)n, "reading the layer");
	if (!ok)
		return err_set(err, EIO, "SHA-256 failed");
	unpack_digest_text(sum, got.digest);

	return check_blob_digest(&got, want, err);
}

static struct unpack_job job_of(struct store_ingest *in, unsigned max_ratio)
{
	return (struct unpack_job){ store_ingest_layer_fd(in), store_ingest_skeleton_fd(in),
				    max_ratio };
}

/* Into the files of an ingest that was begun; the caller commits it. */
static int unpack_blob(struct unpack_job job, const struct blob *blob, struct progress *progress,
		       struct unpack_result *ret, struct err *err)
{
	struct unpack *u;
	int r = unpack_start(&job, &u, err);

	if (r < 0)
		return r;
	r = feed_blob(u, blob, progress, err);
	if (r < 0) {
		unpack_abort(u);
		return r;
	}

	return unpack_finish(u, ret, err);
}

/* What was verified while it was unpacked is copied as it is. */
static int keep_blob(struct store_ingest *in, const struct blob *blob, struct err *err)
{
	auto_free void *buf = malloc(PIECE_BYTES);
	int fd = store_ingest_keep_blob(in, err);
	uint64_t done_bytes = 0;

	if (fd < 0)
		return fd;
	if (!buf)
		return err_set(err, ENOMEM, "out of memory");
	while (done_bytes < blob->len) {
		ssize_t n = read_piece(blob, done_bytes, buf);
		int r = n > 0 ? fd_write_all(fd, buf, (size_t)n) : n < 0 ? (int)n : -EIO;

		if (r < 0)
			return err_wrap(err, r, "keeping the compressed layer");
		done_bytes += (uint64_t)n;
	}

	return 0;
}

static int ingest_new(struct store_ingest *in, const struct blob *blob,
		      const struct ingest_want *want, struct progress *progress, struct err *err)
{
	struct unpack_result got;
	int r = unpack_blob(job_of(in, want->max_ratio), blob, progress, &got, err);

	if (r == 0)
		r = check_digests(&got, want->blob, want->diff_id, err);
	if (r == 0 && want->keep_blob && got.format != INFLATE_NONE)
		r = keep_blob(in, blob, err);
	if (r < 0) {
		store_ingest_abort(in);
		return r;
	}

	return store_ingest_commit(in, got.tar_bytes, err);
}

int ingest_layer(struct store *s, const struct blob *blob, const struct ingest_want *want,
		 struct progress *progress, struct err *err)
{
	struct store_ingest *in;
	int r = store_ingest_begin(s, want->diff_id, &in, err);

	if (r < 0)
		return r;
	progress_begin(progress, want->diff_id, blob->len > INT64_MAX ? 0 : blob->len);
	if (in)
		r = ingest_new(in, blob, want, progress, err);
	else if (want->blob->digest[0])
		r = check_blob(blob, want->blob, err);
	progress_end(progress, r < 0 ? NULL : in ? "done" : "exists already");

	return r < 0 ? err_wrap(err, r, "layer %s", want->diff_id) : 0;
}

int ingest_begin(struct ingest *i, struct store *s, unsigned max_ratio, struct progress *progress,
		 struct err *err)
{
	struct unpack_job job;
	int r;

	*i = (struct ingest){ .store = s, .progress = progress };
	r = store_ingest_begin(s, NULL, &i->in, err);
	if (r < 0)
		return r;
	job = job_of(i->in, max_ratio);
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
