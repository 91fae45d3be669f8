/* SPDX-License-Identifier: Apache-2.0
 *
 * ns.c - processes in namespaces
 */
#include "linux/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

pid_t ns_fork(uint64_t clone_flags, int cgroup_fd, int *ret_pidfd, struct err *err)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = clone_flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		/* A sibling made with CLONE_PARENT has the signal of its maker. */
		.exit_signal = clone_flags & CLONE_PARENT ? 0 : SIGCHLD,
	};
	long pid;

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return err_sys(err, "clone");
	if (pid > 0)
		*ret_pidfd = pidfd;

	return (pid_t)pid;
}

int ns_map_ids(pid_t pid, uint32_t base, uint32_t count, int *ret_userns_fd, struct err *err)
{
	auto_close int proc_fd = -1;
	char text[64];
	int fd, r;

	(void)snprintf(text, sizeof(text), "/proc/%d", (int)pid);
	proc_fd = open(text, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0)
		return err_sys(err, "open '%s'", text);
	(void)snprintf(text, sizeof(text), "0 %u %u\n", base, count);
	r = fd_write_file(proc_fd, "uid_map", text, err);
	if (r < 0)
		return r;
	r = fd_write_file(proc_fd, "gid_map", text, err);
	if (r < 0)
		return r;
	fd = openat(proc_fd, "ns/user", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open the user namespace");
	*ret_userns_fd = fd;

	return 0;
}

int ns_signal(int pidfd, int signo)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

bool ns_alive(int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 0;
}

int ns_become_root(struct err *err)
{
	/* The system calls themselves: the wrappers of libc would signal other threads. */
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		return err_sys(err, "drop the groups");
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(err, "become root of the user namespace");

	return 0;
}
