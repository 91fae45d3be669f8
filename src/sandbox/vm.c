/* SPDX-License-Identifier: Apache-2.0
 *
 * vm.c - the vm level: the workload runs in a virtual machine, through the agent in it
 *
 * Everything that can happen to a machine (its stream to the agent, relayed descriptors, its
 * end, the end of a share's daemon) is in a loop of the sandbox's own. Between calls the
 * caller's loop watches that loop's descriptor; during a call that waits for the agent, only
 * the own loop runs: streams go on, and nothing of the caller's is re-entered.
 *
 * A machine that breaks the protocol, ends, or loses a daemon is dead: it is killed, all its
 * processes count as killed by SIGKILL, and what they had written before still arrives.
 */
#include "sandbox/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "machine/guest.h"

#define BOOT_LIMIT_NS (120 * NS_PER_SEC)
#define CALL_LIMIT_NS (20 * NS_PER_SEC)
#define FINISH_LIMIT_NS (15 * NS_PER_SEC)
#define MEMORY_DEFAULT_BYTES ((int64_t)(512 * MIB))
#define INIT_FILE_MAX_BYTES (2 * MIB)

/* A process in the machine. */
struct vm_proc {
	struct vm_proc *next;
	uint32_t number;
	int end_fd; /* eventfd: it has ended and its output has been passed on */
	bool ended, told;
	int wstatus;
};

/* A daemon whose end is the machine's end. */
struct vm_watched_share {
	struct vm_share share;
	struct loop_source source;
};

/* The answer that a call waits for. */
struct vm_reply {
	uint32_t seq;
	bool come;
	struct err failure;
	char *body;
};

struct sandbox {
	const struct machine_ops *ops;
	struct machine *machine;
	struct loop loop;
	struct loop *caller_loop;
	struct loop_source loop_source, death_source, cancel_source;
	struct agentproto_conn conn;
	struct agentproto_events events;
	struct vm_watched_share *shares;
	size_t shares_len;
	struct cgroup cgroup;
	int cgroup_fd;
	bool has_cgroup;
	struct vm_proc *procs;
	uint32_t last_proc;
	struct vm_reply reply;
	bool cancelled, paused, dead, ending;
	int death_fd; /* eventfd */
	struct err death;
	int64_t memory_bytes, cpus;
	int64_t oom_kills;
};

/* ---- processes ---- */

static struct vm_proc *find_proc(const struct sandbox *sb, uint32_t number)
{
	for (struct vm_proc *p = sb->procs; p; p = p->next)
		if (p->number == number)
			return p;

	return NULL;
}

static void forget_proc(struct sandbox *sb, struct vm_proc *proc)
{
	struct vm_proc **at = &sb->procs;

	while (*at != proc)
		at = &(*at)->next;
	*at = proc->next;
	agentproto_relay_drop(&sb->conn, proc->number);
	fd_close(proc->end_fd);
	free(proc);
}

static void raise_event(int event_fd)
{
	uint64_t one = 1;

	(void)!write(event_fd, &one, sizeof(one));
}

static void tell_end(const struct sandbox *sb, struct vm_proc *proc)
{
	if (proc->told || !proc->ended ||
	    !agentproto_relay_idle(&sb->conn, proc->number, AGENTPROTO_RECEIVE))
		return;
	proc->told = true;
	raise_event(proc->end_fd);
}

