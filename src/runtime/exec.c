/* SPDX-License-Identifier: Apache-2.0
 *
 * exec.c - outside: processes that join what runs, and built-in jobs in its root
 *
 * A new process is born in the pid namespace and the v2 cgroup (this process enters the pid
 * namespace for its children, for as long as it takes to clone), so that it is our own child
 * and no intermediate one is needed. It joins the rest itself. Until its exec it cannot be
 * traced: its memory is a copy of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "linux/caps.h"
#include "linux/features.h"
#include "linux/ns.h"
#include "linux/overlay.h"
#include "runtime/build.h"
#include "runtime/control.h"
#include "runtime/process.h"
#include "runtime/ps.h"
#include "runtime/sync.h"
#include "runtime/tool.h"

/* What a built-in job may do to files; it changes nothing else. */
#define TOOL_CAPS                                                                           \
	(CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_DAC_READ_SEARCH) | \
	 CAPS_BIT(CAP_FOWNER) | CAPS_BIT(CAP_FSETID) | CAPS_BIT(CAP_MKNOD) |                \
	 CAPS_BIT(CAP_SETFCAP) | CAPS_BIT(CAP_SYS_ADMIN))
#define TOOL_FAILED 125

static int check_running(const struct runtime *rt, struct err *err)
{
	if (!ns_alive(rt->init_pidfd))
		return err_setk(err, ERR_CONFLICT, ESRCH, "it is not running");

	return 0;
}

/* Join namespaces of the first process; its root becomes ours with the mount namespace. */
static int join(const struct runtime *rt, uint64_t kinds, struct err *err)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(err, "forbid tracing");
	if (setns(rt->init_pidfd, (int)(rt->namespaces & kinds)) < 0)
		return err_sys(err, "join the namespaces");

	return rt->uid_count ? ns_become_root(err) : 0;
}

static int exec_inside(const struct runtime *rt, struct process *p, bool in_v2, struct err *err)
{
	struct sync_msg msg = { .kind = SYNC_READY };
	int master_fd = -1, r;

	r = process_start_clean(err);
	if (r == 0)
		r = cgroup_join(&rt->cgroup, !in_v2, err);
	if (r == 0)
		r = join(rt, ~(uint64_t)CLONE_NEWPID, err);
	if (r == 0)
		r = process_prepare(p, rt->devpts_fd, &master_fd, err);
	if (r < 0)
		return r;
	msg.uid = p->user.uid;
	msg.gid = p->user.gid;
	msg.has = master_fd >= 0 ? SYNC_HAS_TTY : 0;
	r = sync_send(p->sync_fd, &msg, &master_fd, master_fd >= 0, err);
	if (r == 0)
		r = sync_receive(p->sync_fd, SYNC_GO, &msg, NULL, NULL, err);

	return r < 0 ? r : process_exec(p, err);
}

static NORETURN void exec_main(const struct runtime *rt, struct process *p, bool in_v2)
{
	const int keep[] = { p->sync_fd,      p->stdio_fds[0], p->stdio_fds[1],
			     p->stdio_fds[2], rt->init_pidfd,  rt->devpts_fd };
	struct sync_msg msg = { .kind = SYNC_FAILED };

	if (process_keep_only(keep, ARRAY_SIZE(keep), &msg.err) == 0)
		(void)exec_inside(rt, p, in_v2, &msg.err);
	(void)sync_send(p->sync_fd, &msg, NULL, 0, NULL);
	_exit(1);
}

/*
 * A workload that may write its cgroups can have moved all processes below its group and enabled
 * controllers there (systemd does): then the group takes no process, and we go where the first
 * process is.
 */
