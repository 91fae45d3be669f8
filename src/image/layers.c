/* SPDX-License-Identifier: Apache-2.0
 *
 * layers.c - all layers of an image into the store, two at a time
 */
#include "image/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "image/inflate.h"
#include "image/ingest.h"
#include "image/unpack.h"

#define AT_ONCE PROGRESS_BARS

/* A layer that is being unpacked; free while @layer is NULL. */
struct slot {
	struct layer *layer;
	struct store_ingest *in;
	struct unpack *unpack;
	struct blob blob; /* its descriptor is our own */
	struct progress progress;
	uint8_t *piece; /* BLOB_PIECE_BYTES, kept from one layer to the next */
	size_t piece_len, piece_at;
	uint64_t read_bytes;
	bool ended; /* all is fed: the result is awaited */
};

struct run {
	struct store *store;
	const struct layers_source *source;
	struct progress *progress;
	struct layer **waiting; /* largest first, each diff_id once */
	size_t waiting_len;
	struct slot slots[AT_ONCE];
	size_t busy;
};

/* ---- one layer ---- */

static int check_digests(const struct layer *layer, const char *diff_id, struct err *err)
{
	const struct spec_descriptor *want = layer->want;

	if (want && layer->blob_bytes != want->size_bytes)
		return err_setk(err, ERR_USAGE, EBADMSG,
				"the blob has %llu bytes, the manifest says %llu",
				(unsigned long long)layer->blob_bytes,
				(unsigned long long)want->size_bytes);
	if (want && strcmp(layer->digest, want->digest) != 0)
		return err_setk(err, ERR_USAGE, EBADMSG, "its digest is %s, the manifest says %s",
				layer->digest, want->digest);
	if (strcmp(diff_id, layer->diff_id) != 0)
		return err_setk(err, ERR_USAGE, EBADMSG, "its diff_id is %s, the config says %s",
				diff_id, layer->diff_id);

	return 0;
}

/* What was verified is copied as it is. */
static int copy_blob(const struct blob *blob, uint8_t *piece, int fd, struct err *err)
{
	uint64_t done_bytes = 0;

	while (done_bytes < blob->len) {
		ssize_t n = blob_read(blob, done_bytes, piece);
		int r = n > 0 ? fd_write_all(fd, piece, (size_t)n) : n < 0 ? (int)n : -EIO;

		if (r < 0)
			return err_wrap(err, r, "keeping the compressed layer");
		done_bytes += (uint64_t)n;
	}

	return 0;
}

/* Digest, length and format of a blob that is not unpacked. */
static int measure(struct layer *layer, const struct blob *blob, uint8_t *piece, struct err *err)
{
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	uint64_t done_bytes = 0;
	uint8_t sum[EVP_MAX_MD_SIZE];
	bool ok = sha && EVP_DigestInit_ex(sha, EVP_sha256(), NULL);
	ssize_t n = 0;

	while (ok && (n = blob_read(blob, done_bytes, piece)) > 0) {
		if (done_bytes == 0)
			layer->format = (int)inflate_detect(piece, (size_t)n);
		ok = EVP_DigestUpdate(sha, piece, (size_t)n);
		done_bytes += (uint64_t)n;
	}
	ok = ok && EVP_DigestFinal_ex(sha, sum, NULL);
	EVP_MD_CTX_free(sha);
	if (n < 0)
		return err_wrap(err, (int)n, "reading the layer");
	if (!ok)
		return err_set(err, EIO, "SHA-256 failed");
	layer->blob_bytes = done_bytes;
	unpack_digest_text(sum, layer->digest);

	return 0;
}

/* The store has it. Is this the blob that the manifest names, all the same? Is it to be kept? */
static int take_known(struct run *run, struct slot *slot, struct err *err)
{
	struct layer *layer = slot->layer;
	auto_close int fd = -1;
	int r;

	if (!layer->want && !run->source->keep_blobs)
		return 0;
	r = measure(layer, &slot->blob, slot->piece, err);
	if (r == 0)
		r = check_digests(layer, layer->diff_id, err);
	if (r < 0 || !run->source->keep_blobs || layer->format == INFLATE_NONE)
		return r;
	/* Without a digest in a manifest nothing says yet that this blob holds that layer. */
	if (!layer->want) {
		layer->digest[0] = '\0';
		return 0;
	}
	r = fd = store_layer_new_blob(run->store, err);
	if (r >= 0)
		r = copy_blob(&slot->blob, slot->piece, fd, err);

	return r < 0 ? r : store_layer_keep_blob(run->store, layer->diff_id, fd, err);
}