/* A terminal of the caller's is one socket, relayed both ways. */
static int relay_terminal(struct sandbox *sb, uint32_t number, int *ret_tty_fd, struct err *err)
{
	auto_close int tty_fd = -1, copy_fd = -1;
	int socks[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(err, "make a socket pair");
	tty_fd = socks[0];
	copy_fd = fcntl(socks[1], F_DUPFD_CLOEXEC, 3);
	r = agentproto_relay_fd(&sb->conn, number, AGENTPROTO_STDOUT, AGENTPROTO_RECEIVE, socks[1]);
	if (r == 0 && copy_fd < 0)
		r = -EMFILE;
	if (r == 0)
		r = agentproto_relay_fd(&sb->conn, number, AGENTPROTO_STDIN, AGENTPROTO_SEND,
					take_fd(copy_fd));
	if (r < 0)
		return err_set(err, -r, "relay the terminal");
	*ret_tty_fd = take_fd(tty_fd);

	return 0;
}

static int relay_stdio(struct sandbox *sb, uint32_t number, const int stdio_fds[3],
		       uint32_t *ret_streams, struct err *err)
{
	*ret_streams = 0;
	for (int i = 0; i < AGENTPROTO_STREAMS; i++) {
		enum agentproto_relay relay =
			i == AGENTPROTO_STDIN ? AGENTPROTO_SEND : AGENTPROTO_RECEIVE;
		int r;

		if (stdio_fds[i] < 0)
			continue;
		*ret_streams |= 1U << i;
		r = agentproto_private_fd(stdio_fds[i], relay);
		if (r >= 0)
			r = agentproto_relay_fd(&sb->conn, number, (uint8_t)i, relay, r);
		if (r < 0)
			return err_set(err, -r, "relay stream %d", i);
	}

	return 0;
}

/**
 * struct proc_want - a process that is about to be asked for
 * @msg:	the request; its @proc and @streams are filled in by add_proc()
 * @stdio_fds:	the caller's descriptors
 * @terminal:	give a terminal instead
 * @tty_fd:	its end for the caller, or -1
 */
struct proc_want {
	struct agentproto_msg msg;
	const int *stdio_fds;
	bool terminal;
	int tty_fd;
};

static int add_proc(struct sandbox *sb, struct proc_want *want, struct vm_proc **ret,
		    struct err *err)
{
	struct vm_proc *proc = calloc(1, sizeof(*proc));

	if (!proc)
		return err_set(err, ENOMEM, "out of memory");
	proc->number = want->msg.proc;
	proc->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	proc->next = sb->procs;
	sb->procs = proc;
	*ret = proc;
	want->tty_fd = -1;
	if (proc->end_fd < 0)
		return err_sys(err, "make an eventfd");

	return want->terminal
		       ? relay_terminal(sb, proc->number, &want->tty_fd, err)
		       : relay_stdio(sb, proc->number, want->stdio_fds, &want->msg.streams, err);
}

/* ---- what happens ---- */

static void die(struct sandbox *sb, const char *why)
{
	char words[256] = "";

	if (sb->dead)
		return;
	sb->dead = true;
	if (sb->machine) {
		sb->ops->last_words(sb->machine, words, sizeof(words));
		sb->ops->kill(sb->machine);
	}
	err_set(&sb->death, EPIPE, "%s%s%s", why, *words ? ": " : "", words);
	for (struct vm_proc *p = sb->procs; p; p = p->next) {
		if (!p->ended)
			p->wstatus = SIGKILL;
		p->ended = true;
		tell_end(sb, p);
	}
	if (!sb->ending)
		raise_event(sb->death_fd);
}

static void on_machine_end(void *ctx, uint32_t events)
{
	struct sandbox *sb = ctx;

	(void)events;
	loop_del(&sb->loop, &sb->death_source);
	/* What it has sent is read first: the connection is lost where that ends. */
	if (!sb->conn.loop || sb->conn.lost)
		die(sb, "the machine has ended");
}

static void on_share_end(void *ctx, uint32_t events)
{
	struct sandbox *sb = ctx;

	(void)events;
	for (size_t i = 0; i < sb->shares_len; i++)
		loop_del(&sb->loop, &sb->shares[i].source);
	/* A guest that waits for it cannot be helped: not even its own kill would get through. */
	die(sb, "a bind mount's daemon has ended");
}

static void on_lost(void *ctx, const struct err *why)
{
	char text[128];

	die(ctx, err_text(why, text, sizeof(text)));
}

static void on_message(void *ctx, const struct agentproto_msg *msg)
{
	struct sandbox *sb = ctx;
	struct vm_proc *proc;

	switch (msg->type) {
	case AGENTPROTO_HELLO:
		if (msg->value != AGENTPROTO_VERSION)
			die(sb, "the agent speaks another version of the protocol");
		break;
	case AGENTPROTO_REPLY:
		/* One that nobody waits for any more comes after its call's deadline. */
		if (msg->seq != sb->reply.seq || sb->reply.come)
			break;
		sb->reply.come = true;
		sb->reply.failure = msg->failure;
		sb->reply.body = strndup(msg->body.at, msg->body.len);
		break;
	case AGENTPROTO_EXITED:
		sb->oom_kills = MAX(sb->oom_kills, msg->oom_kills);
		proc = find_proc(sb, msg->proc);
		if (!proc || proc->ended)
			break;
		proc->ended = true;
		proc->wstatus = (int)msg->value;
		tell_end(sb, proc);
		break;
	default:
		break;
	}
}

static void on_stream_done(void *ctx, uint32_t number)
{
	struct sandbox *sb = ctx;
	struct vm_proc *proc = find_proc(sb, number);

	if (proc)
		tell_end(sb, proc);
}

static void on_own_loop(void *ctx, uint32_t events)
{
	struct sandbox *sb = ctx;

	(void)events;
	(void)loop_once(&sb->loop, 0, NULL);
}

static void on_cancel(void *ctx, uint32_t events)
{
	struct sandbox *sb = ctx;

	(void)events;
	sb->cancelled = true;
}

/* ---- calls ---- */

static int check_alive(const struct sandbox *sb, struct err *err)
{
	if (sb->dead) {
		if (err)
			*err = sb->death;
		return -EPIPE;
	}
	if (sb->paused)
		return err_setk(err, ERR_CONFLICT, EBUSY, "the machine is paused");

	return 0;
}

static int wait_reply(struct sandbox *sb, int64_t deadline_ns, struct err *err)
{
	while (!sb->reply.come) {
		int r = check_alive(sb, err);

		if (r < 0)
			return r;
		if (sb->cancelled)
			return err_set(err, ECANCELED, "it was cancelled");
		if (clock_now_ns() >= deadline_ns)
			return err_set(err, ETIMEDOUT, "the machine does not answer");
		r = loop_once(&sb->loop, deadline_ns, err);
		if (r < 0)
			return r;
	}
	if (!sb->reply.failure.code)
		return 0;
	if (err)
		*err = sb->reply.failure;

	return -sb->reply.failure.code;
}

/* Send a request and wait for its answer, whose body goes to @ret_body unless that is NULL. */
static int call(struct sandbox *sb, struct agentproto_msg *msg, int64_t limit_ns, char **ret_body,
		struct err *err)
{
	int r = check_alive(sb, err);

	if (r < 0)
		return r;
	sb->reply = (struct vm_reply){ .seq = sb->reply.seq + 1 };
	msg->seq = sb->reply.seq;
	r = agentproto_conn_send(&sb->conn, msg);
	if (r < 0)
		err_set(err, -r, "send a request to the machine");
	else
		r = wait_reply(sb, clock_now_ns() + limit_ns, err);
	if (r == 0 && ret_body)
		*ret_body = take_ptr(sb->reply.body);
	free(take_ptr(sb->reply.body));

	return r;
}

/* ---- create ---- */

static int check_spec(const struct sandbox_setup *setup, struct err *err)
{
	const struct spec_sandbox *spec = setup->spec;
	const struct spec_namespaces *ns = &spec->ns;
	const char *const names[] = { ns->pid, ns->ipc, ns->net, ns->uts, ns->cgroup };
	int64_t memory_bytes = spec->resources.memory_bytes;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i] && *names[i])
			return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
					"a virtual machine cannot share a namespace ('%s')",
					names[i]);
	if (spec->devices_len > 0)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"a device of the host cannot be used in a virtual machine");
	if (setup->layers_len > AGENTPROTO_LAYERS_MAX)
		return err_setk(err, ERR_UNSUPPORTED, E2BIG,
				"a virtual machine's image has at most %d layers",
				AGENTPROTO_LAYERS_MAX);
	if (spec->resources.cpus_milli > MACHINE_CPUS_MAX * 1000)
		return err_setk(err, ERR_USAGE, EINVAL,
				"a virtual machine has at most %d processors", MACHINE_CPUS_MAX);
	if (memory_bytes > 0 && memory_bytes < (int64_t)MACHINE_MEMORY_MIN_BYTES) {
		r = err_setk(err, ERR_USAGE, EINVAL,
			     "%lld MiB of memory are too little for a virtual machine",
			     (long long)(memory_bytes / (int64_t)MIB));
		err_hint(err, "give it at least %llu MiB with --memory",
			 (unsigned long long)(MACHINE_MEMORY_MIN_BYTES / MIB));
		return r;
	}

	return 0;
}