static int open_init_cgroup(const struct runtime *rt, struct err *err)
{
	const struct cgroup_dir *v2 = cgroup_v2(&rt->cgroup);
	char path[64], text[4096], place[CGROUP_PATH_BYTES + sizeof(text)];
	struct slice rest, line;
	auto_close int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)rt->init_pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_all(fd, text, sizeof(text));
	rest = (struct slice){ text, n > 0 ? (size_t)n : 0 };
	while (slice_next(&rest, '\n', &line)) {
		if (line.len < 3 || memcmp(line.at, "0::", 3) != 0)
			continue;
		(void)snprintf(place, sizeof(place), "%.*s%.*s", (int)v2->mount_len, v2->path,
			       (int)line.len - 3, line.at + 3);
		n = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return n < 0 ? err_sys(err, "open cgroup '%s'", place) : (int)n;
	}

	return err_set(err, ENOENT, "the cgroup of process %d is unknown", (int)rt->init_pid);
}

static pid_t fork_into_cgroup(const struct runtime *rt, int *ret_pidfd, struct err *err)
{
	auto_close int inner_fd = -1;
	pid_t pid = ns_fork(0, rt->cgroup_fd, ret_pidfd, err);

	if (pid != -EBUSY)
		return pid;
	inner_fd = open_init_cgroup(rt, err);

	return inner_fd < 0 ? inner_fd : ns_fork(0, inner_fd, ret_pidfd, err);
}

/* fork() into the pid namespace and the v2 cgroup of the runtime. */
static pid_t fork_in(const struct runtime *rt, bool in_v2, int *ret_pidfd, struct err *err)
{
	bool visit = rt->namespaces & CLONE_NEWPID;
	auto_close int home_fd = -1;
	pid_t pid;

	if (visit) {
		home_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (home_fd < 0)
			return err_sys(err, "open the pid namespace");
		if (setns(rt->init_pidfd, CLONE_NEWPID) < 0)
			return err_sys(err, "join the pid namespace");
	}
	pid = in_v2 ? fork_into_cgroup(rt, ret_pidfd, err) : ns_fork(0, -1, ret_pidfd, err);
	/* Children of ours that landed in the workload's namespace by mistake: never. */
	if (pid != 0 && visit && setns(home_fd, CLONE_NEWPID) < 0)
		abort();

	return pid;
}

static int await_exec(const struct runtime *rt, const struct process *p, int gate_fd,
		      struct runtime_child *child, struct err *err)
{
	int fds[SYNC_MAX_FDS];
	struct sync_msg msg;
	size_t len = 0;
	int r = sync_receive(gate_fd, SYNC_READY, &msg, fds, &len, err);

	if (r < 0)
		return r;
	if (len != !!(msg.has & SYNC_HAS_TTY))
		return err_set(err, EPROTO, "the process sent %zu descriptors", len);
	child->tty_fd = len > 0 ? fds[0] : -1;
	r = control_settle(rt, child->pid, p->spec, p->stdio_fds, &msg, err);

	return r < 0 ? r : control_let_go(gate_fd, err);
}

int runtime_exec(struct runtime *rt, const struct spec_process *process, const int stdio_fds[3],
		 struct runtime_child *ret, struct err *err)
{
	struct process p = {
		.spec = process,
		.filter = rt->confined ? &rt->filter : NULL,
		.joins = true,
		.stdio_fds = { stdio_fds[0], stdio_fds[1], stdio_fds[2] },
		.slave_fd = -1,
	};
	struct runtime_child child = { .pidfd = -1, .tty_fd = -1 };
	bool in_v2 = rt->cgroup_fd >= 0 && feature_wanted(FEATURE_CLONE_CGROUP);
	int fds[2], r;

	r = check_running(rt, err);
	if (r < 0)
		return r;
	if (rt->paused)
		return err_setk(err, ERR_CONFLICT, EBUSY, "it is paused");
	r = sync_pair(fds, err);
	if (r < 0)
		return r;
	p.sync_fd = fds[1];
	child.pid = fork_in(rt, in_v2, &child.pidfd, err);
	if (child.pid == 0)
		exec_main(rt, &p, in_v2);
	fd_close(fds[1]);
	r = child.pid < 0 ? child.pid : await_exec(rt, &p, fds[0], &child, err);
	fd_close(fds[0]);
	if (r < 0) {
		if (child.pid > 0)
			control_kill_child(child.pid, child.pidfd);
		fd_close(child.pidfd);
		fd_close(child.tty_fd);
		return r;
	}
	*ret = child;

