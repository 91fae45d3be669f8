/* SPDX-License-Identifier: Apache-2.0
 *
 * vsock.c - virtio socket device (virtio 1.2, section 5.10): the packets
 *
 * Theory of operation
 *
 * A packet is a header, which is read once, and data. Each connection has credit in both
 * directions: a guest that sends more than it was told there is room for loses the connection.
 * What the guest is to be sent is a set of bits for each connection and a short list of refusals;
 * packets are made of them only when the guest has given a buffer. While the list of refusals is
 * full nothing is taken from the transmit queue, so a guest that floods us and never reads stops
 * itself. Connections take turns.
 */
#include "vmm/virtio/vsock_priv.h"

#include <endian.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"

#define RECEIVE 0
#define TRANSMIT 1
#define EVENT 2
#define QUEUE_SIZE 128
#define PCI_CLASS_OTHER_NETWORK 0x028000

static struct virtio_vsock *vsock_of(struct virtio_device *dev)
{
	return (struct virtio_vsock *)dev;
}

static struct virtio_vsock_hdr header(const struct virtio_vsock *vsock, uint32_t guest_port,
				      uint32_t host_port, uint16_t op)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(VSOCK_HOST_CID),
		.dst_cid = vsock->config.guest_cid,
		.src_port = htole32(host_port),
		.dst_port = htole32(guest_port),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
	};
}

/* The header of a packet of @conn, which also brings the guest up to date about our room. */
static struct virtio_vsock_hdr conn_header(struct vsock_conn *conn, uint16_t op, size_t len)
{
	struct virtio_vsock_hdr head = header(conn->vsock, conn->guest_port, conn->host_port, op);

	head.len = htole32((uint32_t)len);
	head.buf_alloc = htole32(VSOCK_BUFFER_BYTES);
	head.fwd_cnt = htole32(conn->fwd);
	if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
		head.flags = htole32(VIRTIO_VSOCK_SHUTDOWN_SEND);
	conn->told_fwd = conn->fwd;
	conn->pending &= (uint8_t)~VSOCK_CREDIT;

	return head;
}

static uint16_t op_of(uint8_t bit)
{
	switch (bit) {
	case VSOCK_REQUEST:
		return VIRTIO_VSOCK_OP_REQUEST;
	case VSOCK_RESPONSE:
		return VIRTIO_VSOCK_OP_RESPONSE;
	case VSOCK_CREDIT:
		return VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	case VSOCK_SHUTDOWN:
		return VIRTIO_VSOCK_OP_SHUTDOWN;
	default:
		return VIRTIO_VSOCK_OP_RST;
	}
}

/* Bytes that the guest has room for. */
static uint32_t credit(const struct vsock_conn *conn)
{
	uint32_t under_way = conn->sent - conn->peer_fwd;

	return under_way < conn->peer_alloc ? conn->peer_alloc - under_way : 0;
}

static bool has_data(const struct vsock_conn *conn)
{
	return conn->state == VSOCK_OPEN && conn->readable && credit(conn) > 0;
}

/* Fill @chain with the next packet of @conn. False when there turned out to be none. */
static bool fill(struct vsock_conn *conn, struct virtq_chain *chain)
{
	struct virtio_vsock_hdr head;
	uint8_t bit = conn->pending & (uint8_t)-conn->pending;
	size_t len = 0;

	if (!bit) {
		size_t room = chain->writable_bytes - MIN(sizeof(head), chain->writable_bytes);

		len = vsock_read_data(conn, MIN(room, (size_t)credit(conn)));
		if (len == 0)
			return false;
		conn->sent += (uint32_t)len;
		head = conn_header(conn, VIRTIO_VSOCK_OP_RW, len);
	} else {
		conn->pending &= (uint8_t)~bit;
		head = conn_header(conn, op_of(bit), 0);
	}
	(void)virtq_chain_write(chain, &head, sizeof(head));
	(void)virtq_chain_write(chain, conn->vsock->data, len);
	if (bit == VSOCK_RESET)
		vsock_drop(conn);

	return true;
}

