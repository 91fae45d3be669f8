/* SPDX-License-Identifier: Apache-2.0
 *
 * tool_jobs.h - the built-in jobs and what they share; for tool*.c only
 */
#ifndef RUNTIME_TOOL_JOBS_H
#define RUNTIME_TOOL_JOBS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macro.h"
#include "spec/sandbox.h"
#include "wire/tar.h"

/* As runtime_tool_run(), one for each kind. */
int tool_tar_out(const struct spec_tool *tool, int root_fd, int out_fd, struct err *err);
int tool_tar_in(const struct spec_tool *tool, int root_fd, int in_fd, struct err *err);
int tool_stat(const struct spec_tool *tool, int root_fd, int out_fd, struct err *err);
int tool_diff(int upper_fd, int lower_fd, int out_fd, struct err *err);

/* ---- tool_path.c ---- */

/* fd_open_in() on a path that the user named: absent is of kind NOT_FOUND. */
int tool_open(int root_fd, const char *path, int flags, struct err *err);

/* The last component of @path; "." for the root and where it is "." or "..". Borrowed from @path.
 */
struct slice tool_base_name(const char *path);

/* ---- tool_xattr.c ---- */

/*
 * Extended attributes of one file that an archive may carry: those that mean the same on every
 * filesystem. What overlayfs and security modules keep for themselves stays behind.
 */
struct tool_xattrs {
	struct tar_xattr *items;
	size_t len;
};

void tool_xattrs_done(struct tool_xattrs *xattrs);
DEFINE_AUTO_DONE(tool_xattrs)

/**
 * tool_xattrs_read() - Collect those of an open file
 * @fd:		file or directory opened for reading
 * @ret:	empty; released by tool_xattrs_done() also after a failure
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno; a filesystem without attributes is no failure.
 */
int tool_xattrs_read(int fd, struct tool_xattrs *ret, struct err *err);

/* Copy those of @entry that may be set; capabilities only with @elevate. As above. */
int tool_xattrs_copy(const struct tar_entry *entry, bool elevate, struct tool_xattrs *ret,
		     struct err *err);

/**
 * tool_xattrs_write() - Set them
 * @fd:		file or directory
 * @xattrs:	what to set
 * @err:	filled in on failure, may be NULL
 *
 * As Docker does, attributes that the filesystem cannot hold are dropped, and so are user
 * attributes that it does not grant; file capabilities that are not granted are a failure.
 *
 * Return: 0 or a negative errno.
 */
int tool_xattrs_write(int fd, const struct tool_xattrs *xattrs, struct err *err);

#endif
