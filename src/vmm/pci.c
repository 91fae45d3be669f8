/* SPDX-License-Identifier: Apache-2.0
 *
 * pci.c - PCI functions on the root bus: configuration space, BARs, MSI-X, doorbells
 *
 * The state proper of a function is its struct pci_state; everything else that depends on it
 * (where the BARs decode, which doorbells are registered, which messages have a route) is derived
 * by follow_state() after every change, so that loading a state is the same as the guest writing
 * it.
 */
#include "vmm/pci.h"

#include <endian.h>
#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "vmm/layout.h"

#define HOST_BRIDGE_VENDOR 0x1b36
#define HOST_BRIDGE_DEVICE 0x0008
#define HOST_BRIDGE_CLASS 0x0600

/* The address register among the ports; PCI Local Bus 3.0, section 3.2.2.3.2. */
#define ADDRESS_ENABLE 0x80000000U
#define ADDRESS_BUS 0x00ff0000U
#define ADDRESS_FUNCTION 0x0000ff00U /* device and function */
#define ADDRESS_REGISTER 0x000000fcU
#define ADDRESS_BITS (ADDRESS_ENABLE | ADDRESS_BUS | ADDRESS_FUNCTION | ADDRESS_REGISTER)

#define CAPS_START 0x40
#define PAGE_BYTES 4096U
/* Slots of KVM's memory for the pages: beyond those of RAM. */
#define FIRST_MEMORY_SLOT 256U
#define BARS 2
#define MSIX_BAR 1 /* our second, which is BAR 2 of the function: each takes two registers */
#define MSIX_BYTES 0x1000
#define MSIX_PENDING 0x800
#define ENTRY_BYTES ((uint32_t)PCI_MSIX_ENTRY_SIZE)

_Static_assert(PCI_VECTORS_MAX *PCI_MSIX_ENTRY_SIZE <= MSIX_PENDING, "the table fits");

const struct confine_list pci_calls = CONFINE_LIST(
	CONFINE_ALLOW_IF(SYS_ioctl, 1, KVM_IOEVENTFD),
	CONFINE_ALLOW_IF(SYS_ioctl, 1, KVM_SIGNAL_MSI),
	CONFINE_ALLOW_IF(SYS_ioctl, 1, KVM_SET_GSI_ROUTING),
	CONFINE_ALLOW_IF(SYS_ioctl, 1, KVM_SET_USER_MEMORY_REGION), CONFINE_ALLOW(SYS_write));

/* A place in BAR 0 that rings an eventfd when it is written. */
struct doorbell {
	uint32_t offset;
	int event_fd; /* borrowed */
};

struct pci_function {
	struct pci_spec spec;
	struct pci_bus *bus;
	struct pci_state state;
	uint8_t writable[PCI_CONFIG_BYTES];
	uint64_t bar_bytes[BARS];
	unsigned caps_end, last_cap;
	unsigned msix_cap; /* 0: none */
	unsigned first_message;
	int vector_fds[PCI_VECTORS_MAX]; /* where the spec asks for them */
	struct doorbell doorbells[PCI_DOORBELLS_MAX];
	unsigned doorbells_len;
	uint64_t decoded[BARS]; /* addresses in force; 0: the BAR decodes nothing */
	struct pci_page page;
};

/* ---- little-endian registers ---- */

static uint64_t get_le(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	memcpy(&value, at, bytes);

	return le64toh(value);
}

static void put_le(uint8_t *at, unsigned bytes, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, bytes);
}

/* ---- what follows from the state ---- */

static uint64_t bar_address(const struct pci_function *fn, unsigned bar)
{
	uint64_t command = get_le(fn->state.config + PCI_COMMAND, 2);

	if (!(command & PCI_COMMAND_MEMORY) || fn->bar_bytes[bar] == 0)
		return 0;

	return get_le(fn->state.config + PCI_BASE_ADDRESS_0 + 8 * bar, 8) &
	       ~(fn->bar_bytes[bar] - 1);
}

