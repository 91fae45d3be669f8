/* SPDX-License-Identifier: Apache-2.0
 *
 * stream.c - relayed descriptors: credit, buffering and ends
 *
 * A sender reads its descriptor only while it has credit and the connection takes bytes; then
 * it is in the loop, otherwise it is not (a hung-up descriptor would wake the loop for ever).
 * A receiver writes at once what its descriptor takes and keeps the rest, at most one window.
 */
#include "agentproto/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentproto/frame.h"
#include "base/fd.h"

enum stream_kind {
	STREAM_POLLED = 0, /* pipe, terminal: non-blocking */
	STREAM_SOCKET,	   /* non-blocking by call, because the flag would be shared */
	STREAM_FILE,	   /* never blocks, cannot be polled */
};

/**
 * struct agentproto_stream - one relayed descriptor
 * @next:	in its connection
 * @conn:	its connection
 * @source:	the descriptor; -1 once the stream has ended
 * @relay:	direction
 * @kind:	how to read or write without blocking
 * @proc:	process
 * @id:		enum agentproto_stream_id
 * @started:	sender: the peer knows the process, bytes may be sent
 * @draining:	sender: end where the descriptor is empty
 * @ended:	receiver: the peer has sent its last byte
 * @done:	nothing more will happen
 * @dropped:	to be freed
 * @credit:	sender: bytes it may still send
 * @unreturned:	receiver: bytes that came and whose credit has not been returned
 * @passed:	receiver: those of them that have been passed on
 * @kept:	receiver: bytes to pass on, from @kept_at
 */
struct agentproto_stream {
	struct agentproto_stream *next;
	struct agentproto_conn *conn;
	struct loop_source source;
	enum agentproto_relay relay;
	enum stream_kind kind;
	uint32_t proc;
	uint8_t id;
	bool started, draining, ended, done, dropped;
	size_t credit, unreturned, passed;
	struct strbuf kept;
	size_t kept_at;
};

static void stream_ready(void *ctx, uint32_t events);

int agentproto_private_fd(int fd, enum agentproto_relay relay)
{
	int flags = (relay == AGENTPROTO_SEND ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY |
		    O_CLOEXEC;
	char path[sizeof("/proc/self/fd/") + 11];
	struct stat st;
	int copy = -1;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* A pseudo-terminal's controlling end would open a new pair. */
	if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd))) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		copy = open(path, flags);
	}
	if (copy < 0)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}

static enum stream_kind kind_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return STREAM_FILE;
	if (S_ISSOCK(st.st_mode))
		return STREAM_SOCKET;

	return STREAM_POLLED;
}

static void tell(struct agentproto_stream *s, enum agentproto_type type, uint32_t value)
{
	(void)agentproto_conn_send(
		s->conn, &(struct agentproto_msg){
				 .type = type, .proc = s->proc, .stream = s->id, .value = value });
}

static void close_source(struct agentproto_stream *s)
{
	loop_del(s->conn->loop, &s->source);
	s->source.fd = fd_close(s->source.fd);
}

/* The last thing that happens to a stream; @type tells the peer, unless it is DATA. */
static void finish(struct agentproto_stream *s, enum agentproto_type type)
{
	if (s->done)
		return;
	s->done = true;
	close_source(s);
	strbuf_done(&s->kept);
	if (type != AGENTPROTO_DATA)
		tell(s, type, 0);
	if (!s->dropped)
		s->conn->events->stream_done(s->conn->events->ctx, s->proc);
}

/* Be woken for @events, or (0) not at all. */
static void watch(struct agentproto_stream *s, uint32_t events)
{
	bool watched = s->source.events != 0;
	int r = 0;

	if (s->kind == STREAM_FILE || watched == (events != 0))
		return;
	if (events)
		r = loop_add(s->conn->loop, &s->source, events);
	else
		loop_del(s->conn->loop, &s->source);
	if (r == -EPERM)
		s->kind = STREAM_FILE;
}

/* ---- senders ---- */

static ssize_t read_source(const struct agentproto_stream *s, void *buf, size_t len)
{
	ssize_t n;

	do {
		n = s->kind == STREAM_SOCKET ? recv(s->source.fd, buf, len, MSG_DONTWAIT)
					     : read(s->source.fd, buf, len);
	} while (n < 0 && errno == EINTR);

	return n < 0 ? -errno : n;
}