static int make_cgroup(struct sandbox *sb, const struct spec_sandbox *spec, struct err *err)
{
	/* What weighs workloads against each other on the host concerns the machine as a whole. */
	struct cgroup_limits limits = { .cpu_shares = spec->resources.cpu_shares,
					.cpus = spec->resources.cpuset_cpus };
	char name[sizeof("hull-") + SPEC_ID_HEX];
	int r;

	(void)snprintf(name, sizeof(name), "hull-%s", spec->id ? spec->id : "");
	r = cgroup_find(name, &sb->cgroup, err);
	if (r < 0)
		return r;
	sb->has_cgroup = true;
	r = cgroup_make_v2(&sb->cgroup, &sb->cgroup_fd, err);
	if (r == 0)
		r = cgroup_make_v1(&sb->cgroup, err);
	if (r == 0 && (limits.cpu_shares || limits.cpus))
		r = cgroup_set_limits(&sb->cgroup, &limits, err);

	return r < 0 ? err_wrap(err, r, "make the cgroup") : 0;
}

static int start_shares(struct sandbox *sb, const struct sandbox_setup *setup, struct err *err)
{
	const struct spec_sandbox *spec = setup->spec;
	struct vm_share_place place = { .dir_fd = setup->dir_fd,
					.cgroup = &sb->cgroup,
					.cgroup_fd = sb->cgroup_fd };

	sb->shares = calloc(spec->mounts_len + 1, sizeof(*sb->shares));
	if (!sb->shares)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < spec->mounts_len; i++) {
		struct vm_watched_share *s = &sb->shares[sb->shares_len];
		int r;

		if (spec->mounts[i].type != SPEC_MOUNT_BIND)
			continue;
		if (sb->shares_len == AGENTPROTO_SHARES_MAX)
			return err_setk(err, ERR_UNSUPPORTED, E2BIG,
					"a virtual machine has at most %d bind mounts and volumes",
					AGENTPROTO_SHARES_MAX);
		r = vm_share_start(&place, &spec->mounts[i], &s->share, err);
		if (r < 0)
			return r;
		sb->shares_len++;
		s->source = (struct loop_source){ .fd = s->share.daemon.pidfd,
						  .fn = on_share_end,
						  .ctx = sb };
		r = loop_add(&sb->loop, &s->source, EPOLLIN);
		if (r < 0)
			return err_set(err, -r, "watch a share");
	}

	return 0;
}

