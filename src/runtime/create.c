/* SPDX-License-Identifier: Apache-2.0
 *
 * create.c - outside: build a runtime around its first process, and let that go
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/features.h"
#include "linux/ns.h"
#include "runtime/build.h"
#include "runtime/control.h"
#include "runtime/process.h"
#include "runtime/seccomp.h"
#include "runtime/sync.h"

/* Kinds of namespace that the spec chooses, and where to find this process' own. */
enum kind {
	KIND_PID,
	KIND_IPC,
	KIND_NET,
	KIND_UTS,
	KIND_CGROUP,
	KINDS_LEN
};

static const struct {
	uint64_t flag;
	const char *proc_name;
} KINDS[KINDS_LEN] = {
	[KIND_PID] = { CLONE_NEWPID, "/proc/self/ns/pid" },
	[KIND_IPC] = { CLONE_NEWIPC, "/proc/self/ns/ipc" },
	[KIND_NET] = { CLONE_NEWNET, "/proc/self/ns/net" },
	[KIND_UTS] = { CLONE_NEWUTS, "/proc/self/ns/uts" },
	[KIND_CGROUP] = { CLONE_NEWCGROUP, "/proc/self/ns/cgroup" },
};

static const char *wanted(const struct spec_namespaces *ns, enum kind kind)
{
	const char *const choice[KINDS_LEN] = {
		[KIND_PID] = ns->pid, [KIND_IPC] = ns->ipc,	  [KIND_NET] = ns->net,
		[KIND_UTS] = ns->uts, [KIND_CGROUP] = ns->cgroup,
	};

	return choice[kind] ? choice[kind] : "";
}

/* Namespaces to join: this process enters them for as long as it takes to clone. */
struct visit {
	int home_fds[KINDS_LEN], away_fds[KINDS_LEN];
};

static void close_visit(struct visit *v)
{
	for (int i = 0; i < KINDS_LEN; i++) {
		fd_close(v->home_fds[i]);
		fd_close(v->away_fds[i]);
	}
}

/* Sort the five kinds into own, host and joined; open the joined. */
static int choose_namespaces(struct build *b, struct visit *ret, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;

	for (int i = 0; i < KINDS_LEN; i++)
		ret->home_fds[i] = ret->away_fds[i] = -1;
	b->own = spec->uid_count ? CLONE_NEWUSER : 0;
	b->rt->namespaces = CLONE_NEWNS | b->own;
	for (int i = 0; i < KINDS_LEN; i++) {
		const char *choice = wanted(&spec->ns, i);

		if (strcmp(choice, "host") == 0 || (i == KIND_NET && b->setup->share_net))
			continue;
		b->rt->namespaces |= KINDS[i].flag;
		if (!*choice) {
			b->own |= KINDS[i].flag;
			b->rt->own_pid |= i == KIND_PID;
			continue;
		}
		ret->away_fds[i] = open(choice, O_RDONLY | O_CLOEXEC);
		if (ret->away_fds[i] < 0)
			return err_sys(err, "open namespace '%s'", choice);
		ret->home_fds[i] = open(KINDS[i].proc_name, O_RDONLY | O_CLOEXEC);
		if (ret->home_fds[i] < 0)
			return err_sys(err, "open '%s'", KINDS[i].proc_name);
	}

	return 0;
}

static int enter(const int fds[KINDS_LEN], struct err *err)
{
	for (int i = 0; i < KINDS_LEN; i++)
		if (fds[i] >= 0 && setns(fds[i], (int)KINDS[i].flag) < 0)
			return err_sys(err, "join a namespace");

	return 0;
}

static NORETURN void inside_main(struct build *b, int sync_fd)
{
	struct sync_msg msg = { .kind = SYNC_FAILED };

	const int *stdio = b->setup->stdio_fds;
	const int keep[] = { sync_fd, stdio[0], stdio[1], stdio[2] };
	int r = process_keep_only(keep, ARRAY_SIZE(keep), &msg.err);

	if (r == 0)
		(void)build_inside(b, sync_fd, &msg.err);
	(void)sync_send(sync_fd, &msg, NULL, 0, NULL);
	_exit(1);
}

