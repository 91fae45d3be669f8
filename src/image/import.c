/* SPDX-License-Identifier: Apache-2.0
 *
 * import.c - what a path holds, and the way it is imported
 *
 * A folder is an OCI layout. A file is judged by its first member: image archives begin with a
 * name that no root filesystem begins with. Image archives need to be read out of order, so those
 * that come compressed or through a pipe are unpacked to a file without name first; root
 * filesystems stream through.
 */
#include "image/import.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "image/change.h"
#include "image/import_priv.h"
#include "image/inflate.h"
#include "image/ingest.h"
#include "image/rootfs.h"
#include "wire/tar.h"

#define HEAD_BYTES ((size_t)(64 * KIB))

static int import_archive(struct importer *im, int fd, struct err *err)
{
	auto_archive *archive = NULL;
	int r = archive_open(fd, &archive, err);

	if (r < 0)
		return r;
	if (im->request->changes.len > 0)
		return err_setk(err, ERR_USAGE, EINVAL,
				"--change is for root filesystems; an image has its own config");
	im->archive = archive;
	if (archive_has(archive, "index.json"))
		return import_oci(im, err);
	if (archive_has(archive, "manifest.json"))
		return import_docker(im, err);
	(void)err_setk(err, ERR_USAGE, EINVAL, "neither index.json nor manifest.json in it");
	err_hint(err,
		 "an OCI layout, an OCI archive, an archive of docker save, or a tar of a root "
		 "filesystem can be imported");

	return -EINVAL;
}

/* ---- what a file is ---- */

/* The start of a file or a pipe. */
struct head {
	int fd;
	bool seekable;
	uint8_t *bytes;
	size_t len;
};

static int read_head(struct head *head, struct err *err)
{
	ssize_t n;

	head->bytes = mem_calloc(1, HEAD_BYTES);
	head->seekable = lseek(head->fd, 0, SEEK_SET) == 0;
	n = fd_read_all(head->fd, head->bytes, HEAD_BYTES);
	if (n < 0)
		return err_wrap(err, (int)n, "reading it");
	head->len = (size_t)n;

	return head->len > 0 ? 0 : err_setk(err, ERR_USAGE, EBADMSG, "it is empty");
}

static int stop_at_first(void *ctx, const struct tar_entry *entry, struct err *err)
{
	char **name = ctx;

	(void)err;
	/* The root itself comes first in many archives of both kinds. */
	if (entry->type == TAR_DIR && strspn(entry->name, "./") == strlen(entry->name))
		return 0;
	*name = mem_strdup(entry->name);

	return -ECANCELED;
}

/* The first member's name; NULL when there is none, or it is no tar. The caller frees it. */
static char *first_member(const void *tar, size_t len)
{
	static const struct tar_reader_ops ops = { .entry = stop_at_first };
	char *name = NULL;
	auto_ptr(tar_reader) *reader = tar_reader_new(&ops, &name);

	if (reader)
		(void)tar_reader_feed(reader, tar, len, NULL);

	return name;
}

/* The same of compressed bytes: what little they hold is unpacked in the jail. */
static char *first_packed_member(const struct head *head)
{
	auto_close int fd = memfd_create("head", MFD_CLOEXEC);
	auto_free char *plain = malloc(HEAD_BYTES);
	struct unpack_result result;
	struct unpack *u;
	ssize_t n;

	if (fd < 0 || !plain ||
	    unpack_start(&(struct unpack_job){ fd, -1, 0, false }, &u, NULL) < 0)
		return NULL;
	if (unpack_feed(u, head->bytes, head->len, NULL) < 0) {
		unpack_abort(u);
		return NULL;
	}
	/* That it is cut off is how it was made. */
	(void)unpack_finish(u, &result, NULL);
	n = pread(fd, plain, HEAD_BYTES, 0);

	return n > 0 ? first_member(plain, (size_t)n) : NULL;
}

