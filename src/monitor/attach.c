/* SPDX-License-Identifier: Apache-2.0
 *
 * attach.c - relay the streams of a process to and from this one
 *
 * The monitor gets one end of a pipe for each stream, we keep the other; the connection carries
 * only window sizes, signals and the end. One poll loop over at most seven descriptors. The
 * descriptors that the caller names may be shared with other processes (a shell), so they are
 * never made non-blocking: a write to one is no longer than what poll(2) promises to take, so that
 * a reader that pauses does not keep a signal from the workload.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "linux/terminal.h"
#include "monitor/client_private.h"

#define RELAY_BYTES (64 * KIB)

/*
 * As docker's --sig-proxy: all that another process may have sent to us for the workload. Not
 * those about our own terminal, children and faults, and not job control.
 */
static const int forwarded[] = {
	SIGHUP,	 SIGINT,  SIGQUIT, SIGTERM,   SIGUSR1, SIGUSR2, SIGALRM,
	SIGPOLL, SIGPROF, SIGPWR,  SIGVTALRM, SIGXCPU, SIGXFSZ, SIGSTKFLT,
};

/**
 * struct copy - one direction of one stream
 * @from_fd:	-1 at its end
 * @to_fd:	-1 when nobody takes it
 * @write_max:	longest write that does not block once @to_fd is ready
 * @buf:	RELAY_BYTES (and room for held back detach keys), @at to @len still to be written
 */
struct copy {
	int from_fd, to_fd;
	size_t write_max;
	char *buf;
	size_t at, len;
};

enum {
	COPY_IN,
	COPY_OUT,
	COPY_ERR,
	COPIES
};

/**
 * struct relay - an attachment while it lasts
 * @pipes:	our ends of the pipes, closed at their end
 * @theirs:	ends to send to the monitor
 * @keys_matched: bytes of the detach keys seen so far, held back from the input
 */
struct relay {
	struct monitor_client *client;
	const struct monitor_attach *attach;
	struct terminal terminal;
	struct copy copies[COPIES];
	int pipes[COPIES], theirs[COPIES];
	size_t keys_matched;
	bool ended, lost, detached;
};

static void relay_done(struct relay *relay)
{
	terminal_done(&relay->terminal);
	for (int i = 0; i < COPIES; i++) {
		fd_close(relay->pipes[i]);
		fd_close(relay->theirs[i]);
		free(relay->copies[i].buf);
	}
}

static int open_copy(struct relay *relay, int i, int local_fd, struct err *err)
{
	struct copy *copy = &relay->copies[i];
	struct stat st;
	int ends[2];

	copy->from_fd = copy->to_fd = relay->pipes[i] = relay->theirs[i] = -1;
	if (local_fd < 0)
		return 0;
	copy->buf = malloc(RELAY_BYTES + relay->attach->detach_keys_len);
	if (!copy->buf)
		return err_set(err, ENOMEM, "out of memory");
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "make a pipe");
	relay->pipes[i] = ends[i == COPY_IN ? 1 : 0];
	relay->theirs[i] = ends[i == COPY_IN ? 0 : 1];
	copy->from_fd = i == COPY_IN ? local_fd : relay->pipes[i];
	copy->to_fd = i == COPY_IN ? relay->pipes[i] : local_fd;
	copy->write_max = RELAY_BYTES;
	if (i != COPY_IN && (fstat(local_fd, &st) < 0 || !S_ISREG(st.st_mode)))
		copy->write_max = PIPE_BUF;

	return 0;
}

/* A stream is over for us: the monitor sees it, or its end has been seen. */
static void close_copy(struct relay *relay, int i)
{
	relay->copies[i].from_fd = relay->copies[i].to_fd = -1;
	relay->copies[i].at = relay->copies[i].len = 0;
	relay->pipes[i] = fd_close(relay->pipes[i]);
}

