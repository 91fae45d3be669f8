/* SPDX-License-Identifier: Apache-2.0
 *
 * request.c - what the monitor does for a client, one function for each type of frame
 */
#include "monitor/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "monitor/server.h"
#include "spec/sandbox.h"

/* A handler answers this when the reply has been sent, or will be. */
#define REPLIED 1

/* @value: of the reply; @err: of a failed one. */
struct answer {
	uint32_t value;
	struct err err;
};

static int gone(struct err *err)
{
	return err_setk(err, ERR_CONFLICT, ESRCH, "the process has ended");
}

static int malformed(struct err *err)
{
	return err_set(err, EPROTO, "malformed request");
}

static int do_begin(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	(void)frame;

	return life_begin(client->monitor, &answer->err);
}

/* Start it in the sandbox and keep it. */
static int spawn(struct client *client, const struct spec_process *process, uint32_t flags,
		 struct answer *answer)
{
	struct monitor *m = client->monitor;
	bool detached = flags & PROTO_EXEC_DETACHED;
	struct proc_stdio io = { .theirs = { -1, -1, -1 }, .ours = { -1, -1, -1 } };
	struct proc *proc;
	uint32_t number = 0;
	int tty_fd = -1, r = 0;

	if (!process->terminal && !detached)
		r = proc_stdio_open(flags & PROTO_EXEC_OPEN_STDIN, &io, &answer->err);
	if (r < 0)
		return r;
	r = m->ops->spawn(m->sb, process, io.theirs, &number, &tty_fd, &answer->err);
	if (r < 0) {
		proc_stdio_close(&io);
		return r;
	}
	proc = proc_new(m, number, &io, tty_fd);
	proc_stdio_close(&io);
	if (!proc) {
		(void)m->ops->signal(m->sb, number, SIGKILL, NULL);
		return err_set(&answer->err, ENOMEM, "out of memory");
	}
	proc->close_in = true;
	proc->held = !detached;
	r = proc_watch(proc, &answer->err);
	if (r < 0) {
		(void)m->ops->signal(m->sb, number, SIGKILL, NULL);
		proc_free(proc);
		return r;
	}
	if (proc->held)
		client->proc = proc;
	else
		proc_pump(proc);
	answer->value = number;

	return 0;
}

/* May something be started in the sandbox? */
static int check_room(const struct client *client, bool tool, struct err *err)
{
	const struct monitor *m = client->monitor;

	if (m->ending || (m->state.phase == MONITOR_CREATED && !(tool || m->service)))
		return err_setk(err, ERR_CONFLICT, ESRCH, "it does not run");
	/* A tool is the backend's to refuse: a container's are not frozen with the workload. */
	if (m->state.phase == MONITOR_PAUSED && !tool) {
		err_setk(err, ERR_CONFLICT, EBUSY, "it is paused");
		err_hint(err, "thaw it first: hull unpause");
		return -EBUSY;
	}
	if (m->procs_len >= MONITOR_MAX_PROCS)
		return err_setk(err, ERR_CONFLICT, EAGAIN, "it has %d processes of clients already",
				MONITOR_MAX_PROCS);
	if (client->proc)
		return err_setk(err, ERR_CONFLICT, EBUSY, "this connection is in use");

	return 0;
}

static int do_exec(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	auto_done(spec_process) process = { 0 };
	struct proto_exec exec;
	struct slice rest;
	int r = check_room(client, false, &answer->err);

	if (r < 0)
		return r;
	if (proto_get(frame, &exec, sizeof(exec), &rest) < 0)
		return malformed(&answer->err);
	r = spec_process_decode(rest.at, rest.len, &process, &answer->err);
	if (r < 0)
		return r;

	return spawn(client, &process, exec.flags, answer);
}

/* Reply first, so that the reply comes before the end of a process that has ended by now. */
static int accept_and_release(struct client *client, struct proc *proc, enum proto_type type)
{
	int r = proto_send_reply(client->sock_fd, type, 0, 0, NULL);

	if (r < 0)
		return r;
	proc_release(proc);

	return REPLIED;
}

