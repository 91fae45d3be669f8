/* SPDX-License-Identifier: Apache-2.0
 *
 * verify.c - are the layers of the store still what their digests say?
 */
#include "image/verify.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "image/skeleton.h"
#include "image/unpack.h"
#include "store/store.h"

#define COMPARE_BYTES (1 * MIB)

static int feed(void *ctx, const void *buf, size_t len, struct err *err)
{
	return unpack_feed(ctx, buf, len, err);
}

/* From the files of a layer to those of a new one; the archive in between is not kept. */
static int remake(int skeleton_fd, int layer_fd, int new_layer_fd, int new_skeleton_fd,
		  struct unpack_result *ret, struct err *err)
{
	struct unpack *u;
	int r;

	r = unpack_start(&(struct unpack_job){ new_layer_fd, new_skeleton_fd, 0, false }, &u, err);
	if (r < 0)
		return r;
	r = skeleton_rebuild(skeleton_fd, layer_fd, feed, u, err);
	if (r < 0) {
		unpack_abort(u);
		return r;
	}

	return unpack_finish(u, ret, err);
}

/* 1: the files are the same, 0: they differ, or a negative errno. */
static int same_files(int a_fd, int b_fd, struct err *err)
{
	auto_free char *a = mem_calloc(1, COMPARE_BYTES);
	auto_free char *b = mem_calloc(1, COMPARE_BYTES);

	if (lseek(a_fd, 0, SEEK_SET) < 0 || lseek(b_fd, 0, SEEK_SET) < 0)
		return err_sys(err, "compare layer files");
	for (;;) {
		ssize_t a_len = fd_read_all(a_fd, a, COMPARE_BYTES);
		ssize_t b_len = fd_read_all(b_fd, b, COMPARE_BYTES);

		if (a_len < 0 || b_len < 0)
			return err_wrap(err, (int)MIN(a_len, b_len), "compare layer files");
		if (a_len != b_len || memcmp(a, b, (size_t)a_len) != 0)
			return 0;
		if (a_len == 0)
			return 1;
	}
}

/* The files are still open: make them anew, at their name, unless somebody has. */
static int replace(struct store *s, const char *diff_id, int skeleton_fd, int layer_fd,
		   struct err *err)
{
	struct unpack_result result;
	struct store_ingest *in = NULL;
	int r = store_ingest_begin(s, diff_id, 0, &in, err);

	if (r < 0 || !in)
		return r;
	r = remake(skeleton_fd, layer_fd, store_ingest_layer_fd(in), store_ingest_skeleton_fd(in),
		   &result, err);
	if (r == 0 && strcmp(result.diff_id, diff_id) != 0)
		r = err_set(err, EIO, "layer %s changes while it is read", diff_id);
	if (r < 0) {
		store_ingest_abort(in);
		return r;
	}

	return store_ingest_commit(in, result.tar_bytes, err);
}

struct verify {
	struct store *store;
	void (*fn)(void *ctx, const char *what, bool mended);
	void *ctx;
};

static void tell(const struct verify *v, const char *diff_id, const char *what, bool mended)
{
	auto_free char *text = mem_printf("layer %s: %s", diff_id, what);

	v->fn(v->ctx, text, mended);
}

static int content_damaged(const struct verify *v, const char *diff_id, struct err *err)
{
	int r = store_layer_discard(v->store, diff_id, err);

	if (r == 0)
		tell(v, diff_id, "its content is damaged: import its image again", false);

	return r;
}

/* It could not be read or made again: proof of damage, or a trouble that may pass. */
static int not_remade(const struct verify *v, const char *diff_id, int r, const struct err *why,
		      struct err *err)
{
	char text[sizeof(why->frames)];

	if (r == -EBADMSG || r == -EINVAL)
		return content_damaged(v, diff_id, err);
	tell(v, diff_id, err_text(why, text, sizeof(text)), false);

	return 0;
}

static int verify_layer(const struct verify *v, const char *diff_id, struct err *err)
{
	/* Asked first: an import may replace an old one while we look at it. */
	const bool old = store_layer_is_old(v->store, diff_id);
	auto_close int layer_fd = store_layer_open(v->store, diff_id, err);
	auto_close int skeleton_fd = store_layer_open_skeleton(v->store, diff_id, NULL);
	auto_close int new_layer_fd = store_scratch_open(v->store, err);
	auto_close int new_skeleton_fd = store_scratch_open(v->store, err);
	struct unpack_result result = { 0 };
	struct err why = ERR_INIT;
	int r;

	if (layer_fd == -ENOENT)
		return 0; /* it is known to be missing */
	if (layer_fd < 0 || new_layer_fd < 0 || new_skeleton_fd < 0)
		return layer_fd < 0 ? layer_fd : new_layer_fd < 0 ? new_layer_fd : new_skeleton_fd;
	if (skeleton_fd < 0)
		return content_damaged(v, diff_id, err);
	r = remake(skeleton_fd, layer_fd, new_layer_fd, new_skeleton_fd, &result, &why);
	if (r < 0)
		return not_remade(v, diff_id, r, &why, err);
	if (strcmp(result.diff_id, diff_id) != 0)
		return content_damaged(v, diff_id, err);
	r = old ? 0 : same_files(layer_fd, new_layer_fd, err);
	if (r != 0)
		return MIN(r, 0);
	/* One of an older Hull stays until the new one is there. */
	r = old ? 0 : store_layer_discard(v->store, diff_id, err);
	if (r == 0)
		r = replace(v->store, diff_id, skeleton_fd, layer_fd, err);
	if (r == 0)
		tell(v, diff_id, old ? "it was of an older format" : "its metadata was damaged",
		     true);

	return r;
}

static bool listed(const struct strv *v, const char *text)
{
	for (size_t i = 0; i < v->len; i++)
		if (strcmp(v->items[i], text) == 0)
			return true;

	return false;
}

int verify_layers(struct store *s, void (*fn)(void *ctx, const char *what, bool mended), void *ctx,
		  struct err *err)
{
	const struct verify verify = { .store = s, .fn = fn, .ctx = ctx };
	auto_done(store_images) images = { 0 };
	auto_done(strv) done = { 0 };
	int r = store_image_list(s, &images, err);

	for (size_t i = 0; r == 0 && i < images.len; i++) {
		const struct store_image *image = &images.items[i];

		for (size_t l = 0; r == 0 && l < image->layers_len; l++) {
			const char *diff_id = image->layers[l].diff_id;

			if (listed(&done, diff_id))
				continue;
			r = verify_layer(&verify, diff_id, err);
			if (r == 0)
				r = strv_add(&done, diff_id);
		}
	}

	return err_wrap(err, r, "verify layers");
}