static int clone_init(struct build *b, struct visit *visit, int cgroup_fd, struct err *err)
{
	struct runtime *rt = b->rt;
	int fds[2], r;
	pid_t pid;

	r = sync_pair(fds, err);
	if (r < 0)
		return r;
	r = enter(visit->away_fds, err);
	pid = r < 0 ? r
		    : ns_fork(b->own & (CLONE_NEWUSER | CLONE_NEWPID), cgroup_fd, &rt->init_pidfd,
			      err);
	if (pid == 0) {
		fd_close(fds[0]);
		inside_main(b, fds[1]);
	}
	fd_close(fds[1]);
	rt->gate_fd = fds[0];
	/* A process that is lost in a foreign namespace is of no use to its caller. */
	if (enter(visit->home_fds, pid < 0 ? NULL : err) < 0)
		abort();
	if (pid < 0)
		return pid;
	rt->init_pid = pid;

	return 0;
}

static int set_limits(const struct build *b, struct err *err)
{
	int r = control_set_limits(b->rt, &b->setup->spec->resources, err);

	return r < 0 ? r : build_device_rules(b, err);
}

/* Everything process 1 must have before it enters its cgroups. */
static int send_mapped(struct build *b, bool in_v2, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;
	struct sync_msg msg = { .kind = SYNC_MAPPED, .has = !in_v2 };
	int r = 0;

	if (spec->uid_count)
		r = ns_map_ids(b->rt->init_pid, spec->uid_base, spec->uid_count, &b->userns_fd,
			       err);
	if (r == 0)
		r = cgroup_make_v1(&b->rt->cgroup, err);
	if (r == -EEXIST)
		b->rt->cgroup.dirs_len = 0;

	return r < 0 ? r : sync_send(b->rt->gate_fd, &msg, NULL, 0, err);
}

static int send_mounts(struct build *b, struct err *err)
{
	struct sync_msg msg = { .kind = SYNC_MOUNTS };
	int fds[SYNC_MAX_FDS], r = 0;
	size_t len = 0;

	for (size_t i = 0; r == 0 && i < b->slots_len; i++) {
		if (b->slots[i] >= 0)
			fds[len++] = b->slots[i];
		if (len > 0 && (len == SYNC_MAX_FDS || i + 1 == b->slots_len)) {
			r = sync_send(b->rt->gate_fd, &msg, fds, len, err);
			len = 0;
		}
	}

	return r;
}

/*
 * Process 1 may take its time, to fill a volume from the image, or for ever, at a bind source
 * of a server that is gone: only the caller knows how long that is worth waiting for.
 */
static int await_message(const struct build *b, struct err *err)
{
	struct pollfd wait[] = {
		{ .fd = b->rt->gate_fd, .events = POLLIN },
		{ .fd = b->setup->cancel_fd, .events = POLLIN },
	};

	while (poll(wait, ARRAY_SIZE(wait), -1) < 0)
		if (errno != EINTR)
			return err_sys(err, "wait for process 1");

	return wait[1].revents ? err_set(err, ECANCELED, "cancelled") : 0;
}

static int await_ready(struct build *b, struct runtime_child *ret_init, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;
	struct runtime *rt = b->rt;
	int fds[SYNC_MAX_FDS];
	struct sync_msg msg;
	size_t len = 0;
	int r = await_message(b, err);

	if (r == 0)
		r = sync_receive(rt->gate_fd, SYNC_READY, &msg, fds, &len, err);
	if (r < 0)
		return r;
	if (len != 1U + !!(msg.has & SYNC_HAS_TTY))
		return err_set(err, EPROTO, "process 1 sent %zu descriptors", len);
	rt->devpts_fd = fds[0];
	ret_init->tty_fd = len > 1 ? fds[1] : -1;
	ret_init->pid = rt->init_pid;

	return spec->service ? 0
			     : control_settle(rt, rt->init_pid, &spec->process, b->setup->stdio_fds,
					      &msg, err);
}

/* Make the group's first directory: who has it owns the name. */
static int take_cgroup(struct runtime *rt, struct err *err)
{
	int r = cgroup_find(rt->cgroup_name, &rt->cgroup, err);

	if (r == 0)
		r = cgroup_make_v2(&rt->cgroup, &rt->cgroup_fd, err);
	/* Then nothing of it is ours to remove. */
	if (r < 0)
		rt->cgroup.dirs_len = 0;
	if (r == -EEXIST)
		err_kind(err, ERR_CONFLICT);

	return r;
}