static void set_doorbell(const struct pci_function *fn, const struct doorbell *bell, bool on)
{
	struct kvm_ioeventfd ioeventfd = {
		.addr = fn->decoded[0] + bell->offset,
		.fd = bell->event_fd,
		.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	/* Where the guest puts two of them in one place only one can ring. */
	if (fn->bus->router->vm_fd >= 0 && fn->decoded[0])
		(void)ioctl(fn->bus->router->vm_fd, KVM_IOEVENTFD, &ioeventfd);
}

static void follow_bars(struct pci_function *fn)
{
	uint64_t address = bar_address(fn, 0);

	fn->decoded[MSIX_BAR] = bar_address(fn, MSIX_BAR);
	if (address == fn->decoded[0])
		return;
	for (unsigned i = 0; i < fn->doorbells_len; i++)
		set_doorbell(fn, &fn->doorbells[i], false);
	fn->decoded[0] = address;
	for (unsigned i = 0; i < fn->doorbells_len; i++)
		set_doorbell(fn, &fn->doorbells[i], true);
}

static uint64_t msix_control(const struct pci_function *fn)
{
	return fn->msix_cap ? get_le(fn->state.config + fn->msix_cap + PCI_MSIX_FLAGS, 2) : 0;
}

static bool is_live(const struct pci_function *fn, unsigned vector)
{
	uint64_t control = msix_control(fn);

	return (control & PCI_MSIX_FLAGS_ENABLE) && !(control & PCI_MSIX_FLAGS_MASKALL) &&
	       !(fn->state.vectors[vector].control & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Give the message of a live vector the route that its entry asks for. True if that is new. */
static bool route_vector(struct pci_function *fn, unsigned vector)
{
	const struct pci_vector *entry = &fn->state.vectors[vector];
	struct irq_router *router = fn->bus->router;
	const struct irq_message *message = &router->messages[fn->first_message + vector];

	if (message->routed && message->address == entry->address && message->data == entry->data)
		return false;
	irq_route(router, fn->first_message + vector, entry->address, entry->data);

	return true;
}

static void raise_vector(const struct pci_function *fn, unsigned vector)
{
	const struct pci_vector *entry = &fn->state.vectors[vector];

	if (fn->spec.vector_fds)
		fd_raise(fn->vector_fds[vector]);
	else
		irq_send(fn->bus->router, entry->address, entry->data);
}

/* The route of a masked vector stays as it is: only a live one is raised. */
static void follow_vectors(struct pci_function *fn)
{
	bool changed = false;

	for (unsigned i = 0; i < fn->spec.vectors && fn->spec.vector_fds; i++)
		if (is_live(fn, i))
			changed |= route_vector(fn, i);
	if (changed)
		(void)irq_commit(fn->bus->router);
	for (unsigned i = 0; i < fn->spec.vectors; i++) {
		if (!fn->state.vectors[i].pending || !is_live(fn, i))
			continue;
		fn->state.vectors[i].pending = false;
		raise_vector(fn, i);
	}
}

static void publish(const struct pci_function *fn)
{
	if (fn->page.mapped)
		memcpy(fn->page.host, fn->state.config, PCI_CONFIG_BYTES);
}

static void follow_state(struct pci_function *fn)
{
	follow_bars(fn);
	follow_vectors(fn);
	publish(fn);
}

/* ---- set-up ---- */

void pci_bus_init(struct pci_bus *bus, struct irq_router *router)
{
	*bus = (struct pci_bus){ .router = router, .next_address = LAYOUT_BARS };
}

static void function_free(struct pci_function *fn)
{
	for (unsigned i = 0; i < fn->spec.vectors && fn->spec.vector_fds; i++)
		fd_close(fn->vector_fds[i]);
	free(fn);
}

void pci_bus_done(struct pci_bus *bus)
{
	for (unsigned i = 0; i < bus->functions_len; i++)
		function_free(bus->functions[i]);
	free(bus->pages);
	bus->pages = NULL;
	bus->functions_len = 0;
}

static int add_bar(struct pci_function *fn, unsigned bar, uint64_t bytes)
{
	uint8_t *at = fn->state.config + PCI_BASE_ADDRESS_0 + 8 * bar;
	struct pci_bus *bus = fn->bus;
	uint64_t address = (bus->next_address + bytes - 1) & ~(bytes - 1);

	if (address + bytes > LAYOUT_BARS_END)
		return -ENOSPC;
	bus->next_address = address + bytes;
	fn->bar_bytes[bar] = bytes;
	put_le(at, 8, address | PCI_BASE_ADDRESS_MEM_TYPE_64);
	put_le(fn->writable + PCI_BASE_ADDRESS_0 + 8 * bar, 8, ~(bytes - 1));

	return 0;
}

static int add_vectors(struct pci_function *fn, struct err *err)
{
	uint8_t body[PCI_CAP_MSIX_SIZEOF - 2] = { 0 }, writable[sizeof(body)] = { 0 };
	unsigned vectors = fn->spec.vectors;
	int r;

	put_le(body, 2, vectors - 1);
	put_le(writable, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put_le(body + PCI_MSIX_TABLE - 2, 4, 2 * MSIX_BAR);
	put_le(body + PCI_MSIX_PBA - 2, 4, MSIX_PENDING | 2 * MSIX_BAR);
	r = pci_add_capability(fn, PCI_CAP_ID_MSIX, body, sizeof(body), writable);
	if (r < 0)
		return err_set(err, -r, "add the MSI-X capability");
	fn->msix_cap = (unsigned)r;
	for (unsigned i = 0; i < vectors; i++)
		fn->state.vectors[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	if (add_bar(fn, MSIX_BAR, MSIX_BYTES) < 0)
		return err_set(err, ENOSPC, "there is no room for another BAR");

	if (!fn->spec.vector_fds)
		return 0;

	return irq_new_messages(fn->bus->router, vectors, &fn->first_message, fn->vector_fds, err);
}

static void write_header(struct pci_function *fn)
{
	const struct pci_spec *spec = &fn->spec;
	uint8_t *config = fn->state.config;

	put_le(config + PCI_VENDOR_ID, 2, spec->vendor);
	put_le(config + PCI_DEVICE_ID, 2, spec->device);
	put_le(config + PCI_CLASS_REVISION, 4, (uint64_t)spec->class_code << 8 | spec->revision);
	put_le(config + PCI_SUBSYSTEM_VENDOR_ID, 2, spec->subsystem_vendor);
	put_le(config + PCI_SUBSYSTEM_ID, 2, spec->subsystem);
	put_le(fn->writable + PCI_COMMAND, 2,
	       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	fn->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	fn->writable[PCI_INTERRUPT_LINE] = 0xff;
	fn->caps_end = CAPS_START;
}

static bool spec_is_possible(const struct pci_spec *spec)
{
	uint32_t bytes = spec->registers_bytes;

	return bytes >= 4 * KIB && bytes <= PCI_REGISTERS_MAX_BYTES && (bytes & (bytes - 1)) == 0 &&
	       spec->vectors <= PCI_VECTORS_MAX;
}

int pci_bus_add(struct pci_bus *bus, const struct pci_spec *spec, struct pci_function **ret,
		struct err *err)
{
	unsigned n = bus->functions_len;
	struct pci_function *fn;
	int r = 0;

	if (!spec_is_possible(spec))
		return err_set(err, EINVAL, "a PCI function cannot be like this");
	if (n == PCI_FUNCTIONS_MAX)
		return err_set(err, ENOSPC, "the PCI bus is full");
	fn = calloc(1, sizeof(*fn));
	if (!fn)
		return err_set(err, ENOMEM, "out of memory");
	fn->spec = *spec;
	fn->spec.vectors = 0;
	fn->bus = bus;
	write_header(fn);
	if (add_bar(fn, 0, spec->registers_bytes) < 0)
		r = err_set(err, ENOSPC, "there is no room for another BAR");
	if (r == 0 && spec->vectors > 0) {
		fn->spec.vectors = spec->vectors;
		r = add_vectors(fn, err);
		if (r < 0)
			fn->spec.vectors = 0; /* none of their descriptors is open */
	}
	if (r < 0) {
		function_free(fn);
		return r;
	}
	/* Functions 1 to 7 of a slot are only looked for where function 0 says so. */
	if (n >= PCI_SLOTS)
		bus->functions[n % PCI_SLOTS]->state.config[PCI_HEADER_TYPE] |= 0x80;
	bus->functions[n] = fn;
	bus->functions_len++;
	*ret = fn;

	return 0;
}

int pci_add_capability(struct pci_function *fn, uint8_t id, const void *body, unsigned bytes,
		       const void *writable)
{
	unsigned at = fn->caps_end;
	uint8_t *config = fn->state.config;

	if (bytes > PCI_CONFIG_BYTES - at - 2 || at + 2 > PCI_CONFIG_BYTES)
		return -ENOSPC;
	config[at] = id;
	memcpy(config + at + 2, body, bytes);
	if (writable)
		memcpy(fn->writable + at + 2, writable, bytes);
	config[fn->last_cap ? fn->last_cap + 1 : PCI_CAPABILITY_LIST] = (uint8_t)at;
	config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	fn->last_cap = at;
	fn->caps_end = MIN((at + 2 + bytes + 3) & ~3U, (unsigned)PCI_CONFIG_BYTES);

	return (int)at;
}

uint8_t *pci_config(struct pci_function *fn)
{
	return fn->state.config;
}

int pci_add_doorbell(struct pci_function *fn, uint32_t offset, int event_fd)
{
	if (fn->doorbells_len == PCI_DOORBELLS_MAX)
		return -ENOSPC;
	if (offset >= fn->spec.registers_bytes)
		return -EINVAL;
	fn->doorbells[fn->doorbells_len] = (struct doorbell){ offset, event_fd };
	set_doorbell(fn, &fn->doorbells[fn->doorbells_len++], true);

	return 0;
}

void pci_remove_doorbell(struct pci_function *fn, int event_fd)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < fn->doorbells_len; i++) {
		if (fn->doorbells[i].event_fd == event_fd)
			set_doorbell(fn, &fn->doorbells[i], false);
		else
			fn->doorbells[kept++] = fn->doorbells[i];
	}
	fn->doorbells_len = kept;
}

/* ---- while the guest runs ---- */

void pci_raise(struct pci_function *fn, unsigned vector)
{
	if (vector >= fn->spec.vectors)
		return;
	if (is_live(fn, vector))
		raise_vector(fn, vector);
	else
		fn->state.vectors[vector].pending = true;
}

int pci_vector_fd(const struct pci_function *fn, unsigned vector)
{
	return vector < fn->spec.vectors && fn->spec.vector_fds ? fn->vector_fds[vector] : -1;
}

bool pci_is_master(const struct pci_function *fn)
{
	return fn->state.config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

/* One 32-bit word of the MSI-X BAR: the table, then the pending bits, then nothing. */
static uint32_t msix_word(const struct pci_function *fn, uint32_t offset)
{
	const struct pci_vector *entry = &fn->state.vectors[offset / ENTRY_BYTES % PCI_VECTORS_MAX];
	uint32_t bits = 0;

	if (offset >= MSIX_PENDING) {
		unsigned first = (offset - MSIX_PENDING) * 8;

		for (unsigned i = 0; i < 32 && first + i < fn->spec.vectors; i++)
			bits |= (uint32_t)fn->state.vectors[first + i].pending << i;
		return bits;
	}
	if (offset / ENTRY_BYTES >= fn->spec.vectors)
		return 0;
	switch (offset % ENTRY_BYTES) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		return (uint32_t)entry->address;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		return (uint32_t)(entry->address >> 32);
	case PCI_MSIX_ENTRY_DATA:
		return entry->data;
	default:
		return entry->control;
	}
}

static void msix_set_word(struct pci_function *fn, uint32_t offset, uint32_t value)
{
	struct pci_vector *entry = &fn->state.vectors[offset / ENTRY_BYTES % PCI_VECTORS_MAX];

	if (offset / ENTRY_BYTES >= fn->spec.vectors)
		return;
	switch (offset % ENTRY_BYTES) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		entry->address = (entry->address & ~(uint64_t)UINT32_MAX) | value;
		break;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		entry->address = (entry->address & UINT32_MAX) | (uint64_t)value << 32;
		break;
	case PCI_MSIX_ENTRY_DATA:
		entry->data = value;
		break;
	default:
		entry->control = value & PCI_MSIX_ENTRY_CTRL_MASKBIT;
		break;
	}
}

/* The specification knows only aligned accesses of 4 and 8 bytes to the table. */
static bool msix_access_is_possible(uint32_t offset, unsigned bytes)
{
	return (bytes == 4 || bytes == 8) && offset % bytes == 0;
}

static uint64_t msix_read(const struct pci_function *fn, uint32_t offset, unsigned bytes)
{
	uint64_t value;

	if (!msix_access_is_possible(offset, bytes))
		return UINT64_MAX;
	value = msix_word(fn, offset);
	if (bytes == 8)
		value |= (uint64_t)msix_word(fn, offset + 4) << 32;

	return value;
}

static void msix_write(struct pci_function *fn, uint32_t offset, unsigned bytes, uint64_t value)
{
	if (!msix_access_is_possible(offset, bytes))
		return;
	msix_set_word(fn, offset, (uint32_t)value);
	if (bytes == 8)
		msix_set_word(fn, offset + 4, (uint32_t)(value >> 32));
	follow_vectors(fn);
}

/* The host bridge has nothing but its name: little-endian, as in configuration space. */
static const uint8_t bridge_config[PCI_CONFIG_BYTES] = {
	[PCI_VENDOR_ID] = HOST_BRIDGE_VENDOR & 0xff,
	[PCI_VENDOR_ID + 1] = HOST_BRIDGE_VENDOR >> 8,
	[PCI_DEVICE_ID] = HOST_BRIDGE_DEVICE & 0xff,
	[PCI_DEVICE_ID + 1] = HOST_BRIDGE_DEVICE >> 8,
	[PCI_CLASS_DEVICE] = HOST_BRIDGE_CLASS & 0xff,
	[PCI_CLASS_DEVICE + 1] = HOST_BRIDGE_CLASS >> 8,
};

/* ---- reads without an exit ---- */

static int set_memory(const struct pci_bus *bus, const struct pci_page *page, unsigned bytes)
{
	struct kvm_userspace_memory_region region = { .slot = page->slot,
						      .flags = bytes ? KVM_MEM_READONLY : 0,
						      .guest_phys_addr = page->gpa,
						      .memory_size = bytes,
						      .userspace_addr = (uintptr_t)page->host };

	return ioctl(bus->router->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

/* From now on the guest reads @config, which it has begun to read, by itself. */
static void map_page(const struct pci_bus *bus, struct pci_page *page, const uint8_t *config)
{
	if (!page->host || page->mapped)
		return;
	memset(page->host, 0xff, PAGE_BYTES);
	memcpy(page->host, config, PCI_CONFIG_BYTES);
	if (set_memory(bus, page, PAGE_BYTES) == 0)
		page->mapped = true;
	else
		page->host = NULL; /* a KVM that has no read-only memory */
}

/* It has to ask again, each time. */
static void unmap_page(struct pci_function *fn)
{
	if (fn->page.mapped)
		(void)set_memory(fn->bus, &fn->page, 0);
	fn->page = (struct pci_page){ .host = NULL };
}

static struct pci_page make_page(const struct pci_bus *bus, unsigned index, uint64_t devfn)
{
	return (struct pci_page){ .host = bus->pages + (size_t)index * PAGE_BYTES,
				  .gpa = LAYOUT_ECAM + (devfn << 12),
				  .slot = FIRST_MEMORY_SLOT + index };
}

int pci_bus_make_pages(struct pci_bus *bus, struct err *err)
{
	if (bus->router->vm_fd < 0)
		return 0;
	bus->pages = aligned_alloc(PAGE_BYTES, (size_t)(bus->functions_len + 1) * PAGE_BYTES);
	if (!bus->pages)
		return err_set(err, ENOMEM, "no memory for pages of configuration space");
	bus->bridge_page = make_page(bus, 0, 0);
	for (unsigned i = 0; i < bus->functions_len; i++) {
		uint64_t slot = i % PCI_SLOTS + 1, function = i / PCI_SLOTS;

		bus->functions[i]->page =
			make_page(bus, i + 1, slot * PCI_SLOT_FUNCTIONS + function);
	}

	return 0;
}

static uint64_t config_read(struct pci_function *fn, uint32_t offset, unsigned bytes)
{
	if (fn->spec.ops->config_read)
		fn->spec.ops->config_read(fn->spec.ctx, offset, bytes);

	return get_le(fn->state.config + offset, bytes);
}

/* Is it among the capabilities that we know nothing of? */
static bool is_of_device(const struct pci_function *fn, uint32_t offset)
{
	return offset >= CAPS_START &&
	       !(fn->msix_cap && offset - fn->msix_cap < PCI_CAP_MSIX_SIZEOF);
}

static void config_write(struct pci_function *fn, uint32_t offset, unsigned bytes, uint64_t value)
{
	uint64_t writable;
	uint8_t *at;

	if (offset > PCI_CONFIG_BYTES - bytes)
		return;
	at = fn->state.config + offset;
	writable = get_le(fn->writable + offset, bytes);
	put_le(at, bytes, (get_le(at, bytes) & ~writable) | (value & writable));
	if (fn->spec.ops->config_read && is_of_device(fn, offset + bytes - 1))
		unmap_page(fn);
	follow_state(fn);
	if (fn->spec.ops->config_write)
		fn->spec.ops->config_write(fn->spec.ctx, offset, bytes);
}

/* The function at a device and function number, or NULL. */
static struct pci_function *find_function(const struct pci_bus *bus, unsigned devfn)
{
	unsigned slot = devfn / PCI_SLOT_FUNCTIONS, n;

	if (slot == 0 || slot > PCI_SLOTS)
		return NULL;
	n = devfn % PCI_SLOT_FUNCTIONS * PCI_SLOTS + slot - 1;

	return n < bus->functions_len ? bus->functions[n] : NULL;
}

/* The function one of whose BARs holds the whole access, or NULL. */
static struct pci_function *find_bar(const struct pci_bus *bus, uint64_t gpa, unsigned bytes,
				     unsigned *ret_bar)
{
	for (unsigned i = 0; i < bus->functions_len; i++) {
		struct pci_function *fn = bus->functions[i];

		for (unsigned bar = 0; bar < BARS; bar++) {
			uint64_t offset = gpa - fn->decoded[bar];

			if (!fn->decoded[bar] || offset >= fn->bar_bytes[bar] ||
			    bytes > fn->bar_bytes[bar] - offset)
				continue;
			*ret_bar = bar;
			return fn;
		}
	}

	return NULL;
}

static bool width_is_possible(unsigned bytes)
{
	return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static bool is_ecam(uint64_t gpa)
{
	return gpa - LAYOUT_ECAM < LAYOUT_ECAM_BYTES;
}

/* ---- accesses ---- */

/* @at: as in ECAM, 12 bits of offset below the function's number. */
static uint64_t bus_config_read(struct pci_bus *bus, uint32_t at, unsigned bytes)
{
	struct pci_function *fn = find_function(bus, at >> 12);
	uint32_t offset = at & 0xfff;

	if (!width_is_possible(bytes) || offset > PCI_CONFIG_BYTES - bytes)
		return UINT64_MAX;
	if (fn)
		return config_read(fn, offset, bytes);

	return at >> 12 == 0 ? get_le(bridge_config + offset, bytes) : UINT64_MAX;
}

/* The guest has read at @at of ECAM: it will read more there. */
static void follow_read(struct pci_bus *bus, uint32_t at)
{
	struct pci_function *fn = find_function(bus, at >> 12);

	if (fn)
		map_page(bus, &fn->page, fn->state.config);
	else if (at >> 12 == 0)
		map_page(bus, &bus->bridge_page, bridge_config);
}

static void bus_config_write(struct pci_bus *bus, uint32_t at, unsigned bytes, uint64_t value)
{
	struct pci_function *fn = find_function(bus, at >> 12);

	if (fn && width_is_possible(bytes))
		config_write(fn, at & 0xfff, bytes, value);
}

bool pci_bus_read(struct pci_bus *bus, uint64_t gpa, void *data, unsigned bytes)
{
	struct pci_function *fn;
	uint64_t value = UINT64_MAX;
	unsigned bar = 0;

	memset(data, 0xff, bytes);
	if (is_ecam(gpa)) {
		value = bus_config_read(bus, (uint32_t)(gpa - LAYOUT_ECAM), bytes);
		follow_read(bus, (uint32_t)(gpa - LAYOUT_ECAM));
	} else {
		uint32_t offset;

		fn = find_bar(bus, gpa, bytes, &bar);
		if (!fn)
			return false;
		offset = (uint32_t)(gpa - fn->decoded[bar]);
		if (bar == MSIX_BAR)
			value = msix_read(fn, offset, bytes);
		else if (width_is_possible(bytes))
			value = fn->spec.ops->read(fn->spec.ctx, offset, bytes);
	}
	put_le(data, bytes, value);

	return true;
}

bool pci_bus_write(struct pci_bus *bus, uint64_t gpa, const void *data, unsigned bytes)
{
	uint64_t value = get_le(data, bytes);
	struct pci_function *fn;
	uint32_t offset;
	unsigned bar = 0;

	if (is_ecam(gpa)) {
		bus_config_write(bus, (uint32_t)(gpa - LAYOUT_ECAM), bytes, value);
		return true;
	}
	fn = find_bar(bus, gpa, bytes, &bar);
	if (!fn)
		return false;
	offset = (uint32_t)(gpa - fn->decoded[bar]);
	if (bar == MSIX_BAR)
		msix_write(fn, offset, bytes, value);
	else if (width_is_possible(bytes))
		fn->spec.ops->write(fn->spec.ctx, offset, bytes, value);

	return true;
}

/*
 * Where in configuration space an access to the data ports goes: bus, device, function and register
 * are in the address register. False: nowhere, as there is one bus.
 */
static bool port_target(const struct pci_bus *bus, uint16_t port, unsigned bytes, uint32_t *ret)
{
	uint32_t address = bus->config_address, byte = port - LAYOUT_PCI_DATA;

	*ret = (address & ADDRESS_FUNCTION) << 4 | (address & ADDRESS_REGISTER) | byte;

	return (address & ADDRESS_ENABLE) && !(address & ADDRESS_BUS) && byte + bytes <= 4;
}

bool pci_bus_port_read(struct pci_bus *bus, uint16_t port, void *data, unsigned bytes)
{
	uint64_t value = UINT64_MAX;
	uint32_t at;

	if (port == LAYOUT_PCI_ADDRESS && bytes == 4)
		value = bus->config_address;
	else if (port < LAYOUT_PCI_DATA || port >= LAYOUT_PCI_DATA + 4)
		return false;
	else if (port_target(bus, port, bytes, &at))
		value = bus_config_read(bus, at, bytes);
	put_le(data, bytes, value);

	return true;
}

bool pci_bus_port_write(struct pci_bus *bus, uint16_t port, const void *data, unsigned bytes)
{
	uint32_t at;

	if (port == LAYOUT_PCI_ADDRESS && bytes == 4)
		bus->config_address = (uint32_t)get_le(data, 4) & ADDRESS_BITS;
	else if (port < LAYOUT_PCI_DATA || port >= LAYOUT_PCI_DATA + 4)
		return false;
	else if (port_target(bus, port, bytes, &at))
		bus_config_write(bus, at, bytes, get_le(data, bytes));

	return true;
}

/* ---- snapshots ---- */

void pci_save(const struct pci_function *fn, struct pci_state *ret)
{
	*ret = fn->state;
}

int pci_load(struct pci_function *fn, const struct pci_state *state, struct err *err)
{
	/* What the guest cannot write tells whether it is the same kind of function. */
	for (unsigned i = 0; i < PCI_CONFIG_BYTES; i++)
		if ((fn->state.config[i] ^ state->config[i]) & ~fn->writable[i])
			return err_set(err, EINVAL, "the state is that of another PCI function");
	fn->state = *state;
	follow_state(fn);

	return 0;
}
