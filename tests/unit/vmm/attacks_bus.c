/* SPDX-License-Identifier: Apache-2.0
 *
 * attacks_bus.c - lies by the bus: BARs and interrupts that move, doorbells, order of registers
 */
#include "check.h"
#include "vmm/attacks.h"

#include <endian.h>
#include <linux/pci_regs.h>
#include <malloc.h>

#include "base/macro.h"
#include "vmm/layout.h"
#include "vmm/victims.h"

#define NOTIFY_BYTES 0x1000
#define FLOOD_ROUNDS 2000
#define FLOOD_MAX_BYTES (4 * MIB)

static uint64_t bar_of(struct lying_guest *g, unsigned bar)
{
	uint32_t at = PCI_BASE_ADDRESS_0 + 8 * bar;

	return (guest_pci_read(g, at, 4) & ~0xfU) | (uint64_t)guest_pci_read(g, at + 4, 4) << 32;
}

static void move_bar(struct lying_guest *g, unsigned bar, uint64_t gpa)
{
	uint32_t at = PCI_BASE_ADDRESS_0 + 8 * bar;

	guest_pci_write(g, at, 4, (uint32_t)gpa);
	guest_pci_write(g, at + 4, 4, (uint32_t)(gpa >> 32));
}

/* Read all of it and ring its bells, wherever it is and whoever answers. */
static void use_bar(struct lying_guest *g, uint64_t gpa)
{
	uint64_t value;

	for (uint32_t at = 0; at < 0x4000; at += 8)
		(void)pci_bus_read(&g->bus, gpa + at, &value, 8);
	for (unsigned i = 0; i < g->queues_len; i++) {
		value = htole64(i);
		(void)pci_bus_write(&g->bus, gpa + g->notify + i * g->notify_multiplier, &value, 2);
	}
	lying_guest_run(g);
}

static void bar_moved(struct lying_guest *g)
{
	const uint64_t home[] = { bar_of(g, 0), bar_of(g, 1) };
	const uint64_t places[] = { 0,		 MIB,	       LYING_GUEST_BYTES - 0x4000,
				    LAYOUT_ECAM, LAYOUT_LAPIC, LAYOUT_IOAPIC,
				    home[0],	 home[1],      home[1] - 0x1000,
				    4 * GIB,	 1ULL << 52,   UINT64_MAX - 0x3fff };

	for (unsigned bar = 0; bar < 2; bar++)
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			move_bar(g, bar, places[i]);
			use_bar(g, places[i]);
			use_bar(g, home[bar]);
			move_bar(g, bar, UINT64_MAX); /* as for its size */
			move_bar(g, bar, home[bar]);
			assert_int_equal(bar_of(g, bar), home[bar]);
		}
	assert_true(guest_status(g) & VIRTIO_CONFIG_S_DRIVER_OK);
}

