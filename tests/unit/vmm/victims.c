/* SPDX-License-Identifier: Apache-2.0
 *
 * victims.c - every kind of device, ready to be lied to; some are in victims_net.c
 */
#include "check.h"
#include "vmm/victims_priv.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/pmem.h"
#include "vmm/virtio/rng.h"

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

int victim_pair(int *ret_theirs)
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
	v->terminal_fd = victim_pair(&terminal);
	v->stream_fd = victim_pair(&stream);
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

void victim_drain(int fd)
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
	victim_drain(v->stream_fd);
	victim_drain(v->terminal_fd);
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

	victim_drain(v->stream_fd);
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
	if (len > 0 && bytes[0] % 2)
		virtio_balloon_set_target(thing, bytes[0] * MIB);
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
	{ .name = "net with two pairs of queues",
	  .eager = 1 << 1 | 1 << 3 | 1 << 4,
	  .make = net_pairs_make,
	  .free = net_free,
	  .poke = net_poke,
	  .works = net_pairs_work },
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