/* Send one frame. False when the descriptor has nothing to give now, or the stream is done. */
static bool send_chunk(struct agentproto_stream *s)
{
	unsigned char frame[AGENTPROTO_HEADER_BYTES + AGENTPROTO_DATA_MAX_BYTES];
	ssize_t n = read_source(s, frame + AGENTPROTO_HEADER_BYTES,
				MIN(s->credit, AGENTPROTO_DATA_MAX_BYTES));

	if (n == -EAGAIN && !s->draining)
		return false;
	/* A terminal that nobody has open any more answers EIO. */
	if (n <= 0) {
		finish(s, AGENTPROTO_END);
		return false;
	}
	s->credit -= (size_t)n;
	agentproto_data_header(s->proc, s->id, (size_t)n, frame);

	return frame_put(s->conn, frame, AGENTPROTO_HEADER_BYTES + (size_t)n) == 0;
}

static bool may_send(const struct agentproto_stream *s)
{
	return s->started && !s->done && !s->dropped && !s->conn->lost && s->credit > 0 &&
	       !frame_busy(s->conn);
}

/* Go on as far as descriptor, credit and connection allow; then be watched, or not. */
static void pump(struct agentproto_stream *s)
{
	if (may_send(s))
		watch(s, EPOLLIN);
	/* One chunk a turn leaves the loop to others; a file or a last look takes all there is. */
	while (may_send(s) && send_chunk(s) && (s->kind == STREAM_FILE || s->draining))
		;
	if (!s->done)
		watch(s, may_send(s) ? EPOLLIN : 0);
}

void stream_pump_all(struct agentproto_conn *conn)
{
	for (struct agentproto_stream *s = conn->streams; s; s = s->next)
		if (s->relay == AGENTPROTO_SEND && !s->done)
			pump(s);
}

static void take_credit(struct agentproto_stream *s, size_t bytes)
{
	if (s->credit + bytes > AGENTPROTO_WINDOW_BYTES) {
		frame_fail(s->conn, EPROTO, "the other side returned credit it never had");
		return;
	}
	s->credit += bytes;
	pump(s);
}

/* ---- receivers ---- */

static ssize_t write_source(const struct agentproto_stream *s, const void *buf, size_t len)
{
	ssize_t n;

	do {
		n = s->kind == STREAM_SOCKET
			    ? send(s->source.fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL)
			    : write(s->source.fd, buf, len);
	} while (n < 0 && errno == EINTR);

	return n < 0 ? -errno : n;
}

static void return_credit(struct agentproto_stream *s, size_t passed)
{
	s->passed += passed;
	/* In large steps: a CREDIT for every little write would double the traffic. */
	if (s->passed < AGENTPROTO_WINDOW_BYTES / 2 || s->ended)
		return;
	s->unreturned -= s->passed;
	tell(s, AGENTPROTO_CREDIT, (uint32_t)s->passed);
	s->passed = 0;
}

/* Write from @bytes what the descriptor takes. Bytes written, negative once it takes no more. */
static ssize_t pass_on(struct agentproto_stream *s, const char *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write_source(s, bytes + done, len - done);

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			finish(s, s->ended ? AGENTPROTO_DATA : AGENTPROTO_CLOSED);
			return n;
		}
		done += (size_t)n;
	}
	return_credit(s, done);

	return (ssize_t)done;
}

static void flush_kept(struct agentproto_stream *s)
{
	ssize_t n = pass_on(s, s->kept.text + s->kept_at, s->kept.len - s->kept_at);

	if (n < 0 || s->done)
		return;
	s->kept_at += (size_t)n;
	if (s->kept_at < s->kept.len) {
		watch(s, EPOLLOUT);
		return;
	}
	strbuf_reset(&s->kept);
	s->kept_at = 0;
	watch(s, 0);
	if (s->ended)
		finish(s, AGENTPROTO_DATA);
}

static void receive(struct agentproto_stream *s, struct slice bytes)
{
	ssize_t n = 0;

	if (s->ended || s->unreturned + bytes.len > AGENTPROTO_WINDOW_BYTES) {
		frame_fail(s->conn, EPROTO, "the other side sent more than its credit");
		return;
	}
	s->unreturned += bytes.len;
	if (s->kept.len == 0)
		n = pass_on(s, bytes.at, bytes.len);
	if (n < 0 || s->done || (size_t)n == bytes.len)
		return;
	strbuf_consume(&s->kept, s->kept_at);
	s->kept_at = 0;
	if (strbuf_add(&s->kept, bytes.at + n, bytes.len - (size_t)n) < 0)
		frame_fail(s->conn, ENOMEM, "out of memory");
	else
		watch(s, EPOLLOUT);
}

