/* SPDX-License-Identifier: Apache-2.0
 *
 * client.c - ask a monitor: connections, requests, replies
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "monitor/client_private.h"
#include "monitor/state.h"

struct monitor_client *monitor_client_new(int sock_fd, const char *run_dir, pid_t pid)
{
	struct monitor_client *c = calloc(1, sizeof(*c));
	char *dir = strdup(run_dir);

	if (!c || !dir) {
		free(c);
		free(dir);
		fd_close(sock_fd);
		return NULL;
	}
	c->sock_fd = sock_fd;
	c->run_dir = dir;
	c->pid = pid;

	return c;
}

void monitor_client_free(struct monitor_client *c)
{
	if (!c)
		return;
	fd_close(c->sock_fd);
	proto_reader_done(&c->in);
	/* If it has ended by now; it goes on without us otherwise. */
	if (c->pid > 0)
		(void)waitpid(c->pid, NULL, WNOHANG);
	free(c->run_dir);
	free(c);
}

int64_t monitor_reply_deadline(void)
{
	return clock_now_ns() + MONITOR_REPLY_MS * NS_PER_MS;
}

static int lost(struct err *err)
{
	return err_set(err, EPIPE, "the monitor is gone");
}

/* The queue of a busy monitor may be full for a moment. */
static int connect_waiting(int dir_fd)
{
	int64_t deadline_ns = monitor_reply_deadline();
	int fd;

	while ((fd = state_connect(dir_fd)) == -EAGAIN) {
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, 1);
	}

	return fd;
}

int monitor_connect(const char *run_dir, struct monitor_client **ret, struct err *err)
{
	auto_close int dir_fd = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (dir_fd < 0 && errno != ENOENT)
		return err_sys(err, "open the run directory '%s'", run_dir);
	fd = dir_fd < 0 ? -ENOENT : connect_waiting(dir_fd);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return err_setk(err, ERR_CONFLICT, ESRCH, "it does not run");
	if (fd < 0)
		return err_set(err, -fd, "connect to the monitor in '%s'", run_dir);
	*ret = monitor_client_new(fd, run_dir, 0);

	return *ret ? 0 : err_set(err, ENOMEM, "out of memory");
}

int monitor_client_send(struct monitor_client *c, const struct proto_msg *msg, struct err *err)
{
	int r = proto_send(c->sock_fd, msg, monitor_reply_deadline());

	if (r == -EPIPE)
		return lost(err);
	if (r < 0)
		return err_set(err, -r, "send a request to the monitor");

	return 0;
}

int monitor_client_receive(struct monitor_client *c, int64_t deadline_ns, struct err *err)
{
	/* Half a frame stays: the wait for it may have been cut short by a deadline. */
	if (c->whole)
		proto_reader_done(&c->in);
	c->whole = false;
	for (;;) {
		struct pollfd wait = { .fd = c->sock_fd, .events = POLLIN };
		int r = proto_read(&c->in, c->sock_fd);

		c->whole = r == 1;
		if (r == 1)
			return 0;
		if (r == -EPIPE)
			return lost(err);
		if (r != -EAGAIN)
			return err_set(err, -r, "receive from the monitor");
		r = poll(&wait, 1, clock_poll_ms(deadline_ns));
		if (r == 0)
			return err_set(err, ETIMEDOUT, "the monitor does not answer");
		if (r < 0 && errno != EINTR)
			return err_sys(err, "wait for the monitor");
	}
}

int monitor_client_call(struct monitor_client *c, const struct proto_msg *msg, int64_t deadline_ns,
			struct proto_reply *ret_reply, struct err *err)
{
	struct proto_reply reply;
	struct slice rest;
	int r = monitor_client_send(c, msg, err);

	if (r < 0)
		return r;
	for (;;) {
		r = monitor_client_receive(c, deadline_ns, err);
		if (r < 0)
			return r;
		if (c->in.header.type == PROTO_ENDED) {
			r = monitor_client_keep_end(c, err);
			if (r < 0)
				return r;
			continue;
		}
		r = proto_get_reply(&c->in, &reply, &rest, err);
		if (r == -EPROTO || reply.to == (uint32_t)msg->type)
			break;
		/* Of a request whose answer was not waited for. */
	}
	if (r == 0 && ret_reply)
		*ret_reply = reply;

	return r;
}

static int call(struct monitor_client *c, enum proto_type type, const void *body, size_t len,
		struct err *err)
{
	struct proto_msg msg = { .type = type, .body = body, .len = len };

	return monitor_client_call(c, &msg, monitor_reply_deadline(), NULL, err);
}

int monitor_begin(struct monitor_client *c, struct err *err)
{
	return call(c, PROTO_BEGIN, NULL, 0, err);
}

int monitor_signal(struct monitor_client *c, uint32_t proc, int signo, struct err *err)
{
	struct proto_proc body = { .proc = proc, .a = (uint32_t)signo };

	return call(c, PROTO_SIGNAL, &body, sizeof(body), err);
}

int monitor_resize(struct monitor_client *c, uint32_t proc, uint16_t rows, uint16_t cols,
		   struct err *err)
{
	struct proto_proc body = { .proc = proc, .a = rows, .b = cols };

	return call(c, PROTO_RESIZE, &body, sizeof(body), err);
}

int monitor_pause(struct monitor_client *c, bool frozen, struct err *err)
{
	struct proto_proc body = { .a = frozen };

	return call(c, PROTO_PAUSE, &body, sizeof(body), err);
}

int monitor_update(struct monitor_client *c, const struct spec_resources *resources,
		   struct err *err)
{
	auto_free char *text = NULL;
	int r = spec_resources_encode(resources, &text, err);

