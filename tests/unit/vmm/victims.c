/* SPDX-License-Identifier: Apache-2.0
 *
 * victims.c - every kind of device, ready to be lied to
 */
#include "check.h"
#include "vmm/victims.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <linux/virtio_net.h>
#include <linux/virtio_vsock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/back_end.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/pmem.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/vsock.h"

#define QUEUE_FEATURES \
	(VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX))

/* Entropy. */

static void *rng_make(struct lying_guest *g)
{
	struct virtio_rng *rng;

	assert_int_equal(virtio_rng_new(&g->env, &rng, NULL), 0);

	return rng;
}

static void rng_free(void *thing)
{
	virtio_rng_free(thing);
}

static void rng_works(struct lying_guest *g, void *thing UNUSED)
{
	struct guest_buf buf = { .bytes = 64, .writable = true };
	const unsigned char *bytes;
	unsigned set = 0;

	guest_start(g, QUEUE_FEATURES);
	buf.gpa = guest_alloc(g, buf.bytes);
	bytes = guest_at(g, buf.gpa);
	assert_int_equal(guest_request(g, 0, &buf, 1), 64);
	for (unsigned i = 0; i < 64; i++)
		set += (unsigned)__builtin_popcount(bytes[i]);
	assert_in_range(set, 128, 384); /* of 512, 256 expected: 11 standard deviations */
	assert_true(guest_interrupted(g, 1));
}

/* Disk. */

#define DISK_BYTES (1 * MIB)

static void *disk_make(struct lying_guest *g, bool no_ring)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	struct virtio_block_options options = { .fd = fd, .serial = "root", .no_ring = no_ring };
	struct virtio_block *block;

	assert_int_equal(ftruncate(fd, DISK_BYTES), 0);
	assert_int_equal(virtio_block_new(&g->env, &options, &block, NULL), 0);

	return block;
}

static void *block_make(struct lying_guest *g)
{
	return disk_make(g, false);
}

static void *plain_block_make(struct lying_guest *g)
{
	return disk_make(g, true);
}

static void block_free(void *thing)
{
	virtio_block_free(thing);
}

static void block_request(struct lying_guest *g, uint32_t type, uint64_t sector, uint64_t data,
			  uint32_t bytes)
{
	struct virtio_blk_outhdr head = { .type = htole32(type), .sector = htole64(sector) };
	bool writable = type == VIRTIO_BLK_T_IN;
	struct guest_buf bufs[] = {
		{ .gpa = guest_alloc(g, sizeof(head)), .bytes = sizeof(head) },
		{ .gpa = data, .bytes = bytes, .writable = writable },
		{ .gpa = guest_alloc(g, 1), .bytes = 1, .writable = true },
	};

	memcpy(guest_at(g, bufs[0].gpa), &head, sizeof(head));
	*(uint8_t *)guest_at(g, bufs[2].gpa) = 0xff;
	assert_int_equal(guest_request(g, 0, bufs, ARRAY_SIZE(bufs)), writable ? bytes + 1 : 1);
	assert_int_equal(*(uint8_t *)guest_at(g, bufs[2].gpa), VIRTIO_BLK_S_OK);
}

static void block_works(struct lying_guest *g, void *thing UNUSED)
{
	uint64_t out, in;

	guest_start(g, QUEUE_FEATURES | VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH));
	out = guest_alloc(g, 4096);
	in = guest_alloc(g, 4096);
	for (unsigned i = 0; i < 4096; i++)
		((uint8_t *)guest_at(g, out))[i] = (uint8_t)(i * 7);
	block_request(g, VIRTIO_BLK_T_OUT, 8, out, 4096);
	assert_true(guest_interrupted(g, 1));
	block_request(g, VIRTIO_BLK_T_IN, 8, in, 4096);
	assert_memory_equal(guest_at(g, in), guest_at(g, out), 4096);
}

/* Console: a terminal and a named port. */

struct console_victim {
	struct virtio_console *console;
	int terminal_fd, stream_fd; /* our ends */
};

static int pair(int *ret_theirs)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	*ret_theirs = fds[1];

	return fds[0];
}

