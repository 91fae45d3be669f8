/* SPDX-License-Identifier: Apache-2.0
 *
 * workload.c - requests of the host as calls of runtime/
 */
#include "agent/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guest.h"
#include "base/fd.h"
#include "linux/ns.h"

#define INIT_FILE "/hull-init"

/* ---- processes ---- */

static struct workload_proc *find_proc(const struct workload *w, uint32_t number)
{
	for (struct workload_proc *p = w->procs; p; p = p->next)
		if (p->number == number)
			return p;

	return NULL;
}

static void forget_proc(struct workload *w, struct workload_proc *proc)
{
	struct workload_proc **at = &w->procs;

	while (*at && *at != proc)
		at = &(*at)->next;
	if (*at)
		*at = proc->next;
	agentproto_relay_drop(w->conn, proc->number);
	loop_del(w->loop, &proc->source);
	fd_close(proc->child.pidfd);
	fd_close(proc->child.tty_fd);
	free(proc);
}

static int64_t count_oom_kills(const struct workload *w)
{
	struct spec_stats stats;

	return runtime_stats(w->rt, &stats, NULL) == 0 && stats.oom_kills > 0 ? stats.oom_kills : 0;
}

static void announce_end(struct workload *w, struct workload_proc *proc)
{
	if (!proc->ended || !agentproto_relay_idle(w->conn, proc->number, AGENTPROTO_SEND))
		return;
	(void)agentproto_conn_send(w->conn,
				   &(struct agentproto_msg){ .type = AGENTPROTO_EXITED,
							     .proc = proc->number,
							     .value = (uint32_t)proc->wstatus,
							     .oom_kills = count_oom_kills(w) });
	forget_proc(w, proc);
}

void workload_stream_done(struct workload *w, uint32_t number)
{
	struct workload_proc *proc = find_proc(w, number);

	if (proc)
		announce_end(w, proc);
}

static void proc_ended(void *ctx, uint32_t events)
{
	struct workload_proc *proc = ctx;
	struct workload *w = proc->workload;
	uint32_t number = proc->number;

	(void)events;
	if (waitpid(proc->child.pid, &proc->wstatus, WNOHANG) <= 0)
		return;
	proc->ended = true;
	loop_del(w->loop, &proc->source);
	/* Others may hold its output open: it ends with what is in it now. */
	agentproto_relay_drain(w->conn, number);
	workload_stream_done(w, number);
}

/* ---- their descriptors ---- */

/* Both ends of the connected streams of a process that is being made. */
struct stdio {
	int theirs[AGENTPROTO_STREAMS], ours[AGENTPROTO_STREAMS];
};

static void stdio_done(struct stdio *io)
{
	for (int i = 0; i < AGENTPROTO_STREAMS; i++) {
		fd_close(io->theirs[i]);
		fd_close(io->ours[i]);
	}
}
DEFINE_AUTO_DONE(stdio)

#define STDIO_INIT                                               \
	{                                                        \
		.theirs = { -1, -1, -1 }, .ours = { -1, -1, -1 } \
	}

static int make_stdio(struct stdio *io, uint32_t streams, struct err *err)
{
	for (int i = 0; i < AGENTPROTO_STREAMS; i++) {
		int fds[2];

		if (!(streams & 1U << i))
			continue;
		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_sys(err, "make a pipe");
		io->theirs[i] = fds[i == AGENTPROTO_STDIN ? 0 : 1];
		io->ours[i] = fds[i == AGENTPROTO_STDIN ? 1 : 0];
	}

	return 0;
}

static enum agentproto_relay relay_of(int stream)
{
	return stream == AGENTPROTO_STDIN ? AGENTPROTO_RECEIVE : AGENTPROTO_SEND;
}

/* Watch a new process and relay its streams. From here on the host hears of its end. */
static int adopt(struct workload *w, uint32_t number, const struct runtime_child *child,
		 struct stdio *io, struct err *err)
{
	struct workload_proc *proc = calloc(1, sizeof(*proc));
	int r;

