/* SPDX-License-Identifier: Apache-2.0
 *
 * sync.c - messages between a process being built and its builder
 */
#include "runtime/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

int sync_pair(int ret_fds[2], struct err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(err, "make a socket pair");
	for (int i = 0; i < 2; i++) {
		int high_fd;

		/* The process will put its own streams on 0 to 2. */
		if (fds[i] > STDERR_FILENO)
			continue;
		high_fd = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (high_fd < 0) {
			err_sys(err, "move a socket");
			fd_close(fds[0]);
			fd_close(fds[1]);
			return -EMFILE;
		}
		fd_close(fds[i]);
		fds[i] = high_fd;
	}
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];

	return 0;
}

/* Only a failure carries its text. */
static size_t message_bytes(enum sync_kind kind)
{
	return kind == SYNC_FAILED ? sizeof(struct sync_msg) : offsetof(struct sync_msg, err);
}

static int check_message(struct sync_msg *msg, ssize_t len, enum sync_kind kind, struct err *err)
{
	if (len == 0)
		return err_set(err, EPIPE, "the other side ended early");
	if (len < (ssize_t)offsetof(struct sync_msg, err) ||
	    len != (ssize_t)message_bytes(msg->kind))
		return err_set(err, EPROTO, "malformed message");
	if (msg->kind == SYNC_FAILED) {
		err_sanitize(&msg->err);
		if (err)
			*err = msg->err;
		return -msg->err.code;
	}
	if (msg->kind != kind)
		return err_set(err, EPROTO, "message %d came instead of %d", msg->kind, kind);

	return 0;
}

int sync_receive(int fd, enum sync_kind kind, struct sync_msg *ret, int *ret_fds,
		 size_t *ret_fds_len, struct err *err)
{
	size_t len = 0;
	ssize_t n = fd_recv(fd, ret, sizeof(*ret), ret_fds, ret_fds ? SYNC_MAX_FDS : 0, &len);
	int r;

	if (n < 0)
		return err_wrap(err, (int)n, "listen to the other side");
	r = check_message(ret, n, kind, err);
	if (r < 0) {
		while (len > 0)
			fd_close(ret_fds[--len]);
		return r;
	}
	if (ret_fds_len)
		*ret_fds_len = len;

	return 0;
}

int sync_send(int fd, const struct sync_msg *msg, const int *fds, size_t fds_len, struct err *err)
{
	ssize_t n = fd_send(fd, msg, message_bytes(msg->kind), fds, fds_len);
	struct sync_msg last;
	int r;

	if (n >= 0)
		return 0;
	if (n != -EPIPE && n != -ECONNRESET)
		return err_wrap(err, (int)n, "talk to the new process");
	/* It has ended, and may have said why; nothing can come any more, so this does not wait. */
	r = sync_receive(fd, SYNC_FAILED, &last, NULL, NULL, err);

	return r < 0 ? r : -EPIPE;
}
