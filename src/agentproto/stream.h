/* SPDX-License-Identifier: Apache-2.0
 *
 * stream.h - the relayed descriptors of a connection; for conn.c only
 */
#ifndef AGENTPROTO_STREAM_H
#define AGENTPROTO_STREAM_H

#include "agentproto/conn.h"

/* A message about streams has come. */
void stream_message(struct agentproto_conn *conn, const struct agentproto_msg *msg);
/* The peer has taken bytes, senders may go on. */
void stream_pump_all(struct agentproto_conn *conn);
/* Free what was dropped while its functions ran. */
void stream_sweep(struct agentproto_conn *conn);
/* The connection is lost: end what has nothing to pass on any more. */
void stream_end_all(struct agentproto_conn *conn);
/* Close them all. */
void stream_drop_all(struct agentproto_conn *conn);

#endif
