/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_pci.c - accesses of a guest to configuration space, BARs and MSI-X tables, in any order
 *
 * What a device sees lies inside its BAR, whatever the guest has done to it; bits that are not
 * the guest's stay as they are; and a state that was saved can be loaded.
 */
#include "fuzz.h"

#include <linux/pci_regs.h>
#include <string.h>

#include "base/macro.h"
#include "input.h"
#include "vmm/layout.h"
#include "vmm/pci.h"

#define OPERATIONS_MAX 2000
#define FUNCTIONS 34 /* more than slots: one of them has two functions */
#define REGISTERS_BYTES (16 * KIB)

struct machine {
	struct irq_router router;
	struct pci_bus bus;
	struct pci_function *functions[FUNCTIONS];
	struct pci_state saved;
	bool has_saved;
};

static uint64_t dev_read(void *ctx, uint32_t offset, unsigned bytes)
{
	(void)ctx;
	fuzz_assert(offset < REGISTERS_BYTES && bytes <= 8 && offset + bytes <= REGISTERS_BYTES);

	return 0x1122334455667788 + offset;
}

static void dev_write(void *ctx, uint32_t offset, unsigned bytes, uint64_t value)
{
	(void)value;
	(void)dev_read(ctx, offset, bytes);
}

static void dev_config(void *ctx, uint32_t offset, unsigned bytes)
{
	(void)ctx;
	fuzz_assert(offset < PCI_CONFIG_BYTES && offset + bytes <= PCI_CONFIG_BYTES);
}

static const struct pci_ops ops = {
	.read = dev_read, .write = dev_write, .config_read = dev_config, .config_write = dev_config
};

static void make(struct machine *m)
{
	static const uint8_t body[14] = { 14, 1 }, writable[14] = { 0, 0, 0, 0xff, 0xff };

	fuzz_assert(irq_router_init(&m->router, -1, NULL) == 0);
	pci_bus_init(&m->bus, &m->router);
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		const struct pci_spec spec = { .vendor = 0x1af4,
					       .device = (uint16_t)(0x1040 + i),
					       .registers_bytes = REGISTERS_BYTES,
					       .vectors = i < 3 ? i * 32 : 1,
					       .ops = &ops,
					       .ctx = m };

		fuzz_assert(pci_bus_add(&m->bus, &spec, &m->functions[i], NULL) == 0);
		fuzz_assert(pci_add_capability(m->functions[i], PCI_CAP_ID_VNDR, body, sizeof(body),
					       writable) > 0);
	}
}

static uint64_t ecam(struct input *in)
{
	uint8_t which = input_byte(in);
	unsigned devfn = which < 0xe0
				 ? (1U + which % 4) * PCI_SLOT_FUNCTIONS + (which & 0x80 ? 1 : 0)
				 : which;

	return LAYOUT_ECAM + ((uint64_t)devfn << 12) +
	       (which % 16 == 15 ? input_number(in, 2) % 4096 : input_byte(in));
}

/* Where a BAR is said to be, and a little beyond. */
static uint64_t in_bar(struct machine *m, struct input *in)
{
	const struct pci_function *fn = m->functions[input_byte(in) % 4];
	struct pci_state state;
	uint64_t at;

	pci_save(fn, &state);
	memcpy(&at, state.config + PCI_BASE_ADDRESS_0 + 8 * (input_byte(in) % 2), sizeof(at));

	return (at & ~0xfULL) + (uint64_t)(int16_t)input_number(in, 2);
}

static void access_memory(struct machine *m, uint64_t gpa, struct input *in)
{
	uint8_t how = input_byte(in);
	unsigned bytes = how % 8 + 1;
	uint64_t value = input_number(in, how & 0x40 ? bytes : 1);

	if (how & 0x40 && how & 0x20)
		value = UINT64_MAX; /* as for the size of a BAR */
	if (how & 0x80)
		(void)pci_bus_read(&m->bus, gpa, &value, bytes);
	else
		(void)pci_bus_write(&m->bus, gpa, &value, bytes);
}

/* Both registers of the ports, in any order and width. */
static void access_ports(struct machine *m, struct input *in)
{
	uint8_t how = input_byte(in);
	uint16_t port = (uint16_t)(0xcf0 + input_byte(in) % 0x20);
	uint64_t value = input_number(in, 4);

	if (how & 0x20) {
		port = LAYOUT_PCI_ADDRESS;
		value |= 0x80000000;
	}
	if (how & 0x80)
		(void)pci_bus_port_read(&m->bus, port, &value, 1U << how % 3);
	else
		(void)pci_bus_port_write(&m->bus, port, &value, 1U << how % 3);
}

static void save_or_load(struct machine *m, struct input *in)
{
	struct pci_function *fn = m->functions[1];
	struct pci_state again;

	if (input_byte(in) % 2) {
		pci_save(fn, &m->saved);
		m->has_saved = true;
	} else if (m->has_saved) {
		fuzz_assert(pci_load(fn, &m->saved, NULL) == 0);
		pci_save(fn, &again);
		fuzz_assert(memcmp(again.config, m->saved.config, sizeof(again.config)) == 0);
	}
}

static void odd_operation(struct machine *m, struct input *in)
{
	switch (input_byte(in) % 4) {
	case 0:
		access_memory(m, input_number(in, 8), in);
		break;
	case 1:
	case 2:
		access_ports(m, in);
		break;
	default:
		save_or_load(m, in);
		break;
	}
}

static void check(struct machine *m)
{
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		struct pci_state state;
		uint16_t id[2];

		pci_save(m->functions[i], &state);
		memcpy(id, state.config + PCI_VENDOR_ID, sizeof(id));
		fuzz_assert(id[0] == 0x1af4 && id[1] == 0x1040 + i);
		/* BARs stay of their kind, and on a multiple of their size. */
		fuzz_assert((state.config[PCI_BASE_ADDRESS_0] & 0xf) == 4);
		fuzz_assert(state.config[PCI_BASE_ADDRESS_0 + 1] % 0x40 == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct machine m = { .has_saved = false };

	make(&m);
	for (unsigned i = 0; in.left > 0 && i < OPERATIONS_MAX; i++) {
		switch (input_byte(&in) % 6) {
		case 0:
		case 1:
			access_memory(&m, ecam(&in), &in);
			break;
		case 2:
		case 3:
			access_memory(&m, in_bar(&m, &in), &in);
			break;
		case 4:
			pci_raise(m.functions[input_byte(&in) % 4], input_byte(&in));
			break;
		default:
			odd_operation(&m, &in);
			break;
		}
	}
	check(&m);
	pci_bus_done(&m.bus);
	irq_router_done(&m.router);

	return 0;
}
