/* SPDX-License-Identifier: Apache-2.0
 *
 * layer.c - layers as files: writing one, once, and opening it
 *
 * A layer is two files, the EROFS image and the tar skeleton. The skeleton is linked first, so
 * that where the image is, both are. The name of the image has a version: one of an older version
 * is used until an import makes the layer anew. Whoever ingests a digest holds its exclusive lock,
 * then keeps a lease until the handle is closed: by then an image refers to the layer, or it is
 * garbage.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/reclaim.h"

#define BLOCK_BYTES 512 /* unit of st_blocks */

/* Where the superblock lies, and its first field (EROFS on-disk format). */
#define EROFS_SUPER_OFFSET 1024
#define EROFS_SUPER_BYTES 128

struct store_ingest {
	struct store *store;
	char diff_id[STORE_DIGEST_BYTES];
	int lock_fd; /* exclusive lock of the digest */
	int layer_fd, skeleton_fd;
	int blob_fd; /* -1: the compressed bytes are not kept */
};

static bool file_exists(struct store *s, const char *diff_id, enum layer_file file)
{
	char path[PATH_MAX];

	layer_path(diff_id, file, path);

	return faccessat(s->root_fd, path, F_OK, 0) == 0;
}

/* An old one does not count: an import makes it anew. */
static bool layer_exists(struct store *s, const char *diff_id)
{
	return file_exists(s, diff_id, LAYER_EROFS);
}

void layer_erofs_path(struct store *s, const char *diff_id, char ret[PATH_MAX])
{
	layer_path(diff_id, store_layer_is_old(s, diff_id) ? LAYER_EROFS_V1 : LAYER_EROFS, ret);
}

int layer_unlink_erofs(struct store *s, const char *diff_id, struct err *err)
{
	char path[PATH_MAX];
	int r;

	layer_path(diff_id, LAYER_EROFS, path);
	r = store_unlink(s, path, err);
	if (r < 0)
		return r;
	layer_path(diff_id, LAYER_EROFS_V1, path);

	return store_unlink(s, path, err);
}

bool store_layer_is_old(struct store *s, const char *diff_id)
{
	return digest_hex(diff_id) && !layer_exists(s, diff_id) &&
	       file_exists(s, diff_id, LAYER_EROFS_V1);
}

/*
 * Take the exclusive lock, or a lease of the finished layer. An exclusive lock is never waited
 * for: whoever holds a lease keeps it long. A lease is, which lasts as long as the ingest.
 *
 * Return: 1 exclusive, 0 the layer is there and leased, or a negative errno.
 */
static int lock_or_lease(struct store *s, int lock_fd, const char *diff_id, unsigned flags,
			 struct err *err)
{
	for (;;) {
		int r = lock_take(lock_fd, INTENT_LAYER, diff_id, LOCK_MODE_EXCLUSIVE);

		if (r == 0 && !layer_exists(s, diff_id))
			return 1;
		if (r < 0 && r != -EAGAIN)
			return err_wrap(err, r, "lock layer %s", diff_id);
		if (r < 0 && (flags & STORE_INGEST_NOWAIT) && !layer_exists(s, diff_id))
			return r;
		lock_release(lock_fd, INTENT_LAYER, diff_id);
		r = lock_lease(s, INTENT_LAYER, diff_id, err);
		if (r < 0 || layer_exists(s, diff_id))
			return r;
		lock_release(s->lock_fd, INTENT_LAYER, diff_id);
	}
}

int store_ingest_begin(struct store *s, const char *diff_id, unsigned flags,
		       struct store_ingest **ret, struct err *err)
{
	struct store_ingest *in;
	int r;

	if (diff_id && !digest_hex(diff_id))
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not a sha256 digest", diff_id);

	in = mem_calloc(1, sizeof(*in));
	in->store = s;
	in->layer_fd = in->skeleton_fd = in->blob_fd = -1;
	(void)snprintf(in->diff_id, sizeof(in->diff_id), "%s", diff_id ? diff_id : "");
	r = in->lock_fd = lock_open(s, err);
	if (r >= 0)
		r = diff_id ? lock_or_lease(s, in->lock_fd, diff_id, flags, err) : 1;
	if (r == 1)
		r = in->layer_fd = store_tmpfile(s, "layers", err);
	else if (r == 0)
		goto out;
	if (r >= 0)
		r = in->skeleton_fd = store_tmpfile(s, "layers", err);
	if (r >= 0) {
		*ret = in;
		return 0;
	}
out:
	store_ingest_abort(in);
	if (r == 0)
		*ret = NULL;

