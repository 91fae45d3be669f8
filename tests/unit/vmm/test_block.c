/* SPDX-License-Identifier: Apache-2.0
 *
 * test_block.c - requests of a disk: what they do to the file, and what they may not
 */
#include "check.h"
#include "vmm/lying_guest.h"

#include <endian.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <linux/virtio_blk.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/blockio.h"

#define SECTOR 512
#define SECTORS 2048
#define DISK_BYTES (SECTORS * SECTOR)
#define FEATURES (~0ULL)

struct fixture {
	struct lying_guest g;
	struct virtio_block *block;
	int fd; /* the file */
};

static struct fixture *make(bool readonly, bool no_ring)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct virtio_block_options options = { .serial = "0123456789abcdefghij",
						.readonly = readonly,
						.no_ring = no_ring };
	unsigned char bytes[DISK_BYTES];

	assert_non_null(f);
	lying_guest_init(&f->g);
	f->fd = memfd_create("disk", MFD_CLOEXEC);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i / SECTOR + 1);
	assert_int_equal(fd_write_all(f->fd, bytes, sizeof(bytes)), 0);
	/* Half a sector at the end that the guest cannot see. */
	assert_int_equal(fd_write_all(f->fd, bytes, SECTOR / 2), 0);
	options.fd = dup(f->fd);
	assert_int_equal(virtio_block_new(&f->g.env, &options, &f->block, NULL), 0);
	lying_guest_find(&f->g);
	guest_start(&f->g, FEATURES);

	return f;
}

static int setup(void **state)
{
	*state = make(false, false);

	return 0;
}

static int setup_plain(void **state)
{
	*state = make(false, true);

	return 0;
}

static int setup_readonly(void **state)
{
	*state = make(true, false);

	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_block_free(f->block);
	fd_close(f->fd);
	lying_guest_done(&f->g);
	free(f);

	return 0;
}

/* One request; @data is in guest memory. Returns its status. */
static uint8_t request(struct lying_guest *g, uint32_t type, uint64_t sector, uint64_t data,
		       uint32_t bytes)
{
	struct virtio_blk_outhdr head = { .type = htole32(type), .sector = htole64(sector) };
	bool writable = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct guest_buf bufs[] = {
		{ .gpa = guest_alloc(g, sizeof(head)), .bytes = sizeof(head) },
		{ .gpa = data, .bytes = bytes, .writable = writable },
		{ .gpa = guest_alloc(g, 1), .bytes = 1, .writable = true },
	};
	uint8_t *status = guest_at(g, bufs[2].gpa);

	memcpy(guest_at(g, bufs[0].gpa), &head, sizeof(head));
	*status = 0xff;
	(void)guest_request(g, 0, bufs, ARRAY_SIZE(bufs));

	return *status;
}

static uint8_t on_segments(struct lying_guest *g, uint32_t type,
			   const struct virtio_blk_discard_write_zeroes *segments, size_t len)
{
	uint64_t data = guest_alloc(g, 4096);

	memcpy(guest_at(g, data), segments, len * sizeof(*segments));

	return request(g, type, 0, data, (uint32_t)(len * sizeof(*segments)));
}

static uint8_t on_segment(struct lying_guest *g, uint32_t type, uint64_t sector, uint32_t sectors,
			  uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes segment = { .sector = htole64(sector),
								 .num_sectors = htole32(sectors),
								 .flags = htole32(flags) };

	return on_segments(g, type, &segment, 1);
}

static unsigned char byte_of(struct fixture *f, uint64_t sector)
{
	unsigned char byte = 0;

	assert_int_equal(pread(f->fd, &byte, 1, (off_t)(sector * SECTOR)), 1);

	return byte;
}

static void test_configuration(void **state)
{
	struct fixture *f = *state;
	uint64_t data = guest_alloc(&f->g, 4096);

	assert_int_equal(guest_read(&f->g, f->g.config, 8), SECTORS);
	assert_int_equal(request(&f->g, VIRTIO_BLK_T_GET_ID, 0, data, 20), VIRTIO_BLK_S_OK);
	assert_memory_equal(guest_at(&f->g, data), "0123456789abcdefghij", 20);
	assert_int_equal(request(&f->g, 77, 0, data, 512), VIRTIO_BLK_S_UNSUPP);
}