static void *console_make(struct lying_guest *g)
{
	struct console_victim *v = calloc(1, sizeof(*v));
	int terminal, stream;

	assert_non_null(v);
	v->terminal_fd = pair(&terminal);
	v->stream_fd = pair(&stream);
	assert_int_equal(virtio_console_new(
				 &g->env,
				 (struct virtio_console_port_config[]){
					 { .in_fd = terminal, .out_fd = terminal, .console = true },
					 { .name = "agent", .in_fd = stream, .out_fd = stream } },
				 2, &v->console, NULL),
			 0);

	return v;
}

static void console_free(void *thing)
{
	struct console_victim *v = thing;

	virtio_console_free(v->console);
	fd_close(v->terminal_fd);
	fd_close(v->stream_fd);
	free(v);
}

static void drain(int fd)
{
	char bytes[4096];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

static void console_poke(void *thing, const uint8_t *bytes, size_t len)
{
	struct console_victim *v = thing;

	(void)!write(v->stream_fd, bytes, len);
	(void)!write(v->terminal_fd, bytes, len);
	if (len > 0 && bytes[0] % 2)
		virtio_console_resize(v->console, bytes[0], 24);
	drain(v->stream_fd);
	drain(v->terminal_fd);
}

static void console_works(struct lying_guest *g, void *thing)
{
	struct console_victim *v = thing;
	struct virtio_console_control open = { .id = htole32(1),
					       .event = htole16(VIRTIO_CONSOLE_PORT_OPEN),
					       .value = htole16(1) };
	struct guest_buf buf = { .bytes = 16 };
	uint32_t head, used;
	char bytes[16];

	drain(v->stream_fd);
	guest_start(g, QUEUE_FEATURES | VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT));
	buf.gpa = guest_alloc(g, buf.bytes);
	memcpy(guest_at(g, buf.gpa), &open, sizeof(open));
	(void)guest_request(g, 3, &buf, 1);

	memcpy(guest_at(g, buf.gpa), "from the guest..", 16);
	assert_int_equal(guest_request(g, 5, &buf, 1), 0);
	assert_int_equal(read(v->stream_fd, bytes, sizeof(bytes)), 16);
	assert_memory_equal(bytes, "from the guest..", 16);

	/* What the host had said before comes first; it ends with a buffer that stays empty. */
	buf.writable = true;
	do {
		(void)guest_add(g, 4, &buf, 1);
		guest_kick(g, 4);
		lying_guest_run(g);
	} while (guest_used(g, 4, &head, &used));
	assert_int_equal(write(v->stream_fd, "to it", 5), 5);
	assert_true(guest_wait_used(g, 4, &head, &used));
	assert_int_equal(used, 5);
	assert_memory_equal(guest_at(g, buf.gpa), "to it", 5);
}

/* Balloon. */

static void *balloon_make(struct lying_guest *g)
{
	struct virtio_balloon *balloon;

	assert_int_equal(virtio_balloon_new(&g->env, &balloon, NULL), 0);

	return balloon;
}

static void balloon_free(void *thing)
{
	virtio_balloon_free(thing);
}

static void balloon_poke(void *thing, const uint8_t *bytes, size_t len)
{
	struct virtio_balloon_stats stats;

	if (len > 0 && bytes[0] % 2)
		virtio_balloon_set_target(thing, bytes[0] * MIB);
	virtio_balloon_ask(thing);
	virtio_balloon_get_stats(thing, &stats);
}

static void balloon_works(struct lying_guest *g, void *thing UNUSED)
{
	struct guest_buf buf = { .bytes = 4 };
	uint64_t page;
	uint32_t pfn;

	guest_start(g, ~0ULL);
	buf.gpa = guest_alloc(g, 4);
	page = guest_alloc(g, 4096);
	memset(guest_at(g, page), 0xaa, 4096);
	pfn = htole32((uint32_t)(page / 4096));
	memcpy(guest_at(g, buf.gpa), &pfn, sizeof(pfn));
	assert_int_equal(guest_request(g, 0, &buf, 1), 0);
	assert_int_equal(*(unsigned char *)guest_at(g, page), 0);
}

/* File system: a daemon has the queues, and it is lied to as well. */

struct fs_victim {
	struct virtio_fs *fs;
	struct back_end *daemon;
};

static void *fs_make(struct lying_guest *g)
{
	struct fs_victim *v = calloc(1, sizeof(*v));
	int fd;

	assert_non_null(v);
	v->daemon = back_end_start(&fd);
	assert_int_equal(virtio_fs_new(&g->env, "share", fd, &v->fs, NULL), 0);

	return v;
}

