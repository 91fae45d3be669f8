/* SPDX-License-Identifier: Apache-2.0
 *
 * victims_net.c - victims with a peer: shared directories, network card, sockets
 */
#include "check.h"
#include "vmm/victims_priv.h"

#include <endian.h>
#include <linux/virtio_net.h>
#include <linux/virtio_vsock.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/back_end.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/vsock.h"
#include "vmmproto/vmmproto.h"

#define QUEUE_FEATURES \
	(VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX))

/* File system: a daemon has the queues, and it is lied to as well. */

struct fs_victim {
	struct virtio_fs *fs;
	struct back_end *daemon;
};

void *fs_make(struct lying_guest *g)
{
	struct fs_victim *v = calloc(1, sizeof(*v));
	int fd;

	assert_non_null(v);
	v->daemon = back_end_start(&fd);
	assert_int_equal(virtio_fs_new(&g->env, "share", fd, &v->fs, NULL), 0);

	return v;
}

void fs_free(void *thing)
{
	struct fs_victim *v = thing;

	virtio_fs_free(v->fs);
	back_end_join(v->daemon);
	free(v);
}

void fs_works(struct lying_guest *g, void *thing UNUSED)
{
	guest_start(g, QUEUE_FEATURES);
	for (unsigned queue = 0; queue < 2; queue++) {
		struct guest_buf bufs[] = {
			{ .gpa = guest_alloc(g, 8), .bytes = 8 },
			{ .gpa = guest_alloc(g, 16), .bytes = 16, .writable = true },
		};

		memcpy(guest_at(g, bufs[0].gpa), "question", 8);
		assert_int_equal(guest_request(g, queue, bufs, ARRAY_SIZE(bufs)), 8);
		assert_memory_equal(guest_at(g, bufs[1].gpa), "question", 8);
	}
}

/* Network card: a socket of packets is the tap. */

#define NET_PAIRS 2

struct net_victim {
	struct virtio_net *net;
	int fds[NET_PAIRS]; /* the other ends */
	unsigned pairs;
};

static void *make_net(struct lying_guest *g, unsigned pairs)
{
	struct net_victim *v = calloc(1, sizeof(*v));
	struct virtio_net_options options = { .mac = { 2, 0, 0, 0, 0, 1 }, .fds_len = pairs };
	int fds[2];

	assert_non_null(v);
	v->pairs = pairs;
	for (unsigned i = 0; i < pairs; i++) {
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			0);
		v->fds[i] = fds[0];
		options.fds[i] = fds[1];
	}
	assert_int_equal(virtio_net_new(&g->env, &options, &v->net, NULL), 0);

	return v;
}

void *net_make(struct lying_guest *g)
{
	return make_net(g, 1);
}

void *net_pairs_make(struct lying_guest *g)
{
	return make_net(g, NET_PAIRS);
}

void net_free(void *thing)
{
	struct net_victim *v = thing;

	virtio_net_free(v->net);
	for (unsigned i = 0; i < v->pairs; i++)
		fd_close(v->fds[i]);
	free(v);
}

void net_poke(void *thing, const uint8_t *bytes, size_t len)
{
	struct net_victim *v = thing;

	if (len > 0) /* an empty packet would be the end of the socket */
		(void)!write(v->fds[bytes[0] / 2 % v->pairs], bytes, len);
	for (unsigned i = 0; i < v->pairs; i++)
		victim_drain(v->fds[i]);
}

/* A packet to the host and one from it. */
static void exchange(struct lying_guest *g, int fd, unsigned pair)
{
	struct guest_buf buf = { .gpa = guest_alloc(g, 4096), .bytes = 12 + 60 };
	unsigned receive = 2 * pair, transmit = receive + 1;
	uint8_t packet[12 + 60] = { 0 };
	uint32_t head, used;

	memset((uint8_t *)guest_at(g, buf.gpa) + 12, 'o', 60);
	assert_int_equal(guest_request(g, transmit, &buf, 1), 0);
	assert_int_equal(read(fd, packet, sizeof(packet)), sizeof(packet));
	assert_int_equal(packet[71], 'o');

	/* Packets from before come first; each of them fits. */
	buf.writable = true;
	buf.bytes = 4096;
	do {
		(void)guest_add(g, receive, &buf, 1);
		guest_kick(g, receive);
		lying_guest_run(g);
	} while (guest_used(g, receive, &head, &used));
	memset(packet + 12, 'i', 60);
	assert_int_equal(write(fd, packet, sizeof(packet)), sizeof(packet));
	assert_true(guest_wait_used(g, receive, &head, &used));
	assert_int_equal(used, sizeof(packet));
	assert_int_equal(((uint8_t *)guest_at(g, buf.gpa))[71], 'i');
}

void net_works(struct lying_guest *g, void *thing)
{
	struct net_victim *v = thing;

	victim_drain(v->fds[0]);
	guest_start(g, QUEUE_FEATURES | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	exchange(g, v->fds[0], 0);
}

void net_pairs_work(struct lying_guest *g, void *thing)
{
	static const uint8_t all[] = { VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
				       NET_PAIRS, 0 };
	struct net_victim *v = thing;
	struct guest_buf bufs[] = { { .bytes = sizeof(all) }, { .bytes = 1, .writable = true } };

	for (unsigned i = 0; i < v->pairs; i++)
		victim_drain(v->fds[i]);
	guest_start(g, QUEUE_FEATURES | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
			       VIRTIO_FEATURE(VIRTIO_NET_F_MQ) |
			       VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ));
	bufs[0].gpa = guest_alloc(g, sizeof(all));
	bufs[1].gpa = guest_alloc(g, 1);
	memcpy(guest_at(g, bufs[0].gpa), all, sizeof(all));
	*(uint8_t *)guest_at(g, bufs[1].gpa) = 0xff;
	assert_int_equal(guest_request(g, 2 * NET_PAIRS, bufs, ARRAY_SIZE(bufs)), 1);
	assert_int_equal(*(uint8_t *)guest_at(g, bufs[1].gpa), VIRTIO_NET_OK);
	for (unsigned i = 0; i < v->pairs; i++)
		exchange(g, v->fds[i], i);
}

