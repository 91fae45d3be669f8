/* SPDX-License-Identifier: Apache-2.0
 *
 * pty.h - terminals of a devpts instance, without trusting any path to it
 */
#ifndef LINUX_PTY_H
#define LINUX_PTY_H

#include <stdint.h>

#include "base/err.h"

/* Both ends of a terminal; the caller owns the descriptors. */
struct pty {
	int master_fd, slave_fd;
};

/**
 * pty_open() - Make a terminal in a devpts filesystem
 * @devpts_fd:	root of the filesystem, borrowed
 * @rows:	size in characters, 0: left unset
 * @cols:	likewise
 * @ret:	both ends, O_CLOEXEC
 * @err:	filled in on failure, may be NULL
 *
 * The slave comes from TIOCGPTPEER: nothing planted under its name is ever opened.
 *
 * Return: 0 or a negative errno.
 */
int pty_open(int devpts_fd, uint16_t rows, uint16_t cols, struct pty *ret, struct err *err);

/* Set the size in characters. 0 or a negative errno. */
int pty_resize(int fd, uint16_t rows, uint16_t cols);

/* Start a session whose controlling terminal is @slave_fd. 0 or a negative errno. */
int pty_make_controlling(int slave_fd, struct err *err);

#endif