/* Accesses meet nobody while decoding is off. */
static void bar_switched_off(struct lying_guest *g)
{
	uint64_t value = 0;

	guest_pci_write(g, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_false(pci_bus_write(&g->bus, g->bar + COMMON(g, device_status), &value, 1));
	use_bar(g, g->bar);
	guest_pci_write(g, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	assert_true(guest_status(g) & VIRTIO_CONFIG_S_DRIVER_OK);
}

static uint32_t msix_cap(struct lying_guest *g)
{
	uint32_t at = guest_pci_read(g, PCI_CAPABILITY_LIST, 1);

	while (at && guest_pci_read(g, at, 1) != PCI_CAP_ID_MSIX)
		at = guest_pci_read(g, at + PCI_CAP_LIST_NEXT, 1);
	assert_true(at);

	return at;
}

/* One chain for each queue, so that there is something to interrupt for. */
static void offer_something(struct lying_guest *g)
{
	for (unsigned i = 0; i < g->queues_len; i++) {
		struct guest_buf bufs[] = {
			{ .gpa = guest_alloc(g, 512), .bytes = 512 },
			{ .gpa = guest_alloc(g, 512), .bytes = 512, .writable = true },
		};

		(void)guest_add(g, i, bufs, ARRAY_SIZE(bufs));
		guest_notify(g, i);
	}
	lying_guest_run(g);
}

static void msix_in_disorder(struct lying_guest *g)
{
	static const uint16_t controls[] = { 0, PCI_MSIX_FLAGS_ENABLE,
					     PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL,
					     PCI_MSIX_FLAGS_MASKALL, 0xffff };
	const uint64_t home = bar_of(g, 1);
	const uint32_t cap = msix_cap(g);

	for (unsigned round = 0; round < 8; round++)
		for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
			uint64_t junk = htole64(0xfee0100000000001ULL * (round + 1));

			guest_pci_write(g, cap + PCI_MSIX_FLAGS, 2, controls[i]);
			for (uint32_t at = 0; at < 0x1000; at += 1 + round)
				(void)pci_bus_write(&g->bus, home + at, &junk, 1U << round % 4);
			guest_start(g, ALL_FEATURES);
			offer_something(g);
			guest_pci_write(g, cap + PCI_MSIX_FLAGS, 2, 0xffff);
			guest_pci_write(g, cap + PCI_MSIX_TABLE, 4, 0xffffffff);
			guest_pci_write(g, cap + PCI_MSIX_PBA, 4, 0);
		}
	guest_pci_write(g, cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	lying_guest_find(g);
}

static void vectors_that_are_not_there(struct lying_guest *g)
{
	const uint16_t vectors[] = { (uint16_t)g->vectors, 0x7fff, 0x8000, 0xfffe, 0xffff };

	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		(void)guest_begin(g, ALL_FEATURES);
		for (unsigned queue = 0; queue < g->queues_len; queue++) {
			guest_write(g, COMMON(g, queue_select), 2, queue);
			guest_write(g, COMMON(g, queue_msix_vector), 2, vectors[i]);
			assert_int_equal(guest_read(g, COMMON(g, queue_msix_vector), 2), 0xffff);
		}
		guest_write(g, COMMON(g, msix_config), 2, vectors[i]);
		assert_int_equal(guest_read(g, COMMON(g, msix_config), 2), 0xffff);
		guest_write(g, COMMON(g, device_status), 1, 0xf);
		lying_guest_run(g);
	}
}

static void features_changed_late(struct lying_guest *g)
{
	uint64_t agreed;

	for (unsigned half = 0; half < 4; half++) {
		guest_write(g, COMMON(g, guest_feature_select), 4, half);
		agreed = guest_read(g, COMMON(g, guest_feature), 4);
		guest_write(g, COMMON(g, guest_feature), 4, ~agreed);
		assert_int_equal(guest_read(g, COMMON(g, guest_feature), 4), agreed);
	}
	guest_write(g, COMMON(g, device_status), 1, VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(guest_status(g) & VIRTIO_CONFIG_S_DRIVER_OK);
	assert_false(attack_needs_reset(g));
}

static void status_in_disorder(struct lying_guest *g)
{
	guest_reset(g);
	guest_write(g, COMMON(g, device_status), 1, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_false(guest_status(g) & VIRTIO_CONFIG_S_DRIVER_OK);
	for (unsigned status = 1; status < 0x100; status++)
		guest_write(g, COMMON(g, device_status), 1, status);
	/* Without features that it must agree on nothing is ready. */
	assert_false(guest_status(g) & VIRTIO_CONFIG_S_DRIVER_OK);
	assert_false(guest_status(g) & VIRTIO_CONFIG_S_NEEDS_RESET);
	for (unsigned i = 0; i < g->queues_len; i++)
		guest_notify(g, i);
	lying_guest_run(g);
}

static void notify_nobody(struct lying_guest *g)
{
	uint32_t first = g->queues_len * g->notify_multiplier;

	for (uint32_t at = first; at < NOTIFY_BYTES - 8; at++)
		for (unsigned bytes = 1; bytes <= 8; bytes *= 2)
			guest_write(g, g->notify + at, bytes, UINT64_MAX - at);
	for (unsigned i = 0; i < g->queues_len; i++)
		for (unsigned bytes = 1; bytes <= 8; bytes *= 2)
			guest_write(g, g->notify + i * g->notify_multiplier, bytes, UINT64_MAX);
	assert_false(attack_needs_reset(g));
	assert_true(guest_status(g) & VIRTIO_CONFIG_S_DRIVER_OK);
}

/* The host has much to say, and the guest gives it nowhere to put it. */
static void host_floods(struct lying_guest *g, const struct victim *victim, void *thing)
{
	size_t before = mallinfo2().uordblks;
	uint8_t bytes[255];

	for (unsigned i = 0; victim->poke && i < FLOOD_ROUNDS; i++) {
		memset(bytes, (int)(i & 0xff), sizeof(bytes));
		victim->poke(thing, bytes, sizeof(bytes));
		if (i % 16 == 0)
			lying_guest_run(g);
	}
	lying_guest_run(g);
	assert_in_range(mallinfo2().uordblks, 0, before + FLOOD_MAX_BYTES);
	assert_false(attack_needs_reset(g));
}

const struct attack bus_attacks[] = {
	{ "BAR moved onto RAM, another one, the end", .on_device = bar_moved },
	{ "BAR switched off", .on_device = bar_switched_off },
	{ "MSI-X table in disorder", .on_device = msix_in_disorder },
	{ "vectors that are not there", .on_device = vectors_that_are_not_there },
	{ "features changed late", .on_device = features_changed_late },
	{ "status in disorder", .on_device = status_in_disorder },
	{ "notify of queues that are not there", .on_device = notify_nobody },
	{ "host floods a guest that does not read", .on_victim = host_floods },
};
const size_t bus_attacks_len = ARRAY_SIZE(bus_attacks);