static int do_attach(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	struct monitor *m = client->monitor;
	struct proto_attach attach;
	struct slice rest;
	struct proc *proc;
	int r;

	if (proto_get(frame, &attach, sizeof(attach), &rest) < 0)
		return malformed(&answer->err);
	proc = proc_find(m, attach.proc);
	if (!proc || m->ending)
		return gone(&answer->err);
	if (client->waiting || (client->proc && client->proc != proc) || proc->tool_err_fd >= 0)
		return err_setk(&answer->err, ERR_CONFLICT, EBUSY, "this connection is in use");
	r = relay_attach(client, proc, attach.flags, frame, &answer->err);
	if (r == 0 && (attach.flags & PROTO_ATTACH_BEGIN))
		r = life_begin(m, &answer->err);
	if (r < 0) {
		relay_detach(client);
		client->waiting = false;
		client->proc = NULL;
		return r;
	}

	return accept_and_release(client, proc, PROTO_ATTACH);
}

static int do_detach(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	struct proc *proc = client->proc;
	int r;

	(void)frame;
	(void)answer;
	relay_detach(client);
	client->waiting = false;
	client->proc = NULL;
	r = proto_send_reply(client->sock_fd, PROTO_DETACH, 0, 0, NULL);
	/* It may have waited for this client. */
	if (proc)
		proc_pump(proc);

	return r < 0 ? r : REPLIED;
}

static int do_wait(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	struct monitor *m = client->monitor;
	struct proto_proc wait;
	struct slice rest;
	struct proc *proc;
	int r;

	if (proto_get(frame, &wait, sizeof(wait), &rest) < 0)
		return malformed(&answer->err);
	proc = proc_find(m, wait.proc);
	if (!proc)
		return gone(&answer->err);
	if (m->ending) {
		/* It ended while its starter, who claimed the reaping, was on its way here. */
		r = proto_send_reply(client->sock_fd, PROTO_WAIT, 0, 0, NULL);
		if (r == 0)
			r = server_send_ended(client, wait.proc, m->state.exit_status);
		life_leave(m);
		return r < 0 ? r : REPLIED;
	}
	/* It may wait already: its last wait met a deadline. */
	if ((client->proc && client->proc != proc) || proc->tool_err_fd >= 0)
		return err_setk(&answer->err, ERR_CONFLICT, EBUSY, "this connection is in use");
	client->proc = proc;
	client->waiting = true;

	return accept_and_release(client, proc, PROTO_WAIT);
}

static int do_signal(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	struct monitor *m = client->monitor;
	struct proto_proc body;
	struct slice rest;

	if (proto_get(frame, &body, sizeof(body), &rest) < 0 || body.a > INT32_MAX)
		return malformed(&answer->err);
	if (m->ending || !proc_find(m, body.proc))
		return gone(&answer->err);

	return m->ops->signal(m->sb, body.proc, (int)body.a, &answer->err);
}

static int do_resize(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	struct monitor *m = client->monitor;
	struct proto_proc body;
	struct slice rest;

	if (proto_get(frame, &body, sizeof(body), &rest) < 0 || body.a > UINT16_MAX ||
	    body.b > UINT16_MAX)
		return malformed(&answer->err);
	if (m->ending || !proc_find(m, body.proc))
		return gone(&answer->err);

	return m->ops->resize(m->sb, body.proc, (uint16_t)body.a, (uint16_t)body.b, &answer->err);
}

static int do_pause(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	struct proto_proc body;
	struct slice rest;

	if (proto_get(frame, &body, sizeof(body), &rest) < 0)
		return malformed(&answer->err);

	return life_pause(client->monitor, body.a != 0, &answer->err);
}

static int do_update(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	struct monitor *m = client->monitor;
	auto_done(spec_resources) resources = { 0 };
	int r = spec_resources_decode(frame->body, frame->header.len, &resources, &answer->err);

	if (r < 0)
		return r;
	if (m->ending)
		return gone(&answer->err);

	return m->ops->update(m->sb, &resources, &answer->err);
}