/* ---- slots ---- */

static void slot_clear(struct run *run, struct slot *slot)
{
	unpack_abort(slot->unpack);
	store_ingest_abort(slot->in);
	fd_close(slot->blob.fd);
	*slot = (struct slot){ .piece = slot->piece };
	run->busy--;
}

static int slot_end(struct run *run, struct slot *slot, int r, const char *what, struct err *err)
{
	if (r < 0)
		(void)err_wrap(err, r, "layer %s", slot->layer->diff_id);
	progress_end(&slot->progress, r < 0 ? NULL : what);
	slot_clear(run, slot);

	return r;
}

static int slot_open(struct run *run, struct slot *slot, struct layer *layer, struct err *err)
{
	int r;

	if (!slot->piece)
		slot->piece = mem_calloc(1, BLOB_PIECE_BYTES);
	slot->layer = layer;
	slot->blob.fd = -1;
	run->busy++;
	r = archive_find(run->source->archive, layer->name, &slot->blob, err);
	if (r < 0) {
		slot->blob.fd = -1;
		return r;
	}
	/* The archive's own is good for one file at a time. */
	slot->blob.fd = fcntl(slot->blob.fd, F_DUPFD_CLOEXEC, 3);

	return slot->blob.fd < 0 ? err_sys(err, "dup") : 0;
}

/* 1 when the layer must be tried again later. */
static int slot_start(struct run *run, struct slot *slot, struct layer *layer, struct err *err)
{
	unsigned flags = run->busy > 0 ? STORE_INGEST_NOWAIT : 0;
	struct unpack_job job = { .max_ratio = run->source->max_ratio, .nonblock = true };
	int r;

	r = store_ingest_begin(run->store, layer->diff_id, flags, &slot->in, err);
	if (r == -EAGAIN)
		return 1;
	if (r < 0)
		return err_wrap(err, r, "layer %s", layer->diff_id);
	r = slot_open(run, slot, layer, err);
	slot->progress = progress_beside(run->progress);
	progress_begin(&slot->progress, layer->diff_id, slot->blob.len);
	if (r < 0)
		return slot_end(run, slot, r, NULL, err);
	if (!slot->in)
		return slot_end(run, slot, take_known(run, slot, err), "exists already", err);
	job.layer_fd = store_ingest_layer_fd(slot->in);
	job.skeleton_fd = store_ingest_skeleton_fd(slot->in);
	(void)posix_fadvise(slot->blob.fd, (off_t)slot->blob.at, (off_t)slot->blob.len,
			    POSIX_FADV_SEQUENTIAL);
	r = unpack_start(&job, &slot->unpack, err);

	return r < 0 ? slot_end(run, slot, r, NULL, err) : 0;
}

/* The pipe has room. */
static int slot_feed(struct slot *slot, struct err *err)
{
	ssize_t n;

	if (slot->piece_at == slot->piece_len) {
		n = blob_read(&slot->blob, slot->read_bytes, slot->piece);
		if (n < 0)
			return err_wrap(err, (int)n, "reading the layer");
		if (n == 0 && slot->read_bytes < slot->blob.len)
			return err_setk(err, ERR_USAGE, EBADMSG, "the file is truncated");
		slot->ended = n == 0;
		if (slot->ended) {
			unpack_end(slot->unpack);
			return 0;
		}
		slot->read_bytes += (uint64_t)n;
		slot->piece_len = (size_t)n;
		slot->piece_at = 0;
	}
	n = unpack_feed_some(slot->unpack, slot->piece + slot->piece_at,
			     slot->piece_len - slot->piece_at, err);
	if (n < 0)
		return (int)n;
	slot->piece_at += (size_t)n;
	progress_add(&slot->progress, (uint64_t)n);

	return 0;
}