static int send_attach(struct relay *relay, struct err *err)
{
	static const uint32_t stream_flags[COPIES] = { PROTO_ATTACH_STDIN, PROTO_ATTACH_STDOUT,
						       PROTO_ATTACH_STDERR };
	const struct monitor_attach *attach = relay->attach;
	struct proto_attach body = {
		.proc = attach->proc,
		.flags = attach->begin ? PROTO_ATTACH_BEGIN : 0,
	};
	int fds[COPIES], r;
	struct proto_msg msg = {
		.type = PROTO_ATTACH, .body = &body, .len = sizeof(body), .fds = fds
	};

	for (int i = 0; i < COPIES; i++) {
		if (relay->theirs[i] < 0)
			continue;
		body.flags |= stream_flags[i];
		fds[msg.fds_len++] = relay->theirs[i];
	}
	r = monitor_client_call(relay->client, &msg, monitor_reply_deadline(), NULL, err);
	for (int i = 0; i < COPIES; i++)
		relay->theirs[i] = fd_close(relay->theirs[i]);

	return r;
}

/* A request whose reply does not matter. */
static void send_proc(struct relay *relay, enum proto_type type, uint32_t a, uint32_t b)
{
	struct proto_proc body = { .proc = relay->attach->proc, .a = a, .b = b };
	struct proto_msg msg = { .type = type, .body = &body, .len = sizeof(body) };

	(void)monitor_client_send(relay->client, &msg, NULL);
}

static void send_size(struct relay *relay)
{
	uint16_t rows, cols;

	if (relay->terminal.raw_fd >= 0 && terminal_size(&relay->terminal, &rows, &cols) == 0)
		send_proc(relay, PROTO_RESIZE, rows, cols);
}

static int open_terminal(struct relay *relay, struct err *err)
{
	sigset_t wanted;

	(void)sigemptyset(&wanted);
	for (size_t i = 0; relay->attach->forward_signals && i < ARRAY_SIZE(forwarded); i++)
		(void)sigaddset(&wanted, forwarded[i]);

	return terminal_init(&relay->terminal, relay->attach->raw_fd, &wanted, err);
}

static void take_signals(struct relay *relay)
{
	int signo;

	while ((signo = signals_next(&relay->terminal.signals)) != 0) {
		if (signo == SIGCONT)
			terminal_set_raw(&relay->terminal);
		if (signo == SIGCONT || signo == SIGWINCH)
			send_size(relay);
		else if (relay->attach->forward_signals)
			send_proc(relay, PROTO_SIGNAL, (uint32_t)signo, 0);
		else
			terminal_die(&relay->terminal, signo);
	}
}

/*
 * Look for the detach keys in the input just read. Bytes that may turn out to be their beginning
 * are held back until the next one tells.
 */
static void scan_keys(struct relay *relay, struct copy *copy)
{
	const struct monitor_attach *attach = relay->attach;
	char in[RELAY_BYTES];
	size_t in_len = copy->len;

	if (attach->detach_keys_len == 0)
		return;
	memcpy(in, copy->buf, in_len);
	copy->len = 0;
	for (size_t i = 0; i < in_len; i++) {
		if (in[i] != attach->detach_keys[relay->keys_matched]) {
			memcpy(copy->buf + copy->len, attach->detach_keys, relay->keys_matched);
			copy->len += relay->keys_matched;
			relay->keys_matched = 0;
		}
		if (in[i] != attach->detach_keys[relay->keys_matched]) {
			copy->buf[copy->len++] = in[i];
		} else if (++relay->keys_matched == attach->detach_keys_len) {
			relay->detached = true;
			return;
		}
	}
}

static void fill(struct relay *relay, int i)
{
	struct copy *copy = &relay->copies[i];
	ssize_t n = read(copy->from_fd, copy->buf, RELAY_BYTES);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	copy->at = 0;
	if (n <= 0 && i == COPY_IN && relay->keys_matched > 0) {
		/* What was held back was input after all; the end is read once more. */
		copy->len = relay->keys_matched;
		memcpy(copy->buf, relay->attach->detach_keys, copy->len);
		relay->keys_matched = 0;
		return;
	}
	if (n <= 0) {
		/* In raw mode nothing that is typed ends the input: the terminal itself is gone. */
		relay->detached = i == COPY_IN && relay->terminal.raw_fd >= 0;
		close_copy(relay, i);
		return;
	}
	copy->len = (size_t)n;
	if (i == COPY_IN)
		scan_keys(relay, copy);
}

/* 0, or -EPIPE when our own output is closed. */
static int drain(struct relay *relay, int i)
{
	struct copy *copy = &relay->copies[i];
	ssize_t n = write(copy->to_fd, copy->buf + copy->at,
			  MIN(copy->len - copy->at, copy->write_max));

	if (n >= 0) {
		copy->at += (size_t)n;
		return 0;
	}
	if (errno == EINTR || errno == EAGAIN)
		return 0;
	if (errno == EPIPE && i != COPY_IN)
		return -EPIPE;
	/* The process does not read its input, or our disk is full: the others go on. */
	close_copy(relay, i);

	return 0;
}

