/* SPDX-License-Identifier: Apache-2.0
 *
 * proc.c - processes of the workload: their streams on our side, and their end
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "monitor/server.h"

/* In case the size of a pipe cannot be told, as of a terminal: more than any of those keeps. */
#define OUTLET_MAX_BYTES MIB

/*
 * The log's entry of an empty line is some 80 bytes, and they are written at the cost of the host,
 * not of the workload. Output that grows more than LOG_GROWTH_MAX times is therefore read with no
 * more than one in REST_FACTOR + 1 parts of a CPU; the workload waits, as it does for a slow
 * reader.
 */
#define LOG_GROWTH_MAX 4
#define REST_FACTOR 4

int proc_stdio_open(bool with_in, struct proc_stdio *ret, struct err *err)
{
	*ret = (struct proc_stdio){ .theirs = { -1, -1, -1 }, .ours = { -1, -1, -1 } };
	for (int i = with_in ? 0 : 1; i < 3; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0) {
			int r = err_sys(err, "make a pipe");

			proc_stdio_close(ret);
			return r;
		}
		ret->theirs[i] = ends[i == 0 ? 0 : 1];
		ret->ours[i] = ends[i == 0 ? 1 : 0];
		/* A new pipe has no other flags that this could clear. */
		(void)fcntl(ret->ours[i], F_SETFL, O_NONBLOCK);
	}

	return 0;
}

void proc_stdio_close(struct proc_stdio *io)
{
	for (int i = 0; i < 3; i++) {
		io->theirs[i] = fd_close(io->theirs[i]);
		io->ours[i] = fd_close(io->ours[i]);
	}
}

static void watch_outlet(struct outlet *out, bool on)
{
	struct loop *loop = &out->proc->monitor->loop;

	/* Not loop_mod(..., 0): the hang-up of an ended stream would be told for ever. */
	if (!on)
		loop_del(loop, &out->source);
	else if (out->fd >= 0 && out->source.events == 0)
		(void)loop_add(loop, &out->source, EPOLLIN);
}

static void end_outlet(struct outlet *out)
{
	watch_outlet(out, false);
	out->fd = fd_close(out->fd);
	relay_end(out->proc, out->index);
}

static int64_t cpu_ns(void)
{
	struct timespec used;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);

	return used.tv_sec * NS_PER_SEC + used.tv_nsec;
}

static void write_log(struct outlet *out, const char *bytes, size_t len)
{
	struct proc *proc = out->proc;
	struct monitor *m = proc->monitor;
	int64_t begin_ns = cpu_ns();

	if (logfile_write(m->log, out->index + 1, bytes, len) > LOG_GROWTH_MAX * len)
		loop_timer_arm(&m->loop, &proc->rest,
			       clock_now_ns() + REST_FACTOR * (cpu_ns() - begin_ns));
}

static void rested(void *ctx)
{
	proc_pump(ctx);
}

