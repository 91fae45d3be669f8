/* SPDX-License-Identifier: Apache-2.0
 *
 * vsock_priv.h - a socket device's insides, for vsock.c (packets) and vsock_conn.c (sockets)
 */
#ifndef VMM_VIRTIO_VSOCK_PRIV_H
#define VMM_VIRTIO_VSOCK_PRIV_H

#include <linux/virtio_vsock.h>

#include "vmm/virtio/vsock.h"

#define VSOCK_HOST_CID 2
#define VSOCK_CONNECTIONS_MAX 128
#define VSOCK_BUFFER_BYTES (64 * KIB) /* what the guest may send ahead on a connection */
#define VSOCK_PACKET_BYTES (16 * KIB) /* data in a packet to the guest */
#define VSOCK_REFUSALS_MAX 64

enum vsock_state {
	VSOCK_FREE = 0,
	VSOCK_ASKED_GUEST, /* waiting for the guest's answer */
	VSOCK_ASKED_HOST,  /* waiting for the starter's */
	VSOCK_OPEN,
};

/* Packets that the guest is to be sent, lowest first. */
enum vsock_pending {
	VSOCK_REQUEST = 1 << 0,
	VSOCK_RESPONSE = 1 << 1,
	VSOCK_CREDIT = 1 << 2,
	VSOCK_SHUTDOWN = 1 << 3,
	VSOCK_RESET = 1 << 4, /* the last one: the connection is free afterwards */
};

/**
 * struct vsock_conn - a connection
 * @source:	its socket, owned; fd -1: none (any more)
 * @state:	see there
 * @token:	of the question, the starter's or ours
 * @pending:	enum vsock_pending
 * @readable:	the socket has something, and is not watched for more
 * @ended:	the host's side sends nothing more
 * @guest_shut:	VIRTIO_VSOCK_SHUTDOWN_* of the guest
 * @peer_alloc:	room that the guest has
 * @peer_fwd:	bytes that it has taken
 * @sent:	bytes that it was sent
 * @fwd:	bytes that the socket has taken
 * @told_fwd:	the same, as the guest knows
 * @buffer:	bytes of the guest that the socket has not taken; NULL while there are none
 * @buffer_at:	first of them
 * @buffer_len:	their number
 */
struct vsock_conn {
	struct virtio_vsock *vsock;
	struct loop_source source;
	enum vsock_state state;
	uint32_t guest_port, host_port, token;
	uint8_t pending;
	bool readable, ended;
	uint32_t guest_shut;
	uint32_t peer_alloc, peer_fwd, sent, fwd, told_fwd;
	uint8_t *buffer;
	size_t buffer_at, buffer_len;
};

/* A packet of no connection that is answered by a reset. */
struct vsock_refusal {
	uint32_t guest_port, host_port;
};

struct virtio_vsock {
	struct virtio_device dev; /* first, so that the device is this */
	struct virtio_vsock_config config;
	struct virtio_vsock_state state;
	struct loop_source starter;
	struct loop_source wake; /* the driver is gone, connections are to follow */
	struct vsock_conn conns[VSOCK_CONNECTIONS_MAX];
	unsigned next_conn; /* whose turn it is */
	uint32_t next_port, next_token;
	struct vsock_refusal refusals[VSOCK_REFUSALS_MAX];
	unsigned refusals_len;
	uint8_t data[VSOCK_PACKET_BYTES];
};

/* A connection by its ports, or NULL. */
struct vsock_conn *vsock_find(struct virtio_vsock *vsock, uint32_t guest_port, uint32_t host_port);

/* A free one, in @state; NULL when there are too many. */
struct vsock_conn *vsock_take(struct virtio_vsock *vsock, enum vsock_state state);

/* Close the socket and forget the connection. */
void vsock_drop(struct vsock_conn *conn);
void vsock_drop_all(struct virtio_vsock *vsock);

/* Close the socket; the guest is told by a reset, which ends the connection. */
void vsock_abort(struct vsock_conn *conn);

/* Ask the starter for a connection to conn->host_port. 0 or a negative errno. */
int vsock_ask_host(struct vsock_conn *conn);

/* The guest has accepted what the starter asked for. */
void vsock_accepted(struct vsock_conn *conn);

/* Bytes of the guest, at most VSOCK_BUFFER_BYTES - conn->buffer_len. 0 or -ENOMEM. */
int vsock_add_data(struct vsock_conn *conn, struct virtq_chain *chain, size_t len);

/* Pass on what is buffered, then what the guest's shutdown asks for. */
void vsock_flush(struct vsock_conn *conn);

/* Read for the guest, at most @max bytes into vsock->data. 0: nothing now. */
size_t vsock_read_data(struct vsock_conn *conn, size_t max);

/* Watch the socket for what is of interest now. */
void vsock_watch(struct vsock_conn *conn);

/* For the event loop. */
void vsock_on_starter(void *ctx, uint32_t events);

/* Send the guest what is pending, as far as it has given buffers. */
void vsock_pump(struct virtio_vsock *vsock);

#endif