static void fill_refusal(struct virtio_vsock *vsock, struct virtq_chain *chain)
{
	struct vsock_refusal refusal = vsock->refusals[--vsock->refusals_len];
	struct virtio_vsock_hdr head =
		header(vsock, refusal.guest_port, refusal.host_port, VIRTIO_VSOCK_OP_RST);

	(void)virtq_chain_write(chain, &head, sizeof(head));
}

/* The next connection with something to say, or NULL. */
static struct vsock_conn *next_speaker(struct virtio_vsock *vsock)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		struct vsock_conn *conn =
			&vsock->conns[(vsock->next_conn + i) % VSOCK_CONNECTIONS_MAX];

		if (conn->state != VSOCK_FREE && (conn->pending || has_data(conn))) {
			vsock->next_conn = (vsock->next_conn + i + 1) % VSOCK_CONNECTIONS_MAX;
			return conn;
		}
	}

	return NULL;
}

/* Send one packet. False when there is none, or no buffer for it. */
static bool send_one(struct virtio_vsock *vsock, struct virtq *q)
{
	struct vsock_conn *conn = vsock->refusals_len > 0 ? NULL : next_speaker(vsock);
	struct virtq_chain chain;

	if (!conn && vsock->refusals_len == 0)
		return false;
	if (!virtq_pop(q, &chain) && !(virtq_unmute(q) && virtq_pop(q, &chain)))
		return false;
	if (chain.writable_bytes <= sizeof(struct virtio_vsock_hdr)) {
		virtq_break(q, "receive buffer without room for data");
		return false;
	}
	if (!conn)
		fill_refusal(vsock, &chain);
	else if (!fill(conn, &chain))
		virtq_unpop(q);
	if (chain.written_bytes > 0)
		virtq_push(q, chain.head, chain.written_bytes);

	return true;
}

void vsock_pump(struct virtio_vsock *vsock)
{
	struct virtio_device *dev = &vsock->dev;
	struct virtq *q = &dev->queues[RECEIVE];
	unsigned budget = VIRTIO_BUDGET;
	bool full = vsock->refusals_len == VSOCK_REFUSALS_MAX;

	if (!virtio_running(dev) || !virtq_running(q))
		return;
	virtq_mute(q);
	while (budget > 0 && send_one(vsock, q))
		budget--;
	virtio_signal(dev, RECEIVE);
	if (budget == 0)
		virtio_ring(dev, RECEIVE);
	if (full && vsock->refusals_len < VSOCK_REFUSALS_MAX)
		virtio_ring(dev, TRANSMIT);
	virtio_check(dev);
}

static void refuse(struct virtio_vsock *vsock, const struct virtio_vsock_hdr *head)
{
	vsock->refusals[vsock->refusals_len++] = (struct vsock_refusal){
		.guest_port = le32toh(head->src_port),
		.host_port = le32toh(head->dst_port),
	};
}

static void on_request(struct virtio_vsock *vsock, const struct virtio_vsock_hdr *head)
{
	struct vsock_conn *conn = vsock_take(vsock, VSOCK_ASKED_HOST);

	if (!conn) {
		refuse(vsock, head);
		return;
	}
	conn->guest_port = le32toh(head->src_port);
	conn->host_port = le32toh(head->dst_port);
	conn->peer_alloc = le32toh(head->buf_alloc);
	conn->peer_fwd = le32toh(head->fwd_cnt);
	if (vsock_ask_host(conn) < 0)
		vsock_abort(conn);
}

static void on_data(struct vsock_conn *conn, struct virtq_chain *chain, uint32_t len)
{
	/* More than there is, more than there was room for, or after it said that this was all. */
	if (conn->state != VSOCK_OPEN || len > chain->readable_bytes ||
	    len > VSOCK_BUFFER_BYTES - conn->buffer_len ||
	    (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) ||
	    vsock_add_data(conn, chain, len) < 0) {
		vsock_abort(conn);
		return;
	}
	vsock_flush(conn);
}

