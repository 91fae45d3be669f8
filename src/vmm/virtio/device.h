/* SPDX-License-Identifier: Apache-2.0
 *
 * device.h - what all virtio devices have in common: features, status, queues, interrupts
 *
 * Theory of operation
 *
 * A device fills in a struct virtio_spec and embeds a struct virtio_device, which makes it a PCI
 * function (pci.c here is the transport). Its life as the driver sees it:
 *
 *	reset -> features agreed (FEATURES_OK) -> queues set up -> running (DRIVER_OK)
 *
 * While it runs, ops->kick() is called from the event loop for a queue with new chains. All queues
 * of a device share one doorbell: who rings it does not say which queue it is about, but the rings
 * do. Only where another process serves the queues has each a doorbell of its own.
 * A driver that breaks the rules finds DEVICE_NEEDS_RESET set; nothing is taken from any queue
 * until it resets the device. A reset waits for requests in flight, which may still write into
 * guest memory: until they are done the driver reads the old status, as the specification wants.
 *
 * State is what a snapshot keeps: struct virtio_state here, struct virtq_state of each queue, and
 * a plain struct of each device. Chains are not kept: what cannot be finished at once goes back to
 * the ring (virtq_unpop) and is taken anew, with the progress in the device's state; the block
 * device waits for its requests instead.
 *
 * Threads: everything here runs with the device lock held (pci.h). activate() and reset() are
 * called on a vCPU thread, which may make almost no system call; kick() on the loop's.
 */
#ifndef VMM_VIRTIO_DEVICE_H
#define VMM_VIRTIO_DEVICE_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"
#include "vmm/confine.h"
#include "vmm/memory.h"
#include "vmm/pci.h"
#include "vmm/virtio/queue.h"

#define VIRTIO_QUEUES_MAX 64
/* Chains of one queue that are handled before others get their turn, unless a device says less. */
#define VIRTIO_BUDGET 256
/* The configuration's interrupt, and one for all queues: for devices with many that are quiet. */
#define VIRTIO_SHARED_VECTORS 2
#define VIRTIO_FEATURE(bit) (1ULL << (bit))
/* What the queues can do; every device offers it. */
#define VIRTIO_QUEUE_FEATURES                                                               \
	(VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
	 VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX))

struct virtio_device;

/* Where a device lives; all borrowed for its life. */
struct virtio_env {
	struct loop *loop;
	struct pci_bus *bus;
	const struct memory *memory;
};

/**
 * struct virtio_ops - what a kind of device does; NULL: nothing
 * @activate:	the driver is ready; queues that it enabled run. 0, or a negative errno, which
 *		makes the device need a reset
 * @reset:	forget the driver. False: requests are in flight, virtio_reset_done() will be
 *		called once they are not
 * @kick:	the driver added chains to a queue that runs. Returns true when it left some
 *		because others are to have their turn
 * @changed:	virtio_changed() was called: for a device whose queues another process serves
 */
struct virtio_ops {
	int (*activate)(struct virtio_device *dev);
	bool (*reset)(struct virtio_device *dev);
	bool (*kick)(struct virtio_device *dev, unsigned queue);
	void (*changed)(struct virtio_device *dev);
};

/**
 * struct virtio_spec - a kind of device
 * @name:	for messages; a literal
 * @type:	VIRTIO_ID_*
 * @class_code:	of PCI
 * @features:	offered beside VIRTIO_QUEUE_FEATURES
 * @queue_sizes: largest size of each queue, powers of two; borrowed for virtio_init()
 * @queues_len:	their number
 * @vectors:	interrupts; 0: one for each queue and one for the configuration. Where there are
 *		fewer the queues share them, and starting costs a dozen exits less for each
 * @config:	configuration as the driver reads it, borrowed; the device may change it and then
 *		calls virtio_config_changed()
 * @config_bytes: its size
 * @config_writable: first byte that the driver may write
 * @config_writable_bytes: how many from there
 * @budget:	chains handled at a time; 0: VIRTIO_BUDGET
 * @direct:	queues are served by another process: notifications and interrupts bypass us
 */
struct virtio_spec {
	const char *name;
	const struct virtio_ops *ops;
	uint16_t type;
	uint32_t class_code;
	uint64_t features;
	const uint16_t *queue_sizes;
	unsigned queues_len;
	unsigned vectors;
	void *config;
	size_t config_bytes;
	size_t config_writable, config_writable_bytes;
	unsigned budget;
	bool direct;
};

