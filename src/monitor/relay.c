/* SPDX-License-Identifier: Apache-2.0
 *
 * relay.c - the streams of attached clients, on the monitor's side
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "monitor/server.h"

static bool is_attached(const struct client *client, const struct proc *proc)
{
	return client->proc == proc &&
	       (client->out[0].fd >= 0 || client->out[1].fd >= 0 || client->in_fd >= 0);
}

static bool others_attached(const struct client *client)
{
	for (struct client *c = client->monitor->clients; c; c = c->next)
		if (c != client && is_attached(c, client->proc))
			return true;

	return false;
}

static void close_tap(struct tap *tap)
{
	loop_del(&tap->client->monitor->loop, &tap->source);
	tap->fd = fd_close(tap->fd);
	free(tap->pending);
	tap->pending = NULL;
	tap->pending_len = tap->pending_at = 0;
}

/* Write as much as fits; false once the reader is gone. */
static bool write_tap(struct tap *tap, const char *bytes, size_t len, size_t *ret_done)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(tap->fd, bytes + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return false;
		done += (size_t)n;
	}
	*ret_done = done;

	return true;
}

static void update_stall(struct client *client)
{
	if (!relay_unfinished(client))
		loop_timer_disarm(&client->monitor->loop, &client->stall);
	else if (!client->stall.armed)
		loop_timer_arm(&client->monitor->loop, &client->stall,
			       clock_now_ns() + MONITOR_STALL_NS);
}

static void stalled(void *ctx)
{
	struct client *client = ctx;
	struct proc *proc = client->proc;

	if (!proc)
		return;
	if (!others_attached(client)) {
		update_stall(client);
		return;
	}
	relay_detach(client);
	client_free(client);
	proc_pump(proc);
}

static void tap_ready(void *ctx, uint32_t events)
{
	struct tap *tap = ctx;
	struct client *client = tap->client;
	size_t done = 0;

	(void)events;
	if (!write_tap(tap, tap->pending + tap->pending_at, tap->pending_len - tap->pending_at,
		       &done)) {
		close_tap(tap);
	} else {
		tap->pending_at += done;
		if (done > 0)
			loop_timer_disarm(&client->monitor->loop, &client->stall);
		if (tap->pending_at < tap->pending_len) {
			update_stall(client);
			return;
		}
		loop_del(&client->monitor->loop, &tap->source);
		free(tap->pending);
		tap->pending = NULL;
		/* The stream, or its process, ended while the chunk was waiting. */
		if (!client->proc || client->proc->out[tap - client->out].fd < 0)
			close_tap(tap);
	}
	update_stall(client);
	if (client->proc)
		proc_pump(client->proc);
	else
		life_leave(client->monitor);
}

/* Keep what does not fit, behind what is kept already: a process that has ended is not paused. */
static int keep(struct tap *tap, const char *bytes, size_t len)
{
	size_t left = tap->pending_len - tap->pending_at;
	char *all = malloc(left + len);

	if (!all)
		return -ENOMEM;
	if (tap->pending)
		memcpy(all, tap->pending + tap->pending_at, left);
	memcpy(all + left, bytes, len);
	free(tap->pending);
	tap->pending = all;
	tap->pending_len = left + len;
	tap->pending_at = 0;

	return 0;
}

static void give(struct tap *tap, const char *bytes, size_t len)
{
	bool waits = tap->pending != NULL;
	size_t done = 0;

	if (!waits && !write_tap(tap, bytes, len, &done)) {
		close_tap(tap);
		return;
	}
	if (done == len)
		return;
	if (keep(tap, bytes + done, len - done) < 0) {
		close_tap(tap);
		return;
	}
	if (!waits)
		(void)loop_add(&tap->client->monitor->loop, &tap->source, EPOLLOUT);
	update_stall(tap->client);
}