static void on_packet(struct vsock_conn *conn, const struct virtio_vsock_hdr *head,
		      struct virtq_chain *chain)
{
	if (conn->pending & VSOCK_RESET)
		return; /* it is over; the guest will hear of it */
	conn->peer_alloc = le32toh(head->buf_alloc);
	conn->peer_fwd = le32toh(head->fwd_cnt);
	switch (le16toh(head->op)) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		if (conn->state == VSOCK_ASKED_GUEST && !(conn->pending & VSOCK_REQUEST))
			vsock_accepted(conn);
		else
			vsock_abort(conn);
		break;
	case VIRTIO_VSOCK_OP_RW:
		on_data(conn, chain, le32toh(head->len));
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		conn->guest_shut |= le32toh(head->flags);
		if (conn->state == VSOCK_OPEN)
			vsock_flush(conn);
		else
			vsock_abort(conn);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		conn->pending |= VSOCK_CREDIT;
		break;
	default: /* a second request, or no operation */
		vsock_abort(conn);
		break;
	}
}

static enum virtio_verdict transmit(struct virtio_device *dev, unsigned queue UNUSED,
				    struct virtq_chain *chain)
{
	struct virtio_vsock *vsock = vsock_of(dev);
	struct virtio_vsock_hdr head;
	struct vsock_conn *conn;
	uint16_t op;

	/* Every packet may have to be refused. */
	if (vsock->refusals_len == VSOCK_REFUSALS_MAX)
		return VIRTIO_LATER;
	if (virtq_chain_read(chain, &head, sizeof(head)) < sizeof(head) ||
	    head.src_cid != vsock->config.guest_cid || le64toh(head.dst_cid) != VSOCK_HOST_CID)
		return VIRTIO_DONE;
	op = le16toh(head.op);
	conn = vsock_find(vsock, le32toh(head.src_port), le32toh(head.dst_port));
	if (op == VIRTIO_VSOCK_OP_RST) {
		if (conn)
			vsock_drop(conn);
	} else if (le16toh(head.type) != VIRTIO_VSOCK_TYPE_STREAM ||
		   (!conn && op != VIRTIO_VSOCK_OP_REQUEST)) {
		refuse(vsock, &head);
	} else if (!conn) {
		on_request(vsock, &head);
	} else {
		on_packet(conn, &head, chain);
	}

	return VIRTIO_DONE;
}

/* All that the guest has open is gone. One buffer is enough; the others stay where they are. */
static enum virtio_verdict tell_reset(struct virtio_device *dev, unsigned queue UNUSED,
				      struct virtq_chain *chain)
{
	struct virtio_vsock *vsock = vsock_of(dev);
	const struct virtio_vsock_event event = {
		.id = htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET),
	};

	if (!vsock->state.tell_reset)
		return VIRTIO_LATER;
	(void)virtq_chain_write(chain, &event, sizeof(event));
	vsock->state.tell_reset = false;

	return VIRTIO_DONE;
}

static bool kick(struct virtio_device *dev, unsigned queue)
{
	struct virtio_vsock *vsock = vsock_of(dev);
	bool more = false;

	if (queue == EVENT)
		return vsock->state.tell_reset && virtio_drain(dev, queue, tell_reset);
	if (queue == TRANSMIT)
		more = virtio_drain(dev, queue, transmit);
	vsock_pump(vsock);

	return more;
}

/* Sockets are closed by the loop: a vCPU thread may not. */
static bool reset(struct virtio_device *dev)
{
	struct virtio_vsock *vsock = vsock_of(dev);

	vsock->refusals_len = 0;
	vsock->state.tell_reset = false;
	if (virtio_vsock_connections(vsock) == 0)
		return true;
	fd_raise(vsock->wake.fd);

	return false;
}