static int build_outside(struct build *b, struct runtime_child *ret_init, struct err *err)
{
	struct runtime *rt = b->rt;
	struct visit visit;
	bool in_v2 = feature_wanted(FEATURE_CLONE_CGROUP);
	int r = choose_namespaces(b, &visit, err);

	if (r == 0)
		r = take_cgroup(rt, err);
	if (r == 0)
		r = clone_init(b, &visit, in_v2 ? rt->cgroup_fd : -1, err);
	close_visit(&visit);
	if (r == 0)
		r = send_mapped(b, in_v2, err);
	if (r == 0)
		r = build_binds(b, err);
	if (r == 0)
		r = build_layers(b, err);
	/* Before process 1 opens devices: v1 allows none while its rules are being written. */
	if (r == 0)
		r = set_limits(b, err);
	if (r == 0)
		r = send_mounts(b, err);
	if (r == 0)
		r = await_ready(b, ret_init, err);

	return r;
}

/* A failed create may have its reason in what process 1 has sent already. */
static void prefer_inner_reason(const struct runtime *rt, struct err *err)
{
	struct sync_msg msg;

	if (err && err->code == EPIPE && rt->gate_fd >= 0)
		(void)sync_receive(rt->gate_fd, SYNC_FAILED, &msg, NULL, NULL, err);
}

static int alloc_slots(struct build *b, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;

	b->slots_len = SLOT_BINDS + spec->mounts_len + spec->devices_len;
	b->slots = malloc(b->slots_len * sizeof(*b->slots));
	if (!b->slots)
		return err_set(err, ENOMEM, "out of memory");
	b->bind_fds = b->slots + SLOT_BINDS;
	b->device_fds = b->bind_fds + spec->mounts_len;
	b->slots[SLOT_OVERLAY] = SLOT_AWAITED;
	b->slots[SLOT_DEV] = SLOT_AWAITED;
	b->slots[SLOT_INIT] = spec->process.init && !spec->service ? SLOT_AWAITED : SLOT_UNUSED;
	for (size_t i = 0; i < spec->mounts_len; i++)
		b->bind_fds[i] =
			spec->mounts[i].type == SPEC_MOUNT_BIND ? SLOT_AWAITED : SLOT_UNUSED;
	for (size_t i = 0; i < spec->devices_len; i++)
		b->device_fds[i] = strncmp(spec->devices[i].target, "/dev/", 5) == 0 ? SLOT_UNUSED
										     : SLOT_AWAITED;

	return 0;
}

static struct runtime *runtime_new(const struct runtime_setup *setup)
{
	struct runtime *rt = calloc(1, sizeof(*rt));

	if (!rt)
		return NULL;
	(void)snprintf(rt->cgroup_name, sizeof(rt->cgroup_name), CONTROL_CGROUP "%s",
		       setup->spec->id);
	rt->uid_base = setup->spec->uid_count ? setup->spec->uid_base : 0;
	rt->uid_count = setup->spec->uid_count;
	rt->cgroup_fd = rt->init_pidfd = rt->gate_fd = rt->devpts_fd = -1;
	rt->rw_fd = rt->places_fd = -1;

	return rt;
}

int runtime_create(const struct runtime_setup *setup, struct runtime_child *ret_init,
		   struct runtime **ret, struct err *err)
{
	struct runtime *rt = runtime_new(setup);
	struct build b = { .setup = setup, .rt = rt, .userns_fd = -1 };
	struct runtime_child child = { .tty_fd = -1, .pidfd = -1 };
	int r;

	if (!rt)
		return err_set(err, ENOMEM, "out of memory");
	r = alloc_slots(&b, err);
	if (r == 0)
		r = runtime_seccomp(setup->spec, &rt->filter, &rt->confined, err);
	if (r == 0)
		r = build_outside(&b, &child, err);
	if (r == 0) {
		child.pidfd = fcntl(rt->init_pidfd, F_DUPFD_CLOEXEC, 3);
		r = child.pidfd < 0 ? err_sys(err, "copy a pidfd") : 0;
	}
	for (size_t i = 0; i < b.slots_len; i++)
		fd_close(b.slots[i]);
	free(b.slots);
	fd_close(b.userns_fd);
	if (r < 0) {
		prefer_inner_reason(rt, err);
		fd_close(child.tty_fd);
		control_abandon(rt);
		return r;
	}
	*ret_init = child;
	*ret = rt;

	return 0;
}

int runtime_start(struct runtime *rt, struct err *err)
{
	int r;

	if (rt->gate_fd < 0)
		return err_setk(err, ERR_CONFLICT, EALREADY, "it has been started already");
	r = control_let_go(rt->gate_fd, err);
	rt->gate_fd = fd_close(rt->gate_fd);

	return r;
}