/* The lists of a machine_config, with the texts they point to. */
struct devices {
	struct machine_disk *disks;
	struct machine_share *shares;
	char (*names)[24];
};

static void devices_done(struct devices *d)
{
	free(d->disks);
	free(d->shares);
	free(d->names);
}
DEFINE_AUTO_DONE(devices)

static int list_devices(const struct sandbox *sb, const struct sandbox_setup *setup, int rw_fd,
			struct devices *d, struct err *err)
{
	char(*name)[24];

	d->disks = calloc(setup->layers_len + 1, sizeof(*d->disks));
	d->shares = calloc(sb->shares_len + 1, sizeof(*d->shares));
	name = d->names = calloc(setup->layers_len + sb->shares_len + 1, sizeof(*d->names));
	if (!d->disks || !d->shares || !d->names)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < setup->layers_len; i++, name++) {
		(void)snprintf(*name, sizeof(*name), AGENTPROTO_LAYER_SERIAL, (unsigned)i);
		d->disks[i] = (struct machine_disk){ .fd = setup->layer_fds[i],
						     .serial = *name,
						     .readonly = true };
	}
	d->disks[setup->layers_len] =
		(struct machine_disk){ .fd = rw_fd, .serial = AGENTPROTO_RW_SERIAL };
	for (size_t i = 0; i < sb->shares_len; i++, name++) {
		(void)snprintf(*name, sizeof(*name), AGENTPROTO_SHARE_TAG, (unsigned)i);
		d->shares[i] = (struct machine_share){ .sock_fd = sb->shares[i].share.sock_fd,
						       .tag = *name };
	}

	return 0;
}

/* A console for those who look for the reason of a boot that fails; else -1. */
static int open_console(void)
{
	const char *path = getenv("HULL_VM_CONSOLE");

	return path && *path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
}

