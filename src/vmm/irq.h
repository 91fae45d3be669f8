/* SPDX-License-Identifier: Apache-2.0
 *
 * irq.h - interrupts: messages, and descriptors that KVM turns into pins of the IOAPIC or messages
 *
 * A message (MSI) of our own is sent by irq_send(), a pin that is seldom raised by irq_pulse(). The
 * serial port's pin, and a message that another process sends, are raised by an eventfd that KVM
 * watches (irqfd): fd_raise(), from any thread. KVM finds out what the interrupt is by its GSI in a
 * table of routes, which can only be replaced as a whole: the first IRQ_PINS entries are the
 * IOAPIC's pins, further ones are messages.
 *
 * PCI functions use pci.h, which is built on this; only the few devices with a pin come here.
 */
#ifndef VMM_IRQ_H
#define VMM_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/confine.h"

#define IRQ_PINS 24
#define IRQ_MESSAGES_MAX 2048

struct kvm_irq_routing;

/* A message of a PCI function that has a route while @routed. */
struct irq_message {
	uint64_t address;
	uint32_t data;
	bool routed;
};

/**
 * struct irq_router - the table of routes of one machine
 * @vm_fd:	of KVM, borrowed; -1: nobody watches the descriptors but a test
 * @on_send:	takes what is sent where @vm_fd is -1, or NULL
 * @on_pulse:	the same of irq_pulse()
 * @ctx:	for them
 * @messages:	message N has GSI IRQ_PINS + N
 * @messages_len: how many have been handed out
 * @table:	room for the whole table, so that committing allocates nothing
 */
struct irq_router {
	int vm_fd;
	void (*on_send)(void *ctx, uint64_t address, uint32_t data);
	void (*on_pulse)(void *ctx, unsigned pin);
	void *ctx;
	struct irq_message *messages;
	unsigned messages_len;
	struct kvm_irq_routing *table;
};

/* 0 or a negative errno; sets the routes of the pins. */
int irq_router_init(struct irq_router *router, int vm_fd, struct err *err);
void irq_router_done(struct irq_router *router);

/**
 * irq_new_pin() - Make an eventfd that raises an edge on a pin of the IOAPIC
 * @router:	router
 * @pin:	0 to IRQ_PINS - 1
 * @err:	filled in on failure, may be NULL
 *
 * Return: a descriptor that the caller owns, or a negative errno.
 */
int irq_new_pin(struct irq_router *router, unsigned pin, struct err *err);

/**
 * irq_new_messages() - Hand out messages, each with an eventfd that raises it
 * @router:	router
 * @count:	how many
 * @ret_first:	number of the first
 * @ret_fds:	@count descriptors that the caller owns
 * @err:	filled in on failure, may be NULL
 *
 * They have no route yet: raising them does nothing.
 *
 * Return: 0, -ENOSPC or another negative errno.
 */
int irq_new_messages(struct irq_router *router, unsigned count, unsigned *ret_first, int *ret_fds,
		     struct err *err);

/* System calls of irq_pulse(). */
extern const struct confine_list irq_calls;

/* Raise an edge on a pin without a descriptor, for what happens seldom. */
void irq_pulse(const struct irq_router *router, unsigned pin);

/* Send a message, from any thread. */
void irq_send(const struct irq_router *router, uint64_t address, uint32_t data);

/* Change messages, then put the table into force once with irq_commit(). */
void irq_route(struct irq_router *router, unsigned message, uint64_t address, uint32_t data);
int irq_commit(const struct irq_router *router);

#endif
