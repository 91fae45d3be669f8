/* SPDX-License-Identifier: Apache-2.0
 *
 * archive.h - files by name in a folder or in an uncompressed tar, such as images come in
 *
 * A tar is read once, over its headers only, which gives an index; files are then ranges of it.
 * Nothing is unpacked, and no name leads out of the folder or the archive.
 */
#ifndef IMAGE_ARCHIVE_H
#define IMAGE_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macro.h"
#include "image/ingest.h"

#define ARCHIVE_MAX_MEMBERS 100000
#define ARCHIVE_MAX_LINKS 8 /* symbolic links from one to the next */

struct archive;

/**
 * archive_open() - Look into a folder or a tar
 * @fd:		O_DIRECTORY, or a regular file open for reading; borrowed, must outlive the archive
 * @ret:	released by archive_close()
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -EBADMSG for what is no tar, -E2BIG, -ENOMEM, or another negative errno.
 */
int archive_open(int fd, struct archive **ret, struct err *err);
void archive_close(struct archive *a);

static inline void archive_closep(struct archive **a)
{
	archive_close(*a);
}
#define auto_archive __attribute__((cleanup(archive_closep))) struct archive

/* True when it holds something of this name. */
bool archive_has(const struct archive *a, const char *name);

/**
 * archive_find() - Where a file is
 * @a:		archive
 * @name:	relative, as documents in it name their files; symbolic links are followed
 * @ret:	its range, valid until the next call for a folder, else as long as the archive
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -ENOENT, -ELOOP, -EINVAL when it is no regular file, or another negative errno.
 */
int archive_find(struct archive *a, const char *name, struct blob *ret, struct err *err);

/* The content of a small file, NUL-terminated; the caller frees it. */
int archive_read(struct archive *a, const char *name, size_t max_bytes, char **ret, size_t *ret_len,
		 struct err *err);

/* Is this the first member of an image's archive, rather than of a root filesystem's? */
bool archive_looks_like_image(const char *first_member);

#endif
