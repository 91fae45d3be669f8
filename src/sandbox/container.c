/* SPDX-License-Identifier: Apache-2.0
 *
 * container.c - a sandbox on the host's own kernel: namespaces and cgroups, by runtime/
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "linux/ns.h"
#include "linux/pty.h"
#include "runtime/runtime.h"
#include "sandbox/sandbox.h"

/* A process, numbered; SANDBOX_INIT is the first. */
struct proc {
	struct proc *next;
	uint32_t number;
	struct runtime_child child;
	int tty_fd; /* for resizing; the relay has its own copy */
};

struct sandbox {
	struct runtime *runtime;
	struct proc *procs;
	uint32_t last_number;
	pid_t init_pid;
};

static int container_probe(struct err *err)
{
	int fd;

	if (geteuid() != 0) {
		err_setk(err, ERR_UNSUPPORTED, EPERM, "containers need root");
		err_hint(err, "run hull as root");
		return -EPERM;
	}
	fd = fsopen("overlay", FSOPEN_CLOEXEC);
	if (fd < 0) {
		int r = err_sys(err, "the kernel has no overlay filesystem");

		err_kind(err, ERR_UNSUPPORTED);
		err_hint(err, "modprobe overlay");
		return r;
	}
	fd_close(fd);
	if (access("/proc/self/ns/user", F_OK) < 0) {
		int r = err_sys(err, "the kernel has no user namespaces");

		err_kind(err, ERR_UNSUPPORTED);
		return r;
	}

	return 0;
}

static struct proc *find_proc(const struct sandbox *sb, uint32_t number)
{
	for (struct proc *p = sb->procs; p; p = p->next)
		if (p->number == number)
			return p;

	return NULL;
}

static int no_proc(uint32_t number, struct err *err)
{
	return err_setk(err, ERR_NOT_FOUND, ESRCH, "process %u has ended", number);
}

/* Number a new process; its terminal is shared with the caller, who gets @ret_tty_fd. */
static int add_proc(struct sandbox *sb, uint32_t number, const struct runtime_child *child,
		    int *ret_tty_fd, struct err *err)
{
	struct proc *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, ENOMEM, "out of memory");
	p->number = number;
	p->child = *child;
	p->tty_fd = -1;
	if (child->tty_fd >= 0) {
		p->tty_fd = fcntl(child->tty_fd, F_DUPFD_CLOEXEC, 3);
		if (p->tty_fd < 0) {
			free(p);
			return err_sys(err, "copy a terminal");
		}
	}
	p->next = sb->procs;
	sb->procs = p;
	*ret_tty_fd = child->tty_fd;

	return 0;
}

static void free_proc(struct sandbox *sb, struct proc *proc)
{
	for (struct proc **at = &sb->procs; *at; at = &(*at)->next) {
		if (*at != proc)
			continue;
		*at = proc->next;
		break;
	}
	fd_close(proc->child.pidfd);
	fd_close(proc->tty_fd);
	free(proc);
}

static void reap_killed(int pidfd)
{
	(void)ns_signal(pidfd, SIGKILL);
	while (waitid(P_PIDFD, (id_t)pidfd, NULL, WEXITED) < 0 && errno == EINTR)
		;
}

static void drop_child(const struct runtime_child *child)
{
	reap_killed(child->pidfd);
	fd_close(child->pidfd);
	fd_close(child->tty_fd);
}

static int create_runtime(const struct sandbox_setup *setup, struct runtime_child *ret_child,
			  struct runtime **ret, struct err *err)
{
	struct runtime_setup runtime = {
		.spec = setup->spec,
		.layer_fds = setup->layer_fds,
		.layers_len = setup->layers_len,
		.rw_fd = setup->rw_fd,
		.stdio_fds = { setup->stdio_fds[0], setup->stdio_fds[1], setup->stdio_fds[2] },
		.cancel_fd = setup->cancel_fd,
	};
	char init_path[PATH_MAX];
	int r;

	if (setup->spec->process.init) {
		r = path_helper("hull-init", init_path, sizeof(init_path), err);
		if (r < 0)
			return r;
		runtime.init_path = init_path;
	}

	return runtime_create(&runtime, ret_child, ret, err);
}

static int container_create(const struct sandbox_setup *setup, struct sandbox **ret_sb,
			    int *ret_tty_fd, struct err *err)
{
	struct sandbox *sb = calloc(1, sizeof(*sb));
	struct runtime_child child;
	int r;

	if (!sb)
		return err_set(err, ENOMEM, "out of memory");
	r = create_runtime(setup, &child, &sb->runtime, err);
	if (r < 0) {
		free(sb);
		return r;
	}
	sb->init_pid = child.pid;
	r = add_proc(sb, SANDBOX_INIT, &child, ret_tty_fd, err);
	if (r < 0) {
		(void)runtime_destroy(sb->runtime, NULL);
		drop_child(&child);
		runtime_put(sb->runtime);
		free(sb);
		return r;
	}
	*ret_sb = sb;

	return 0;
}

static int container_start(struct sandbox *sb, struct err *err)
{
	return runtime_start(sb->runtime, err);
}

