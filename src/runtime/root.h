/* SPDX-License-Identifier: Apache-2.0
 *
 * root.h - places in a root filesystem that is not trusted
 */
#ifndef RUNTIME_ROOT_H
#define RUNTIME_ROOT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* What a place is for; those that are made to be mounted on are marked. */
enum root_place {
	ROOT_PLACE_DIR, /* a directory of the workload's own */
	ROOT_PLACE_MOUNT_DIR,
	ROOT_PLACE_MOUNT_FILE, /* a file that is no directory */
};

/*
 * The mark, an extended attribute: the file is nothing that the workload has made, so it is no
 * change, and its content is never seen. A workload that sets it only hides its own changes.
 */
#define ROOT_PLACE_MARK "user.hull.place"

/**
 * root_open_place() - Open, or make, a directory or something to mount on
 * @root_fd:	the root
 * @path:	absolute path in it; symlinks are followed, inside, also those that lead nowhere
 * @place:	what it shall be
 * @err:	filled in on failure, may be NULL
 *
 * What is missing is made: directories 0755, an empty file 0644. Nothing that exists changes.
 *
 * Return: an O_PATH descriptor the caller owns, or a negative errno; -ENOTDIR, -EISDIR.
 */
int root_open_place(int root_fd, const char *path, enum root_place place, struct err *err);

/* As ROOT_PLACE_MOUNT_DIR, for a directory directly below the root that must not be a symlink. */
int root_open_plain_dir(int root_fd, const char *name, struct err *err);

/**
 * root_resolve() - Where a path leads once every symlink in it is followed
 * @root_fd:	the root
 * @path:	absolute path in it
 *
 * What does not exist is kept as it is written. The tree may change meanwhile: the answer is to
 * be shown, or to be opened in the root again, like any other path.
 *
 * Return: an absolute path without symlinks, "." and "..", which the caller frees; NULL when it
 *	   is too long or there is no memory.
 */
char *root_resolve(int root_fd, const char *path);

/* Largest file that is read out of a root. */
#define ROOT_FILE_MAX_BYTES (1024 * 1024)

/**
 * root_read_file() - Read a small regular file
 * @root_fd:	the root
 * @path:	in it; the last component must not be a symlink
 * @ret_text:	content, NUL-terminated; the caller frees it. NULL when the file is absent
 * @err:	filled in on failure, may be NULL
 *
 * Never blocks: a FIFO or a device is an error.
 *
 * Return: 0, -EFBIG, or another negative errno.
 */
int root_read_file(int root_fd, const char *path, char **ret_text, struct err *err);

#endif
