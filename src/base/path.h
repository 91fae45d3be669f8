/* SPDX-License-Identifier: Apache-2.0
 *
 * path.h - trusted host paths: our own directories and helper programs
 *
 * Paths of images and containers never come here: see fd_open_in().
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <sys/types.h>

#include "base/err.h"

/**
 * path_absolute() - An absolute form of a path
 * @path:	NULL stays NULL; nothing of it need exist
 *
 * Return: a string that the caller frees; @path as it is when it cannot be told where we are.
 */
char *path_absolute(const char *path);

/**
 * path_mkdirs() - Make a directory and those above it, as mkdir -p
 * @path:	absolute path
 * @mode:	permission bits of those that are made
 * @err:	filled in on failure, may be NULL
 *
 * Return: an O_DIRECTORY descriptor the caller owns, or a negative errno.
 */
int path_mkdirs(const char *path, mode_t mode, struct err *err);

/**
 * path_helper() - Where one of our own programs is
 * @name:	such as "hull-monitor"
 * @buf:	receives an absolute path
 * @buf_bytes:	room in @buf
 * @err:	filled in on failure, may be NULL
 *
 * HULL_LIBEXEC wins; else the directory of the running program; else its ../libexec/hull. A program
 * that runs from a detached mount is where its argv[0] says.
 *
 * Return: 0, -ENOENT with a hint, or -ENAMETOOLONG.
 */
int path_helper(const char *name, char *buf, size_t buf_bytes, struct err *err);

/**
 * path_rmtree() - Remove a directory tree by descriptors; never follows a symlink or a mount
 * @dir_fd:	directory that holds @name, borrowed
 * @name:	one component; absent is success
 * @err:	filled in on failure, may be NULL
 *
 * Depth needs no memory beyond the descriptors of one level: deep trees are flattened by
 * renaming grandchildren upward.
 *
 * Return: 0 or a negative errno; -EXDEV when something is mounted inside.
 */
int path_rmtree(int dir_fd, const char *name, struct err *err);

#endif
