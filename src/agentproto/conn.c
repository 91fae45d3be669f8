/* SPDX-License-Identifier: Apache-2.0
 *
 * conn.c - the connection: messages to its owner, what concerns streams to them
 */
#include "agentproto/conn.h"

#include "agentproto/frame.h"
#include "agentproto/stream.h"
#include "base/fd.h"

/* One document of the largest size, and what else may wait beside it. */
#define OUT_MAX_BYTES (AGENTPROTO_TO_AGENT_MAX_BYTES + 2 * MIB)

static void take_frame(struct agentproto_conn *conn, const struct agentproto_msg *msg)
{
	if (msg->type >= AGENTPROTO_DATA)
		stream_message(conn, msg);
	else
		conn->events->message(conn->events->ctx, msg);
}

static void take_failure(struct agentproto_conn *conn, const struct err *why)
{
	stream_end_all(conn);
	conn->events->lost(conn->events->ctx, why);
}

static const struct agentproto_frames frames = {
	.frame = take_frame,
	.room = stream_pump_all,
	.failed = take_failure,
	.over = stream_sweep,
};

int agentproto_conn_init(struct agentproto_conn *conn, struct loop *loop, int fd,
			 enum agentproto_side side, const struct agentproto_events *events)
{
	size_t in_max = AGENTPROTO_HEADER_BYTES + FRAME_READ_BYTES +
			(side == AGENTPROTO_HOST ? AGENTPROTO_TO_HOST_MAX_BYTES
						 : AGENTPROTO_TO_AGENT_MAX_BYTES);
	int r;

	*conn = (struct agentproto_conn){
		.loop = loop,
		.source = { .fd = fd, .fn = frame_ready, .ctx = conn },
		.side = side,
		.events = events,
		.frames = &frames,
		.in = STRBUF_INIT(in_max),
		.out = STRBUF_INIT(OUT_MAX_BYTES),
	};
	r = fd_set_nonblock(fd, 1);
	if (r == 0)
		r = loop_add(loop, &conn->source, EPOLLIN);
	if (r < 0) {
		fd_close(fd);
		*conn = (struct agentproto_conn){ .lost = true };
	}

	return r;
}

void agentproto_conn_done(struct agentproto_conn *conn)
{
	if (!conn->loop)
		return;
	stream_drop_all(conn);
	stream_sweep(conn);
	loop_del(conn->loop, &conn->source);
	fd_close(conn->source.fd);
	strbuf_done(&conn->in);
	strbuf_done(&conn->out);
	*conn = (struct agentproto_conn){ .lost = true };
}