static void take_frame(struct relay *relay)
{
	struct monitor_client *c = relay->client;
	int r = proto_read(&c->in, c->sock_fd);

	if (r == -EAGAIN)
		return;
	if (r != 1) {
		relay->lost = true;
		return;
	}
	if (c->in.header.type == PROTO_ENDED && monitor_client_keep_end(c, NULL) == 0)
		relay->ended = true;
	proto_reader_done(&c->in);
}

static bool is_pending(const struct copy *copy)
{
	return copy->at < copy->len;
}

static bool is_over(const struct relay *relay)
{
	return relay->detached ||
	       ((relay->ended || relay->lost) && relay->copies[COPY_OUT].from_fd < 0 &&
		relay->copies[COPY_ERR].from_fd < 0);
}

/* Wait once, and move what can be moved. 0 or a negative errno. */
static int relay_step(struct relay *relay, struct err *err)
{
	struct pollfd wait[COPIES + 2];
	int r = 0;

	for (int i = 0; i < COPIES; i++) {
		struct copy *copy = &relay->copies[i];
		bool out = is_pending(copy);

		wait[i].fd = out ? copy->to_fd : copy->from_fd;
		wait[i].events = out ? POLLOUT : POLLIN;
	}
	wait[COPIES] = (struct pollfd){
		.fd = relay->ended || relay->lost ? -1 : relay->client->sock_fd,
		.events = POLLIN,
	};
	wait[COPIES + 1] = (struct pollfd){ .fd = relay->terminal.signals.fd, .events = POLLIN };
	if (poll(wait, ARRAY_SIZE(wait), -1) < 0)
		return errno == EINTR ? 0 : err_sys(err, "wait for streams");

	if (wait[COPIES + 1].revents)
		take_signals(relay);
	for (int i = 0; i < COPIES && r == 0 && !relay->detached; i++) {
		if (!wait[i].revents)
			continue;
		if (is_pending(&relay->copies[i]))
			r = drain(relay, i);
		else
			fill(relay, i);
	}
	if (wait[COPIES].revents)
		take_frame(relay);
	if (r < 0) {
		terminal_done(&relay->terminal);
		return err_set(err, -r, "write the output: its reader is gone");
	}

	return 0;
}

static int relay_run(struct relay *relay, struct monitor_end *ret, struct err *err)
{
	struct monitor_client *c = relay->client;
	struct proto_msg detach = { .type = PROTO_DETACH };
	int r = 0;

	send_size(relay);
	while (r == 0 && !is_over(relay))
		r = relay_step(relay, err);
	if (r < 0)
		return r;
	if (relay->detached) {
		r = monitor_client_call(c, &detach, monitor_reply_deadline(), NULL, err);
		if (r == 0)
			*ret = (struct monitor_end){ .detached = true };
		return r;
	}
	if (relay->ended)
		return monitor_client_take_end(c, relay->attach->proc, ret, err);

	return monitor_client_lost(c, relay->attach->proc, ret, err);
}

int monitor_attach(struct monitor_client *c, const struct monitor_attach *attach,
		   struct monitor_end *ret, struct err *err)
{
	struct relay relay = {
		.client = c,
		.attach = attach,
		.terminal = TERMINAL_INIT,
		.pipes = { -1, -1, -1 },
		.theirs = { -1, -1, -1 },
	};
	int r;

	r = open_copy(&relay, COPY_IN, attach->stdin_fd, err);
	if (r == 0)
		r = open_copy(&relay, COPY_OUT, attach->stdout_fd, err);
	if (r == 0)
		r = open_copy(&relay, COPY_ERR, attach->terminal ? -1 : attach->stderr_fd, err);
	if (r == 0)
		r = send_attach(&relay, err);
	if (r == 0)
		r = open_terminal(&relay, err);
	/* What take_frame() reads is not what the last call handed out. */
	if (c->whole)
		proto_reader_done(&c->in);
	c->whole = false;
	if (r == 0)
		r = relay_run(&relay, ret, err);
	relay_done(&relay);

	return r;
}