static void on_wake(void *ctx, uint32_t events UNUSED)
{
	struct virtio_vsock *vsock = ctx;
	uint64_t count;

	(void)!read(vsock->wake.fd, &count, sizeof(count));
	if (!vsock->dev.state.resetting)
		return;
	vsock_drop_all(vsock);
	virtio_reset_done(&vsock->dev);
}

static const struct virtio_ops ops = {
	.kick = kick,
	.reset = reset,
};

static int init(struct virtio_vsock *vsock, const struct virtio_env *env, uint32_t guest_cid,
		struct err *err)
{
	static const uint16_t sizes[] = { QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE };
	const struct virtio_spec spec = {
		.name = "vsock",
		.ops = &ops,
		.type = VIRTIO_ID_VSOCK,
		.class_code = PCI_CLASS_OTHER_NETWORK,
		.queue_sizes = sizes,
		.queues_len = ARRAY_SIZE(sizes),
		.config = &vsock->config,
		.config_bytes = sizeof(vsock->config),
	};
	int r;

	if (guest_cid <= VSOCK_HOST_CID || guest_cid == UINT32_MAX)
		return err_set(err, EINVAL, "vsock: address %u of the guest", guest_cid);
	vsock->config.guest_cid = htole64(guest_cid);
	vsock->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vsock->wake.fd < 0)
		return err_sys(err, "vsock: make an eventfd");
	r = loop_add(env->loop, &vsock->wake, EPOLLIN);
	if (r == 0)
		r = fd_set_nonblock(vsock->starter.fd, 1);
	if (r == 0)
		r = loop_add(env->loop, &vsock->starter, EPOLLIN);
	if (r < 0)
		return err_set(err, -r, "vsock: watch the sockets");

	return virtio_init(&vsock->dev, &spec, env, err);
}

int virtio_vsock_new(const struct virtio_env *env, const struct virtio_vsock_options *options,
		     struct virtio_vsock **ret, struct err *err)
{
	struct virtio_vsock *vsock = calloc(1, sizeof(*vsock));
	int r;

	if (!vsock) {
		fd_close(options->starter_fd);
		return err_set(err, ENOMEM, "vsock: no memory");
	}
	vsock->dev.env = *env;
	vsock->wake = (struct loop_source){ .fd = -1, .fn = on_wake, .ctx = vsock };
	vsock->starter = (struct loop_source){ .fd = options->starter_fd,
					       .fn = vsock_on_starter,
					       .ctx = vsock };
	r = init(vsock, env, options->guest_cid, err);
	if (r < 0) {
		virtio_vsock_free(vsock);
		return r;
	}
	*ret = vsock;

	return 0;
}

void virtio_vsock_free(struct virtio_vsock *vsock)
{
	struct loop *loop;

	if (!vsock)
		return;
	loop = vsock->dev.env.loop;
	vsock_drop_all(vsock);
	loop_del(loop, &vsock->wake);
	loop_del(loop, &vsock->starter);
	fd_close(vsock->wake.fd);
	fd_close(vsock->starter.fd);
	virtio_done(&vsock->dev);
	free(vsock);
}

unsigned virtio_vsock_connections(const struct virtio_vsock *vsock)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		n += vsock->conns[i].state != VSOCK_FREE;

	return n;
}

void virtio_vsock_save(const struct virtio_vsock *vsock, struct virtio_vsock_state *ret)
{
	*ret = (struct virtio_vsock_state){
		.tell_reset = vsock->state.tell_reset || virtio_vsock_connections(vsock) > 0,
	};
}

void virtio_vsock_load(struct virtio_vsock *vsock, const struct virtio_vsock_state *state)
{
	vsock->state = *state;
}

struct virtio_device *virtio_vsock_device(struct virtio_vsock *vsock)
{
	return &vsock->dev;
}