	return r < 0 ? err_wrap(err, r, "begin layer %s", diff_id ? diff_id : "") : 0;
}

int store_ingest_name(struct store_ingest *in, const char *diff_id, bool *ret_known,
		      struct err *err)
{
	int r;

	if (!digest_hex(diff_id))
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not a sha256 digest", diff_id);
	r = lock_or_lease(in->store, in->lock_fd, diff_id, 0, err);
	if (r < 0)
		return r;
	(void)snprintf(in->diff_id, sizeof(in->diff_id), "%s", diff_id);
	*ret_known = r == 0;

	return 0;
}

int store_ingest_layer_fd(struct store_ingest *in)
{
	return in->layer_fd;
}

int store_ingest_skeleton_fd(struct store_ingest *in)
{
	return in->skeleton_fd;
}

int store_ingest_keep_blob(struct store_ingest *in, struct err *err)
{
	if (in->blob_fd < 0)
		in->blob_fd = store_tmpfile(in->store, "layers", err);

	return in->blob_fd;
}

/* The compressed bytes first: they are found only by way of the layer. */
static int link_blob(struct store_ingest *in, struct err *err)
{
	char path[PATH_MAX];
	int r;

	layer_path(in->diff_id, LAYER_BLOB, path);
	r = store_unlink(in->store, path, err);
	if (r < 0 || in->blob_fd < 0)
		return r;
	if (fdatasync(in->blob_fd) < 0)
		return err_sys(err, "write to the disk");

	return store_link(in->store, in->blob_fd, path, err);
}

/* Of the layer's file, which is on the disk. */
static int ingest_stat(struct store_ingest *in, struct stat *ret, struct err *err)
{
	if (fdatasync(in->skeleton_fd) < 0 || fdatasync(in->layer_fd) < 0)
		return err_sys(err, "write to the disk");

	return fstat(in->layer_fd, ret) < 0 ? err_sys(err, "stat the layer file") : 0;
}

/*
 * On the disk before the files' names are. A row that is there tells of a file that was lost, or
 * that this one is to replace: from now on it waits for this one.
 */
static int ingest_announce(struct store_ingest *in, const struct stat *st, struct err *err)
{
	struct store *s = in->store;
	auto_done(db_txn) txn = { 0 };
	int r = db_txn_begin(s->db, true, &txn, err);

	if (r == 0)
		r = reclaim_intend(s, INTENT_LAYER, in->diff_id, err);
	if (r == 0)
		r = db_run(s->db, err, "UPDATE layers SET size_bytes=? WHERE diff_id=?", "it",
			   (int64_t)st->st_size, in->diff_id);

	return r < 0 ? r : db_txn_commit(&txn, err);
}

/* Both files at their names, on the disk. */
static int ingest_link(struct store_ingest *in, struct err *err)
{
	struct store *s = in->store;
	char path[PATH_MAX];
	int r = link_blob(in, err);

	if (r < 0)
		return r;
	layer_path(in->diff_id, LAYER_SKELETON, path);
	/* What a layer that was lost left behind must not be taken for ours. */
	r = store_unlink(s, path, err);
	if (r == 0)
		r = store_link(s, in->skeleton_fd, path, err);
	failpoint("layer-skeleton-linked");
	if (r < 0)
		return r;
	layer_path(in->diff_id, LAYER_EROFS, path);
	r = store_link(s, in->layer_fd, path, err);
	failpoint("layer-linked");
	if (r < 0)
		return r;
	layer_path(in->diff_id, LAYER_EROFS_V1, path);

	return store_unlink(s, path, err);
}

static int ingest_record(struct store_ingest *in, const struct stat *st, uint64_t tar_bytes,
			 struct err *err)
{
	return db_run(in->store->db, err,
		      "INSERT INTO layers(diff_id,size_bytes,file_bytes,tar_bytes)"
		      " VALUES(?1,?2,?3,?4) ON CONFLICT DO UPDATE SET"
		      " size_bytes=?2, file_bytes=?3, tar_bytes=?4",
		      "tiii", in->diff_id, (int64_t)st->st_size,
		      (int64_t)st->st_blocks * BLOCK_BYTES, (int64_t)tar_bytes);
}

/* The exclusive lock becomes the handle's lease with no moment in between. */
static int ingest_lease(struct store_ingest *in, struct err *err)
{
	struct store *s = in->store;
	int r = 0;

	if (s->lock_fd < 0)
		r = s->lock_fd = lock_open(s, err);
	if (r < 0)
		return r;
	r = lock_take(in->lock_fd, INTENT_LAYER, in->diff_id, LOCK_MODE_LEASE);
	if (r == 0)
		r = lock_lease(s, INTENT_LAYER, in->diff_id, err);

	return r;
}