static void test_range(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	uint64_t data = guest_alloc(g, 8192);
	struct stat before, after;

	assert_int_equal(fstat(f->fd, &before), 0);
	for (uint32_t type = VIRTIO_BLK_T_IN; type <= VIRTIO_BLK_T_OUT; type++) {
		assert_int_equal(request(g, type, SECTORS - 1, data, 512), VIRTIO_BLK_S_OK);
		assert_int_equal(request(g, type, SECTORS - 1, data, 1024), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(g, type, SECTORS, data, 512), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(g, type, UINT64_MAX, data, 512), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(g, type, UINT64_MAX / SECTOR, data, 512),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(g, type, 0, data, 511), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(g, type, 0, data, 513), VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(fstat(f->fd, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
}

static void test_discard(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	struct stat before, after;

	assert_int_equal(fstat(f->fd, &before), 0);
	assert_int_equal(on_segment(g, VIRTIO_BLK_T_DISCARD, 1024, 512, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(fstat(f->fd, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_true(after.st_blocks <= before.st_blocks - 512);
	assert_int_equal(byte_of(f, 1024), 0);
	assert_int_equal(byte_of(f, 1023), 1024 % 256);
	assert_int_equal(byte_of(f, 1536), 1537 % 256);

	assert_int_equal(on_segment(g, VIRTIO_BLK_T_DISCARD, 0, 8, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(on_segment(g, VIRTIO_BLK_T_DISCARD, SECTORS - 1, 2, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(on_segment(g, VIRTIO_BLK_T_DISCARD, UINT64_MAX, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(on_segment(g, VIRTIO_BLK_T_DISCARD, 0, 0, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(on_segment(g, VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(byte_of(f, 0), 1);
}

static void test_many_segments(void **state)
{
	struct fixture *f = *state;
	struct virtio_blk_discard_write_zeroes segments[17];

	for (size_t i = 0; i < ARRAY_SIZE(segments); i++)
		segments[i] = (struct virtio_blk_discard_write_zeroes){
			.sector = htole64(i * 16),
			.num_sectors = htole32(8),
		};
	assert_int_equal(on_segments(&f->g, VIRTIO_BLK_T_WRITE_ZEROES, segments, 16),
			 VIRTIO_BLK_S_OK);
	for (size_t i = 0; i < 16; i++) {
		assert_int_equal(byte_of(f, i * 16), 0);
		assert_int_equal(byte_of(f, i * 16 + 7), 0);
		assert_int_equal(byte_of(f, i * 16 + 8), (i * 16 + 9) % 256);
	}
	/* One more than was offered; and half of one. */
	assert_int_equal(on_segments(&f->g, VIRTIO_BLK_T_WRITE_ZEROES, segments, 17),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&f->g, VIRTIO_BLK_T_DISCARD, 0, MIB, 24), VIRTIO_BLK_S_IOERR);
	/* The last segment is wrong: none is done. */
	segments[0].sector = htole64(8);
	segments[1].sector = htole64(SECTORS);
	assert_int_equal(on_segments(&f->g, VIRTIO_BLK_T_DISCARD, segments, 2), VIRTIO_BLK_S_IOERR);
	assert_int_equal(byte_of(f, 8), 9);
}

/* A tmpfs cannot make zeroes cheaply: they are written, and the blocks stay. */
static void test_write_zeroes(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;

	assert_int_equal(fstat(f->fd, &before), 0);
	assert_int_equal(on_segment(&f->g, VIRTIO_BLK_T_WRITE_ZEROES, 3, 1000, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(fstat(f->fd, &after), 0);
	assert_int_equal(after.st_blocks, before.st_blocks);
	assert_int_equal(byte_of(f, 2), 3);
	for (uint64_t sector = 3; sector < 1003; sector++)
		assert_int_equal(byte_of(f, sector), 0);
	assert_int_equal(byte_of(f, 1003), 1004 % 256);
	assert_int_equal(on_segment(&f->g, VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2),
			 VIRTIO_BLK_S_UNSUPP);
	/* With leave to unmap they go. */
	assert_int_equal(on_segment(&f->g, VIRTIO_BLK_T_WRITE_ZEROES, 0, SECTORS,
				    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(fstat(f->fd, &after), 0);
	assert_true(after.st_blocks < 64);
}

static void test_readonly(void **state)
{
	struct fixture *f = *state;
	uint64_t data = guest_alloc(&f->g, 512);

	assert_int_equal(request(&f->g, VIRTIO_BLK_T_IN, 5, data, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(*(unsigned char *)guest_at(&f->g, data), 6);
	assert_int_equal(request(&f->g, VIRTIO_BLK_T_OUT, 4, data, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(on_segment(&f->g, VIRTIO_BLK_T_DISCARD, 4, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(on_segment(&f->g, VIRTIO_BLK_T_WRITE_ZEROES, 4, 8, 0),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(&f->g, VIRTIO_BLK_T_FLUSH, 0, data, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(byte_of(f, 4), 5);
}

/* Somebody else cut the file short. */
static void test_file_shrinks(void **state)
{
	struct fixture *f = *state;
	uint64_t data = guest_alloc(&f->g, 8192);

	assert_int_equal(ftruncate(f->fd, 512), 0);
	assert_int_equal(request(&f->g, VIRTIO_BLK_T_IN, 0, data, 8192), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(&f->g, VIRTIO_BLK_T_IN, 0, data, 512), VIRTIO_BLK_S_OK);
}

/* Any cut of a chain into buffers means the same. */
static void test_any_layout(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	struct virtio_blk_outhdr head = { .type = htole32(VIRTIO_BLK_T_IN), .sector = htole64(7) };

	for (uint32_t cut = 1; cut < 512; cut += 37) {
		uint64_t head_gpa = guest_alloc(g, 16), data = guest_alloc(g, 1024);
		struct guest_buf bufs[] = {
			{ .gpa = head_gpa, .bytes = cut % 15 + 1 },
			{ .gpa = head_gpa + cut % 15 + 1, .bytes = 15 - cut % 15 },
			{ .gpa = data, .bytes = cut, .writable = true },
			{ .gpa = data + cut, .bytes = 513 - cut, .writable = true },
		};

		if (g->next_gpa > 32 * MIB)
			guest_start(g, FEATURES);
		memcpy(guest_at(g, head_gpa), &head, sizeof(head));
		((unsigned char *)guest_at(g, data))[512] = 0xff;
		assert_int_equal(guest_request(g, 0, bufs, ARRAY_SIZE(bufs)), 513);
		for (unsigned i = 0; i < 512; i++)
			assert_int_equal(((unsigned char *)guest_at(g, data))[i], 8);
		assert_int_equal(((unsigned char *)guest_at(g, data))[512], VIRTIO_BLK_S_OK);
	}
}

/*
 * The reset is over only after the requests in flight. What the host has in its cache never is:
 * flushes are, which a worker of the kernel's does, but when is its business.
 */
static void test_reset_waits(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	uint64_t head = guest_alloc(g, 16), data = guest_alloc(g, 512), status = guest_alloc(g, 1);
	struct virtio_blk_outhdr flush = { .type = htole32(VIRTIO_BLK_T_FLUSH) };
	struct guest_buf bufs[] = { { .gpa = head, .bytes = 16 },
				    { .gpa = status, .bytes = 1, .writable = true } };
	uint32_t at = g->common + 20, used_head, used_bytes; /* device_status */
	uint16_t used;

	if (virtio_block_calls(f->block) == &blockio_plain_calls) {
		print_message("skipped: this host has no io_uring\n");
		skip();
	}
	memcpy(guest_at(g, head), &flush, sizeof(flush));
	do {
		while (guest_used(g, 0, &used_head, &used_bytes))
			;
		for (unsigned i = 0; i < 42; i++)
			(void)guest_add(g, 0, bufs, ARRAY_SIZE(bufs));
		guest_notify(g, 0);
		assert_int_equal(loop_once(&g->loop, 0, NULL), 0);
	} while (virtio_block_in_flight(f->block) == 0);
	used = g->queues[0].used->idx;
	guest_write(g, at, 1, 0);
	assert_true(guest_status(g) & VIRTIO_CONFIG_S_DRIVER_OK);
	/* Whatever the driver says meanwhile is not heard. */
	guest_write(g, at, 1, 0xff);
	guest_write(g, at, 1, 0);
	guest_notify(g, 0);
	guest_reset(g);
	assert_int_equal(virtio_block_in_flight(f->block), 0);
	assert_int_equal(g->queues[0].used->idx, used);
	assert_int_equal(guest_read(g, at, 1), 0);
	guest_start(g, FEATURES);
	assert_int_equal(request(g, VIRTIO_BLK_T_IN, 0, data, 512), VIRTIO_BLK_S_OK);
}

/* A read of sector 0 whose buffers are in a table of their own; one descriptor of the ring. */
static void add_indirect(struct lying_guest *g, uint16_t index, uint64_t table_gpa)
{
	struct vring_desc *table = guest_at(g, table_gpa);
	uint64_t head = table_gpa + 64, status = head + 16, data = table_gpa + SECTOR;

	*(struct virtio_blk_outhdr *)guest_at(g, head) = (struct virtio_blk_outhdr){ 0 };
	table[0] = (struct vring_desc){ htole64(head), htole32(16), htole16(VRING_DESC_F_NEXT),
					htole16(1) };
	table[1] =
		(struct vring_desc){ htole64(data), htole32(SECTOR),
				     htole16(VRING_DESC_F_NEXT | VRING_DESC_F_WRITE), htole16(2) };
	table[2] =
		(struct vring_desc){ htole64(status), htole32(1), htole16(VRING_DESC_F_WRITE), 0 };
	guest_desc(g, 0, index,
		   (struct vring_desc){ .addr = table_gpa,
					.len = 3 * sizeof(*table),
					.flags = VRING_DESC_F_INDIRECT });
	guest_offer(g, 0, index);
}

/* As many requests at once as there can be, and then one more: it is asked for. */
static void test_full_queue(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	uint64_t tables = guest_alloc(g, g->queues[0].size * 2ULL * SECTOR);
	uint64_t data = guest_alloc(g, SECTOR);
	uint32_t head, bytes;

	for (uint16_t i = 0; i < g->queues[0].size; i++)
		add_indirect(g, i, tables + i * 2ULL * SECTOR);
	guest_kick(g, 0);
	for (unsigned i = 0; i < g->queues[0].size; i++)
		assert_true(guest_wait_used(g, 0, &head, &bytes));
	assert_int_equal(request(g, VIRTIO_BLK_T_IN, 7, data, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(*(unsigned char *)guest_at(g, data), 8);
}

/* Saved while it is quiet, loaded into another device on the same memory: nothing is lost. */
static void test_save_load(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	struct virtio_saved *saved = calloc(1, sizeof(*saved));
	struct virtio_block_options options = { .fd = dup(f->fd) };
	struct virtio_device *dev = virtio_block_device(f->block);
	uint64_t data = guest_alloc(g, 512);

	assert_non_null(saved);
	for (unsigned i = 0; i < 200; i++) /* more than the queue has entries */
		assert_int_equal(request(g, VIRTIO_BLK_T_IN, 0, data, 512), VIRTIO_BLK_S_OK);
	virtio_pause(dev, true);
	assert_int_equal(virtio_block_in_flight(f->block), 0);
	virtio_save(dev, saved);
	virtio_block_free(f->block);
	lying_guest_new_bus(g);
	assert_int_equal(virtio_block_new(&g->env, &options, &f->block, NULL), 0);
	assert_int_equal(virtio_load(virtio_block_device(f->block), saved, NULL), 0);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(request(g, VIRTIO_BLK_T_IN, 9, data, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(*(unsigned char *)guest_at(g, data), 10);
	free(saved);
}

/* A guest that runs from a file in its memory writes pages of it, and may not read into them. */
static void test_file_in_memory(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	const struct memory_region *file;
	int fd = memfd_create("layer", MFD_CLOEXEC);
	uint64_t data = guest_alloc(g, SECTOR);
	struct virtio_blk_outhdr head = { .type = htole32(VIRTIO_BLK_T_IN) };
	struct guest_buf bufs[] = {
		{ .gpa = guest_alloc(g, sizeof(head)), .bytes = sizeof(head) },
		{ .bytes = SECTOR, .writable = true },
		{ .gpa = guest_alloc(g, 1), .bytes = 1, .writable = true },
	};

	assert_int_equal(write(fd, "layer", 5), 5);
	assert_int_equal(memory_add_file(&g->memory, fd, &file, NULL), 0);
	assert_int_equal(request(g, VIRTIO_BLK_T_OUT, 3, file->start, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(request(g, VIRTIO_BLK_T_IN, 3, data, SECTOR), VIRTIO_BLK_S_OK);
	assert_memory_equal(guest_at(g, data), "layer\0", 7);
	memcpy(guest_at(g, bufs[0].gpa), &head, sizeof(head));
	bufs[1].gpa = file->start;
	(void)guest_add(g, 0, bufs, ARRAY_SIZE(bufs));
	guest_kick(g, 0);
	lying_guest_run(g);
	assert_true(guest_status(g) & VIRTIO_CONFIG_S_NEEDS_RESET);
	fd_close(fd);
}

/* The result of the one operation in flight. */
static int result_of(struct blockio *io)
{
	struct pollfd waiting = { .fd = io->wake_fd, .events = POLLIN };
	struct blockio_done done = { 0 };

	assert_true(blockio_submit(io));
	assert_int_equal(poll(&waiting, 1, 10000), 1);
	assert_true(blockio_reap(io, &done));

	return done.result;
}

/* Whoever has the ring can neither open nor connect with it, nor add files. */
static void test_ring_is_restricted(void **state UNUSED)
{
	static const uint8_t refused[] = { IORING_OP_NOP,    IORING_OP_OPENAT,	IORING_OP_CONNECT,
					   IORING_OP_ACCEPT, IORING_OP_SENDMSG, IORING_OP_UNLINKAT,
					   IORING_OP_STATX,  IORING_OP_SPLICE,	IORING_OP_READ,
					   IORING_OP_SOCKET, IORING_OP_CLOSE };
	struct blockio io;
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 1), 0);
	assert_int_equal(blockio_init(&io, fd, 8, true, NULL), 0);
	if (io.ring_fd < 0) {
		blockio_done(&io);
		fd_close(fd);
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused) + 1; i++) {
		struct io_uring_sqe *sqe = &io.sqes[*io.sq_tail & io.sq_mask];

		blockio_begin(&io, &(struct blockio_op){
					   .kind = BLOCKIO_READ, .iov = &iov, .iov_len = 1 });
		if (i < ARRAY_SIZE(refused))
			sqe->opcode = refused[i];
		else
			sqe->flags = 0; /* a file of the process rather than the registered one */
		assert_int_equal(result_of(&io), -EACCES);
	}
	blockio_begin(&io, &(struct blockio_op){ .kind = BLOCKIO_READ, .iov = &iov, .iov_len = 1 });
	assert_int_equal(result_of(&io), 1);
	assert_int_equal(
		syscall(SYS_io_uring_register, io.ring_fd, IORING_UNREGISTER_FILES, NULL, 0), -1);
	assert_int_equal(errno, EACCES);
	blockio_done(&io);
	fd_close(fd);
}

#define EITHER(test)                                                                           \
	cmocka_unit_test_setup_teardown(test, setup, teardown),                                \
	{                                                                                      \
		.name = #test "_without_ring", .test_func = (test), .setup_func = setup_plain, \
		.teardown_func = teardown                                                      \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EITHER(test_configuration),
		EITHER(test_range),
		EITHER(test_discard),
		EITHER(test_many_segments),
		EITHER(test_write_zeroes),
		EITHER(test_file_shrinks),
		EITHER(test_any_layout),
		EITHER(test_full_queue),
		cmocka_unit_test_setup_teardown(test_reset_waits, setup, teardown),
		EITHER(test_save_load),
		EITHER(test_file_in_memory),
		cmocka_unit_test_setup_teardown(test_readonly, setup_readonly, teardown),
		cmocka_unit_test(test_ring_is_restricted),
	};

	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