	return 0;
}

/* What the lower layers alone look like, for SPEC_TOOL_DIFF. */
static int open_lower(const struct runtime *rt, struct err *err)
{
	const struct overlay overlay = {
		.layer_fds = rt->layer_fds,
		.layers_len = rt->layers_len,
		.rw_fd = -1,
	};
	int fd;

	if (rt->layers_len > 1)
		return overlay_new(&overlay, err);
	fd = fcntl(rt->layer_fds[0], F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? err_sys(err, "take the layer") : fd;
}

/* What the job looks at. Marks of the overlay on its writable layer show on the host only. */
static int open_subject(const struct runtime *rt, const struct spec_tool *tool,
			struct runtime_tool_fds *ret, struct err *err)
{
	int r;

	if (tool->kind == SPEC_TOOL_DIFF) {
		ret->upper = openat(rt->rw_fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return ret->upper < 0 ? err_sys(err, "open the writable layer") : 0;
	}
	r = join(rt, CLONE_NEWNS | CLONE_NEWUSER, err);
	if (r < 0)
		return r;
	ret->root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return ret->root < 0 ? err_sys(err, "open the root") : 0;
}

/* Descriptors end with the process. */
static int run_tool(const struct runtime *rt, const struct spec_tool *tool, int lower_fd,
		    const int stdio_fds[3], struct err *err)
{
	struct runtime_tool_fds fds = {
		.root = -1,
		.upper = -1,
		.lower = lower_fd,
		.in = stdio_fds[0],
		.out = stdio_fds[1],
	};
	int r;

	if (tool->kind == SPEC_TOOL_PS)
		return runtime_ps(rt, stdio_fds[1], err);
	r = open_subject(rt, tool, &fds, err);
	if (r == 0)
		r = caps_limit_bounding(TOOL_CAPS, err);
	if (r == 0)
		r = caps_set(TOOL_CAPS, 0, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "set no_new_privs");

	return runtime_tool_run(tool, &fds, err);
}

static NORETURN void tool_main(const struct runtime *rt, const struct spec_tool *tool, int lower_fd,
			       const int stdio_fds[3])
{
	const int keep[] = { stdio_fds[0],   stdio_fds[1], stdio_fds[2],
			     rt->init_pidfd, rt->rw_fd,	   lower_fd };
	struct err err = ERR_INIT;
	int r = process_keep_only(keep, ARRAY_SIZE(keep), &err);

	if (r == 0)
		r = process_start_clean(&err);
	if (r == 0)
		r = run_tool(rt, tool, lower_fd, stdio_fds, &err);
	if (r < 0 && stdio_fds[2] >= 0)
		(void)fd_write_all(stdio_fds[2], &err, sizeof(err));
	_exit(r < 0 ? TOOL_FAILED : 0);
}

int runtime_tool(struct runtime *rt, const struct spec_tool *tool, const int stdio_fds[3],
		 struct runtime_child *ret, struct err *err)
{
	struct runtime_child child = { .pidfd = -1, .tty_fd = -1 };
	auto_close int lower_fd = -1;
	int r = check_running(rt, err);

	if (r < 0)
		return r;
	if (tool->kind == SPEC_TOOL_DIFF) {
		lower_fd = open_lower(rt, err);
		if (lower_fd < 0)
			return lower_fd;
	}
	/* Outside its pid namespace and cgroup: a paused workload can be copied from too. */
	child.pid = ns_fork(0, -1, &child.pidfd, err);
	if (child.pid < 0)
		return child.pid;
	if (child.pid == 0)
		tool_main(rt, tool, lower_fd, stdio_fds);
	*ret = child;

	return 0;
}