int store_ingest_commit(struct store_ingest *in, uint64_t tar_bytes, struct err *err)
{
	struct stat st;
	int r = ingest_stat(in, &st, err);

	if (r == 0)
		r = ingest_announce(in, &st, err);
	failpoint("layer-intended");
	if (r == 0)
		r = ingest_link(in, err);
	if (r == 0)
		r = ingest_record(in, &st, tar_bytes, err);
	failpoint("layer-recorded");
	if (r == 0)
		r = ingest_lease(in, err);
	if (r < 0)
		err_wrap(err, r, "commit layer %s", in->diff_id);
	store_ingest_abort(in);

	return r;
}

void store_ingest_abort(struct store_ingest *in)
{
	if (!in)
		return;
	fd_close(in->blob_fd);
	fd_close(in->skeleton_fd);
	fd_close(in->layer_fd);
	fd_close(in->lock_fd);
	free(in);
}

int layer_missing(const char *diff_id, struct err *err)
{
	err_setk(err, ERR_NOT_FOUND, ENOENT, "layer %s is not in the store", diff_id);
	err_hint(err, "import the image again: that brings the layer back");

	return -ENOENT;
}

static int layer_open_path(struct store *s, const char *path, const char *diff_id, struct err *err)
{
	int fd = openat(s->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0)
		return fd;

	return errno == ENOENT ? layer_missing(diff_id, err)
			       : err_sys(err, "open layer %s", diff_id);
}

int store_layer_open(struct store *s, const char *diff_id, struct err *err)
{
	char path[PATH_MAX];

	if (!digest_hex(diff_id))
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not a sha256 digest", diff_id);
	layer_erofs_path(s, diff_id, path);

	return layer_open_path(s, path, diff_id, err);
}

int store_layer_open_skeleton(struct store *s, const char *diff_id, struct err *err)
{
	char path[PATH_MAX];

	if (!digest_hex(diff_id))
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not a sha256 digest", diff_id);
	layer_path(diff_id, LAYER_SKELETON, path);

	return layer_open_path(s, path, diff_id, err);
}

int store_layer_open_blob(struct store *s, const char *diff_id)
{
	char path[PATH_MAX];
	int fd;

	if (!digest_hex(diff_id))
		return -EINVAL;
	layer_path(diff_id, LAYER_BLOB, path);
	fd = openat(s->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int store_layer_new_blob(struct store *s, struct err *err)
{
	return store_tmpfile(s, "layers", err);
}

int store_layer_keep_blob(struct store *s, const char *diff_id, int blob_fd, struct err *err)
{
	char path[PATH_MAX];

	if (!digest_hex(diff_id))
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not a sha256 digest", diff_id);
	if (fdatasync(blob_fd) < 0)
		return err_sys(err, "write to the disk");
	layer_path(diff_id, LAYER_BLOB, path);

	return store_link(s, blob_fd, path, err);
}

int store_layer_discard(struct store *s, const char *diff_id, struct err *err)
{
	if (!digest_hex(diff_id))
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not a sha256 digest", diff_id);

	return layer_unlink_erofs(s, diff_id, err);
}

int layer_check_file(struct store *s, const char *diff_id, uint64_t size_bytes, struct err *err)
{
	auto_close int fd = store_layer_open(s, diff_id, err);
	uint8_t super[EROFS_SUPER_BYTES] = { 0 };
	struct stat st;
	char path[PATH_MAX];
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "stat layer %s", diff_id);
	if ((uint64_t)st.st_size != size_bytes)
		return err_set(err, EUCLEAN, "layer %s is %lld bytes long, not %llu", diff_id,
			       (long long)st.st_size, (unsigned long long)size_bytes);
	n = pread(fd, super, sizeof(super), EROFS_SUPER_OFFSET);
	if (n < 0)
		return err_sys(err, "read layer %s", diff_id);
	if (n != (ssize_t)sizeof(super) || (super[0] | super[1] << 8 | super[2] << 16 |
					    (uint32_t)super[3] << 24) != EROFS_SUPER_MAGIC_V1)
		return err_set(err, EUCLEAN, "layer %s has no superblock", diff_id);
	layer_path(diff_id, LAYER_SKELETON, path);
	if (faccessat(s->root_fd, path, F_OK, 0) < 0)
		return err_set(err, EUCLEAN, "layer %s has lost its skeleton", diff_id);

	return 0;
}
