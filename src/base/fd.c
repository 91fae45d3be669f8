/* SPDX-License-Identifier: Apache-2.0
 *
 * fd.c - thin, restart-safe wrappers over descriptor system calls
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel answers -EAGAIN when a rename raced with "..". */
#define OPEN_TRIES 128

int fd_close(int fd)
{
	int saved = errno;

	/* Linux releases the number even on EINTR: a retry could close someone else's. */
	if (fd >= 0)
		(void)close(fd);
	errno = saved;

	return -1;
}

int fd_open_in(int root_fd, const char *path, int flags, unsigned mode, struct err *err)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	for (int i = 0; i < OPEN_TRIES; i++) {
		long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}

	return err_sys(err, "open '%s'", path);
}

ssize_t fd_read_all(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}

	return (ssize_t)done;
}

int fd_write_all(int fd, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}

	return 0;
}

int fd_read_file(int dir_fd, const char *path, size_t max_bytes, char **ret_buf, size_t *ret_len,
		 struct err *err)
{
	auto_close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t room = 4096, used = 0;
	auto_free char *buf = NULL;

	if (fd < 0)
		return err_sys(err, "open '%s'", path);

	for (;;) {
		char *bigger = realloc(buf, MIN(room, max_bytes) + 2);
		ssize_t n;

		if (!bigger)
			return err_set(err, ENOMEM, "read '%s': out of memory", path);
		buf = bigger;
		/* One byte beyond the limit tells "just fits" from "too long". */
		n = fd_read_all(fd, buf + used, MIN(room, max_bytes) + 1 - used);
		if (n < 0)
			return err_wrap(err, (int)n, "read '%s'", path);
		used += (size_t)n;
		if (used > max_bytes)
			return err_set(err, EFBIG, "'%s' is longer than %zu bytes", path,
				       max_bytes);
		if (used <= room)
			break;
		room *= 4;
	}
	buf[used] = '\0';
	*ret_buf = take_ptr(buf);
	if (ret_len)
		*ret_len = used;

	return 0;
}

int fd_write_file(int dir_fd, const char *path, const char *text, struct err *err)
{
	auto_close int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(text);

	if (fd < 0)
		return err_sys(err, "open '%s'", path);

	for (;;) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "write '%s' to '%s'", text, path);
		if ((size_t)n != len)
			return err_set(err, EIO, "write to '%s' was cut short", path);
		return 0;
	}
}

int fd_replace_file(int dir_fd, const char *name, const void *buf, size_t len, mode_t mode,
		    struct err *err)
{
	auto_close int fd = -1;
	char tmp[272];
	int r = snprintf(tmp, sizeof(tmp), "%s.tmp", name);

	if (r < 0 || (size_t)r >= sizeof(tmp))
		return err_set(err, ENAMETOOLONG, "name '%s' is too long", name);

	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_sys(err, "create '%s'", tmp);
	r = fd_write_all(fd, buf, len);
	if (r < 0) {
		(void)unlinkat(dir_fd, tmp, 0);
		return err_wrap(err, r, "write '%s'", tmp);
	}
	if (renameat(dir_fd, tmp, dir_fd, name) < 0) {
		r = err_sys(err, "rename '%s' to '%s'", tmp, name);
		(void)unlinkat(dir_fd, tmp, 0);
		return r;
	}

	return 0;
}

int fd_set_nonblock(int fd, int on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;

	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int fd_keep_on_exec(int fd)
{
	return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
}

void fd_raise(int event_fd)
{
	uint64_t one = 1;

	(void)!write(event_fd, &one, sizeof(one));
}

ssize_t fd_send(int sock_fd, const void *buf, size_t len, const int *fds, size_t fds_len)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fds_len > FD_PASS_MAX)
		return -EMSGSIZE;
	if (fds_len > 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds_len);
		memset(control.bytes, 0, msg.msg_controllen);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fds_len);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * fds_len);
	}
	do {
		n = sendmsg(sock_fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);

	return n < 0 ? -errno : n;
}

ssize_t fd_recv(int sock_fd, void *buf, size_t len, int *ret_fds, size_t fds_max,
		size_t *ret_fds_len)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	size_t got = 0;
	int excess = 0, resets = 0;
	ssize_t n;

	/* A packet socket tells of the reset once, before the packets that came ahead of it. */
	do {
		n = recvmsg(sock_fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
	if (n < 0)
		return -errno;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		size_t count;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (got < fds_max) {
				ret_fds[got++] = fd;
			} else {
				fd_close(fd);
				excess = 1;
			}
		}
	}
	if (excess || (msg.msg_flags & MSG_CTRUNC)) {
		while (got > 0)
			fd_close(ret_fds[--got]);
		*ret_fds_len = 0;
		return -EMSGSIZE;
	}
	*ret_fds_len = got;

	return n;
}