/* The registers of a device that belong to no queue. */
struct virtio_state {
	uint8_t status;
	uint8_t isr;
	uint8_t config_generation;
	bool resetting;
	uint16_t config_vector;
	uint16_t queue_select;
	uint32_t device_feature_select, driver_feature_select;
	uint64_t driver_features;
};

/**
 * struct virtio_device - the part of every device that knows no kind
 * @spec:	copied
 * @env:	copied
 * @state:	registers
 * @paused:	nothing is taken from the queues
 * @faults:	times that the driver broke the rules
 * @queues:	spec.queues_len of them
 * @bell:	doorbell of all queues, unless spec.direct
 * @direct_bells: eventfds, one for each queue; NULL unless spec.direct
 * @rung:	bit N: queue N is to be looked at even if the driver has added nothing to it
 * @fn:		function on the bus, borrowed from it
 * @pci_cfg_cap: offset of the capability that reaches BAR 0 through configuration space
 */
struct virtio_device {
	struct virtio_spec spec;
	struct virtio_env env;
	struct virtio_state state;
	bool paused;
	uint64_t faults;
	struct virtq *queues;
	struct loop_source bell;
	int *direct_bells;
	uint64_t rung;
	struct pci_function *fn;
	unsigned pci_cfg_cap;
};

/* All that a snapshot keeps of the part that knows no kind. */
struct virtio_saved {
	struct virtio_state state;
	struct virtq_state queues[VIRTIO_QUEUES_MAX];
	struct pci_state pci;
};

/* System calls of device.c while the guest runs; on a vCPU thread write(2) alone. */
extern const struct confine_list virtio_calls;

/**
 * virtio_init() - Make a device and its PCI function
 * @dev:	to fill in; must not move any more
 * @spec:	what it is, copied
 * @env:	where it lives, copied
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno; virtio_done() is allowed then as well.
 */
int virtio_init(struct virtio_device *dev, const struct virtio_spec *spec,
		const struct virtio_env *env, struct err *err);

/* Release what virtio_init() made; the function stays on its bus. Allowed on a zeroed struct. */
void virtio_done(struct virtio_device *dev);

/* Does the driver run, and may the device touch its memory? */
bool virtio_running(const struct virtio_device *dev);

/* Was @bit (VIRTIO_*_F_*) negotiated? */
bool virtio_has(const struct virtio_device *dev, unsigned bit);

/* Interrupt the driver for @queue. */
void virtio_interrupt(struct virtio_device *dev, unsigned queue);

/* Interrupt the driver if it wants that for what was pushed to @queue. */
void virtio_signal(struct virtio_device *dev, unsigned queue);

/* Tell the driver that the configuration has changed. */
void virtio_config_changed(struct virtio_device *dev);

/* Have ops->kick() called for @queue from the loop. */
void virtio_ring(struct virtio_device *dev, unsigned queue);

/* Requests in flight are done: finish the reset that ops->reset() began. */
void virtio_reset_done(struct virtio_device *dev);

/* To be called by what takes chains outside of ops->kick(): look whether a queue broke. */
void virtio_check(struct virtio_device *dev);

enum virtio_verdict {
	VIRTIO_DONE = 0, /* give the chain back with what was written */
	VIRTIO_LATER,	 /* as if it had not been taken; stop */
};

/**
 * virtio_drain() - Handle the chains of a queue
 * @dev:	device
 * @queue:	number of the queue
 * @handle:	called for each
 *
 * Return: true when chains are left because the budget is used up: for ops->kick().
 */
bool virtio_drain(struct virtio_device *dev, unsigned queue,
		  enum virtio_verdict (*handle)(struct virtio_device *dev, unsigned queue,
						struct virtq_chain *chain));

/* Stop taking chains, or go on. Requests in flight are finished all the same. */
void virtio_pause(struct virtio_device *dev, bool paused);

/* Copy the state out of a device that is paused and has no requests in flight. */
void virtio_save(const struct virtio_device *dev, struct virtio_saved *ret);

/* Put a copy back into a device that was just made; queues run again. 0 or a negative errno. */
int virtio_load(struct virtio_device *dev, const struct virtio_saved *saved, struct err *err);

/* For pci.c here: whether the device runs may have changed, but not by its status. */
void virtio_changed(struct virtio_device *dev);

/* For pci.c here: the driver wrote the status register. */
void virtio_set_status(struct virtio_device *dev, uint8_t status);

/* For device.c: make the PCI function. 0 or a negative errno. */
int virtio_pci_init(struct virtio_device *dev, struct err *err);

#endif