static int do_stats(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	struct monitor *m = client->monitor;
	struct spec_stats stats = { 0 };
	auto_free char *text = NULL;
	int r;

	(void)frame;
	if (m->ending)
		return gone(&answer->err);
	r = m->ops->stats(m->sb, &stats, &answer->err);
	if (r == 0)
		r = spec_stats_encode(&stats, &text, &answer->err);
	if (r < 0)
		return r;
	r = proto_send_document(client->sock_fd, PROTO_STATS, text, strlen(text));

	return r < 0 ? r : REPLIED;
}

/* Start the job with @err_pipe[1] as its stderr; keep it as a process of @client. */
static int start_tool(struct client *client, const struct spec_tool *tool, int stdio_fds[3],
		      int *err_fd, struct err *err)
{
	struct monitor *m = client->monitor;
	struct proc_stdio none = { .theirs = { -1, -1, -1 }, .ours = { -1, -1, -1 } };
	struct proc *proc;
	uint32_t number = 0;
	int r = m->ops->tool(m->sb, tool, stdio_fds, &number, err);

	if (r < 0)
		return r;
	proc = proc_new(m, number, &none, -1);
	if (!proc) {
		(void)m->ops->signal(m->sb, number, SIGKILL, NULL);
		return err_set(err, ENOMEM, "out of memory");
	}
	proc->tool_err_fd = take_fd(*err_fd);
	client->proc = proc;

	return proc_watch(proc, err);
}

static int do_tool(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	auto_done(spec_tool) tool = { 0 };
	auto_close int err_fd = -1, err_theirs = -1;
	int stdio_fds[3] = { -1, -1, -1 }, ends[2], r;
	struct proto_tool body;
	struct slice rest;
	size_t want = 0;

	r = check_room(client, true, &answer->err);
	if (r < 0)
		return r;
	if (proto_get(frame, &body, sizeof(body), &rest) < 0)
		return malformed(&answer->err);
	r = spec_tool_decode(rest.at, rest.len, &tool, &answer->err);
	if (r < 0)
		return r;
	/* Borrowed: the frame closes them once the job has its own. */
	if (body.flags & PROTO_TOOL_IN)
		stdio_fds[0] = want < frame->fds_len ? frame->fds[want++] : -1;
	if (body.flags & PROTO_TOOL_OUT)
		stdio_fds[1] = want < frame->fds_len ? frame->fds[want++] : -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(&answer->err, "make a pipe");
	err_fd = ends[0];
	err_theirs = ends[1];
	(void)fd_set_nonblock(err_fd, 1);
	stdio_fds[2] = err_theirs;
	r = start_tool(client, &tool, stdio_fds, &err_fd, &answer->err);

	return r < 0 ? r : REPLIED;
}

static int do_discard(struct client *client, struct proto_reader *frame, struct answer *answer)
{
	(void)frame;

	return life_discard(client->monitor, &answer->err);
}

static int (*const handlers[])(struct client *client, struct proto_reader *frame,
			       struct answer *answer) = {
	[PROTO_BEGIN] = do_begin,   [PROTO_EXEC] = do_exec,   [PROTO_ATTACH] = do_attach,
	[PROTO_DETACH] = do_detach, [PROTO_WAIT] = do_wait,   [PROTO_SIGNAL] = do_signal,
	[PROTO_RESIZE] = do_resize, [PROTO_PAUSE] = do_pause, [PROTO_UPDATE] = do_update,
	[PROTO_STATS] = do_stats,   [PROTO_TOOL] = do_tool,   [PROTO_DISCARD] = do_discard,
};

int request_serve(struct client *client, struct proto_reader *frame)
{
	uint16_t type = frame->header.type;
	struct answer answer = { .err = ERR_INIT };
	int r;

	if (type >= ARRAY_SIZE(handlers) || !handlers[type])
		return -EPROTO;
	r = handlers[type](client, frame, &answer);
	if (r == REPLIED)
		return 0;
	/* A backend that gave no reason: the client needs a whole one. */
	if (r < 0 && answer.err.code == 0)
		(void)err_set(&answer.err, -r, "the isolation level gave no reason");

	return proto_send_reply(client->sock_fd, type, r, answer.value, &answer.err);
}
