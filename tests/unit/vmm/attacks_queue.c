/* SPDX-License-Identifier: Apache-2.0
 *
 * attacks_queue.c - lies in descriptors and rings
 */
#include "check.h"
#include "vmm/attacks.h"

#include <endian.h>

#include "base/macro.h"

#define LARGE_BYTES (64 * KIB)

bool attack_needs_reset(struct lying_guest *g)
{
	lying_guest_run(g);

	return guest_status(g) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

uint16_t attack_used_index(struct lying_guest *g, unsigned queue)
{
	return le16toh(g->queues[queue].used->idx);
}

/* The device has been told something on @queue that it must refuse. */
static void must_refuse(struct lying_guest *g, unsigned queue)
{
	uint16_t before = attack_used_index(g, queue);

	guest_notify(g, queue);
	/* A device that has nothing to say does not look at what it is given to fill. */
	if (g->eager & 1ULL << queue) {
		assert_true(attack_needs_reset(g));
		/* It says so by an interrupt, and takes nothing more. */
		assert_true(guest_interrupted(g, 0));
	}
	assert_int_equal(attack_used_index(g, queue), before);
}

static void must_break(struct lying_guest *g, unsigned queue)
{
	guest_offer(g, queue, 0);
	must_refuse(g, queue);
}

static void bad_buffer(struct lying_guest *g, unsigned queue, uint64_t addr, uint32_t len)
{
	for (unsigned flags = 0; flags <= VRING_DESC_F_WRITE; flags += VRING_DESC_F_WRITE) {
		guest_desc(
			g, queue, 0,
			(struct vring_desc){ .addr = addr, .len = len, .flags = (uint16_t)flags });
		must_break(g, queue);
		guest_start(g, ALL_FEATURES);
	}
}

static void end_of_memory(struct lying_guest *g, unsigned queue)
{
	bad_buffer(g, queue, LYING_GUEST_BYTES - 16, LARGE_BYTES);
	bad_buffer(g, queue, LYING_GUEST_BYTES - 4096, 4097);
	bad_buffer(g, queue, LYING_GUEST_BYTES, 1);
}

static void address_wraps(struct lying_guest *g, unsigned queue)
{
	bad_buffer(g, queue, UINT64_MAX - 15, LARGE_BYTES);
	bad_buffer(g, queue, UINT64_MAX, UINT32_MAX);
	bad_buffer(g, queue, 0, UINT32_MAX);
}

/* What is mapped for reading is no place to write to, and ends where it ends. */
static void file_in_memory(struct lying_guest *g, unsigned queue)
{
	const struct vring_desc bad[] = {
		{ .addr = g->file_gpa, .len = 512, .flags = VRING_DESC_F_WRITE },
		{ .addr = g->file_gpa + LYING_GUEST_FILE_BYTES - 16, .len = 17 },
		{ .addr = g->file_gpa - 1, .len = 2 },
		{ .addr = g->file_gpa, .len = 32, .flags = VRING_DESC_F_INDIRECT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		guest_desc(g, queue, 0, bad[i]);
		must_break(g, queue);
		guest_start(g, ALL_FEATURES);
	}
}

static void loop_of_one(struct lying_guest *g, unsigned queue)
{
	guest_desc(g, queue, 0,
		   (struct vring_desc){
			   .addr = guest_alloc(g, 16), .len = 16, .flags = VRING_DESC_F_NEXT });
	must_break(g, queue);
}

static void loop_of_writable(struct lying_guest *g, unsigned queue)
{
	for (uint16_t i = 0; i < 4; i++)
		guest_desc(g, queue, i,
			   (struct vring_desc){ .addr = guest_alloc(g, 16),
						.len = 16,
						.flags = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
						.next = (uint16_t)((i + 1) % 4) });
	must_break(g, queue);
}

static void loop_of_nothing(struct lying_guest *g, unsigned queue)
{
	guest_desc(g, queue, 0, (struct vring_desc){ .flags = VRING_DESC_F_NEXT });
	must_break(g, queue);
}

/* Descriptor 0 points to a table of two that begins with @inner. */
static void indirect(struct lying_guest *g, unsigned queue, uint32_t bytes, uint16_t more_flags,
		     struct vring_desc inner)
{
	uint64_t table = guest_alloc(g, 4096);

	if (inner.addr == 0)
		inner.addr = table;
	memcpy(guest_at(g, table), &inner, sizeof(inner));
	guest_desc(g, queue, 0,
		   (struct vring_desc){ .addr = table,
					.len = bytes,
					.flags = VRING_DESC_F_INDIRECT | more_flags });
	must_break(g, queue);
}

static void indirect_in_indirect(struct lying_guest *g, unsigned queue)
{
	indirect(g, queue, 32, 0, (struct vring_desc){ .len = 32, .flags = VRING_DESC_F_INDIRECT });
}

static void indirect_with_next(struct lying_guest *g, unsigned queue)
{
	indirect(g, queue, 32, VRING_DESC_F_NEXT, (struct vring_desc){ .addr = MIB, .len = 16 });
}

static void indirect_of_odd_size(struct lying_guest *g, unsigned queue)
{
	static const uint32_t sizes[] = { 0, 1, 15, 17, UINT32_MAX, UINT32_MAX - 15 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		indirect(g, queue, sizes[i], 0, (struct vring_desc){ .addr = MIB, .len = 16 });
		guest_start(g, ALL_FEATURES);
	}
}

static void indirect_leaves_its_table(struct lying_guest *g, unsigned queue)
{
	indirect(g, queue, 32, 0,
		 (struct vring_desc){
			 .addr = MIB, .len = 16, .flags = VRING_DESC_F_NEXT, .next = 2 });
}

static void indirect_without_asking(struct lying_guest *g, unsigned queue)
{
	guest_start(g, ALL_FEATURES & ~VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	indirect(g, queue, 32, 0, (struct vring_desc){ .addr = MIB, .len = 16 });
}

static void readable_after_writable(struct lying_guest *g, unsigned queue)
{
	for (uint16_t i = 0; i < 2; i++)
		guest_desc(g, queue, i,
			   (struct vring_desc){ .addr = guest_alloc(g, 16),
						.len = 16,
						.flags = i ? 0
							   : VRING_DESC_F_WRITE | VRING_DESC_F_NEXT,
						.next = 1 });
	must_break(g, queue);
}

static void indices_out_of_range(struct lying_guest *g, unsigned queue)
{
	guest_offer(g, queue, g->queues[queue].size);
	must_refuse(g, queue);
	guest_start(g, ALL_FEATURES);
	guest_offer(g, queue, 0xffff);
	must_refuse(g, queue);
	guest_start(g, ALL_FEATURES);
	guest_desc(g, queue, 0,
		   (struct vring_desc){ .addr = guest_alloc(g, 16),
					.len = 16,
					.flags = VRING_DESC_F_NEXT,
					.next = 0xffff });
	must_break(g, queue);
}

static void available_index_jumps(struct lying_guest *g, unsigned queue)
{
	g->queues[queue].avail->idx = htole16((uint16_t)(g->queues[queue].size + 1));
	must_refuse(g, queue);
}

static void four_gigabytes(struct lying_guest *g, unsigned queue)
{
	unsigned size = g->queues[queue].size;

	for (uint16_t i = 0; i < size; i++)
		guest_desc(g, queue, i,
			   (struct vring_desc){ .addr = 0,
						.len = LYING_GUEST_BYTES,
						.flags = i + 1U < size ? VRING_DESC_F_NEXT : 0,
						.next = (uint16_t)(i + 1) });
	must_break(g, queue);
}

/* The same entry for every place of the available ring, many times over. */
static void same_head_again(struct lying_guest *g, unsigned queue)
{
	uint64_t gpa = guest_alloc(g, 4096);

	for (unsigned flags = 0; flags <= VRING_DESC_F_WRITE; flags += VRING_DESC_F_WRITE) {
		guest_desc(
			g, queue, 0,
			(struct vring_desc){ .addr = gpa, .len = 512, .flags = (uint16_t)flags });
		for (unsigned i = 0; i < 3U * g->queues[queue].size; i++) {
			guest_offer(g, queue, 0);
			if (i % 16 == 0) {
				guest_notify(g, queue);
				lying_guest_run(g);
			}
		}
		(void)attack_needs_reset(g);
		guest_start(g, ALL_FEATURES);
	}
}

static void empty_buffers(struct lying_guest *g, unsigned queue)
{
	for (unsigned flags = 0; flags <= VRING_DESC_F_WRITE; flags += VRING_DESC_F_WRITE) {
		guest_desc(g, queue, 0,
			   (struct vring_desc){ .addr = UINT64_MAX, .flags = (uint16_t)flags });
		guest_offer(g, queue, 0);
		guest_notify(g, queue);
		(void)attack_needs_reset(g);
		guest_start(g, ALL_FEATURES);
	}
}

/* All registers of a queue, as one would read them to see whether they changed. */
static void queue_registers(struct lying_guest *g, unsigned queue, uint32_t ret[9])
{
	guest_write(g, COMMON(g, queue_select), 2, queue);
	ret[0] = (uint32_t)guest_read(g, COMMON(g, queue_size), 2);
	ret[1] = (uint32_t)guest_read(g, COMMON(g, queue_msix_vector), 2);
	ret[2] = (uint32_t)guest_read(g, COMMON(g, queue_enable), 2);
	for (unsigned i = 0; i < 6; i++)
		ret[3 + i] = (uint32_t)guest_read(g, COMMON(g, queue_desc_lo) + 4 * i, 4);
}

static void registers_after_driver_ok(struct lying_guest *g, unsigned queue)
{
	uint32_t before[9], after[9];

	queue_registers(g, queue, before);
	guest_write(g, COMMON(g, queue_size), 2, 2);
	guest_write(g, COMMON(g, queue_msix_vector), 2, 0xffff);
	guest_write(g, COMMON(g, queue_enable), 2, 0);
	for (unsigned i = 0; i < 6; i++)
		guest_write(g, COMMON(g, queue_desc_lo) + 4 * i, 4, 0xdeadbee0);
	guest_write(g, COMMON(g, guest_feature_select), 4, 0);
	guest_write(g, COMMON(g, guest_feature), 4, 0);
	queue_registers(g, queue, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_false(attack_needs_reset(g));
}

static void ring_misplaced(struct lying_guest *g, unsigned queue)
{
	static const struct {
		uint32_t which;
		uint64_t gpa;
	} rings[] = {
		{ 0, MIB + 8 },
		{ 1, MIB + 1 },
		{ 2, MIB + 2 },
		{ 0, LYING_GUEST_BYTES - 16 },
		{ 1, LYING_GUEST_BYTES - 2 },
		{ 2, LYING_GUEST_BYTES - 8 },
		{ 0, UINT64_MAX - 15 },
		{ 2, UINT64_MAX - 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		uint32_t at = COMMON(g, queue_desc_lo) + 8 * rings[i].which;

		(void)guest_begin(g, ALL_FEATURES);
		guest_write(g, COMMON(g, queue_select), 2, queue);
		guest_write(g, COMMON(g, queue_desc_lo), 4, MIB);
		guest_write(g, COMMON(g, queue_avail_lo), 4, 2 * MIB);
		guest_write(g, COMMON(g, queue_used_lo), 4, 3 * MIB);
		guest_write(g, at, 4, (uint32_t)rings[i].gpa);
		guest_write(g, at + 4, 4, rings[i].gpa >> 32);
		guest_write(g, COMMON(g, queue_enable), 2, 1);
		guest_driver_ok(g);
		guest_notify(g, queue);
		assert_true(attack_needs_reset(g));
	}
}

/* A buffer that is only to be read keeps what it holds; one that is only to be filled is no
 * request. */
static void wrong_direction(struct lying_guest *g, unsigned queue)
{
	uint64_t gpa = guest_alloc(g, 4096);
	uint8_t *at = guest_at(g, gpa);

	for (unsigned flags = 0; flags <= VRING_DESC_F_WRITE; flags += VRING_DESC_F_WRITE) {
		guest_start(g, ALL_FEATURES);
		memset(at, 0x5a, 4096);
		guest_desc(
			g, queue, 0,
			(struct vring_desc){ .addr = gpa, .len = 4096, .flags = (uint16_t)flags });
		guest_offer(g, queue, 0);
		guest_notify(g, queue);
		lying_guest_run(g);
		guest_reset(g); /* and nobody works on it any more */
		for (unsigned i = 0; i < 4096 && flags == 0; i++)
			assert_int_equal(at[i], 0x5a);
	}
	guest_start(g, ALL_FEATURES);
}

static void set_rings(struct lying_guest *g, unsigned queue, uint64_t desc, uint64_t avail,
		      uint64_t used)
{
	const uint64_t parts[] = { desc, avail, used };

	guest_write(g, COMMON(g, queue_select), 2, queue);
	for (unsigned i = 0; i < 3; i++) {
		guest_write(g, COMMON(g, queue_desc_lo) + 8 * i, 4, (uint32_t)parts[i]);
		guest_write(g, COMMON(g, queue_desc_lo) + 8 * i + 4, 4, parts[i] >> 32);
	}
	guest_write(g, COMMON(g, queue_enable), 2, 1);
}

/* Each of them is the others: what the device says is what it is told. */
static void rings_overlap(struct lying_guest *g, unsigned queue)
{
	static const uint64_t shifts[][3] = {
		{ 0, 0, 0 }, { 0, 2, 0 }, { 0, 0, 4 }, { 16, 14, 12 }, { 4096, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++)
		for (unsigned fill = 0; fill < 4; fill++) {
			(void)guest_begin(g, ALL_FEATURES);
			memset(guest_at(g, MIB), (int)fill, 64 * KIB);
			set_rings(g, queue, MIB + shifts[i][0], MIB + shifts[i][1],
				  MIB + shifts[i][2]);
			guest_driver_ok(g);
			for (unsigned j = 0; j < 4; j++)
				guest_notify(g, queue);
			(void)attack_needs_reset(g);
		}
}

/* The device is to write over its own rings. */
static void buffers_are_the_rings(struct lying_guest *g, unsigned queue)
{
	const struct guest_queue *q = &g->queues[queue];
	const uint64_t places[] = { q->desc_gpa, q->avail_gpa, q->used_gpa };

	for (unsigned flags = 0; flags <= VRING_DESC_F_WRITE; flags += VRING_DESC_F_WRITE) {
		for (uint16_t i = 0; i < 3; i++)
			guest_desc(g, queue, i,
				   (struct vring_desc){ .addr = places[i],
							.len = 6 + 2U * q->size,
							.flags = (uint16_t)flags });
		for (uint16_t i = 0; i < q->size; i++)
			guest_offer(g, queue, i % 3);
		guest_notify(g, queue);
		(void)attack_needs_reset(g);
		guest_start(g, ALL_FEATURES);
	}
}

static void sizes_not_offered(struct lying_guest *g, unsigned queue)
{
	static const uint16_t sizes[] = { 0, 3, 255, 257, 512, 0x8000, 0xffff };
	uint16_t offered;

	(void)guest_begin(g, ALL_FEATURES);
	guest_write(g, COMMON(g, queue_select), 2, queue);
	offered = (uint16_t)guest_read(g, COMMON(g, queue_size), 2);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		guest_write(g, COMMON(g, queue_size), 2, sizes[i]);
		assert_int_equal(guest_read(g, COMMON(g, queue_size), 2), offered);
	}
}

const struct attack queue_attacks[] = {
	{ "buffer at the end of memory", .on_queue = end_of_memory },
	{ "address wraps around", .on_queue = address_wraps },
	{ "file in memory written to, or beyond its end", .on_queue = file_in_memory },
	{ "chain that loops", .on_queue = loop_of_one },
	{ "chain of writable buffers that loops", .on_queue = loop_of_writable },
	{ "chain of empty buffers that loops", .on_queue = loop_of_nothing },
	{ "indirect in indirect", .on_queue = indirect_in_indirect },
	{ "indirect with a next one", .on_queue = indirect_with_next },
	{ "indirect table of odd size", .on_queue = indirect_of_odd_size },
	{ "indirect chain leaves its table", .on_queue = indirect_leaves_its_table },
	{ "indirect without asking", .on_queue = indirect_without_asking },
	{ "readable after writable", .on_queue = readable_after_writable },
	{ "indices out of range", .on_queue = indices_out_of_range },
	{ "available index jumps", .on_queue = available_index_jumps },
	{ "four gigabytes in a chain", .on_queue = four_gigabytes },
	{ "same head again and again", .on_queue = same_head_again },
	{ "empty buffers", .on_queue = empty_buffers },
	{ "registers after DRIVER_OK", .on_queue = registers_after_driver_ok },
	{ "rings misplaced", .on_queue = ring_misplaced },
	{ "buffers of the wrong direction", .on_queue = wrong_direction },
	{ "rings that overlap", .on_queue = rings_overlap },
	{ "buffers that are the rings", .on_queue = buffers_are_the_rings },
	{ "queue sizes that are not offered", .on_queue = sizes_not_offered },
};
const size_t queue_attacks_len = ARRAY_SIZE(queue_attacks);
