/* SPDX-License-Identifier: Apache-2.0
 *
 * frame.h - frames of a connection: below streams (stream.c) and the connection (conn.c)
 */
#ifndef AGENTPROTO_FRAME_H
#define AGENTPROTO_FRAME_H

#include "agentproto/conn.h"

/* At most so many bytes are read at a time. */
#define FRAME_READ_BYTES (64 * KIB)
/* Senders wait while so much is queued for the peer: requests and credit get through. */
#define FRAME_BUSY_BYTES (128 * KIB)

/**
 * struct agentproto_frames - what whoever is above is told
 * @frame:	a message has come; borrowed for the call
 * @room:	the peer has taken bytes, senders may go on
 * @failed:	the connection is lost; called once
 * @over:	nobody is in the middle of anything: what was dropped may be freed
 */
struct agentproto_frames {
	void (*frame)(struct agentproto_conn *conn, const struct agentproto_msg *msg);
	void (*room)(struct agentproto_conn *conn);
	void (*failed)(struct agentproto_conn *conn, const struct err *why);
	void (*over)(struct agentproto_conn *conn);
};

/* For the loop: the connection is readable or writable. */
void frame_ready(void *ctx, uint32_t events);

/* Queue bytes of whole frames. 0 or a negative errno. */
int frame_put(struct agentproto_conn *conn, const void *bytes, size_t len);

/* Does so much wait for the peer that senders should? */
bool frame_busy(const struct agentproto_conn *conn);

/* The peer broke the protocol, or there is no memory. */
void frame_fail(struct agentproto_conn *conn, int code, const char *why);

#endif