static int start_machine(struct sandbox *sb, const struct sandbox_setup *setup, int rw_fd,
			 const struct guest_boot *boot, struct err *err)
{
	auto_done(devices) devices = { 0 };
	auto_close int machine_end = -1, own_end = -1, console_fd = open_console();
	struct machine_config config;
	int socks[2], r = list_devices(sb, setup, rw_fd, &devices, err);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(err, "make a socket pair");
	own_end = socks[0];
	machine_end = socks[1];
	config = (struct machine_config){
		.memory_bytes = (uint64_t)sb->memory_bytes,
		.cpus = (unsigned)sb->cpus,
		.kernel_fd = boot->kernel_fd,
		.initrd_fd = boot->initrd_fd,
		.disks = devices.disks,
		.disks_len = setup->layers_len + 1,
		.shares = devices.shares,
		.shares_len = sb->shares_len,
		.port_name = AGENTPROTO_PORT,
		.stream_fd = machine_end,
		.console_fd = console_fd,
		.cgroup = &sb->cgroup,
		.cgroup_fd = sb->cgroup_fd,
	};
	r = sb->ops->start(&config, &sb->machine, err);
	if (r < 0)
		return r;
	/* Ours would keep a daemon's connection alive after the machine's end. */
	for (size_t i = 0; i < sb->shares_len; i++)
		sb->shares[i].share.sock_fd = fd_close(sb->shares[i].share.sock_fd);
	sb->death_source = (struct loop_source){ .fd = sb->ops->death_fd(sb->machine),
						 .fn = on_machine_end,
						 .ctx = sb };
	r = loop_add(&sb->loop, &sb->death_source, EPOLLIN);
	if (r == 0)
		r = agentproto_conn_init(&sb->conn, &sb->loop, take_fd(own_end), AGENTPROTO_HOST,
					 &sb->events);

	return r < 0 ? err_set(err, -r, "watch the machine") : 0;
}

/* hull-init is a program of the host's: it travels with the request when it is wanted. */
static int send_init_file(struct sandbox *sb, struct err *err)
{
	struct agentproto_msg msg = { .type = AGENTPROTO_INIT_FILE };
	auto_free char *data = NULL;
	char path[4096];
	int r = path_helper("hull-init", path, sizeof(path), err);

	if (r == 0)
		r = fd_read_file(AT_FDCWD, path, INIT_FILE_MAX_BYTES, &data, &msg.body.len, err);
	if (r < 0)
		return r;
	msg.body.at = data;

	return call(sb, &msg, BOOT_LIMIT_NS, NULL, err);
}

/* The document for the agent: what only the host can do is left out, paths are the guest's. */
static int encode_spec(const struct sandbox *sb, const struct spec_sandbox *spec, char **ret_text,
		       struct err *err)
{
	struct spec_sandbox guest = *spec;
	auto_free struct spec_mount *mounts = calloc(spec->mounts_len + 1, sizeof(*mounts));
	auto_free char *paths = calloc(sb->shares_len + 1, 64);
	unsigned share = 0;

	if (!mounts || !paths)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < spec->mounts_len; i++) {
		char *path = paths + 64 * share;
		int n;

		mounts[i] = spec->mounts[i];
		if (mounts[i].type != SPEC_MOUNT_BIND)
			continue;
		n = snprintf(path, 64, AGENTPROTO_SHARE_PATH, share);
		if (!sb->shares[share].share.is_dir)
			(void)snprintf(path + n, 64 - (size_t)n, "/" VM_SHARE_FILE);
		mounts[i].source = path;
		share++;
	}
	guest.mounts = mounts;
	guest.uid_base = 0;
	guest.uid_count = 0;
	guest.kernel = NULL;
	/* The machine's size is the limit. */
	guest.resources.memory_bytes = 0;
	guest.resources.memory_swap_bytes = 0;
	guest.resources.cpu_shares = 0;
	guest.resources.cpuset_cpus = NULL;

	return spec_sandbox_encode(&guest, ret_text, err);
}

static int create_workload(struct sandbox *sb, const struct sandbox_setup *setup, int *ret_tty_fd,
			   struct err *err)
{
	const struct spec_sandbox *spec = setup->spec;
	static const int no_fds[3] = { -1, -1, -1 };
	struct proc_want want = {
		.msg = { .type = AGENTPROTO_CREATE,
			 .layers = (uint32_t)setup->layers_len,
			 .shares = (uint32_t)sb->shares_len,
			 .wall_ns = clock_wall_ns() },
		.stdio_fds = spec->service ? no_fds : setup->stdio_fds,
		.terminal = !spec->service && spec->process.terminal,
	};
	auto_free char *text = NULL;
	struct vm_proc *proc;
	int r = encode_spec(sb, spec, &text, err);

	if (r == 0 && !spec->service && spec->process.init)
		r = send_init_file(sb, err);
	if (r == 0)
		r = add_proc(sb, &want, &proc, err);
	if (r == 0) {
		want.msg.body = slice_of(text);
		r = call(sb, &want.msg, BOOT_LIMIT_NS, NULL, err);
	}
	if (r < 0)
		fd_close(want.tty_fd);
	else
		*ret_tty_fd = want.tty_fd;

	return r;
}

static void watch_cancel(struct sandbox *sb, int cancel_fd)
{
	sb->cancel_source = (struct loop_source){ .fd = cancel_fd, .fn = on_cancel, .ctx = sb };
	if (cancel_fd >= 0)
		(void)loop_add(&sb->loop, &sb->cancel_source, EPOLLIN);
}

