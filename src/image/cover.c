/* SPDX-License-Identifier: Apache-2.0
 *
 * cover.c - which layers need a cover, and the cover into the store
 */
#include "image/cover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/rand.h"
#include "image/erofs.h"
#include "image/ingest.h"
#include "image/jail.h"

#define SPARE_FDS 64 /* of this process beside those of layers */

/* Descriptors of all layers: EROFS files, then skeletons, then the archive that is written. */
struct layers {
	int *fds;
	size_t len; /* of layers */
};

static size_t fds_len(const struct layers *l)
{
	return 2 * l->len + 1;
}

static void layers_done(struct layers *l)
{
	for (size_t i = 0; l->fds && i < fds_len(l); i++)
		fd_close(l->fds[i]);
	free(l->fds);
}
DEFINE_AUTO_DONE(layers)

/* Overlayfs has no way for a layer to hide all that is below it: the image would show too much. */
static int refuse_hider(const char *diff_id, struct err *err)
{
	(void)err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
		       "layer %s hides all layers below it (an opaque marker in its root)",
		       diff_id);
	err_hint(err, "build the image again without the layers that are hidden, or export its "
		      "files and import them as a root filesystem");

	return -ENOTSUP;
}

bool cover_is_needed(const int *traits, size_t len)
{
	bool root_set = false;

	for (size_t i = 0; i < len; i++) {
		int of_layer = traits[i];

		/* What the lowest one implies is all there is. */
		if ((of_layer & EROFS_LINKS_BELOW) || (i > 0 && (of_layer & EROFS_IMPLIES)) ||
		    (root_set && (of_layer & EROFS_IMPLIES_ROOT)))
			return true;
		root_set = of_layer & EROFS_SETS_ROOT;
	}

	return false;
}

/* Each layer has two, and the jailed child copies them all before it closes any. */
static void allow_fds(size_t layers_len)
{
	const rlim_t want = 4 * layers_len + SPARE_FDS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = MIN(want, limit.rlim_max);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Opens the layers' files. 1: they need a cover: their skeletons are open too; 0: they do not. */
static int open_layers(struct store *s, const struct strv *diff_ids, struct layers *ret,
		       struct err *err)
{
	auto_free int *traits = mem_calloc(ret->len + 1, sizeof(*traits));
	bool needed;

	for (size_t i = 0; i < ret->len; i++) {
		const char *diff_id = diff_ids->items[i];
		int fd = ret->fds[i] = store_layer_open(s, diff_id, err);

		if (fd < 0)
			return fd;
		traits[i] = erofs_get_traits(fd, err);
		if (traits[i] < 0)
			return err_wrap(err, traits[i], "layer %s", diff_id);
		if (i > 0 && (traits[i] & EROFS_HIDES_ALL))
			return refuse_hider(diff_id, err);
	}
	needed = cover_is_needed(traits, ret->len);
	for (size_t i = 0; needed && i < ret->len; i++) {
		int fd = store_layer_open_skeleton(s, diff_ids->items[i], err);

		if (fd < 0)
			return fd;
		ret->fds[ret->len + i] = fd;
	}

	return needed;
}

struct job {
	size_t layers_len;
	uint8_t seed[16];
};

static int write_jailed(void *ctx, const int *fds, struct err *err)
{
	const struct job *job = ctx;
	size_t len = job->layers_len;

	return cover_write(fds + len, fds, len, job->seed, fds[2 * len], err);
}

static int ingest_cover(struct store *s, int fd, struct unpack_result *ret, struct err *err)
{
	const struct blob blob = { .fd = fd, .seekable = true, .len = UINT64_MAX };
	struct ingest ingest;
	int r = ingest_begin(&ingest, s, 0, NULL, err);

	if (r < 0)
		return r;
	r = ingest_feed_blob(&ingest, &blob, err);
	if (r < 0) {
		ingest_abort(&ingest);
		return r;
	}

	return ingest_finish(&ingest, ret, err);
}

static int make(struct store *s, struct layers *layers, char ret_diff_id[STORE_DIGEST_BYTES],
		struct err *err)
{
	struct job job = { .layers_len = layers->len };
	struct unpack_result result;
	int r, fd = store_scratch_open(s, err);

	if (fd < 0)
		return fd;
	layers->fds[2 * layers->len] = fd;
	rand_bytes(job.seed, sizeof(job.seed));
	r = jail_run(&(struct jail_job){ .run = write_jailed,
					 .ctx = &job,
					 .fds = layers->fds,
					 .fds_len = fds_len(layers),
					 .file_max_bytes = COVER_MAX_BYTES },
		     err);
	if (r == 1)
		r = ingest_cover(s, fd, &result, err);
	else
		return r;
	if (r == 0)
		(void)snprintf(ret_diff_id, STORE_DIGEST_BYTES, "%s", result.diff_id);

	return r;
}

int cover_make(struct store *s, const struct strv *diff_ids, char ret_diff_id[STORE_DIGEST_BYTES],
	       struct err *err)
{
	auto_done(layers) layers = { .len = diff_ids->len };
	int r;

	layers.fds = mem_calloc(fds_len(&layers), sizeof(*layers.fds));
	for (size_t i = 0; i < fds_len(&layers); i++)
		layers.fds[i] = -1;
	ret_diff_id[0] = '\0';
	allow_fds(layers.len);
	r = open_layers(s, diff_ids, &layers, err);
	if (r > 0)
		r = make(s, &layers, ret_diff_id, err);

	return err_wrap(err, r, "cover the image's layers");
}