	return r < 0 ? r : call(c, PROTO_UPDATE, text, strlen(text), err);
}

int monitor_stats(struct monitor_client *c, struct spec_stats *ret, struct err *err)
{
	struct proto_reply reply;
	struct slice rest;
	int r = call(c, PROTO_STATS, NULL, 0, err);

	if (r < 0)
		return r;
	(void)proto_get_reply(&c->in, &reply, &rest, NULL);

	return spec_stats_decode(rest.at, rest.len, ret, err);
}

int monitor_discard(struct monitor_client *c, struct err *err)
{
	int r = call(c, PROTO_DISCARD, NULL, 0, err);

	if (r < 0 && r != -EPIPE)
		return r;
	/* It is gone once its end of the socket is. */
	do {
		r = monitor_client_receive(c, monitor_reply_deadline(), err);
	} while (r == 0);
	if (r != -EPIPE)
		return r;
	if (err)
		*err = (struct err)ERR_INIT;

	return 0;
}

/* A fixed part and a document behind it, as one body. */
static int call_document(struct monitor_client *c, struct proto_msg *msg, const char *text,
			 struct proto_reply *ret, struct err *err)
{
	auto_done(strbuf) body = STRBUF_INIT(PROTO_MAX_BYTES);
	int64_t deadline_ns = msg->type == PROTO_TOOL ? -1 : monitor_reply_deadline();

	if (strbuf_add(&body, msg->body, msg->len) < 0 || strbuf_adds(&body, text) < 0)
		return err_set(err, E2BIG, "the request is too long");
	msg->body = body.text;
	msg->len = body.len;

	return monitor_client_call(c, msg, deadline_ns, ret, err);
}

int monitor_exec(struct monitor_client *c, const struct spec_process *process, bool open_stdin,
		 bool detached, uint32_t *ret_proc, struct err *err)
{
	struct proto_exec exec = {
		.flags = (open_stdin ? PROTO_EXEC_OPEN_STDIN : 0u) |
			 (detached ? PROTO_EXEC_DETACHED : 0u),
	};
	struct proto_msg msg = { .type = PROTO_EXEC, .body = &exec, .len = sizeof(exec) };
	auto_free char *text = NULL;
	struct proto_reply reply;
	int r = spec_process_encode(process, &text, err);

	if (r == 0)
		r = call_document(c, &msg, text, &reply, err);
	if (r == 0)
		*ret_proc = reply.value;

	return r;
}

int monitor_tool(struct monitor_client *c, const struct spec_tool *tool, int in_fd, int out_fd,
		 struct err *err)
{
	struct proto_tool body = {
		.flags = (in_fd >= 0 ? PROTO_TOOL_IN : 0u) | (out_fd >= 0 ? PROTO_TOOL_OUT : 0u),
	};
	int fds[2];
	struct proto_msg msg = {
		.type = PROTO_TOOL, .body = &body, .len = sizeof(body), .fds = fds
	};
	auto_free char *text = NULL;
	int r = spec_tool_encode(tool, &text, err);

	if (r < 0)
		return r;
	if (in_fd >= 0)
		fds[msg.fds_len++] = in_fd;
	if (out_fd >= 0)
		fds[msg.fds_len++] = out_fd;

	return call_document(c, &msg, text, NULL, err);
}

int monitor_client_keep_end(struct monitor_client *c, struct err *err)
{
	struct slice rest;

	if (c->in.header.type != PROTO_ENDED ||
	    proto_get(&c->in, &c->ended, sizeof(c->ended), &rest) < 0 || c->ended.exit_status < 0 ||
	    c->ended.exit_status > 255)
		return err_set(err, EPROTO, "the monitor sent something else than the end");
	c->has_end = true;

	return 0;
}

int monitor_client_take_end(struct monitor_client *c, uint32_t proc, struct monitor_end *ret,
			    struct err *err)
{
	c->has_end = false;
	if (c->ended.proc != proc)
		return err_set(err, EPROTO, "the monitor sent the end of another process");
	*ret = (struct monitor_end){
		.exit_status = c->ended.exit_status,
		.oom = c->ended.flags & PROTO_ENDED_OOM,
		.reap_is_ours = c->ended.flags & PROTO_ENDED_REAP,
	};

	return 0;
}

int monitor_client_lost(struct monitor_client *c, uint32_t proc, struct monitor_end *ret,
			struct err *err)
{
	struct monitor_state state;

	if (proc != 0 || monitor_read_state(c->run_dir, &state, NULL) < 0 ||
	    state.phase != MONITOR_EXITED)
		return lost(err);
	*ret = (struct monitor_end){ .exit_status = state.exit_status, .oom = state.oom };

	return 0;
}

int monitor_wait(struct monitor_client *c, uint32_t proc, int64_t deadline_ns,
		 struct monitor_end *ret, struct err *err)
{
	struct proto_proc body = { .proc = proc };
	struct err why = ERR_INIT;
	int r = 0;

	if (!c->has_end)
		r = call(c, PROTO_WAIT, &body, sizeof(body), &why);
	while (r == 0 && !c->has_end) {
		r = monitor_client_receive(c, deadline_ns, &why);
		if (r == 0 && c->in.header.type != PROTO_REPLY)
			r = monitor_client_keep_end(c, &why);
	}
	if (r == 0)
		return monitor_client_take_end(c, proc, ret, err);
	if (r == -EPIPE || (r == -ESRCH && proc == 0))
		return monitor_client_lost(c, proc, ret, err);
	if (err)
		*err = why;

	return r;
}