/* Take one chunk. Its bytes; 0 when there is none for now, or never again. */
static size_t read_outlet(struct outlet *out)
{
	struct proc *proc = out->proc;
	struct monitor *m = proc->monitor;
	ssize_t n = read(out->fd, m->chunk, sizeof(m->chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* A terminal whose last user is gone answers EIO. */
	if (n <= 0) {
		end_outlet(out);
		return 0;
	}
	if (proc->number == SANDBOX_INIT && m->log)
		write_log(out, m->chunk, (size_t)n);
	relay_output(proc, out->index, m->chunk, (size_t)n);

	return (size_t)n;
}

static void outlet_ready(void *ctx, uint32_t events)
{
	struct outlet *out = ctx;

	(void)events;
	(void)read_outlet(out);
	proc_pump(out->proc);
}

/* The end of a process whose output has been handed over. */
static void finish(struct proc *proc)
{
	struct monitor *m = proc->monitor;

	if (proc->number == SANDBOX_INIT) {
		life_end(m, proc->wstatus, NULL);
		return;
	}
	server_tell_end(m, proc, proc->wstatus);
	proc_free(proc);
}

/*
 * What was written before the end is in the pipe by then. More may come, for ever, from processes
 * that inherited it: nobody waits for those.
 */
static void drain_outlet(struct outlet *out)
{
	/* A workload may have enlarged it, as far as /proc/sys/fs/pipe-max-size or root allow. */
	int pipe_bytes = out->fd < 0 ? -1 : fcntl(out->fd, F_GETPIPE_SZ);
	size_t left_bytes = pipe_bytes < 0 ? OUTLET_MAX_BYTES : (size_t)pipe_bytes;
	size_t got_bytes;

	while (left_bytes > 0 && out->fd >= 0 && (got_bytes = read_outlet(out)) > 0)
		left_bytes -= MIN(left_bytes, got_bytes);
}

void proc_pump(struct proc *proc)
{
	if (proc->held)
		return;
	for (int i = 0; i < 2; i++) {
		if (proc->reaped)
			drain_outlet(&proc->out[i]);
		else
			watch_outlet(&proc->out[i], !proc->rest.armed && !relay_busy(proc, i));
	}
	if (proc->reaped)
		finish(proc);
}

void proc_release(struct proc *proc)
{
	if (!proc->held)
		return;
	proc->held = false;
	proc_pump(proc);
}

static void proc_ended(void *ctx, uint32_t events)
{
	struct proc *proc = ctx;
	struct monitor *m = proc->monitor;
	struct err why = ERR_INIT;
	int fd = proc->wait.fd, wstatus = SIGKILL;
	int r;

	(void)events;
	/* The backend may close the descriptor as it reaps. */
	loop_del(&m->loop, &proc->wait);
	r = m->ops->reap(m->sb, proc->number, &wstatus, &why);
	if (r == -EAGAIN) {
		proc->wait.fd = fd;
		(void)loop_add(&m->loop, &proc->wait, EPOLLIN);
		return;
	}
	proc->wait.fd = -1;
	proc->reaped = true;
	proc->wstatus = wstatus;
	if (r == 0 && proc->number == SANDBOX_INIT)
		life_note_death(m, &why);
	proc_pump(proc);
}

int proc_watch(struct proc *proc, struct err *err)
{
	struct monitor *m = proc->monitor;
	int fd, r;

	r = m->ops->wait_fd(m->sb, proc->number, &fd, err);
	if (r < 0)
		return r;
	proc->wait = (struct loop_source){ .fd = fd, .fn = proc_ended, .ctx = proc };
	r = loop_add(&m->loop, &proc->wait, EPOLLIN);
	if (r < 0)
		return err_set(err, -r, "watch a process");

	return 0;
}

/* ---- input ---- */

bool proc_input_busy(const struct proc *proc)
{
	return proc->in.pending != NULL;
}

static void drop_pending(struct inlet *in)
{
	free(in->pending);
	in->pending = NULL;
	in->pending_len = in->pending_at = 0;
}

static void end_inlet(struct inlet *in)
{
	loop_del(&in->proc->monitor->loop, &in->source);
	in->fd = fd_close(in->fd);
	drop_pending(in);
}

/* Bytes taken, 0 when there is no room; the inlet is closed when nobody reads it. */
static size_t write_inlet(struct inlet *in, const char *bytes, size_t len)
{
	size_t done = 0;

	while (in->fd >= 0 && done < len) {
		ssize_t n = write(in->fd, bytes + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			end_inlet(in);
			return len;
		}
		done += (size_t)n;
	}

	return done;
}

static void inlet_ready(void *ctx, uint32_t events)
{
	struct inlet *in = ctx;

	(void)events;
	in->pending_at +=
		write_inlet(in, in->pending + in->pending_at, in->pending_len - in->pending_at);
	if (in->fd >= 0 && in->pending_at < in->pending_len)
		return;
	loop_del(&in->proc->monitor->loop, &in->source);
	drop_pending(in);
	relay_input_ready(in->proc);
}

void proc_input(struct proc *proc, const char *bytes, size_t len)
{
	struct inlet *in = &proc->in;
	size_t done = in->fd < 0 ? len : write_inlet(in, bytes, len);

	if (done == len)
		return;
	in->pending = malloc(len - done);
	if (!in->pending) {
		/* Bytes must not go missing in the middle: rather none at all. */
		end_inlet(in);
		return;
	}
	memcpy(in->pending, bytes + done, len - done);
	in->pending_len = len - done;
	in->pending_at = 0;
	(void)loop_add(&proc->monitor->loop, &in->source, EPOLLOUT);
}

void proc_close_input(struct proc *proc)
{
	/* The end of a client's input is not the end of a terminal. */
	if (!proc->terminal)
		end_inlet(&proc->in);
}

/* ---- life of the struct ---- */

struct proc *proc_find(struct monitor *m, uint32_t number)
{
	for (struct proc *proc = m->procs; proc; proc = proc->next)
		if (proc->number == number)
			return proc;

	return NULL;
}

struct proc *proc_new(struct monitor *m, uint32_t number, struct proc_stdio *io, int tty_fd)
{
	struct proc *proc = calloc(1, sizeof(*proc));

	if (!proc) {
		fd_close(tty_fd);
		return NULL;
	}
	proc->monitor = m;
	proc->number = number;
	proc->terminal = tty_fd >= 0;
	proc->tool_err_fd = -1;
	proc->wait.fd = -1;
	proc->rest = (struct loop_timer){ .fn = rested, .ctx = proc };
	if (proc->terminal) {
		(void)fd_set_nonblock(tty_fd, 1);
		io->ours[1] = tty_fd;
		/* A second number, so that both directions can be watched apart. */
		io->ours[0] = fcntl(tty_fd, F_DUPFD_CLOEXEC, 0);
	}
	proc->in = (struct inlet){ .proc = proc, .fd = take_fd(io->ours[0]) };
	proc->in.source =
		(struct loop_source){ .fd = proc->in.fd, .fn = inlet_ready, .ctx = &proc->in };
	for (int i = 0; i < 2; i++) {
		struct outlet *out = &proc->out[i];

		*out = (struct outlet){ .proc = proc, .index = i, .fd = take_fd(io->ours[i + 1]) };
		out->source = (struct loop_source){ .fd = out->fd, .fn = outlet_ready, .ctx = out };
	}
	proc->next = m->procs;
	m->procs = proc;
	m->procs_len++;

	return proc;
}

void proc_free(struct proc *proc)
{
	struct monitor *m;

	if (!proc)
		return;
	m = proc->monitor;
	for (struct proc **at = &m->procs; *at; at = &(*at)->next) {
		if (*at == proc) {
			*at = proc->next;
			m->procs_len--;
			break;
		}
	}
	for (struct client *c = m->clients; c; c = c->next)
		if (c->proc == proc)
			c->proc = NULL;
	loop_del(&m->loop, &proc->wait);
	loop_timer_disarm(&m->loop, &proc->rest);
	end_inlet(&proc->in);
	for (int i = 0; i < 2; i++) {
		watch_outlet(&proc->out[i], false);
		fd_close(proc->out[i].fd);
	}
	fd_close(proc->tool_err_fd);
	free(proc);
}