static int take_child(struct sandbox *sb, const struct runtime_child *child, uint32_t *ret_proc,
		      int *ret_tty_fd, struct err *err)
{
	uint32_t number = sb->last_number + 1;
	int r = add_proc(sb, number, child, ret_tty_fd, err);

	if (r < 0) {
		drop_child(child);
		return r;
	}
	sb->last_number = number;
	*ret_proc = number;

	return 0;
}

static int container_spawn(struct sandbox *sb, const struct spec_process *process,
			   const int stdio_fds[3], uint32_t *ret_proc, int *ret_tty_fd,
			   struct err *err)
{
	struct runtime_child child;
	int r = runtime_exec(sb->runtime, process, stdio_fds, &child, err);

	return r < 0 ? r : take_child(sb, &child, ret_proc, ret_tty_fd, err);
}

static int container_tool(struct sandbox *sb, const struct spec_tool *tool, const int stdio_fds[3],
			  uint32_t *ret_proc, struct err *err)
{
	struct runtime_child child;
	int tty_fd, r = runtime_tool(sb->runtime, tool, stdio_fds, &child, err);

	return r < 0 ? r : take_child(sb, &child, ret_proc, &tty_fd, err);
}

static int container_signal(struct sandbox *sb, uint32_t proc, int signo, struct err *err)
{
	struct proc *p = find_proc(sb, proc);
	int r = p ? ns_signal(p->child.pidfd, signo) : -ESRCH;

	if (r == -ESRCH)
		return no_proc(proc, err);

	return r < 0 ? err_wrap(err, r, "send signal %d", signo) : 0;
}

static int container_kill_all(struct sandbox *sb, struct err *err)
{
	return runtime_kill_all(sb->runtime, err);
}

static int container_resize(struct sandbox *sb, uint32_t proc, uint16_t rows, uint16_t cols,
			    struct err *err)
{
	struct proc *p = find_proc(sb, proc);
	int r;

	if (!p)
		return no_proc(proc, err);
	if (p->tty_fd < 0)
		return err_setk(err, ERR_CONFLICT, ENOTTY, "process %u has no terminal", proc);
	r = pty_resize(p->tty_fd, rows, cols);

	return r < 0 ? err_wrap(err, r, "resize the terminal") : 0;
}

static int container_wait_fd(struct sandbox *sb, uint32_t proc, int *ret_fd, struct err *err)
{
	struct proc *p = find_proc(sb, proc);

	if (!p)
		return no_proc(proc, err);
	*ret_fd = p->child.pidfd;

	return 0;
}

static int container_reap(struct sandbox *sb, uint32_t proc, int *ret_wstatus, struct err *err)
{
	struct proc *p = find_proc(sb, proc);
	siginfo_t info = { 0 };

	if (!p)
		return no_proc(proc, err);
	if (waitid(P_PIDFD, (id_t)p->child.pidfd, &info, WEXITED | WNOHANG) < 0)
		return err_sys(err, "wait for process %u", proc);
	if (info.si_pid == 0)
		return err_set(err, EAGAIN, "process %u is running", proc);
	*ret_wstatus = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
						  : W_EXITCODE(0, info.si_status);
	free_proc(sb, p);

	return 0;
}

static int container_death_fd(struct sandbox *sb)
{
	(void)sb;

	return -1;
}

static int container_init_pid(struct sandbox *sb)
{
	return (int)sb->init_pid;
}

static int container_update(struct sandbox *sb, const struct spec_resources *resources,
			    struct err *err)
{
	return runtime_update(sb->runtime, resources, err);
}

static int container_stats(struct sandbox *sb, struct spec_stats *ret_stats, struct err *err)
{
	return runtime_stats(sb->runtime, ret_stats, err);
}

static int container_pause(struct sandbox *sb, int frozen, struct err *err)
{
	return runtime_pause(sb->runtime, frozen, err);
}

static const char *container_describe(struct sandbox *sb)
{
	(void)sb;

	return "namespaces";
}

static int container_destroy(struct sandbox *sb, struct err *err)
{
	/* Jobs in the root are outside the cgroup and hold the root. */
	for (struct proc *p = sb->procs; p; p = p->next)
		(void)ns_signal(p->child.pidfd, SIGKILL);

	return runtime_destroy(sb->runtime, err);
}

static void container_put(struct sandbox *sb)
{
	if (!sb)
		return;
	while (sb->procs) {
		if (!ns_alive(sb->procs->child.pidfd))
			reap_killed(sb->procs->child.pidfd);
		free_proc(sb, sb->procs);
	}
	runtime_put(sb->runtime);
	free(sb);
}

const struct sandbox_ops sandbox_container_ops = {
	.name = "container",
	.probe = container_probe,
	.create = container_create,
	.start = container_start,
	.spawn = container_spawn,
	.tool = container_tool,
	.signal = container_signal,
	.kill_all = container_kill_all,
	.resize = container_resize,
	.wait_fd = container_wait_fd,
	.reap = container_reap,
	.death_fd = container_death_fd,
	.init_pid = container_init_pid,
	.update = container_update,
	.stats = container_stats,
	.pause = container_pause,
	.describe = container_describe,
	.destroy = container_destroy,
	.put = container_put,
};
