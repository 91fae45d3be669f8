/* SPDX-License-Identifier: Apache-2.0
 *
 * double.c - a sandbox that isolates nothing: plain host processes behind sandbox_ops
 *
 * The unit tests link hull-monitor with this instead of sandbox/, so that they need no right to
 * make namespaces. Every level is this one. Defects are asked for by host name:
 *	"create-fails"	create() fails after it has made the process
 *	"create-hangs"	create() waits for its cancel_fd
 *	"destroy-fails"	destroy() fails
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/sandbox.h"
#include "spec/sandbox.h"

#define MAX_PROCS 64

struct child {
	pid_t pid; /* 0: free */
	int pidfd;
	int tty_fd;
};

struct sandbox {
	struct child children[MAX_PROCS];
	int go_fd;   /* closed to let the first process go */
	int exec_fd; /* the errno of its exec comes from here */
	bool destroy_fails;
};

static int number_of(struct sandbox *sb, uint32_t proc, struct err *err)
{
	if (proc >= MAX_PROCS || sb->children[proc].pid == 0)
		return err_set(err, ESRCH, "no such process");

	return (int)proc;
}

/* In the child. */
static void become(const struct spec_process *process, const int stdio_fds[3], const char *tty)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	if (tty) {
		null_fd = open(tty, O_RDWR);
		ioctl(null_fd, TIOCSCTTY, 0);
	}
	for (int i = 0; i < 3; i++)
		dup2(tty || stdio_fds[i] < 0 ? null_fd : stdio_fds[i], i);
	execvp(process->args.items[0], strv_argv(&process->args));
}

/* Fork one; it waits for @go_fd to be closed when that is not -1. */
static int start_child(struct sandbox *sb, uint32_t number, const struct spec_process *process,
		       const int stdio_fds[3], int go_fd, struct err *err)
{
	struct child *child = &sb->children[number];
	char tty[64] = "";
	int ends[2], code;

	child->tty_fd = -1;
	if (process->terminal) {
		child->tty_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		grantpt(child->tty_fd);
		unlockpt(child->tty_fd);
		ptsname_r(child->tty_fd, tty, sizeof(tty));
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	child->pid = fork();
	if (child->pid == 0) {
		char c;

		fd_close(sb->go_fd);
		if (go_fd >= 0)
			(void)!read(go_fd, &c, 1);
		become(process, stdio_fds, tty[0] ? tty : NULL);
		code = errno;
		(void)!write(ends[1], &code, sizeof(code));
		_exit(127);
	}
	fd_close(ends[1]);
	sb->exec_fd = ends[0];
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);

	return 0;
}

static int exec_result(struct sandbox *sb, struct err *err)
{
	int code = 0;
	ssize_t n = fd_read_all(sb->exec_fd, &code, sizeof(code));

	sb->exec_fd = fd_close(sb->exec_fd);
	if (n <= 0)
		return 0;

	return err_setk(err, code == ENOENT ? ERR_NO_COMMAND : ERR_CANNOT_EXEC, code, "execute: %s",
			strerror(code));
}

static int double_probe(struct err *err)
{
	(void)err;

	return 0;
}

static int double_create(const struct sandbox_setup *setup, struct sandbox **ret_sb,
			 int *ret_tty_fd, struct err *err)
{
	const char *defect = setup->spec->hostname ? setup->spec->hostname : "";
	struct sandbox *sb = calloc(1, sizeof(*sb));
	int go[2];

	*ret_tty_fd = -1;
	sb->go_fd = sb->exec_fd = -1;
	if (strcmp(defect, "create-hangs") == 0) {
		struct pollfd wait = { .fd = setup->cancel_fd, .events = POLLIN };

		poll(&wait, 1, 20000);
		free(sb);
		return err_set(err, ECANCELED, "cancelled");
	}
	if (!setup->spec->service) {
		if (pipe2(go, O_CLOEXEC) < 0)
			return err_sys(err, "pipe");
		sb->go_fd = go[1];
		start_child(sb, 0, &setup->spec->process, setup->stdio_fds, go[0], err);
		fd_close(go[0]);
		*ret_tty_fd = sb->children[0].tty_fd;
	}
	if (strcmp(defect, "create-fails") == 0) {
		kill(sb->children[0].pid, SIGKILL);
		waitpid(sb->children[0].pid, NULL, 0);
		free(sb);
		err_setk(err, ERR_UNSUPPORTED, EOPNOTSUPP, "this host lacks a thing");
		err_hint(err, "get the thing");
		return -EOPNOTSUPP;
	}
	sb->destroy_fails = strcmp(defect, "destroy-fails") == 0;
	*ret_sb = sb;

	return 0;
}

static int double_start(struct sandbox *sb, struct err *err)
{
	sb->go_fd = fd_close(sb->go_fd);

	return exec_result(sb, err);
}

static int free_slot(struct sandbox *sb)
{
	for (int i = 1; i < MAX_PROCS; i++)
		if (sb->children[i].pid == 0)
			return i;

	return -1;
}

static int double_spawn(struct sandbox *sb, const struct spec_process *process,
			const int stdio_fds[3], uint32_t *ret_proc, int *ret_tty_fd,
			struct err *err)
{
	int slot = free_slot(sb), r;

