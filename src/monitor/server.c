/* SPDX-License-Identifier: Apache-2.0
 *
 * server.c - connections of clients, and the end of what they wait for
 */
#include "monitor/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/log.h"
#include "monitor/request.h"
#include "monitor/state.h"

#define ACCEPT_AGAIN_NS (100 * NS_PER_MS)

struct client *server_starter(struct monitor *m)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->starter)
			return c;

	return NULL;
}

void client_free(struct client *client)
{
	struct monitor *m = client->monitor;
	struct proc *proc = client->proc;

	for (struct client **at = &m->clients; *at; at = &(*at)->next) {
		if (*at == client) {
			*at = client->next;
			m->clients_len--;
			break;
		}
	}
	/* One that was killed is noticed here first: its input has ended all the same. */
	if (proc && client->in_fd >= 0 && proc->close_in)
		proc_close_input(proc);
	relay_detach(client);
	loop_del(&m->loop, &client->source);
	fd_close(client->sock_fd);
	proto_reader_done(&client->reader);
	if (client->starter)
		life_starter_lost(m);
	free(client);

	if (m->ending)
		life_leave(m);
	else
		life_rest(m);
	if (!proc || m->ending)
		return;
	if (proc->tool_err_fd >= 0)
		(void)m->ops->signal(m->sb, proc->number, SIGKILL, NULL);
	proc->held = false;
	proc_pump(proc);
}

static void client_ready(void *ctx, uint32_t events)
{
	struct client *client = ctx;
	int r;

	(void)events;
	r = proto_read(&client->reader, client->sock_fd);
	if (r == 1)
		r = request_serve(client, &client->reader);
	else if (r == -EAGAIN || r == -EINTR)
		return;
	if (r < 0) {
		client_free(client);
		return;
	}
	proto_reader_done(&client->reader);
}

struct client *client_new(struct monitor *m, int sock_fd, bool starter)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client || m->clients_len >= MONITOR_MAX_CLIENTS) {
		free(client);
		fd_close(sock_fd);
		return NULL;
	}
	client->monitor = m;
	client->sock_fd = sock_fd;
	client->starter = starter;
	client->in_fd = client->in.fd = -1;
	for (int i = 0; i < 2; i++) {
		client->out[i].client = client;
		client->out[i].fd = client->out[i].source.fd = -1;
	}
	client->source = (struct loop_source){ .fd = sock_fd, .fn = client_ready, .ctx = client };
	if (loop_add(&m->loop, &client->source, EPOLLIN) < 0) {
		fd_close(sock_fd);
		free(client);
		return NULL;
	}
	client->next = m->clients;
	m->clients = client;
	m->clients_len++;

	return client;
}

static void accept_again(void *ctx)
{
	struct monitor *m = ctx;

	(void)loop_add(&m->loop, &m->listener, EPOLLIN);
}

static void accept_client(void *ctx, uint32_t events)
{
	struct monitor *m = ctx;
	int fd = accept4(m->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0) {
		(void)client_new(m, fd, false);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		/* It stays readable: not to be told so for ever, look away for a while. */
		loop_del(&m->loop, &m->listener);
		m->accept_again = (struct loop_timer){ .fn = accept_again, .ctx = m };
		loop_timer_arm(&m->loop, &m->accept_again, clock_now_ns() + ACCEPT_AGAIN_NS);
	}
}

int server_listen(struct monitor *m, struct err *err)
{
	int r;

	m->listener = (struct loop_source){ .fd = m->listen_fd, .fn = accept_client, .ctx = m };
	r = loop_add(&m->loop, &m->listener, EPOLLIN);

	return r < 0 ? err_set(err, -r, "watch the control socket") : 0;
}

/* The reason that a failed tool left, or one made up from its status. Returns -errno or 0. */
static int tool_result(struct proc *proc, int wstatus, struct err *err)
{
	struct err sent;

	if (wstatus == 0)
		return 0;
	if (read(proc->tool_err_fd, &sent, sizeof(sent)) == (ssize_t)sizeof(sent)) {
		err_sanitize(&sent);
		*err = sent;
		return -sent.code;
	}

	return err_set(err, EIO, "the job ended with status %d", exit_status_of(wstatus));
}

int server_send_ended(struct client *client, uint32_t number, int exit_status)
{
	struct monitor *m = client->monitor;
	bool init = number == SANDBOX_INIT;
	bool reap = init && client->starter && m->claim_reap;
	struct proto_ended ended = {
		.proc = number,
		.exit_status = exit_status,
		.flags = (init && m->state.oom ? PROTO_ENDED_OOM : 0u) |
			 (reap ? PROTO_ENDED_REAP : 0u),
	};
	struct proto_msg msg = { .type = PROTO_ENDED, .body = &ended, .len = sizeof(ended) };
	int r = proto_send(client->sock_fd, &msg, 0);

	if (r == 0 && reap)
		m->reap_told = true;

	return r;
}

void server_tell_end(struct monitor *m, struct proc *proc, int wstatus)
{
	struct client *next;

	for (struct client *c = m->clients; c; c = next) {
		int r = 0;

		next = c->next;
		if (c->proc != proc)
			continue;
		relay_finish(c);
		c->proc = NULL;
		if (proc->tool_err_fd >= 0) {
			struct err err = ERR_INIT;

			r = tool_result(proc, wstatus, &err);
			r = proto_send_reply(c->sock_fd, PROTO_TOOL, r, 0, &err);
		} else if (c->waiting) {
			r = server_send_ended(c, proc->number, exit_status_of(wstatus));
		}
		c->waiting = false;
		/* It may be the one whose request is being served: its end is seen in the loop. */
		if (r < 0)
			(void)shutdown(c->sock_fd, SHUT_RDWR);
	}
}