void relay_output(struct proc *proc, int index, const char *bytes, size_t len)
{
	for (struct client *c = proc->monitor->clients; c; c = c->next)
		if (c->proc == proc && c->out[index].fd >= 0)
			give(&c->out[index], bytes, len);
}

bool relay_busy(const struct proc *proc, int index)
{
	for (struct client *c = proc->monitor->clients; c; c = c->next)
		if (c->proc == proc && c->out[index].pending)
			return true;

	return false;
}

void relay_end(struct proc *proc, int index)
{
	for (struct client *c = proc->monitor->clients; c; c = c->next)
		if (c->proc == proc && !c->out[index].pending)
			close_tap(&c->out[index]);
}

static void close_in(struct client *client)
{
	loop_del(&client->monitor->loop, &client->in);
	client->in_fd = fd_close(client->in_fd);
}

static void in_ready(void *ctx, uint32_t events)
{
	struct client *client = ctx;
	struct monitor *m = client->monitor;
	struct proc *proc = client->proc;
	ssize_t n;

	(void)events;
	if (!proc || proc->in.fd < 0) {
		/* So that the client sees that nobody takes its input. */
		close_in(client);
		return;
	}
	if (proc_input_busy(proc)) {
		loop_del(&m->loop, &client->in);
		return;
	}
	n = read(client->in_fd, m->chunk, sizeof(m->chunk));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_in(client);
		if (proc->close_in)
			proc_close_input(proc);
		return;
	}
	proc_input(proc, m->chunk, (size_t)n);
	if (proc_input_busy(proc))
		loop_del(&m->loop, &client->in);
}

void relay_input_ready(struct proc *proc)
{
	for (struct client *c = proc->monitor->clients; c; c = c->next)
		if (c->proc == proc && c->in_fd >= 0 && c->in.events == 0)
			(void)loop_add(&proc->monitor->loop, &c->in, EPOLLIN);
}

int relay_attach(struct client *client, struct proc *proc, uint32_t flags,
		 struct proto_reader *frame, struct err *err)
{
	static const uint32_t stream_flags[] = { PROTO_ATTACH_STDIN, PROTO_ATTACH_STDOUT,
						 PROTO_ATTACH_STDERR };
	size_t want = 0;

	for (size_t i = 0; i < ARRAY_SIZE(stream_flags); i++)
		want += (flags & stream_flags[i]) != 0;
	if (want != frame->fds_len)
		return err_set(err, EPROTO, "attach without the streams that it names");

	want = 0;
	for (size_t i = 0; i < ARRAY_SIZE(stream_flags); i++) {
		int fd;

		if (!(flags & stream_flags[i]))
			continue;
		fd = proto_take_fd(frame, want++);
		(void)fd_set_nonblock(fd, 1);
		if (i == 0) {
			client->in_fd = client->in.fd = fd;
		} else {
			client->out[i - 1].fd = client->out[i - 1].source.fd = fd;
			client->out[i - 1].source.fn = tap_ready;
			client->out[i - 1].source.ctx = &client->out[i - 1];
		}
	}
	client->proc = proc;
	client->waiting = true;
	client->stall.fn = stalled;
	client->stall.ctx = client;
	client->in.fn = in_ready;
	client->in.ctx = client;
	if (client->in_fd >= 0 && loop_add(&client->monitor->loop, &client->in, EPOLLIN) < 0)
		close_in(client);
	for (int i = 0; i < 2; i++)
		if (proc->out[i].fd < 0)
			close_tap(&client->out[i]);

	return 0;
}

void relay_finish(struct client *client)
{
	close_in(client);
	for (int i = 0; i < 2; i++)
		if (!client->out[i].pending)
			close_tap(&client->out[i]);
}

bool relay_unfinished(const struct client *client)
{
	return client->out[0].pending || client->out[1].pending;
}

void relay_detach(struct client *client)
{
	loop_timer_disarm(&client->monitor->loop, &client->stall);
	close_in(client);
	for (int i = 0; i < 2; i++)
		close_tap(&client->out[i]);
}