	if (slot < 0)
		return err_set(err, EAGAIN, "too many");
	start_child(sb, (uint32_t)slot, process, stdio_fds, -1, err);
	r = exec_result(sb, err);
	if (r < 0) {
		waitpid(sb->children[slot].pid, NULL, 0);
		sb->children[slot].pid = 0;
		return r;
	}
	*ret_proc = (uint32_t)slot;
	*ret_tty_fd = sb->children[slot].tty_fd;

	return 0;
}

static int double_tool(struct sandbox *sb, const struct spec_tool *tool, const int stdio_fds[3],
		       uint32_t *ret_proc, struct err *err)
{
	int slot = free_slot(sb);
	struct child *child = &sb->children[slot];

	child->tty_fd = -1;
	child->pid = fork();
	if (child->pid == 0) {
		struct err why = ERR_INIT;

		if (strcmp(tool->path, "/absent") == 0) {
			err_setk(&why, ERR_NOT_FOUND, ENOENT, "no '%s'", tool->path);
			(void)!write(stdio_fds[2], &why, sizeof(why));
			_exit(125);
		}
		dprintf(stdio_fds[1], "tool %d %s\n", (int)tool->kind, tool->path);
		_exit(0);
	}
	(void)err;
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	*ret_proc = (uint32_t)slot;

	return 0;
}

static int double_signal(struct sandbox *sb, uint32_t proc, int signo, struct err *err)
{
	int i = number_of(sb, proc, err);

	return i < 0 ? i : kill(sb->children[i].pid, signo) < 0 ? err_sys(err, "kill") : 0;
}

static int double_kill_all(struct sandbox *sb, struct err *err)
{
	(void)err;
	for (int i = 0; i < MAX_PROCS; i++)
		if (sb->children[i].pid > 0)
			kill(-sb->children[i].pid, SIGKILL);

	return 0;
}

static int double_resize(struct sandbox *sb, uint32_t proc, uint16_t rows, uint16_t cols,
			 struct err *err)
{
	struct winsize size = { .ws_row = rows, .ws_col = cols };
	int i = number_of(sb, proc, err);

	if (i < 0)
		return i;

	return ioctl(sb->children[i].tty_fd, TIOCSWINSZ, &size) < 0 ? err_sys(err, "resize") : 0;
}

static int double_wait_fd(struct sandbox *sb, uint32_t proc, int *ret_fd, struct err *err)
{
	int i = number_of(sb, proc, err);

	if (i < 0)
		return i;
	*ret_fd = sb->children[i].pidfd;

	return 0;
}

static int double_reap(struct sandbox *sb, uint32_t proc, int *ret_wstatus, struct err *err)
{
	int i = number_of(sb, proc, err);

	if (i < 0)
		return i;
	if (waitpid(sb->children[i].pid, ret_wstatus, WNOHANG) <= 0)
		return -EAGAIN;
	fd_close(sb->children[i].pidfd);
	sb->children[i].pid = 0;

	return 0;
}

static int double_death_fd(struct sandbox *sb)
{
	(void)sb;

	return -1;
}

static int double_init_pid(struct sandbox *sb)
{
	return sb->children[0].pid;
}

static int double_update(struct sandbox *sb, const struct spec_resources *resources,
			 struct err *err)
{
	(void)sb;
	if (resources->pids_limit > 0)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "no limit on processes here");

	return 0;
}

static int double_stats(struct sandbox *sb, struct spec_stats *ret_stats, struct err *err)
{
	(void)sb;
	(void)err;
	*ret_stats = (struct spec_stats){ .cpu_ns = 42, .pids = -1, .cpus = 2 };

	return 0;
}

static int double_pause(struct sandbox *sb, int frozen, struct err *err)
{
	return double_signal(sb, 0, frozen ? SIGSTOP : SIGCONT, err);
}

static const char *double_describe(struct sandbox *sb)
{
	(void)sb;

	return "double";
}

static int double_destroy(struct sandbox *sb, struct err *err)
{
	double_kill_all(sb, NULL);
	sb->go_fd = fd_close(sb->go_fd);
	sb->exec_fd = fd_close(sb->exec_fd);
	/* Their status may be wanted yet: they are left for reap(). */
	if (sb->destroy_fails)
		return err_set(err, EBUSY, "something is stuck");

	return 0;
}

static void double_put(struct sandbox *sb)
{
	free(sb);
}

static const struct sandbox_ops double_ops = {
	.name = "double",
	.probe = double_probe,
	.create = double_create,
	.start = double_start,
	.spawn = double_spawn,
	.tool = double_tool,
	.signal = double_signal,
	.kill_all = double_kill_all,
	.resize = double_resize,
	.wait_fd = double_wait_fd,
	.reap = double_reap,
	.death_fd = double_death_fd,
	.init_pid = double_init_pid,
	.update = double_update,
	.stats = double_stats,
	.pause = double_pause,
	.describe = double_describe,
	.destroy = double_destroy,
	.put = double_put,
};

const struct sandbox_ops *sandbox_find(const char *name)
{
	return strcmp(name, "unknown") == 0 ? NULL : &double_ops;
}

/* What it leaves, it leaves as children of a monitor that is gone: the kernel has ended them. */
int sandbox_cleanup(const char *id, struct err *err)
{
	(void)id;
	(void)err;

	return 0;
}
