/* SPDX-License-Identifier: Apache-2.0
 *
 * test_attacks.c - every lie of a guest told to every device: it says so or bears it, and works on
 *
 * Each test is one attack on one device. Afterwards the device is reset as a driver would do it
 * and must work as if nothing had been. What the sanitizers see on the way counts as well.
 */
#include "check.h"
#include "vmm/victims.h"

#include <endian.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/macro.h"

#define ALL_FEATURES (~0ULL)
#define COMMON(g, field) ((g)->common + (uint32_t)offsetof(struct virtio_pci_common_cfg, field))
#define LARGE_BYTES (64 * KIB)
#define FLIP_ROUNDS 20000

struct attack {
	const char *name;
	/* Told to each queue of a device that runs, one after the other. */
	void (*on_queue)(struct lying_guest *g, unsigned queue);
	/* Told to a device that runs. */
	void (*on_device)(struct lying_guest *g);
};

static bool needs_reset(struct lying_guest *g)
{
	lying_guest_run(g);

	return guest_status(g) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static uint16_t used_index(struct lying_guest *g, unsigned queue)
{
	return le16toh(g->queues[queue].used->idx);
}

/* The device has been told something on @queue that it must refuse. */
static void must_refuse(struct lying_guest *g, unsigned queue)
{
	uint16_t before = used_index(g, queue);

	guest_notify(g, queue);
	/* A device that has nothing to say does not look at what it is given to fill. */
	if (g->eager & 1ULL << queue) {
		assert_true(needs_reset(g));
		/* It says so by an interrupt, and takes nothing more. */
		assert_true(guest_interrupted(g, 0));
	}
	assert_int_equal(used_index(g, queue), before);
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
		(void)needs_reset(g);
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
		(void)needs_reset(g);
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
	assert_false(needs_reset(g));
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
		assert_true(needs_reset(g));
	}
}

static void queue_select_out_of_range(struct lying_guest *g)
{
	static const uint16_t selects[] = { 0x8000, 0xffff, LYING_GUEST_QUEUES + 1 };

	(void)guest_begin(g, ALL_FEATURES);
	for (size_t i = 0; i < ARRAY_SIZE(selects); i++) {
		guest_write(g, COMMON(g, queue_select), 2, selects[i]);
		assert_int_equal(guest_read(g, COMMON(g, queue_size), 2), 0);
		for (uint32_t at = COMMON(g, queue_size); at < COMMON(g, queue_used_hi) + 4;
		     at += 2)
			guest_write(g, at, at < COMMON(g, queue_desc_lo) ? 2 : 4, 1);
		assert_int_equal(guest_read(g, COMMON(g, queue_enable), 2), 0);
		assert_int_equal(guest_read(g, COMMON(g, queue_desc_lo), 4), 0);
	}
	guest_driver_ok(g);
	assert_false(needs_reset(g));
}

/* Every width at every place of every structure of the BAR. */
static void odd_accesses(struct lying_guest *g)
{
	const uint32_t starts[] = { g->common, g->isr, g->config ? g->config : g->isr, g->notify,
				    g->notify + 0xfe0 };

	for (size_t s = 0; s < ARRAY_SIZE(starts); s++)
		for (uint32_t at = 0; at < 0x120 && starts[s] + at < 0x4000 - 8; at++)
			for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
				(void)guest_read(g, starts[s] + at, bytes);
				guest_write(g, starts[s] + at, bytes, 0x0101010101010101);
				guest_write(g, starts[s] + at, bytes, UINT64_MAX);
			}
	lying_guest_run(g);
}

static void misaligned_has_no_effect(struct lying_guest *g)
{
	guest_write(g, COMMON(g, device_status), 2, 0);	    /* too wide */
	guest_write(g, COMMON(g, num_queues), 4, 0);	    /* covers the status from before */
	guest_write(g, COMMON(g, device_status) - 1, 2, 0); /* misaligned */
	guest_write(g, COMMON(g, queue_select), 1, 1);	    /* short */
	assert_int_equal(guest_read(g, COMMON(g, num_queues), 4), 0);
	assert_int_equal(guest_read(g, COMMON(g, queue_size) + 1, 1), 0);
	assert_true(guest_status(g) & VIRTIO_CONFIG_S_DRIVER_OK);
}

static void configuration_beyond_its_end(struct lying_guest *g)
{
	if (!g->config)
		return;
	assert_int_equal(guest_read(g, g->config + 0xff8, 8), 0);
	guest_write(g, g->config + 0xff8, 8, UINT64_MAX);
	assert_int_equal(guest_read(g, g->config + 0xff8, 8), 0);
}

