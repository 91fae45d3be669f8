/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_damage.c - processes that damage streams, and things left behind on purpose
 */
#include "sandbox/fake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define FLIP_AT_BYTES MIB
#define LEFT_PROCESS_S 20

/* Close everything but @in_fd and @out_fd: the monitor's lock and sockets above all. */
static void keep_only(int in_fd, int out_fd)
{
	int low = MIN(in_fd, out_fd), high = MAX(in_fd, out_fd);

	if (low > 0)
		(void)close_range(0, (unsigned)low - 1, 0);
	if (high > low + 1)
		(void)close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	(void)close_range((unsigned)high + 1, ~0U, 0);
}

/* A child that nobody has to reap. 1 in the child, 0 in the caller, or a negative errno. */
static int fork_away(struct err *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(err, "fork");
	if (pid > 0) {
		(void)waitpid(pid, NULL, 0);
		return 0;
	}
	if (fork() != 0)
		_exit(0);

	return 1;
}

static void copy_damaged(int in_fd, int out_fd, enum fake_damage damage)
{
	static char buf[64 * KIB];
	uint64_t seen = 0;
	ssize_t len;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)fd_set_nonblock(in_fd, 0);
	(void)fd_set_nonblock(out_fd, damage == FAKE_DROP);
	while ((len = read(in_fd, buf, sizeof(buf))) > 0) {
		uint64_t end = seen + (uint64_t)len;

		if (damage == FAKE_FLIP && seen <= FLIP_AT_BYTES && end > FLIP_AT_BYTES)
			buf[FLIP_AT_BYTES - seen] ^= 1;
		seen = end;
		if (damage == FAKE_DROP)
			(void)!write(out_fd, buf, (size_t)len);
		else if (fd_write_all(out_fd, buf, (size_t)len) < 0)
			break;
	}
	/* Until the reader has gone. */
	if (damage == FAKE_HOLD)
		(void)poll(&(struct pollfd){ .fd = out_fd }, 1, -1);
}

int fake_pump(int fd, bool input, enum fake_damage damage, struct err *err)
{
	int pipe_fds[2], r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	r = fork_away(err);
	if (r == 1) {
		int in_fd = input ? fd : pipe_fds[0], out_fd = input ? pipe_fds[1] : fd;

		keep_only(in_fd, out_fd);
		copy_damaged(in_fd, out_fd, damage);
		_exit(0);
	}
	fd_close(pipe_fds[input ? 1 : 0]);
	if (r < 0) {
		fd_close(pipe_fds[input ? 0 : 1]);
		return r;
	}

	return pipe_fds[input ? 0 : 1];
}

static int leak_process(struct err *err)
{
	int r = fork_away(err);

	if (r == 1) {
		(void)close_range(0, ~0U, 0);
		(void)sleep(LEFT_PROCESS_S);
		_exit(0);
	}

	return r;
}

/* A name that nothing has yet. */
static const char *new_name(const char *prefix, char *buf, size_t buf_bytes)
{
	(void)snprintf(buf, buf_bytes, "%s-%lld", prefix, (long long)clock_now_ns());

	return buf;
}

static int leak_cgroup(struct err *err)
{
	/* cgroup v1 and hybrid; then v2 alone */
	static const char *const places[] = { "/sys/fs/cgroup/pids/hull-fake",
					      "/sys/fs/cgroup/hull-fake" };
	char path[96];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (mkdir(new_name(places[i], path, sizeof(path)), 0755) == 0)
			return 0;

	return err_sys(err, "mkdir %s", path);
}

static int leak_mount(int dir_fd, struct err *err)
{
	char name[64], path[128];

	(void)new_name("../fake-mount", name, sizeof(name));
	if (mkdirat(dir_fd, name, 0700) < 0)
		return err_sys(err, "mkdir %s", name);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	if (mount("fake", path, "tmpfs", 0, NULL) < 0)
		return err_sys(err, "mount %s", name);

	return 0;
}

static int leak_file(int dir_fd, struct err *err)
{
	char name[64];
	int fd = openat(dir_fd, new_name("../fake-file", name, sizeof(name)),
			O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, "open %s", name);
	fd_close(fd);

	return 0;
}

int fake_leak(const char *what, int dir_fd, struct err *err)
{
	if (strcmp(what, "process") == 0)
		return leak_process(err);
	if (strcmp(what, "cgroup") == 0)
		return leak_cgroup(err);
	if (strcmp(what, "mount") == 0)
		return leak_mount(dir_fd, err);
	if (strcmp(what, "file") == 0)
		return leak_file(dir_fd, err);

	return err_set(err, EINVAL, "cannot leave a '%s' behind", what);
}
