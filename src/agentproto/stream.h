/* SPDX-License-Identifier: Apache-2.0
 *
 * stream.h - the relayed descriptors of a connection; for conn.c only
 */
#ifndef AGENTPROTO_STREAM_H
#define AGENTPROTO_STREAM_H

#include "agentproto/conn.h"

/* Senders wait while so much is queued for the peer: requests and credit get through. */
#define CONN_BUSY_BYTES (128 * KIB)

/* For stream.c: queue bytes of whole frames. 0 or a negative errno. */
int conn_put(struct agentproto_conn *conn, const void *bytes, size_t len);
bool conn_busy(const struct agentproto_conn *conn);
/* For stream.c: the peer broke the protocol, or there is no memory. */
void conn_fail(struct agentproto_conn *conn, int code, const char *why);

/* For conn.c: a message about streams has come. */
void stream_message(struct agentproto_conn *conn, const struct agentproto_msg *msg);
/* For conn.c: the peer has taken bytes, senders may go on. */
void stream_pump_all(struct agentproto_conn *conn);
/* For conn.c: free what was dropped while its functions ran. */
void stream_sweep(struct agentproto_conn *conn);
/* For conn.c: the connection is lost: end what has nothing to pass on any more. */
void stream_end_all(struct agentproto_conn *conn);
void stream_drop_all(struct agentproto_conn *conn);

#endif