static int build(struct sandbox *sb, const struct sandbox_setup *setup, int *ret_tty_fd,
		 struct err *err)
{
	const struct spec_sandbox *spec = setup->spec;
	auto_done(guest_boot) boot = { -1, -1 };
	auto_done(vm_disk) disk = { .fd = -1 };
	struct guest_kernel kernel;
	int r = check_spec(setup, err);

	if (r == 0)
		r = sb->ops->probe(err);
	if (r == 0)
		r = guest_find_kernel(spec->kernel, &kernel, err);
	if (r == 0)
		r = guest_open(setup->cache_dir, &kernel, &boot, err);
	if (r == 0)
		r = vm_disk_open(setup->rw_fd, spec->disk_bytes, &disk, err);
	if (r == 0)
		r = make_cgroup(sb, spec, err);
	if (r == 0)
		r = start_shares(sb, setup, err);
	/* The disk is made while the machine starts, which looks at it much later. */
	if (r == 0)
		r = start_machine(sb, setup, disk.fd, &boot, err);
	if (r == 0)
		r = vm_disk_finish(&disk, err);
	if (r < 0)
		return r;

	watch_cancel(sb, setup->cancel_fd);
	r = create_workload(sb, setup, ret_tty_fd, err);
	loop_del(&sb->loop, &sb->cancel_source);
	if (r == 0) {
		sb->loop_source = (struct loop_source){ .fd = sb->loop.epoll_fd,
							.fn = on_own_loop,
							.ctx = sb };
		sb->caller_loop = setup->loop;
		r = loop_add(setup->loop, &sb->loop_source, EPOLLIN);
		if (r < 0)
			err_set(err, -r, "watch the machine");
	}

	return r;
}

static int vm_destroy(struct sandbox *sb, struct err *err);
static void vm_put(struct sandbox *sb);

static int vm_create(const struct sandbox_setup *setup, struct sandbox **ret_sb, int *ret_tty_fd,
		     struct err *err)
{
	const struct spec_resources *resources = &setup->spec->resources;
	struct sandbox *sb = calloc(1, sizeof(*sb));
	int tty_fd = -1, r;

	if (!sb)
		return err_set(err, ENOMEM, "out of memory");
	*sb = (struct sandbox){
		.ops = &machine_qemu_ops,
		.loop = { .epoll_fd = -1 },
		.death_source = { .fd = -1 },
		.loop_source = { .fd = -1 },
		.cgroup_fd = -1,
		.memory_bytes =
			resources->memory_bytes ? resources->memory_bytes : MEMORY_DEFAULT_BYTES,
		.cpus = MAX((resources->cpus_milli + 999) / 1000, 1),
	};
	sb->events = (struct agentproto_events){
		.message = on_message, .stream_done = on_stream_done, .lost = on_lost, .ctx = sb
	};
	sb->death_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = sb->death_fd < 0 ? err_sys(err, "make an eventfd") : loop_init(&sb->loop, err);
	if (r == 0)
		r = build(sb, setup, &tty_fd, err);
	if (r < 0) {
		sb->ending = true;
		if (!sb->dead)
			die(sb, "it was not completed");
		(void)vm_destroy(sb, NULL);
		vm_put(sb);
		return err_wrap(err, r, "start a virtual machine");
	}
	*ret_sb = sb;
	*ret_tty_fd = tty_fd;

	return 0;
}

/* ---- the other operations ---- */

static int vm_probe(struct err *err)
{
	struct guest_kernel kernel;
	int r = machine_qemu_ops.probe(err);

	return r < 0 ? r : guest_find_kernel(NULL, &kernel, err);
}

static int vm_start(struct sandbox *sb, struct err *err)
{
	return call(sb, &(struct agentproto_msg){ .type = AGENTPROTO_START }, CALL_LIMIT_NS, NULL,
		    err);
}

static int ask_for_proc(struct sandbox *sb, struct proc_want *want, struct err *err)
{
	struct vm_proc *proc = NULL;
	int r;

	want->msg.proc = ++sb->last_proc;
	r = add_proc(sb, want, &proc, err);
	if (r == 0)
		r = call(sb, &want->msg, CALL_LIMIT_NS, NULL, err);
	if (r < 0) {
		if (proc)
			forget_proc(sb, proc);
		want->tty_fd = fd_close(want->tty_fd);
	}

	return r;
}