/* The result is there. */
static int slot_finish(struct run *run, struct slot *slot, struct err *err)
{
	struct layer *layer = slot->layer;
	struct unpack_result got;
	int fd, r = unpack_finish(take_ptr(slot->unpack), &got, err);

	if (r < 0)
		return r;
	memcpy(layer->digest, got.digest, sizeof(layer->digest));
	layer->blob_bytes = got.blob_bytes;
	layer->format = got.format;
	r = check_digests(layer, got.diff_id, err);
	if (r == 0 && run->source->keep_blobs && got.format != INFLATE_NONE) {
		r = fd = store_ingest_keep_blob(slot->in, err);
		if (r >= 0)
			r = copy_blob(&slot->blob, slot->piece, fd, err);
	}

	return r < 0 ? r : store_ingest_commit(take_ptr(slot->in), got.tar_bytes, err);
}

/* ---- all ---- */

/* Start what may start. Those that another process has come last. */
static int start_some(struct run *run, struct err *err)
{
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct slot *slot = &run->slots[i];

		for (size_t w = 0; !slot->layer && w < run->waiting_len;) {
			int r = slot_start(run, slot, run->waiting[w], err);

			if (r < 0)
				return r;
			if (r > 0) {
				w++;
				continue;
			}
			run->waiting_len--;
			memmove(&run->waiting[w], &run->waiting[w + 1],
				(run->waiting_len - w) * sizeof(*run->waiting));
		}
	}

	return 0;
}

static int step(struct run *run, struct err *err)
{
	struct pollfd fds[AT_ONCE];

	for (size_t i = 0; i < AT_ONCE; i++) {
		const struct slot *slot = &run->slots[i];

		fds[i] = (struct pollfd){ .fd = -1 };
		if (slot->layer && slot->ended)
			fds[i] = (struct pollfd){ unpack_result_fd(slot->unpack), POLLIN, 0 };
		else if (slot->layer)
			fds[i] = (struct pollfd){ unpack_blob_fd(slot->unpack), POLLOUT, 0 };
	}
	if (poll(fds, AT_ONCE, -1) < 0)
		return errno == EINTR ? 0 : err_sys(err, "waiting for the unpacker");
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct slot *slot = &run->slots[i];
		bool finish = slot->ended;
		int r;

		if (fds[i].fd < 0 || fds[i].revents == 0)
			continue;
		r = finish ? slot_finish(run, slot, err) : slot_feed(slot, err);
		if (finish || r < 0)
			r = slot_end(run, slot, r, "done", err);
		if (r < 0)
			return r;
	}

	return 0;
}

/* Largest first. */
static int by_length(const void *a, const void *b)
{
	uint64_t x = (*(struct layer *const *)a)->blob_bytes;
	uint64_t y = (*(struct layer *const *)b)->blob_bytes;

	return x < y ? 1 : x > y ? -1 : 0;
}

static bool is_same(const struct layer *a, const struct layer *b)
{
	return strcmp(a->diff_id, b->diff_id) == 0 &&
	       (!a->want || strcmp(a->want->digest, b->want->digest) == 0);
}

/* Each once: an image may have the same layer twice. */
static int queue(struct run *run, struct layer *layers, size_t layers_len, struct err *err)
{
	for (size_t i = 0; i < layers_len; i++) {
		size_t earlier = 0;
		struct blob blob;
		int r = archive_find(run->source->archive, layers[i].name, &blob, err);

		if (r < 0)
			return err_wrap(err, r, "layer %s", layers[i].diff_id);
		layers[i].blob_bytes = blob.len;
		while (!is_same(&layers[earlier], &layers[i]))
			earlier++;
		if (earlier == i)
			run->waiting[run->waiting_len++] = &layers[i];
	}
	qsort(run->waiting, run->waiting_len, sizeof(*run->waiting), by_length);

	return 0;
}

int layers_ingest(struct store *s, const struct layers_source *source, struct layer *layers,
		  size_t layers_len, struct progress *progress, struct err *err)
{
	auto_free struct layer **waiting = mem_calloc(layers_len + 1, sizeof(*waiting));
	struct run run = { .store = s, .source = source, .progress = progress, .waiting = waiting };
	int r = queue(&run, layers, layers_len, err);

	while (r == 0) {
		r = start_some(&run, err);
		if (r < 0 || run.busy == 0)
			break;
		r = step(&run, err);
	}
	for (size_t i = 0; i < AT_ONCE; i++) {
		if (run.slots[i].layer)
			(void)slot_end(&run, &run.slots[i], -ECANCELED, NULL, NULL);
		free(run.slots[i].piece);
	}

	return r;
}
