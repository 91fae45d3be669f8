/* SPDX-License-Identifier: Apache-2.0
 *
 * attacks_device.c - lies by registers, by timing, and by memory that changes
 */
#include "check.h"
#include "vmm/attacks.h"

#include <endian.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/macro.h"

#define FLIP_ROUNDS 20000

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
	assert_false(attack_needs_reset(g));
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
	assert_false(attack_needs_reset(g));
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
		assert_int_equal(attack_used_index(g, i), 0);
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

			/* A disk reads what is cached at once, and flushes by and by. */
			*(__le32 *)guest_at(g, bufs[0].gpa) = htole32(round % 2 ? 4 : 0);
			for (unsigned i = 0; i + 3 <= g->queues[queue].size; i += 3)
				(void)guest_add(g, queue, bufs, ARRAY_SIZE(bufs));
			guest_notify(g, queue);
		}
		/* One turn of the loop: begun, hardly done. */
		(void)loop_once(&g->loop, 0, NULL);
		guest_reset(g);
		for (unsigned queue = 0; queue < g->queues_len; queue++)
			used[queue] = attack_used_index(g, queue);
		lying_guest_run(g);
		for (unsigned queue = 0; queue < g->queues_len; queue++)
			assert_int_equal(attack_used_index(g, queue), used[queue]);
		assert_int_equal(guest_status(g), 0);
		guest_start(g, ALL_FEATURES);
	}
}

const struct attack device_attacks[] = {
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
const size_t device_attacks_len = ARRAY_SIZE(device_attacks);