static int vm_spawn(struct sandbox *sb, const struct spec_process *process, const int stdio_fds[3],
		    uint32_t *ret_proc, int *ret_tty_fd, struct err *err)
{
	struct proc_want want = { .msg = { .type = AGENTPROTO_EXEC },
				  .stdio_fds = stdio_fds,
				  .terminal = process->terminal,
				  .tty_fd = -1 };
	auto_free char *text = NULL;
	int r = spec_process_encode(process, &text, err);

	if (r < 0)
		return r;
	want.msg.body = slice_of(text);
	r = ask_for_proc(sb, &want, err);
	if (r < 0)
		return r;
	*ret_proc = want.msg.proc;
	*ret_tty_fd = want.tty_fd;

	return 0;
}

static int vm_tool(struct sandbox *sb, const struct spec_tool *tool, const int stdio_fds[3],
		   uint32_t *ret_proc, struct err *err)
{
	struct proc_want want = { .msg = { .type = AGENTPROTO_TOOL },
				  .stdio_fds = stdio_fds,
				  .tty_fd = -1 };
	auto_free char *text = NULL;
	int r = spec_tool_encode(tool, &text, err);

	if (r < 0)
		return r;
	want.msg.body = slice_of(text);
	r = ask_for_proc(sb, &want, err);
	if (r == 0)
		*ret_proc = want.msg.proc;

	return r;
}

static int vm_signal(struct sandbox *sb, uint32_t number, int signo, struct err *err)
{
	const struct vm_proc *proc = find_proc(sb, number);

	if (!proc || proc->ended)
		return err_set(err, ESRCH, "process %u has ended", number);

	return call(sb,
		    &(struct agentproto_msg){
			    .type = AGENTPROTO_SIGNAL, .proc = number, .value = (uint32_t)signo },
		    CALL_LIMIT_NS, NULL, err);
}

static int vm_resize(struct sandbox *sb, uint32_t number, uint16_t rows, uint16_t cols,
		     struct err *err)
{
	return call(sb,
		    &(struct agentproto_msg){ .type = AGENTPROTO_RESIZE,
					      .proc = number,
					      .value = (uint32_t)rows << 16 | cols },
		    CALL_LIMIT_NS, NULL, err);
}

static int vm_wait_fd(struct sandbox *sb, uint32_t number, int *ret_fd, struct err *err)
{
	const struct vm_proc *proc = find_proc(sb, number);

	if (!proc)
		return err_set(err, ESRCH, "there is no process %u", number);
	*ret_fd = proc->end_fd;

	return 0;
}

static int vm_reap(struct sandbox *sb, uint32_t number, int *ret_wstatus, struct err *err)
{
	struct vm_proc *proc = find_proc(sb, number);

	if (!proc)
		return err_set(err, ESRCH, "there is no process %u", number);
	if (!proc->told)
		return err_set(err, EAGAIN, "process %u runs", number);
	*ret_wstatus = proc->wstatus;
	forget_proc(sb, proc);

	return 0;
}

static int vm_death_fd(struct sandbox *sb)
{
	return sb->death_fd;
}

static int vm_init_pid(struct sandbox *sb)
{
	return sb->machine ? sb->ops->pid(sb->machine) : -ESRCH;
}

static int check_update(const struct sandbox *sb, const struct spec_resources *resources,
			struct err *err)
{
	if (resources->memory_bytes > sb->memory_bytes)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"a machine's memory (%lld MiB) cannot grow while it runs",
				(long long)(sb->memory_bytes / (int64_t)MIB));
	if (resources->cpus_milli > sb->cpus * 1000)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"a machine's processors (%lld) cannot grow while it runs",
				(long long)sb->cpus);

	return 0;
}

static int vm_update(struct sandbox *sb, const struct spec_resources *resources, struct err *err)
{
	struct cgroup_limits limits = { .cpu_shares = resources->cpu_shares,
					.cpus = resources->cpuset_cpus };
	struct spec_resources guest = *resources;
	auto_free char *text = NULL;
	int r = check_update(sb, resources, err);

	guest.cpu_shares = 0;
	guest.cpuset_cpus = NULL;
	/* There is no swap in a machine. */
	guest.memory_swap_bytes = 0;
	if (r == 0)
		r = spec_resources_encode(&guest, &text, err);
	if (r == 0)
		r = call(sb,
			 &(struct agentproto_msg){ .type = AGENTPROTO_UPDATE,
						   .body = slice_of(text) },
			 CALL_LIMIT_NS, NULL, err);
	if (r == 0 && (limits.cpu_shares || limits.cpus))
		r = cgroup_set_limits(&sb->cgroup, &limits, err);

	return r;
}

