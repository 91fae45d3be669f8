/* SPDX-License-Identifier: Apache-2.0
 *
 * child.h - programs of the host that we run and read from
 */
#ifndef IMAGE_CHILD_H
#define IMAGE_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

enum child_flags {
	CHILD_PIPE_STDERR = 1 << 0,
};

/* A running program whose standard output is @out_fd; its errors are @err_fd, or -1. */
struct child {
	pid_t pid;
	int out_fd, err_fd;
	const char *name;
};

/**
 * child_start() - Run a program, found in PATH
 * @argv:	NULL-terminated; borrowed as long as the child is
 * @flags:	enum child_flags
 * @ret:	filled in; ended by child_wait()
 * @err:	filled in on failure, may be NULL
 *
 * Its standard input is empty, its errors go where ours go unless @flags says otherwise. Signals
 * that we ignore it does not.
 *
 * Return: 0, -ENOENT when there is no such program, or another negative errno.
 */
int child_start(const char *const argv[], unsigned flags, struct child *ret, struct err *err);

/* Close the pipes and wait. 0, or -EIO when it failed. */
int child_wait(struct child *c, struct err *err);

/* Run a program to its end; @ret is its output, NUL-terminated, at most @max_bytes. */
int child_output(const char *const argv[], size_t max_bytes, char **ret, struct err *err);

#endif
