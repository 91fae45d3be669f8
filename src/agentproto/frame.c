/* SPDX-License-Identifier: Apache-2.0
 *
 * frame.c - whole frames in and out of a non-blocking descriptor
 */
#include "agentproto/frame.h"

#include <errno.h>
#include <unistd.h>

void frame_fail(struct agentproto_conn *conn, int code, const char *why)
{
	struct err err = ERR_INIT;

	if (conn->lost)
		return;
	conn->lost = true;
	loop_del(conn->loop, &conn->source);
	err_set(&err, code, "%s", why);
	conn->frames->failed(conn, &err);
}

bool agentproto_conn_pending(const struct agentproto_conn *conn)
{
	return !conn->lost && conn->out.len > conn->out_at;
}

bool frame_busy(const struct agentproto_conn *conn)
{
	return conn->out.len - conn->out_at > FRAME_BUSY_BYTES;
}

static void watch(struct agentproto_conn *conn)
{
	uint32_t events = EPOLLIN | (agentproto_conn_pending(conn) ? EPOLLOUT : 0);

	if (!conn->lost && loop_mod(conn->loop, &conn->source, events) < 0)
		frame_fail(conn, EIO, "the connection cannot be watched");
}

/* Bytes that the peer took at once, 0 when none, negative once it is gone. */
static ssize_t write_some(struct agentproto_conn *conn, const void *bytes, size_t len)
{
	ssize_t n = write(conn->source.fd, bytes, len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		frame_fail(conn, errno, "the connection was closed");

	return n;
}

static void flush(struct agentproto_conn *conn)
{
	while (agentproto_conn_pending(conn)) {
		ssize_t n = write_some(conn, conn->out.text + conn->out_at,
				       conn->out.len - conn->out_at);

		if (n <= 0)
			break;
		conn->out_at += (size_t)n;
	}
	if (conn->out_at == conn->out.len) {
		strbuf_reset(&conn->out);
		conn->out_at = 0;
	}
}

int frame_put(struct agentproto_conn *conn, const void *bytes, size_t len)
{
	const char *at = bytes;
	ssize_t n = 0;

	if (conn->lost)
		return -EPIPE;
	if (!agentproto_conn_pending(conn))
		n = write_some(conn, at, len);
	if (n < 0)
		return -EPIPE;
	if ((size_t)n == len)
		return 0;
	/* What has been written is dropped once it is the larger part: amortised, no shifting. */
	if (conn->out_at > FRAME_BUSY_BYTES && conn->out_at > conn->out.len / 2) {
		strbuf_consume(&conn->out, conn->out_at);
		conn->out_at = 0;
	}
	if (strbuf_add(&conn->out, at + n, len - (size_t)n) < 0) {
		frame_fail(conn, ENOBUFS, "the other side does not read");
		return -ENOBUFS;
	}
	watch(conn);

	return conn->lost ? -EPIPE : 0;
}

int agentproto_conn_send(struct agentproto_conn *conn, const struct agentproto_msg *msg)
{
	auto_done(strbuf) frame =
		STRBUF_INIT(AGENTPROTO_TO_AGENT_MAX_BYTES + AGENTPROTO_HEADER_BYTES);
	int r = agentproto_encode(msg, &frame);

	return r < 0 ? r : frame_put(conn, frame.text, frame.len);
}

/* Handle the first frame in @rest. False when it is not whole yet, or the connection is lost. */
static bool take_frame(struct agentproto_conn *conn, struct slice *rest)
{
	struct agentproto_msg msg;
	size_t bytes;

	if (conn->lost || rest->len < AGENTPROTO_HEADER_BYTES)
		return false;
	if (agentproto_frame_bytes((const unsigned char *)rest->at, conn->side, &bytes) < 0) {
		frame_fail(conn, EPROTO, "the other side sent a frame that is too long");
		return false;
	}
	if (rest->len < bytes)
		return false;
	if (agentproto_decode((struct slice){ rest->at, bytes }, conn->side, &msg, NULL) < 0) {
		frame_fail(conn, EPROTO, "the other side sent a malformed message");
		return false;
	}
	rest->at += bytes;
	rest->len -= bytes;
	conn->frames->frame(conn, &msg);

	return true;
}

static void read_frames(struct agentproto_conn *conn)
{
	char chunk[FRAME_READ_BYTES];
	struct slice rest;
	ssize_t n = read(conn->source.fd, chunk, sizeof(chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		frame_fail(conn, n < 0 ? errno : EPIPE, "the connection was closed");
		return;
	}
	if (strbuf_add(&conn->in, chunk, (size_t)n) < 0) {
		frame_fail(conn, ENOMEM, "out of memory");
		return;
	}
	rest = (struct slice){ conn->in.text, conn->in.len };
	while (take_frame(conn, &rest))
		;
	strbuf_consume(&conn->in, conn->in.len - rest.len);
}

void frame_ready(void *ctx, uint32_t events)
{
	struct agentproto_conn *conn = ctx;

	/* What the peer sent before it closed is still read: EPOLLIN comes along. */
	if (events & EPOLLIN)
		read_frames(conn);
	else if (events & (EPOLLHUP | EPOLLERR))
		frame_fail(conn, EPIPE, "the connection was closed");
	if (!conn->lost && (events & EPOLLOUT)) {
		flush(conn);
		if (!conn->lost && !frame_busy(conn))
			conn->frames->room(conn);
		watch(conn);
	}
	conn->frames->over(conn);
}
