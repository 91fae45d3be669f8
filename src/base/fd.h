/* SPDX-License-Identifier: Apache-2.0
 *
 * fd.h - file descriptors: ownership, whole reads and writes, resolution below a root
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Close @fd unless negative; errno is kept. Returns -1, for fd = fd_close(fd). */
int fd_close(int fd);

static inline void fd_closep(int *fd)
{
	fd_close(*fd);
}
#define auto_close __attribute__((cleanup(fd_closep)))

/* Hand the descriptor to someone else: @fd becomes -1. */
#define take_fd(fd)                     \
	({                              \
		int *fd_ptr_ = &(fd);   \
		int fd_val_ = *fd_ptr_; \
		*fd_ptr_ = -1;          \
		fd_val_;                \
	})

/**
 * fd_open_in() - Open @path with @root_fd as "/", whatever symlinks it holds
 * @root_fd:	directory no component may leave, borrowed
 * @path:	untrusted path
 * @flags:	open(2) flags; O_CLOEXEC is added
 * @mode:	permission bits, used with O_CREAT
 * @err:	filled in on failure, may be NULL
 *
 * Return: a new descriptor the caller owns, or a negative errno (-ELOOP also for
 *	   magic links).
 */
int fd_open_in(int root_fd, const char *path, int flags, unsigned mode, struct err *err);

/**
 * fd_read_all() - Read until @len bytes or the end of the file; restarts on EINTR
 *
 * Return: bytes read (less than @len only at the end), or a negative errno.
 */
ssize_t fd_read_all(int fd, void *buf, size_t len);

/* Write all of @buf to a blocking descriptor; restarts on EINTR. 0 or a negative errno. */
int fd_write_all(int fd, const void *buf, size_t len);

/**
 * fd_read_file() - Read a whole small file
 * @dir_fd:	as for openat(2)
 * @path:	trusted path
 * @max_bytes:	more than this is -EFBIG
 * @ret_buf:	content, NUL-terminated; the caller frees it
 * @ret_len:	its length without the NUL; may be NULL
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int fd_read_file(int dir_fd, const char *path, size_t max_bytes, char **ret_buf, size_t *ret_len,
		 struct err *err);

/**
 * fd_write_file() - Write @text to an existing file such as those of procfs and cgroupfs
 * @dir_fd:	as for openat(2)
 * @path:	trusted path
 * @text:	NUL-terminated; written with a single write(2)
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int fd_write_file(int dir_fd, const char *path, const char *text, struct err *err);

/**
 * fd_replace_file() - Put a file in place whole: temporary name, then rename(2)
 * @dir_fd:	directory, borrowed
 * @name:	one path component
 * @buf:	content
 * @len:	bytes of @buf
 * @mode:	permission bits
 * @err:	filled in on failure, may be NULL
 *
 * A crash leaves the old file or the new one; no fsync is made. A SIGKILL between the two
 * steps leaves "<name>.tmp" behind, which the next call replaces.
 *
 * Return: 0 or a negative errno.
 */
int fd_replace_file(int dir_fd, const char *name, const void *buf, size_t len, mode_t mode,
		    struct err *err);

/* Set or clear O_NONBLOCK. 0 or a negative errno. */
int fd_set_nonblock(int fd, int on);

/* Clear FD_CLOEXEC, so that the descriptor survives exec. 0 or a negative errno. */
int fd_keep_on_exec(int fd);

/* Raise an eventfd. Never blocks: a counter that is full is raised already. */
void fd_raise(int event_fd);

/**
 * fd_send() - Send bytes and up to FD_PASS_MAX descriptors in one message of a unix socket
 * @sock_fd:	connected socket, borrowed
 * @buf:	at least one byte
 * @len:	bytes of @buf
 * @fds:	descriptors to pass, borrowed; NULL when @fds_len is 0
 * @fds_len:	their number
 *
 * Return: bytes sent, or a negative errno.
 */
ssize_t fd_send(int sock_fd, const void *buf, size_t len, const int *fds, size_t fds_len);
#define FD_PASS_MAX 250

/**
 * fd_recv() - Receive what fd_send() sent
 * @sock_fd:	connected socket, borrowed
 * @buf:	destination
 * @len:	room in @buf
 * @ret_fds:	room for @fds_max descriptors; those received are the caller's, O_CLOEXEC set
 * @fds_max:	further descriptors are closed and the call answers -EMSGSIZE
 * @ret_fds_len: number received
 *
 * That the other side ended without reading all that was sent to it is no failure: what it sent
 * before is still received, then the end.
 *
 * Return: bytes received, 0 at the end of the stream, or a negative errno.
 */
ssize_t fd_recv(int sock_fd, void *buf, size_t len, int *ret_fds, size_t fds_max,
		size_t *ret_fds_len);

#endif