/* All that follows the head, to whoever takes it. */
static int feed_rest(const struct head *head,
		     int (*feed)(void *ctx, const void *buf, size_t len, struct err *err),
		     void *ctx, struct err *err)
{
	auto_free uint8_t *buf = mem_calloc(1, HEAD_BYTES);
	int r = feed(ctx, head->bytes, head->len, err);

	while (r == 0) {
		ssize_t n = fd_read_all(head->fd, buf, HEAD_BYTES);

		if (n <= 0)
			return n < 0 ? err_wrap(err, (int)n, "reading it") : 0;
		r = feed(ctx, buf, (size_t)n, err);
	}

	return r;
}

static int to_unpack(void *ctx, const void *buf, size_t len, struct err *err)
{
	return unpack_feed(ctx, buf, len, err);
}

/* Unpacked, or copied from a pipe, to a file without name; the caller owns the descriptor. */
static int spool(struct importer *im, const struct head *head, struct err *err)
{
	auto_close int fd = store_scratch_open(im->store, err);
	struct unpack_result result;
	struct unpack *u;
	int r;

	if (fd < 0)
		return fd;
	r = unpack_start(&(struct unpack_job){ fd, -1, im->request->max_ratio, false }, &u, err);
	if (r < 0)
		return r;
	r = feed_rest(head, to_unpack, u, err);
	if (r < 0) {
		unpack_abort(u);
		return r;
	}
	r = unpack_finish(u, &result, err);

	return r < 0 ? r : take_fd(fd);
}

static int to_ingest(void *ctx, const void *buf, size_t len, struct err *err)
{
	return ingest_feed(ctx, buf, len, err);
}

static int import_rootfs(struct importer *im, const struct head *head, struct err *err)
{
	auto_done(spec_image) image = { 0 };
	const struct strv none = { 0 };
	auto_done(strv) names = { 0 };
	char id[STORE_DIGEST_BYTES];
	struct ingest ingest;
	struct stat st;
	int r = 0;

	for (size_t i = 0; r == 0 && i < im->request->changes.len; i++)
		r = change_apply(&image, im->request->changes.items[i], err);
	if (r == 0)
		r = import_names(im, &none, &names, err);
	if (r < 0)
		return r;
	if (fstat(head->fd, &st) < 0)
		return err_sys(err, "%s", im->request->path);
	progress_begin(im->progress, "root filesystem", head->seekable ? (uint64_t)st.st_size : 0);
	r = ingest_begin(&ingest, im->store, im->request->max_ratio, im->progress, err);
	if (r == 0) {
		r = feed_rest(head, to_ingest, &ingest, err);
		if (r < 0)
			ingest_abort(&ingest);
		else
			r = rootfs_add(&ingest, &image, "hull image import", im->request->name, id,
				       err);
	}
	progress_end(im->progress, r < 0 ? NULL : "done");

	return r < 0 ? r : import_note(im, &names, id, err);
}

static int import_file(struct importer *im, int fd, struct err *err)
{
	struct head head = { .fd = fd };
	auto_free char *first = NULL;
	bool packed;
	int r = read_head(&head, err);

	if (r == 0) {
		packed = inflate_detect(head.bytes, head.len) != INFLATE_NONE;
		first = packed ? first_packed_member(&head) : first_member(head.bytes, head.len);
		if (!first || !archive_looks_like_image(first)) {
			r = import_rootfs(im, &head, err);
		} else if (head.seekable && !packed) {
			r = import_archive(im, fd, err);
		} else {
			auto_close int spool_fd = spool(im, &head, err);

			r = spool_fd < 0 ? spool_fd : import_archive(im, spool_fd, err);
		}
	}
	free(head.bytes);

	return r;
}

int import_path(struct store *s, const struct import_request *request, struct progress *progress,
		struct import_result *ret, struct err *err)
{
	bool stdin_wanted = strcmp(request->path, "-") == 0;
	auto_close int fd = stdin_wanted ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					 : open(request->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct importer im = {
		.store = s, .request = request, .progress = progress, .result = ret
	};
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0) {
		r = err_sys(err, "%s", request->path);
		err_kind(err, r == -ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL);
		return r;
	}
	if (S_ISDIR(st.st_mode))
		r = import_archive(&im, fd, err);
	else
		r = import_file(&im, fd, err);

	return r < 0 ? err_wrap(err, r, "%s", request->path) : 0;
}