static void stream_ready(void *ctx, uint32_t events)
{
	struct agentproto_stream *s = ctx;
	struct agentproto_conn *conn = s->conn;

	(void)events;
	if (s->relay == AGENTPROTO_SEND)
		pump(s);
	else
		flush_kept(s);
	stream_sweep(conn);
}

void stream_message(struct agentproto_conn *conn, const struct agentproto_msg *msg)
{
	bool to_sender = msg->type == AGENTPROTO_CREDIT || msg->type == AGENTPROTO_CLOSED;
	struct agentproto_stream *s = conn->streams;

	while (s && (s->dropped || s->proc != msg->proc || s->id != msg->stream ||
		     (s->relay == AGENTPROTO_SEND) != to_sender))
		s = s->next;
	/* The rest of a stream that this side has closed is still on its way: not an error. */
	if (!s || s->done)
		return;

	switch (msg->type) {
	case AGENTPROTO_DATA:
		receive(s, msg->body);
		break;
	case AGENTPROTO_CREDIT:
		take_credit(s, msg->value);
		break;
	case AGENTPROTO_END:
		s->ended = true;
		if (s->kept.len == 0)
			finish(s, AGENTPROTO_DATA);
		break;
	default: /* AGENTPROTO_CLOSED */
		finish(s, AGENTPROTO_DATA);
		break;
	}
}

void stream_end_all(struct agentproto_conn *conn)
{
	for (struct agentproto_stream *s = conn->streams; s; s = s->next) {
		s->ended = true;
		if (s->relay == AGENTPROTO_SEND || s->kept.len == 0)
			finish(s, AGENTPROTO_DATA);
	}
}

/* ---- for the owner ---- */

int agentproto_relay_fd(struct agentproto_conn *conn, uint32_t proc, uint8_t stream,
			enum agentproto_relay relay, int fd)
{
	struct agentproto_stream *s = calloc(1, sizeof(*s));

	if (!s) {
		fd_close(fd);
		return -ENOMEM;
	}
	*s = (struct agentproto_stream){
		.next = conn->streams,
		.conn = conn,
		.source = { .fd = fd, .fn = stream_ready, .ctx = s },
		.relay = relay,
		.kind = kind_of(fd),
		.proc = proc,
		.id = stream,
		.credit = AGENTPROTO_WINDOW_BYTES,
		.kept = STRBUF_INIT(AGENTPROTO_WINDOW_BYTES),
	};
	conn->streams = s;
	if (s->kind == STREAM_POLLED)
		(void)fd_set_nonblock(fd, 1);

	return 0;
}

void agentproto_relay_start(struct agentproto_conn *conn, uint32_t proc)
{
	for (struct agentproto_stream *s = conn->streams; s; s = s->next) {
		if (s->proc != proc || s->relay != AGENTPROTO_SEND || s->done || s->dropped)
			continue;
		s->started = true;
		pump(s);
	}
}

void agentproto_relay_drain(struct agentproto_conn *conn, uint32_t proc)
{
	for (struct agentproto_stream *s = conn->streams; s; s = s->next) {
		if (s->proc != proc || s->relay != AGENTPROTO_SEND || s->done || s->dropped)
			continue;
		s->draining = true;
		pump(s);
	}
}

bool agentproto_relay_idle(const struct agentproto_conn *conn, uint32_t proc,
			   enum agentproto_relay relay)
{
	for (const struct agentproto_stream *s = conn->streams; s; s = s->next)
		if (s->proc == proc && s->relay == relay && !s->done)
			return false;

	return true;
}

static void drop(struct agentproto_stream *s)
{
	s->dropped = true;
	finish(s, AGENTPROTO_DATA);
}

void agentproto_relay_drop(struct agentproto_conn *conn, uint32_t proc)
{
	for (struct agentproto_stream *s = conn->streams; s; s = s->next)
		if (s->proc == proc)
			drop(s);
}

void stream_drop_all(struct agentproto_conn *conn)
{
	for (struct agentproto_stream *s = conn->streams; s; s = s->next)
		drop(s);
}

void stream_sweep(struct agentproto_conn *conn)
{
	struct agentproto_stream **at = &conn->streams;

	while (*at) {
		struct agentproto_stream *s = *at;

		if (!s->dropped) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		free(s);
	}
}
