/* SPDX-License-Identifier: Apache-2.0
 *
 * pci.h - PCI functions on the root bus: configuration space, BARs, MSI-X, doorbells
 *
 * Theory of operation
 *
 * A device fills in a struct pci_spec and gets a struct pci_function on the bus. The function has
 * its registers in BAR 0 and, when it has vectors, the MSI-X table and pending bits in BAR 2; both
 * are 64-bit memory BARs with an address assigned already, which the guest may change. This file
 * answers configuration space, BAR sizing and everything about MSI-X by itself; accesses to BAR 0
 * go to the device.
 *
 * A doorbell is a place in BAR 0 whose writes KVM turns into an eventfd without leaving the
 * kernel. It follows the BAR: it is registered while memory decoding is on.
 *
 * Threads: accesses of the guest arrive on vCPU threads, events of descriptors on the thread of
 * the event loop. Both hold the machine's device lock (vmm.h) around every callback, so that
 * device code needs no lock of its own. Nothing here may be called without it.
 */
#ifndef VMM_PCI_H
#define VMM_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/confine.h"
#include "vmm/irq.h"

#define PCI_CONFIG_BYTES 256
#define PCI_SLOTS 31 /* slot 0 is the host bridge */
#define PCI_SLOT_FUNCTIONS 8
#define PCI_FUNCTIONS_MAX (PCI_SLOTS * PCI_SLOT_FUNCTIONS)
#define PCI_VECTORS_MAX 64
#define PCI_DOORBELLS_MAX 64
#define PCI_REGISTERS_MAX_BYTES (64 * KIB)

struct pci_function;

/**
 * struct pci_ops - what the guest does to a device; the device lock is held
 * @read:	read @bytes (1, 2, 4 or 8) of BAR 0 at @offset; the whole access is inside the BAR
 * @write:	the same for writing
 * @config_read: NULL, or called before the guest reads @bytes of configuration space at @offset,
 *		so that a capability can be brought up to date with pci_config()
 * @config_write: NULL, or called after the guest has written there; only bits that are writable
 *		have changed
 *
 * Offsets need not be aligned: the guest chooses them.
 */
struct pci_ops {
	uint64_t (*read)(void *ctx, uint32_t offset, unsigned bytes);
	void (*write)(void *ctx, uint32_t offset, unsigned bytes, uint64_t value);
	void (*config_read)(void *ctx, uint32_t offset, unsigned bytes);
	void (*config_write)(void *ctx, uint32_t offset, unsigned bytes);
};

/**
 * struct pci_spec - what a function is
 * @vendor:	and the following: as in configuration space
 * @device:	.
 * @subsystem_vendor: .
 * @subsystem:	.
 * @class_code:	24 bits: class, subclass, programming interface
 * @revision:	.
 * @registers_bytes: size of BAR 0, a power of two from 4 KiB to PCI_REGISTERS_MAX_BYTES
 * @vectors:	of MSI-X, at most PCI_VECTORS_MAX; 0: no interrupts
 * @vector_fds:	each vector has an eventfd too: another process raises it
 * @ops:	borrowed
 * @ctx:	for @ops
 */
struct pci_spec {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code;
	uint8_t revision;
	uint32_t registers_bytes;
	unsigned vectors;
	bool vector_fds;
	const struct pci_ops *ops;
	void *ctx;
};

/* The part of a function that a snapshot keeps; vectors are as the guest has written them. */
struct pci_state {
	uint8_t config[PCI_CONFIG_BYTES];
	struct pci_vector {
		uint64_t address;
		uint32_t data, control; /* bit 0 of @control: masked */
		bool pending;
	} vectors[PCI_VECTORS_MAX];
};

/* The system calls of accesses to functions. */
extern const struct confine_list pci_calls;

/* What the guest may read without leaving it. */
struct pci_page {
	uint8_t *host; /* NULL: it may not */
	uint64_t gpa;
	unsigned slot; /* of KVM's memory */
	bool mapped;
};