static void features_not_offered(struct lying_guest *g)
{
	guest_reset(g);
	guest_write(g, COMMON(g, guest_feature_select), 4, 1);
	guest_write(g, COMMON(g, guest_feature), 4, 0xffffffff);
	guest_write(g, COMMON(g, guest_feature_select), 4, 7);
	guest_write(g, COMMON(g, guest_feature), 4, 0xffffffff);
	guest_write(g, COMMON(g, device_status), 1, 1 | 2 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_false(guest_status(g) & VIRTIO_CONFIG_S_FEATURES_OK);
	guest_write(g, COMMON(g, device_status), 1, 0xff);
	assert_false(guest_status(g) & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK));
	for (unsigned i = 0; i < g->queues_len; i++)
		guest_notify(g, i);
	lying_guest_run(g);
}

static void queues_never_set_up(struct lying_guest *g)
{
	(void)guest_begin(g, ALL_FEATURES);
	guest_driver_ok(g);
	for (unsigned i = 0; i < g->queues_len + 4; i++)
		guest_notify(g, i);
	assert_false(needs_reset(g));
}

/* A driver that is gone as far as the bus knows: its memory may belong to another kernel. */
static void no_bus_master(struct lying_guest *g)
{
	/* A back end has been told to serve; that ends with a reset, as for every hypervisor. */
	if (g->elsewhere)
		return;
	guest_pci_write(g, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	for (unsigned i = 0; i < g->queues_len; i++) {
		guest_desc(g, i, 0,
			   (struct vring_desc){ .addr = guest_alloc(g, 512),
						.len = 512,
						.flags = VRING_DESC_F_WRITE });
		guest_offer(g, i, 0);
		guest_notify(g, i);
		lying_guest_run(g);
		assert_int_equal(used_index(g, i), 0);
	}
	guest_pci_write(g, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* The window of configuration space onto the BAR. */
static void window_out_of_range(struct lying_guest *g)
{
	static const struct {
		uint32_t bar, offset, length;
	} views[] = {
		{ 1, 0, 4 },
		{ 5, 0, 4 },
		{ 0, 0, 0 },
		{ 0, 0, 3 },
		{ 0, 0, 8 },
		{ 0, 0, UINT32_MAX },
		{ 0, 1, 4 },
		{ 0, 0x3fff, 2 },
		{ 0, 0x4000, 4 },
		{ 0, UINT32_MAX, 1 },
		{ 0, UINT32_MAX - 3, 4 },
		{ 2, 0, 4 },
	};
	uint32_t cap = g->pci_cfg_cap;
	uint32_t data = cap + (uint32_t)offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);

	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		guest_pci_write(g, cap + VIRTIO_PCI_CAP_BAR, 1, views[i].bar);
		guest_pci_write(g, cap + VIRTIO_PCI_CAP_OFFSET, 4, views[i].offset);
		guest_pci_write(g, cap + VIRTIO_PCI_CAP_LENGTH, 4, views[i].length);
		for (unsigned bytes = 1; bytes <= 4; bytes *= 2) {
			(void)guest_pci_read(g, data, bytes);
			guest_pci_write(g, data, bytes, 0);
		}
	}
	assert_true(guest_status(g) & VIRTIO_CONFIG_S_DRIVER_OK);
	/* And one that is in range does what it says. */
	guest_pci_write(g, cap + VIRTIO_PCI_CAP_BAR, 1, 0);
	guest_pci_write(g, cap + VIRTIO_PCI_CAP_OFFSET, 4, COMMON(g, device_status));
	guest_pci_write(g, cap + VIRTIO_PCI_CAP_LENGTH, 4, 1);
	assert_int_equal(guest_pci_read(g, data, 1), guest_status(g));
}

/* Memory that changes while it is read. */

struct flipper {
	struct guest_queue queues[LYING_GUEST_QUEUES]; /* at the same place after each start */
	unsigned queues_len;
	atomic_bool stop;
};

static void *flip(void *ctx)
{
	struct flipper *f = ctx;
	uint64_t random = 88172645463325252ULL;

	while (!atomic_load_explicit(&f->stop, memory_order_relaxed))
		for (unsigned i = 0; i < f->queues_len; i++) {
			struct guest_queue *q = &f->queues[i];
			/* Mostly an honest one: a device that was lied to stops listening. */
			uint64_t words[2] = { 8 * MIB, 0 };
			uint64_t *desc = (void *)&q->desc[random % 8];

			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			if (random % 256 == 0)
				words[0] = random & 256 ? random : LYING_GUEST_BYTES - 16;
			/* Length, flags and next; mostly small ones. */
			words[1] = random % 128 == 1 ? random : (random & 0x0007000300000fff);
			__atomic_store_n(&desc[0], words[0], __ATOMIC_RELAXED);
			__atomic_store_n(&desc[1], words[1], __ATOMIC_RELAXED);
			__atomic_store_n(&q->avail->ring[random % q->size], (uint16_t)(random % 8),
					 __ATOMIC_RELAXED);
		}

	return NULL;
}

static void memory_changes_between_reads(struct lying_guest *g)
{
	struct flipper f = { .queues_len = g->queues_len };
	pthread_t thread;

	memcpy(f.queues, g->queues, sizeof(f.queues));
	assert_int_equal(pthread_create(&thread, NULL, flip, &f), 0);
	for (unsigned i = 0; i < FLIP_ROUNDS; i++) {
		for (unsigned queue = 0; queue < g->queues_len; queue++) {
			guest_offer(g, queue, (uint16_t)(i % 8));
			guest_notify(g, queue);
			lying_guest_run(g);
		}
		if (guest_status(g) & VIRTIO_CONFIG_S_NEEDS_RESET)
			guest_start(g, ALL_FEATURES);
	}
	atomic_store(&f.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* As many requests as fit, of a shape that most devices accept, and a reset before they are done.
 */
static void reset_in_flight(struct lying_guest *g)
{
	for (unsigned round = 0; round < 20; round++) {
		uint16_t used[LYING_GUEST_QUEUES];

		for (unsigned queue = 0; queue < g->queues_len; queue++) {
			struct guest_buf bufs[] = {
				{ .gpa = guest_alloc(g, 16), .bytes = 16 },
				{ .gpa = guest_alloc(g, 4096), .bytes = 4096, .writable = true },
				{ .gpa = guest_alloc(g, 1), .bytes = 1, .writable = true },
			};

			for (unsigned i = 0; i + 3 <= g->queues[queue].size; i += 3)
				(void)guest_add(g, queue, bufs, ARRAY_SIZE(bufs));
			guest_notify(g, queue);
		}
		/* One turn of the loop: begun, hardly done. */
		(void)loop_once(&g->loop, 0, NULL);
		guest_reset(g);
		for (unsigned queue = 0; queue < g->queues_len; queue++)
			used[queue] = used_index(g, queue);
		lying_guest_run(g);
		for (unsigned queue = 0; queue < g->queues_len; queue++)
			assert_int_equal(used_index(g, queue), used[queue]);
		assert_int_equal(guest_status(g), 0);
		guest_start(g, ALL_FEATURES);
	}
}

static const struct attack attacks[] = {
	{ "buffer at the end of memory", .on_queue = end_of_memory },
	{ "address wraps around", .on_queue = address_wraps },
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
	{ "queue_select 0xFFFF", .on_device = queue_select_out_of_range },
	{ "accesses of every width everywhere", .on_device = odd_accesses },
	{ "misaligned accesses have no effect", .on_device = misaligned_has_no_effect },
	{ "configuration beyond its end", .on_device = configuration_beyond_its_end },
	{ "features that were not offered", .on_device = features_not_offered },
	{ "queues never set up", .on_device = queues_never_set_up },
	{ "no bus master", .on_device = no_bus_master },
	{ "window out of range", .on_device = window_out_of_range },
	{ "memory changes between reads", .on_device = memory_changes_between_reads },
	{ "reset with requests in flight", .on_device = reset_in_flight },
};

struct attempt {
	const struct victim *victim;
	const struct attack *attack;
};

static void run(void **state)
{
	const struct attempt *attempt = *state;
	struct lying_guest g;
	void *thing;

	lying_guest_init(&g);
	g.eager = attempt->victim->eager;
	g.elsewhere = attempt->victim->elsewhere;
	thing = attempt->victim->make(&g);
	lying_guest_find(&g);
	if (attempt->attack->on_device) {
		guest_start(&g, ALL_FEATURES);
		attempt->attack->on_device(&g);
	}
	for (unsigned i = 0; attempt->attack->on_queue && i < g.queues_len; i++) {
		guest_start(&g, ALL_FEATURES);
		attempt->attack->on_queue(&g, i);
	}
	attempt->victim->works(&g, thing);
	attempt->victim->free(thing);
	lying_guest_done(&g);
}

int main(void)
{
	size_t count = victims_len * ARRAY_SIZE(attacks), n = 0;
	struct CMUnitTest *tests = calloc(count, sizeof(*tests));
	struct attempt *attempts = calloc(count, sizeof(*attempts));
	char(*names)[128] = calloc(count, sizeof(*names));
	int failed;

	if (!tests || !attempts || !names)
		return 1;
	for (size_t v = 0; v < victims_len; v++)
		for (size_t a = 0; a < ARRAY_SIZE(attacks); a++, n++) {
			attempts[n] = (struct attempt){ &victims[v], &attacks[a] };
			(void)snprintf(names[n], sizeof(names[n]), "%s: %s", victims[v].name,
				       attacks[a].name);
			tests[n] = (struct CMUnitTest){ .name = names[n],
							.test_func = run,
							.initial_state = &attempts[n] };
		}
	failed = _cmocka_run_group_tests("attacks", tests, count, NULL, NULL);
	free(names);
	free(attempts);
	free(tests);

	return failed;
}