	if (!proc)
		return err_set(err, ENOMEM, "out of memory");
	*proc = (struct workload_proc){
		.next = w->procs,
		.workload = w,
		.number = number,
		.child = *child,
		.source = { .fd = child->pidfd, .fn = proc_ended, .ctx = proc },
	};
	w->procs = proc;
	for (int i = 0; child->tty_fd >= 0 && i < AGENTPROTO_STDERR; i++)
		io->ours[i] = fcntl(child->tty_fd, F_DUPFD_CLOEXEC, 3);
	r = loop_add(w->loop, &proc->source, EPOLLIN);
	for (int i = 0; i < AGENTPROTO_STREAMS && r == 0; i++)
		if (io->ours[i] >= 0)
			r = agentproto_relay_fd(w->conn, number, (uint8_t)i, relay_of(i),
						take_fd(io->ours[i]));
	if (r < 0) {
		(void)ns_signal(child->pidfd, SIGKILL);
		(void)waitpid(child->pid, NULL, 0);
		forget_proc(w, proc);
		return err_set(err, -r, "relay its streams");
	}
	agentproto_relay_start(w->conn, number);

	return 0;
}

/* ---- requests ---- */

struct layers {
	int fds[AGENTPROTO_LAYERS_MAX];
	size_t len;
};

static void layers_done(struct layers *layers)
{
	for (size_t i = 0; i < layers->len; i++)
		fd_close(layers->fds[i]);
}
DEFINE_AUTO_DONE(layers)

static int mount_all(const struct agentproto_msg *msg, struct layers *layers, int *ret_rw_fd,
		     struct err *err)
{
	int r = guest_load_modules(GUEST_CREATE, err);

	if (r == 0 && msg->shares > 0)
		r = guest_load_modules(GUEST_SHARES, err);
	while (r >= 0 && layers->len < msg->layers) {
		r = guest_mount_layer((unsigned)layers->len, err);
		if (r >= 0)
			layers->fds[layers->len++] = r;
	}
	if (r >= 0)
		r = *ret_rw_fd = guest_mount_rw(err);
	for (uint32_t i = 0; i < msg->shares && r >= 0; i++)
		r = guest_mount_share(i, err);

	return r < 0 ? r : 0;
}

static int create(struct workload *w, const struct agentproto_msg *msg, struct err *err)
{
	auto_done(spec_sandbox) spec = { 0 };
	auto_done(layers) layers = { .len = 0 };
	auto_done(stdio) io = STDIO_INIT;
	auto_close int rw_fd = -1;
	struct runtime_child init = { .pidfd = -1, .tty_fd = -1 };
	struct runtime_setup setup;
	int r;

	if (w->rt)
		return err_setk(err, ERR_CONFLICT, EEXIST, "there is a workload already");
	r = spec_sandbox_decode(msg->body.at, msg->body.len, &spec, err);
	if (r == 0)
		r = guest_set_clock(msg->wall_ns, err);
	if (r == 0)
		r = guest_loopback_up(err);
	if (r == 0)
		r = mount_all(msg, &layers, &rw_fd, err);
	if (r == 0 && !spec.service)
		r = make_stdio(&io, msg->streams, err);
	if (r < 0)
		return r;

	setup = (struct runtime_setup){
		.spec = &spec,
		.layer_fds = layers.fds,
		.layers_len = layers.len,
		.rw_fd = rw_fd,
		.stdio_fds = { io.theirs[0], io.theirs[1], io.theirs[2] },
		.share_net = true,
		.init_path = w->has_init_file ? INIT_FILE : NULL,
		.cancel_fd = -1,
	};
	r = runtime_create(&setup, &init, &w->rt, err);

	return r < 0 ? r : adopt(w, 0, &init, &io, err);
}

static int start(struct workload *w, const struct agentproto_msg *msg, struct err *err)
{
	/* What CREATE told of it is as old as the kernel's boot is long. */
	int r = guest_set_clock(msg->wall_ns, err);

	if (r == 0)
		r = runtime_start(w->rt, err);
	/* What only the host has use for must not hold up the workload's first moments. */
	if (r == 0)
		(void)guest_load_modules(GUEST_IDLE, NULL);

	return r;
}

static int spawn(struct workload *w, const struct agentproto_msg *msg, struct err *err)
{
	auto_done(spec_process) process = { 0 };
	auto_done(spec_tool) tool = { 0 };
	auto_done(stdio) io = STDIO_INIT;
	struct runtime_child child = { .pidfd = -1, .tty_fd = -1 };
	int r;

	if (find_proc(w, msg->proc))
		return err_setk(err, ERR_CONFLICT, EEXIST, "process %u exists", msg->proc);
	r = make_stdio(&io, msg->streams, err);
	if (r < 0)
		return r;
	if (msg->type == AGENTPROTO_EXEC) {
		r = spec_process_decode(msg->body.at, msg->body.len, &process, err);
		if (r == 0)
			r = runtime_exec(w->rt, &process, io.theirs, &child, err);
	} else {
		r = spec_tool_decode(msg->body.at, msg->body.len, &tool, err);
		if (r == 0)
			r = runtime_tool(w->rt, &tool, io.theirs, &child, err);
	}

	return r < 0 ? r : adopt(w, msg->proc, &child, &io, err);
}