/* Sockets: we are the starter. */

#define VSOCK_CID 3

struct vsock_victim {
	struct virtio_vsock *vsock;
	int starter_fd; /* our end */
	int stream_fd;	/* of the last connection, or -1 */
};

void *vsock_make(struct lying_guest *g)
{
	struct vsock_victim *v = calloc(1, sizeof(*v));
	struct virtio_vsock_options options = { .guest_cid = VSOCK_CID };
	int fds[2];

	assert_non_null(v);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	v->stream_fd = -1;
	v->starter_fd = fds[0];
	options.starter_fd = fds[1];
	assert_int_equal(virtio_vsock_new(&g->env, &options, &v->vsock, NULL), 0);

	return v;
}

void vsock_free(void *thing)
{
	struct vsock_victim *v = thing;

	virtio_vsock_free(v->vsock);
	fd_close(v->starter_fd);
	fd_close(v->stream_fd);
	free(v);
}

/* A packet of @kind with a fresh stream. */
static void vsock_tell(struct vsock_victim *v, uint32_t kind, uint32_t token)
{
	const struct vmmproto_vsock_msg msg = { .kind = kind, .token = token, .port = 22 };
	int theirs;

	fd_close(v->stream_fd);
	v->stream_fd = victim_pair(&theirs);
	(void)!fd_send(v->starter_fd, &msg, sizeof(msg), &theirs, 1);
	fd_close(theirs);
}

/* Say yes to the last thing that the starter is asked. */
static void vsock_answer(struct vsock_victim *v)
{
	struct vmmproto_vsock_msg msg = { 0 };
	uint32_t token = 0;

	while (read(v->starter_fd, &msg, sizeof(msg)) == sizeof(msg))
		if (msg.kind == VMMPROTO_VSOCK_CONNECT)
			token = msg.token;
	vsock_tell(v, VMMPROTO_VSOCK_ANSWER, token);
}

void vsock_poke(void *thing, const uint8_t *bytes, size_t len)
{
	struct vsock_victim *v = thing;

	switch (len > 0 ? bytes[0] % 4 : 3) {
	case 0:
		vsock_answer(v);
		break;
	case 1:
		(void)!send(v->stream_fd, bytes, len, MSG_NOSIGNAL);
		victim_drain(v->stream_fd);
		break;
	case 2:
		vsock_tell(v, VMMPROTO_VSOCK_CONNECT, bytes[0]);
		(void)!send(v->stream_fd, bytes, len, MSG_NOSIGNAL);
		break;
	default:
		v->stream_fd = fd_close(v->stream_fd);
		break;
	}
}

static void vsock_packet(struct lying_guest *g, uint64_t gpa, uint16_t op, const char *data)
{
	const struct virtio_vsock_hdr head = { .src_cid = htole64(VSOCK_CID),
					       .dst_cid = htole64(2),
					       .src_port = htole32(1000),
					       .dst_port = htole32(80),
					       .len = htole32((uint32_t)strlen(data)),
					       .type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
					       .op = htole16(op),
					       .buf_alloc = htole32(65536) };
	struct guest_buf buf = { .gpa = gpa, .bytes = (uint32_t)(sizeof(head) + strlen(data)) };

	memcpy(guest_at(g, gpa), &head, sizeof(head));
	memcpy((char *)guest_at(g, gpa) + sizeof(head), data, strlen(data));
	assert_int_equal(guest_request(g, 1, &buf, 1), 0);
}

/* The next packet for port 1000. Programs of the host that wait for the guest are heard as well. */
static uint32_t vsock_next(struct lying_guest *g, const struct guest_buf *buf)
{
	const struct virtio_vsock_hdr *head = guest_at(g, buf->gpa);
	uint32_t bytes;

	do
		bytes = guest_request(g, 0, buf, 1);
	while (le32toh(head->dst_port) != 1000);

	return bytes;
}

void vsock_works(struct lying_guest *g, void *thing)
{
	struct vsock_victim *v = thing;
	const struct virtio_vsock_hdr *head;
	struct guest_buf buf = { .bytes = 4096, .writable = true };
	char bytes[8];

	guest_start(g, QUEUE_FEATURES);
	/* Answers to what the last driver asked are nobody's by now. */
	lying_guest_run(g);
	buf.gpa = guest_alloc(g, 4096);
	head = guest_at(g, buf.gpa);
	vsock_packet(g, guest_alloc(g, 4096), VIRTIO_VSOCK_OP_REQUEST, "");
	vsock_answer(v);
	(void)vsock_next(g, &buf);
	assert_int_equal(le16toh(head->op), VIRTIO_VSOCK_OP_RESPONSE);
	vsock_packet(g, guest_alloc(g, 4096), VIRTIO_VSOCK_OP_RW, "ping");
	assert_int_equal(read(v->stream_fd, bytes, sizeof(bytes)), 4);
	assert_int_equal(write(v->stream_fd, "pong", 4), 4);
	assert_int_equal(vsock_next(g, &buf), sizeof(*head) + 4);
	assert_memory_equal(head + 1, "pong", 4);
}
