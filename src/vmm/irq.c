/* SPDX-License-Identifier: Apache-2.0
 *
 * irq.c - messages, the table of routes and the descriptors that KVM watches
 */
#include "vmm/irq.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "base/fd.h"

const struct confine_list irq_calls = CONFINE_LIST(CONFINE_ALLOW_IF(SYS_ioctl, 1, KVM_IRQ_LINE));

int irq_router_init(struct irq_router *router, int vm_fd, struct err *err)
{
	int r;

	*router = (struct irq_router){ .vm_fd = vm_fd };
	/* Not with zeroes: most of it is never touched. */
	router->messages = malloc(IRQ_MESSAGES_MAX * sizeof(*router->messages));
	router->table = malloc(sizeof(*router->table) +
			       (IRQ_PINS + IRQ_MESSAGES_MAX) * sizeof(router->table->entries[0]));
	if (!router->messages || !router->table)
		return err_set(err, ENOMEM, "out of memory");
	r = irq_commit(router);

	return r < 0 ? err_set(err, -r, "set the routes of interrupts") : 0;
}

void irq_router_done(struct irq_router *router)
{
	free(router->messages);
	free(router->table);
	router->messages = NULL;
	router->table = NULL;
}

/* An eventfd that raises @gsi. */
static int new_event(const struct irq_router *router, unsigned gsi, struct err *err)
{
	auto_close int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct kvm_irqfd irqfd = { .gsi = gsi };

	if (fd < 0)
		return err_sys(err, "make an eventfd");
	irqfd.fd = (uint32_t)fd;
	if (router->vm_fd >= 0 && ioctl(router->vm_fd, KVM_IRQFD, &irqfd) < 0)
		return err_sys(err, "connect interrupt %u", gsi);

	return take_fd(fd);
}

int irq_new_pin(struct irq_router *router, unsigned pin, struct err *err)
{
	if (pin >= IRQ_PINS)
		return err_set(err, EINVAL, "there is no pin %u", pin);

	return new_event(router, pin, err);
}

int irq_new_messages(struct irq_router *router, unsigned count, unsigned *ret_first, int *ret_fds,
		     struct err *err)
{
	if (count > IRQ_MESSAGES_MAX - router->messages_len)
		return err_set(err, ENOSPC, "a machine has at most %u interrupts",
			       (unsigned)IRQ_MESSAGES_MAX);
	for (unsigned i = 0; i < count; i++) {
		int fd = new_event(router, IRQ_PINS + router->messages_len + i, err);

		if (fd < 0) {
			while (i-- > 0)
				fd_close(ret_fds[i]);
			return fd;
		}
		ret_fds[i] = fd;
		router->messages[router->messages_len + i] =
			(struct irq_message){ .routed = false };
	}
	*ret_first = router->messages_len;
	router->messages_len += count;

	return 0;
}

void irq_pulse(const struct irq_router *router, unsigned pin)
{
	struct kvm_irq_level up = { .irq = pin, .level = 1 }, down = { .irq = pin };

	if (router->vm_fd >= 0) {
		(void)ioctl(router->vm_fd, KVM_IRQ_LINE, &up);
		(void)ioctl(router->vm_fd, KVM_IRQ_LINE, &down);
	} else if (router->on_pulse) {
		router->on_pulse(router->ctx, pin);
	}
}

void irq_send(const struct irq_router *router, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = (uint32_t)address,
			       .address_hi = (uint32_t)(address >> 32),
			       .data = data };

	/* The guest may have made up an address that nobody listens to. */
	if (router->vm_fd >= 0)
		(void)ioctl(router->vm_fd, KVM_SIGNAL_MSI, &msi);
	else if (router->on_send)
		router->on_send(router->ctx, address, data);
}

void irq_route(struct irq_router *router, unsigned message, uint64_t address, uint32_t data)
{
	router->messages[message] =
		(struct irq_message){ .address = address, .data = data, .routed = true };
}

int irq_commit(const struct irq_router *router)
{
	struct kvm_irq_routing *table = router->table;

	*table = (struct kvm_irq_routing){ .nr = 0 };
	for (uint32_t pin = 0; pin < IRQ_PINS; pin++)
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
			.gsi = pin,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = pin },
		};
	for (unsigned i = 0; i < router->messages_len; i++) {
		const struct irq_message *message = &router->messages[i];

		if (!message->routed)
			continue;
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
			.gsi = IRQ_PINS + i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = (uint32_t)message->address,
				   .address_hi = (uint32_t)(message->address >> 32),
				   .data = message->data },
		};
	}
	if (router->vm_fd < 0)
		return 0;

	return ioctl(router->vm_fd, KVM_SET_GSI_ROUTING, table) < 0 ? -errno : 0;
}