/* The root bus. */
struct pci_bus {
	struct irq_router *router; /* borrowed */
	struct pci_function *functions[PCI_FUNCTIONS_MAX];
	unsigned functions_len;
	uint8_t *pages; /* of the bridge and of the functions, or NULL */
	struct pci_page bridge_page;
	uint64_t next_address;	 /* of BARs */
	uint32_t config_address; /* the address register among the ports, state of the guest */
};

/* An empty bus. */
void pci_bus_init(struct pci_bus *bus, struct irq_router *router);
/* Remove and free all functions. */
void pci_bus_done(struct pci_bus *bus);

/**
 * pci_bus_add() - Add a function
 * @bus:	bus
 * @spec:	what it is, copied
 * @ret:	borrowed: it lives as long as the bus
 * @err:	filled in on failure, may be NULL
 *
 * To be called before the guest runs.
 *
 * Return: 0, -ENOSPC when the bus is full, or another negative errno.
 */
int pci_bus_add(struct pci_bus *bus, const struct pci_spec *spec, struct pci_function **ret,
		struct err *err);

/**
 * pci_bus_make_pages() - Let the guest read configuration space without leaving it
 * @bus:	bus with all of its functions and their capabilities
 * @err:	filled in on failure, may be NULL
 *
 * Kernels read it hundreds of times while they boot. The page of a function becomes read-only
 * memory of the guest when it has been read once; writes still come here. A function whose reads
 * have effects loses its page for ever as soon as the guest prepares such a read. A KVM without
 * read-only memory is no failure.
 *
 * Return: 0 or -ENOMEM.
 */
int pci_bus_make_pages(struct pci_bus *bus, struct err *err);

/**
 * pci_add_capability() - Append a capability to the list of a function
 * @fn:		function
 * @body:	the capability from its third byte on (id and next pointer are not in it)
 * @bytes:	of @body
 * @id:		PCI_CAP_ID_*
 * @writable:	as @body, a bit that is set may be written by the guest; NULL: none
 *
 * Return: its offset in configuration space, or -ENOSPC.
 */
int pci_add_capability(struct pci_function *fn, uint8_t id, const void *body, unsigned bytes,
		       const void *writable);

/* Configuration space, PCI_CONFIG_BYTES, for a device that changes its own capabilities. */
uint8_t *pci_config(struct pci_function *fn);

/* Ring @event_fd (borrowed) when the guest writes @offset of BAR 0. 0, -ENOSPC or -EINVAL. */
int pci_add_doorbell(struct pci_function *fn, uint32_t offset, int event_fd);

/* Forget the doorbells that ring @event_fd, before it is closed. */
void pci_remove_doorbell(struct pci_function *fn, int event_fd);

/**
 * pci_raise() - Raise a vector
 * @fn:		function
 * @vector:	number that the guest chose for a purpose; one that does not exist is ignored
 *
 * While it is masked the pending bit is set instead, and it is raised once unmasked.
 */
void pci_raise(struct pci_function *fn, unsigned vector);

/* The eventfd of a vector, see @vector_fds: borrowed, or -1 if there is none. */
int pci_vector_fd(const struct pci_function *fn, unsigned vector);

/* True when the guest lets the function read and write its memory (bus master enable). */
bool pci_is_master(const struct pci_function *fn);

/* An access of the guest to ECAM or a BAR. False when @gpa belongs to none; reads give ~0 then. */
bool pci_bus_read(struct pci_bus *bus, uint64_t gpa, void *data, unsigned bytes);
bool pci_bus_write(struct pci_bus *bus, uint64_t gpa, const void *data, unsigned bytes);

/*
 * An access of the guest to the ports of configuration space (0xcf8, 0xcfc), for kernels that know
 * no ECAM. False when @port is another's; the address register is one for accesses of 4 bytes only.
 */
bool pci_bus_port_read(struct pci_bus *bus, uint16_t port, void *data, unsigned bytes);
bool pci_bus_port_write(struct pci_bus *bus, uint16_t port, const void *data, unsigned bytes);

/* Copy the state out, or put a copy back: BARs, doorbells and routes follow. 0 or -errno. */
void pci_save(const struct pci_function *fn, struct pci_state *ret);
int pci_load(struct pci_function *fn, const struct pci_state *state, struct err *err);

#endif