static int signal_proc(struct workload *w, const struct agentproto_msg *msg, struct err *err)
{
	struct workload_proc *proc = find_proc(w, msg->proc);
	int r;

	if (!proc || proc->ended)
		return err_set(err, ESRCH, "process %u has ended", msg->proc);
	if (msg->value > INT_MAX)
		return err_set(err, EINVAL, "signal number %u", msg->value);
	r = ns_signal(proc->child.pidfd, (int)msg->value);

	return r < 0 ? err_set(err, -r, "send signal %u", msg->value) : 0;
}

static int resize(struct workload *w, const struct agentproto_msg *msg, struct err *err)
{
	struct workload_proc *proc = find_proc(w, msg->proc);
	struct winsize size = { .ws_row = (unsigned short)(msg->value >> 16),
				.ws_col = (unsigned short)msg->value };

	if (!proc)
		return err_set(err, ESRCH, "process %u has ended", msg->proc);
	if (proc->child.tty_fd < 0)
		return err_setk(err, ERR_CONFLICT, ENOTTY, "process %u has no terminal", msg->proc);
	if (ioctl(proc->child.tty_fd, TIOCSWINSZ, &size) < 0)
		return err_sys(err, "resize the terminal");

	return 0;
}

static int update(struct workload *w, const struct agentproto_msg *msg, struct err *err)
{
	auto_done(spec_resources) resources = { 0 };
	int r = spec_resources_decode(msg->body.at, msg->body.len, &resources, err);

	return r < 0 ? r : runtime_update(w->rt, &resources, err);
}

static int stats(struct workload *w, char **ret_body, struct err *err)
{
	struct spec_stats stats;
	int r = runtime_stats(w->rt, &stats, err);

	return r < 0 ? r : spec_stats_encode(&stats, ret_body, err);
}

static int keep_init_file(struct workload *w, const struct agentproto_msg *msg, struct err *err)
{
	auto_close int fd = open(INIT_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	int r;

	if (fd < 0)
		return err_sys(err, "make '" INIT_FILE "'");
	r = fd_write_all(fd, msg->body.at, msg->body.len);
	if (r < 0)
		return err_set(err, -r, "write '" INIT_FILE "'");
	w->has_init_file = true;

	return 0;
}

static int finish(struct workload *w, struct err *err)
{
	int r = 0;

	if (w->rt) {
		r = runtime_destroy(w->rt, err);
		runtime_put(w->rt);
		w->rt = NULL;
	}
	while (w->procs)
		forget_proc(w, w->procs);
	sync();

	return r;
}

int workload_request(struct workload *w, const struct agentproto_msg *msg, char **ret_body,
		     struct err *err)
{
	switch (msg->type) {
	case AGENTPROTO_CREATE:
		return create(w, msg, err);
	case AGENTPROTO_CLOCK:
		return guest_set_clock(msg->wall_ns, err);
	case AGENTPROTO_INIT_FILE:
		return keep_init_file(w, msg, err);
	case AGENTPROTO_FINISH:
		return finish(w, err);
	default:
		break;
	}
	if (!w->rt)
		return err_setk(err, ERR_CONFLICT, ENOENT, "there is no workload");

	switch (msg->type) {
	case AGENTPROTO_START:
		return start(w, msg, err);
	case AGENTPROTO_EXEC:
	case AGENTPROTO_TOOL:
		return spawn(w, msg, err);
	case AGENTPROTO_SIGNAL:
		return signal_proc(w, msg, err);
	case AGENTPROTO_RESIZE:
		return resize(w, msg, err);
	case AGENTPROTO_KILL_ALL:
		return runtime_kill_all(w->rt, err);
	case AGENTPROTO_UPDATE:
		return update(w, msg, err);
	case AGENTPROTO_STATS:
		return stats(w, ret_body, err);
	default:
		return err_set(err, EPROTO, "request %u", msg->type);
	}
}
