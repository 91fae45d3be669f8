/* SPDX-License-Identifier: Apache-2.0
 *
 * vm_link.c - processes in a machine, calls to its agent, and what may happen meanwhile
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
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

/* ---- processes ---- */

struct vm_proc *vm_find_proc(const struct sandbox *sb, uint32_t number)
{
	for (struct vm_proc *p = sb->procs; p; p = p->next)
		if (p->number == number)
			return p;

	return NULL;
}

void vm_forget_proc(struct sandbox *sb, struct vm_proc *proc)
{
	struct vm_proc **at = &sb->procs;

	while (*at != proc)
		at = &(*at)->next;
	*at = proc->next;
	agentproto_relay_drop(&sb->conn, proc->number);
	fd_close(proc->end_fd);
	free(proc);
}

static void tell_end(const struct sandbox *sb, struct vm_proc *proc)
{
	if (proc->told || !proc->ended ||
	    !agentproto_relay_idle(&sb->conn, proc->number, AGENTPROTO_RECEIVE))
		return;
	proc->told = true;
	fd_raise(proc->end_fd);
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

static int add_proc(struct sandbox *sb, struct vm_proc_want *want, struct vm_proc **ret,
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

void vm_die(struct sandbox *sb, const char *why)
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
		if (!p->ended) {
			p->wstatus = SIGKILL;
			p->died = true;
		}
		p->ended = true;
		tell_end(sb, p);
	}
	if (!sb->ending)
		fd_raise(sb->death_fd);
}

static void on_machine_end(void *ctx, uint32_t events)
{
	struct sandbox *sb = ctx;

	(void)events;
	loop_del(&sb->loop, &sb->death_source);
	/* What it has sent is read first: the connection is lost where that ends. */
	if (!sb->conn.loop || sb->conn.lost)
		vm_die(sb, "the machine has ended");
}

static void on_share_end(void *ctx, uint32_t events)
{
	struct sandbox *sb = ctx;

	(void)events;
	for (size_t i = 0; i < sb->shares_len; i++)
		loop_del(&sb->loop, &sb->shares[i].source);
	/* A guest that waits for it cannot be helped: not even its own kill would get through. */
	vm_die(sb, "a bind mount's daemon has ended");
}

static void on_lost(void *ctx, const struct err *why)
{
	char text[128];

	/* Only its end closes the machine's side. */
	vm_die(ctx,
	       why->code == EPIPE ? "the machine has ended" : err_text(why, text, sizeof(text)));
}

static void on_message(void *ctx, const struct agentproto_msg *msg)
{
	struct sandbox *sb = ctx;
	struct vm_proc *proc;

	switch (msg->type) {
	case AGENTPROTO_HELLO:
		sb->booted = true;
		if (msg->value != AGENTPROTO_VERSION)
			vm_die(sb, "the agent speaks another version of the protocol");
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
		proc = vm_find_proc(sb, msg->proc);
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
	struct vm_proc *proc = vm_find_proc(sb, number);

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

int vm_watch_share(struct sandbox *sb, struct vm_watched_share *share)
{
	share->source = (struct loop_source){ .fd = share->share.daemon.pidfd,
					      .fn = on_share_end,
					      .ctx = sb };

	return loop_add(&sb->loop, &share->source, EPOLLIN);
}

int vm_watch_machine(struct sandbox *sb, int stream_fd)
{
	int r;

	sb->events = (struct agentproto_events){
		.message = on_message, .stream_done = on_stream_done, .lost = on_lost, .ctx = sb
	};
	sb->death_source = (struct loop_source){ .fd = sb->ops->death_fd(sb->machine),
						 .fn = on_machine_end,
						 .ctx = sb };
	r = loop_add(&sb->loop, &sb->death_source, EPOLLIN);
	if (r < 0) {
		fd_close(stream_fd);
		return r;
	}

	return agentproto_conn_init(&sb->conn, &sb->loop, stream_fd, AGENTPROTO_HOST, &sb->events);
}

int vm_watch_loop(struct sandbox *sb, struct loop *caller_loop)
{
	sb->loop_source =
		(struct loop_source){ .fd = sb->loop.epoll_fd, .fn = on_own_loop, .ctx = sb };
	sb->caller_loop = caller_loop;

	return loop_add(caller_loop, &sb->loop_source, EPOLLIN);
}

void vm_watch_cancel(struct sandbox *sb, int cancel_fd)
{
	loop_del(&sb->loop, &sb->cancel_source);
	sb->cancelled = false;
	sb->cancel_source = (struct loop_source){ .fd = cancel_fd, .fn = on_cancel, .ctx = sb };
	if (cancel_fd >= 0)
		(void)loop_add(&sb->loop, &sb->cancel_source, EPOLLIN);
}

/* ---- calls ---- */

int vm_check_alive(const struct sandbox *sb, struct err *err)
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
		int r = vm_check_alive(sb, err);

		if (r < 0)
			return r;
		if (sb->cancelled)
			return err_set(err, ECANCELED, "it was cancelled");
		if (clock_now_ns() >= deadline_ns)
			return err_set(err, ETIMEDOUT, "%s",
				       sb->booted ? "the machine does not answer"
						  : "the guest has not booted in time");
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

int vm_call(struct sandbox *sb, struct agentproto_msg *msg, int64_t limit_ns, char **ret_body,
	    struct err *err)
{
	int r = vm_check_alive(sb, err);

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

int vm_ask_for_proc(struct sandbox *sb, struct vm_proc_want *want, int64_t limit_ns,
		    struct err *err)
{
	struct vm_proc *proc = NULL;
	int r;

	r = add_proc(sb, want, &proc, err);
	if (r == 0)
		r = vm_call(sb, &want->msg, limit_ns, NULL, err);
	if (r < 0) {
		if (proc)
			vm_forget_proc(sb, proc);
		want->tty_fd = fd_close(want->tty_fd);
		return r;
	}
	agentproto_relay_start(&sb->conn, want->msg.proc);

	return 0;
}
