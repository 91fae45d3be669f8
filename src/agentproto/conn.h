/* SPDX-License-Identifier: Apache-2.0
 *
 * conn.h - one end of the stream between host and agent: messages and relayed descriptors
 *
 * Both ends use the same code. A relayed descriptor is a sender (its bytes go to the peer) or
 * a receiver (the peer's bytes go into it). Everything happens from within the loop and never
 * blocks, whatever the descriptors and the peer do; SIGPIPE must be ignored by the process.
 */
#ifndef AGENTPROTO_CONN_H
#define AGENTPROTO_CONN_H

#include "agentproto/agentproto.h"
#include "loop/loop.h"

struct agentproto_frames;
struct agentproto_stream;

/**
 * struct agentproto_events - what the owner of a connection is told
 * @message:	a message that is not about streams; borrowed for the call
 * @stream_done: a stream of @proc has ended: all its bytes have been passed on, or nobody
 *		wants them
 * @lost:	the connection is of no use any more; called once
 * @ctx:	for all of them
 *
 * None of them may call agentproto_conn_done().
 */
struct agentproto_events {
	void (*message)(void *ctx, const struct agentproto_msg *msg);
	void (*stream_done)(void *ctx, uint32_t proc);
	void (*lost)(void *ctx, const struct err *why);
	void *ctx;
};

struct agentproto_conn {
	struct loop *loop;
	struct loop_source source;
	enum agentproto_side side;
	const struct agentproto_events *events;
	const struct agentproto_frames *frames;
	struct agentproto_stream *streams;
	struct strbuf in, out; /* @out_at bytes of out have been written */
	size_t out_at;
	bool lost;
};

/**
 * agentproto_conn_init() - Take up a connection
 * @conn:	to initialise; zero it before, so that agentproto_conn_done() is always allowed
 * @loop:	borrowed
 * @fd:		given; becomes non-blocking
 * @side:	which end this is
 * @events:	borrowed for the life of @conn
 *
 * Return: 0 or a negative errno.
 */
int agentproto_conn_init(struct agentproto_conn *conn, struct loop *loop, int fd,
			 enum agentproto_side side, const struct agentproto_events *events);

/* Close the connection and all relayed descriptors. Allowed on a zeroed struct. */
void agentproto_conn_done(struct agentproto_conn *conn);

/* Queue @msg and send what the peer takes. 0 or a negative errno; -EPIPE once it is lost. */
int agentproto_conn_send(struct agentproto_conn *conn, const struct agentproto_msg *msg);

/* Are there bytes that the peer has not taken yet? */
bool agentproto_conn_pending(const struct agentproto_conn *conn);

enum agentproto_relay {
	AGENTPROTO_SEND = 0, /* from the descriptor to the peer */
	AGENTPROTO_RECEIVE,  /* from the peer into the descriptor */
};

/**
 * agentproto_relay_fd() - Relay a descriptor: a receiver at once, a sender when it is started
 * @conn:	connection
 * @proc:	process it belongs to
 * @stream:	enum agentproto_stream_id
 * @relay:	direction
 * @fd:		given, also on failure
 *
 * A pipe or terminal is made non-blocking: for one that is shared with others use
 * agentproto_private_fd() first.
 *
 * Return: 0 or -ENOMEM.
 */
int agentproto_relay_fd(struct agentproto_conn *conn, uint32_t proc, uint8_t stream,
			enum agentproto_relay relay, int fd);

/* Let the senders of @proc go: the peer knows this process by now. */
void agentproto_relay_start(struct agentproto_conn *conn, uint32_t proc);

/* End each sender of @proc where its descriptor has nothing more to give at this moment. */
void agentproto_relay_drain(struct agentproto_conn *conn, uint32_t proc);

/* Have all streams of @proc in this direction ended? */
bool agentproto_relay_idle(const struct agentproto_conn *conn, uint32_t proc,
			   enum agentproto_relay relay);

/* Close and forget all streams of @proc. */
void agentproto_relay_drop(struct agentproto_conn *conn, uint32_t proc);

/**
 * agentproto_private_fd() - A descriptor of the same pipe, terminal, socket or file as @fd
 * @fd:		borrowed
 * @relay:	what it will be used for
 *
 * Pipes and terminals are opened anew, so that being non-blocking stays ours; others are
 * duplicated.
 *
 * Return: a descriptor the caller owns, or a negative errno.
 */
int agentproto_private_fd(int fd, enum agentproto_relay relay);

#endif