static int vm_stats(struct sandbox *sb, struct spec_stats *ret_stats, struct err *err)
{
	auto_free char *text = NULL;
	int r = call(sb, &(struct agentproto_msg){ .type = AGENTPROTO_STATS }, CALL_LIMIT_NS, &text,
		     err);

	if (r == 0 && !text)
		r = err_set(err, EPROTO, "the machine sent no numbers");
	if (r == 0)
		r = spec_stats_decode(text, strlen(text), ret_stats, err);
	if (r == 0)
		ret_stats->oom_kills = MAX(ret_stats->oom_kills, sb->oom_kills);

	return r;
}

static int vm_pause(struct sandbox *sb, int frozen, struct err *err)
{
	int r;

	if (sb->dead)
		return check_alive(sb, err);
	r = sb->ops->pause(sb->machine, frozen, err);
	if (r < 0)
		return r;
	sb->paused = frozen;
	/* Its clock stood still meanwhile. */
	if (!frozen)
		(void)call(sb,
			   &(struct agentproto_msg){ .type = AGENTPROTO_CLOCK,
						     .wall_ns = clock_wall_ns() },
			   CALL_LIMIT_NS, NULL, NULL);

	return 0;
}

static int vm_kill_all(struct sandbox *sb, struct err *err)
{
	int r;

	if (sb->dead)
		return 0;
	r = sb->paused ? vm_pause(sb, 0, err) : 0;
	if (r == 0)
		r = call(sb, &(struct agentproto_msg){ .type = AGENTPROTO_KILL_ALL }, CALL_LIMIT_NS,
			 NULL, err);
	/* A machine that does not obey goes as a whole, and the workload with it. */
	if (r < 0)
		die(sb, "the machine did not end its workload and was killed");

	return 0;
}

static const char *vm_describe(struct sandbox *sb)
{
	return sb->machine ? sb->ops->describe(sb->machine) : sb->ops->name;
}

static int vm_destroy(struct sandbox *sb, struct err *err)
{
	int r = 0;

	sb->ending = true;
	/* The disk comes to rest first; a machine that does not answer loses what it had in mind.
	 */
	if (sb->machine && !sb->dead && (!sb->paused || vm_pause(sb, 0, NULL) == 0))
		(void)call(sb, &(struct agentproto_msg){ .type = AGENTPROTO_FINISH },
			   FINISH_LIMIT_NS, NULL, NULL);
	if (!sb->dead)
		die(sb, "it was ended");
	while (sb->procs)
		forget_proc(sb, sb->procs);
	if (sb->caller_loop)
		loop_del(sb->caller_loop, &sb->loop_source);
	sb->caller_loop = NULL;
	agentproto_conn_done(&sb->conn);
	loop_del(&sb->loop, &sb->death_source);
	sb->ops->free(take_ptr(sb->machine));
	while (sb->shares_len > 0) {
		struct vm_watched_share *s = &sb->shares[--sb->shares_len];

		loop_del(&sb->loop, &s->source);
		vm_share_done(&s->share);
	}
	free(take_ptr(sb->shares));
	sb->cgroup_fd = fd_close(sb->cgroup_fd);
	if (sb->has_cgroup)
		r = cgroup_remove(&sb->cgroup, err);
	if (r == 0)
		sb->has_cgroup = false;

	return r < 0 ? err_wrap(err, r, "remove the machine") : 0;
}

static void vm_put(struct sandbox *sb)
{
	if (!sb)
		return;
	/* Without its owner a machine has nobody who could tell what became of it. */
	(void)vm_destroy(sb, NULL);
	loop_done(&sb->loop);
	fd_close(sb->death_fd);
	free(sb);
}

const struct sandbox_ops sandbox_vm_ops = {
	.name = "vm",
	.probe = vm_probe,
	.create = vm_create,
	.start = vm_start,
	.spawn = vm_spawn,
	.tool = vm_tool,
	.signal = vm_signal,
	.kill_all = vm_kill_all,
	.resize = vm_resize,
	.wait_fd = vm_wait_fd,
	.reap = vm_reap,
	.death_fd = vm_death_fd,
	.init_pid = vm_init_pid,
	.update = vm_update,
	.stats = vm_stats,
	.pause = vm_pause,
	.describe = vm_describe,
	.destroy = vm_destroy,
	.put = vm_put,
};
