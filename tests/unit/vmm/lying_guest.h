/* SPDX-License-Identifier: Apache-2.0
 *
 * lying_guest.h - a virtio driver in the test process, honest where it must be and hostile on
 * demand
 *
 * It shares memory with the device code as a guest does and reaches the registers by the same
 * accesses to configuration space and BARs, so nothing between a vCPU and a device is left out
 * but KVM. There is one thread: lying_guest_run() is the event loop having its turn.
 */
#ifndef TESTS_VMM_LYING_GUEST_H
#define TESTS_VMM_LYING_GUEST_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "vmm/irq.h"
#include "vmm/memory.h"
#include "vmm/pci.h"
#include "vmm/virtio/device.h"

#define LYING_GUEST_BYTES (64 * MIB)
#define LYING_GUEST_QUEUES 40
#define LYING_GUEST_FILE_BYTES MEMORY_HUGE_BYTES

/* A buffer of a chain, by guest address. */
struct guest_buf {
	uint64_t gpa;
	uint32_t bytes;
	bool writable;
};

struct guest_queue {
	uint16_t size; /* 0: does not exist */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t next_desc, used_seen, kicked;
};

struct lying_guest {
	struct memory memory;
	void *guards[2 * MEMORY_REGIONS_MAX]; /* pages around it */
	unsigned guards_len;
	uint64_t file_gpa; /* of the file that can be read like RAM */
	struct irq_router router;
	struct pci_bus bus;
	struct loop loop;
	struct virtio_env env;
	uint64_t ecam, bar; /* of the device at hand */
	unsigned queues_len, vectors;
	uint64_t interrupts; /* bit N: the message of vector N has been sent */
	struct guest_queue queues[LYING_GUEST_QUEUES];
	uint64_t next_gpa;
	uint64_t features; /* agreed on */
	uint64_t eager;	   /* see struct victim */
	bool elsewhere;
	uint32_t common, isr, config, notify, notify_multiplier, pci_cfg_cap;
};

void lying_guest_init(struct lying_guest *g);
/* After the device was freed. */
void lying_guest_done(struct lying_guest *g);

/* After the device was freed: an empty bus, for one that takes its place and its state. */
void lying_guest_new_bus(struct lying_guest *g);

/* Find the device that was made in g->env: its capabilities and BAR; switch it on. */
void lying_guest_find(struct lying_guest *g);

/* Registers at an offset of BAR 0, and configuration space. */
uint64_t guest_read(struct lying_guest *g, uint32_t offset, unsigned bytes);
void guest_write(struct lying_guest *g, uint32_t offset, unsigned bytes, uint64_t value);
uint32_t guest_pci_read(struct lying_guest *g, uint32_t offset, unsigned bytes);
void guest_pci_write(struct lying_guest *g, uint32_t offset, unsigned bytes, uint32_t value);

uint8_t guest_status(struct lying_guest *g);
/* Write 0 to the status register, and wait until it reads so. */
void guest_reset(struct lying_guest *g);

/* Reset, agree on those of @features that are offered, set up all queues, go. */
void guest_start(struct lying_guest *g, uint64_t features);
/* The steps of it, for those who lie in between. */
uint64_t guest_begin(struct lying_guest *g, uint64_t features);
void guest_setup_queue(struct lying_guest *g, unsigned queue);
void guest_driver_ok(struct lying_guest *g);

/* Memory: @bytes, zeroed, aligned to a page; what is there. */
uint64_t guest_alloc(struct lying_guest *g, uint64_t bytes);
void *guest_at(struct lying_guest *g, uint64_t gpa);

/* Descriptor @index of a queue as given, whatever it means. */
void guest_desc(struct lying_guest *g, unsigned queue, uint16_t index, struct vring_desc desc);
/* Put @head into the available ring, as it is. */
void guest_offer(struct lying_guest *g, unsigned queue, uint16_t head);
/* Make a chain and offer it. Returns its head. */
uint16_t guest_add(struct lying_guest *g, unsigned queue, const struct guest_buf *bufs, size_t len);
/* A driver that begins anew: a chain of @bytes waits in @queue before guest_driver_ok(). */
void guest_offer_early(struct lying_guest *g, unsigned queue, uint32_t bytes);
void guest_notify(struct lying_guest *g, unsigned queue);
/* Notify only if the device has asked for it, as an honest driver does. */
void guest_kick(struct lying_guest *g, unsigned queue);

/* Let the event loop work until it has nothing to do. */
void lying_guest_run(struct lying_guest *g);
/* When what is waited for from now on is too late: in a minute. */
int64_t guest_deadline(void);
/* Let it work for a moment. Fails the test after @deadline_ns. */
void guest_wait(struct lying_guest *g, int64_t deadline_ns);
/* Let it work until @queue has a used entry. False when none comes in a minute. */
bool guest_wait_used(struct lying_guest *g, unsigned queue, uint32_t *ret_head,
		     uint32_t *ret_bytes);
/* The next used entry, without waiting. */
bool guest_used(struct lying_guest *g, unsigned queue, uint32_t *ret_head, uint32_t *ret_bytes);

/* guest_add(), guest_kick(), guest_wait_used(): the bytes that were written. Fails the test. */
uint32_t guest_request(struct lying_guest *g, unsigned queue, const struct guest_buf *bufs,
		       size_t len);

/* Has the vector been raised since the last call? */
bool guest_interrupted(struct lying_guest *g, unsigned vector);

#endif