static void fs_free(void *thing)
{
	struct fs_victim *v = thing;

	virtio_fs_free(v->fs);
	back_end_join(v->daemon);
	free(v);
}

static void fs_works(struct lying_guest *g, void *thing UNUSED)
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

struct net_victim {
	struct virtio_net *net;
	int fd; /* the other end */
};

static void *net_make(struct lying_guest *g)
{
	struct net_victim *v = calloc(1, sizeof(*v));
	struct virtio_net_options options = { .mac = { 2, 0, 0, 0, 0, 1 } };
	int fds[2];

	assert_non_null(v);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	v->fd = fds[0];
	options.fd = fds[1];
	assert_int_equal(virtio_net_new(&g->env, &options, &v->net, NULL), 0);

	return v;
}

static void net_free(void *thing)
{
	struct net_victim *v = thing;

	virtio_net_free(v->net);
	fd_close(v->fd);
	free(v);
}

static void net_poke(void *thing, const uint8_t *bytes, size_t len)
{
	struct net_victim *v = thing;

	if (len > 0) { /* an empty packet would be the end of the socket */
		(void)!write(v->fd, bytes, len);
		virtio_net_set_link(v->net, bytes[0] % 2);
	}
	drain(v->fd);
}

static void net_works(struct lying_guest *g, void *thing)
{
	struct net_victim *v = thing;
	struct guest_buf buf = { .bytes = 12 + 60 };
	uint8_t packet[12 + 60] = { 0 };
	uint32_t head, used;

	drain(v->fd);
	guest_start(g, QUEUE_FEATURES | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	buf.gpa = guest_alloc(g, 4096);
	memset((uint8_t *)guest_at(g, buf.gpa) + 12, 'o', 60);
	assert_int_equal(guest_request(g, 1, &buf, 1), 0);
	assert_int_equal(read(v->fd, packet, sizeof(packet)), sizeof(packet));
	assert_int_equal(packet[71], 'o');

	/* Packets from before come first; each of them fits. */
	buf.writable = true;
	buf.bytes = 4096;
	do {
		(void)guest_add(g, 0, &buf, 1);
		guest_kick(g, 0);
		lying_guest_run(g);
	} while (guest_used(g, 0, &head, &used));
	memset(packet + 12, 'i', 60);
	assert_int_equal(write(v->fd, packet, sizeof(packet)), sizeof(packet));
	assert_true(guest_wait_used(g, 0, &head, &used));
	assert_int_equal(used, sizeof(packet));
	assert_int_equal(((uint8_t *)guest_at(g, buf.gpa))[71], 'i');
}

/* Persistent memory. */

#define PMEM_GPA (8 * GIB)
#define PMEM_BYTES (4 * MIB)

static void *pmem_make(struct lying_guest *g)
{
	struct virtio_pmem *pmem;

	assert_true(virtio_pmem_new(&g->env, GPA(PMEM_GPA + 4096), PMEM_BYTES, &pmem, NULL) < 0);
	assert_int_equal(virtio_pmem_new(&g->env, GPA(PMEM_GPA), PMEM_BYTES, &pmem, NULL), 0);

	return pmem;
}

static void pmem_free(void *thing)
{
	virtio_pmem_free(thing);
}

static void pmem_works(struct lying_guest *g, void *thing UNUSED)
{
	struct guest_buf bufs[] = { { .bytes = 4 }, { .bytes = 4, .writable = true } };

	guest_start(g, QUEUE_FEATURES);
	assert_int_equal(guest_read(g, g->config, 8), PMEM_GPA);
	assert_int_equal(guest_read(g, g->config + 8, 8), PMEM_BYTES);
	bufs[0].gpa = guest_alloc(g, 4); /* VIRTIO_PMEM_REQ_TYPE_FLUSH is 0 */
	bufs[1].gpa = guest_alloc(g, 4);
	memset(guest_at(g, bufs[1].gpa), 0xff, 4);
	assert_int_equal(guest_request(g, 0, bufs, ARRAY_SIZE(bufs)), 4);
	assert_int_equal(*(uint32_t *)guest_at(g, bufs[1].gpa), 0);
	/* There is nothing else that it does. */
	*(uint32_t *)guest_at(g, bufs[0].gpa) = htole32(1);
	assert_int_equal(guest_request(g, 0, bufs, ARRAY_SIZE(bufs)), 4);
	assert_int_not_equal(*(uint32_t *)guest_at(g, bufs[1].gpa), 0);
}

/* Sockets: a program that connects, and a broker. */

#define VSOCK_CID 3

struct vsock_victim {
	struct virtio_vsock *vsock;
	int broker_fd; /* our end */
	int stream_fd; /* of the last connection, or -1 */
	struct sockaddr_un address;
	socklen_t address_len;
};

static void *vsock_make(struct lying_guest *g)
{
	struct vsock_victim *v = calloc(1, sizeof(*v));
	struct virtio_vsock_options options = { .guest_cid = VSOCK_CID };
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	int fds[2];

	assert_non_null(v);
	options.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(options.listen_fd, (const struct sockaddr *)&any, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(options.listen_fd, 8), 0);
	v->address_len = sizeof(v->address);
	assert_int_equal(
		getsockname(options.listen_fd, (struct sockaddr *)&v->address, &v->address_len), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	v->stream_fd = -1;
	v->broker_fd = fds[0];
	options.broker_fd = fds[1];
	assert_int_equal(virtio_vsock_new(&g->env, &options, &v->vsock, NULL), 0);

	return v;
}

static void vsock_free(void *thing)
{
	struct vsock_victim *v = thing;

	virtio_vsock_free(v->vsock);
	fd_close(v->broker_fd);
	fd_close(v->stream_fd);
	free(v);
}

/* Say yes to the last thing that the broker is asked. */
static void vsock_answer(struct vsock_victim *v)
{
	struct virtio_vsock_ask ask = { 0 };
	struct virtio_vsock_answer answer = { 0 };
	int theirs;

	while (read(v->broker_fd, &ask, sizeof(ask)) == sizeof(ask))
		answer.token = ask.token;
	fd_close(v->stream_fd);
	v->stream_fd = pair(&theirs);
	assert_int_equal(fd_send(v->broker_fd, &answer, sizeof(answer), &theirs, 1),
			 sizeof(answer));
	fd_close(theirs);
}

static void vsock_poke(void *thing, const uint8_t *bytes, size_t len)
{
	struct vsock_victim *v = thing;

	switch (len > 0 ? bytes[0] % 4 : 3) {
	case 0:
		vsock_answer(v);
		break;
	case 1:
		(void)!send(v->stream_fd, bytes, len, MSG_NOSIGNAL);
		drain(v->stream_fd);
		break;
	case 2:
		fd_close(v->stream_fd);
		v->stream_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(v->stream_fd, (struct sockaddr *)&v->address, v->address_len);
		(void)!send(v->stream_fd, "CONNECT 22\n", 11, MSG_NOSIGNAL);
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

static void vsock_works(struct lying_guest *g, void *thing)
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

const struct victim victims[] = {
	{ .name = "vsock",
	  .eager = 1 << 1,
	  .make = vsock_make,
	  .free = vsock_free,
	  .poke = vsock_poke,
	  .works = vsock_works },
	{ .name = "pmem", .eager = 1, .make = pmem_make, .free = pmem_free, .works = pmem_works },
	{ .name = "net",
	  .eager = 1 << 1,
	  .make = net_make,
	  .free = net_free,
	  .poke = net_poke,
	  .works = net_works },
	{ .name = "rng", .eager = 1, .make = rng_make, .free = rng_free, .works = rng_works },
	{ .name = "fs", .elsewhere = true, .make = fs_make, .free = fs_free, .works = fs_works },
	{ .name = "balloon",
	  .eager = 0xf,
	  .make = balloon_make,
	  .poke = balloon_poke,
	  .free = balloon_free,
	  .works = balloon_works },
	{ .name = "block",
	  .eager = 1,
	  .make = block_make,
	  .free = block_free,
	  .works = block_works },
	{ .name = "block without io_uring",
	  .eager = 1,
	  .make = plain_block_make,
	  .free = block_free,
	  .works = block_works },
	{ .name = "console",
	  .poke = console_poke,
	  .eager = 1 << 1 | 1 << 3 | 1 << 5,
	  .make = console_make,
	  .free = console_free,
	  .works = console_works },
};
const size_t victims_len = ARRAY_SIZE(victims);
