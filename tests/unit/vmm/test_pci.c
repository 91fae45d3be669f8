/* SPDX-License-Identifier: Apache-2.0
 *
 * test_pci.c - configuration space, BARs, MSI-X and doorbells as a guest's kernel uses them
 */
#include "vmm/pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "vmm/layout.h"

/* A machine without KVM: descriptors are raised, and nobody but the test reads them. */
struct fixture {
	struct irq_router router;
	struct pci_bus bus;
	struct pci_function *fn;
	uint32_t last_offset;
	uint64_t last_value;
	unsigned last_bytes, config_writes;
	uint64_t sent_address;
	uint32_t sent_data;
	unsigned sent;
};

static uint64_t dev_read(void *ctx, uint32_t offset, unsigned bytes)
{
	struct fixture *f = ctx;

	f->last_offset = offset;
	f->last_bytes = bytes;

	return 0x1122334455667788;
}

static void dev_write(void *ctx, uint32_t offset, unsigned bytes, uint64_t value)
{
	struct fixture *f = ctx;

	f->last_offset = offset;
	f->last_bytes = bytes;
	f->last_value = value;
}

static void dev_config_write(void *ctx, uint32_t offset, unsigned bytes)
{
	struct fixture *f = ctx;

	(void)offset;
	(void)bytes;
	f->config_writes++;
}

static const struct pci_ops ops = { .read = dev_read,
				    .write = dev_write,
				    .config_write = dev_config_write };

static struct pci_spec some_spec(struct fixture *f)
{
	return (struct pci_spec){ .vendor = 0x1af4,
				  .device = 0x1042,
				  .subsystem_vendor = 0x1af4,
				  .subsystem = 2,
				  .class_code = 0x018000,
				  .revision = 1,
				  .registers_bytes = 0x4000,
				  .vectors = 3,
				  .vector_fds = true,
				  .ops = &ops,
				  .ctx = f };
}

static void on_send(void *ctx, uint64_t address, uint32_t data)
{
	struct fixture *f = ctx;

	f->sent_address = address;
	f->sent_data = data;
	f->sent++;
}

static int setup(void **state)
{
	static struct fixture fixture;
	struct pci_spec spec = some_spec(&fixture);

	fixture = (struct fixture){ 0 };
	*state = &fixture;
	if (irq_router_init(&fixture.router, -1, NULL) < 0)
		return -1;
	fixture.router.on_send = on_send;
	fixture.router.ctx = &fixture;
	pci_bus_init(&fixture.bus, &fixture.router);

	return pci_bus_add(&fixture.bus, &spec, &fixture.fn, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pci_bus_done(&f->bus);
	irq_router_done(&f->router);

	return 0;
}

static uint64_t config_at(unsigned n, unsigned offset)
{
	unsigned slot = n % PCI_SLOTS + 1, function = n / PCI_SLOTS;

	return LAYOUT_ECAM + (slot << 15 | function << 12) + offset;
}

static uint64_t get(struct fixture *f, uint64_t gpa, unsigned bytes)
{
	uint64_t value = 0;

	assert_true(pci_bus_read(&f->bus, gpa, &value, bytes));

	return value;
}

static void set(struct fixture *f, uint64_t gpa, unsigned bytes, uint64_t value)
{
	assert_true(pci_bus_write(&f->bus, gpa, &value, bytes));
}

static void enable(struct fixture *f)
{
	set(f, config_at(0, PCI_COMMAND), 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static uint64_t bar(struct fixture *f, unsigned reg)
{
	return get(f, config_at(0, PCI_BASE_ADDRESS_0 + 4 * reg), 8) & ~(uint64_t)0xf;
}

static bool is_raised(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t count;

	if (poll(&pfd, 1, 0) != 1)
		return false;
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));

	return true;
}

static unsigned find_cap(struct fixture *f, uint8_t id)
{
	unsigned at = (unsigned)get(f, config_at(0, PCI_CAPABILITY_LIST), 1);

	while (at && get(f, config_at(0, at), 1) != id)
		at = (unsigned)get(f, config_at(0, at + 1), 1);

	return at;
}

static void test_header(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, config_at(0, 0), 4), 0x10421af4);
	assert_int_equal(get(f, config_at(0, PCI_CLASS_REVISION), 4), 0x01800001);
	assert_int_equal(get(f, config_at(0, PCI_SUBSYSTEM_ID), 2), 2);
	assert_true(get(f, config_at(0, PCI_STATUS), 2) & PCI_STATUS_CAP_LIST);
	/* What nobody is. */
	assert_int_equal(get(f, config_at(1, 0), 4), UINT32_MAX);
	/* The host bridge. */
	assert_int_equal(get(f, LAYOUT_ECAM + PCI_CLASS_DEVICE, 2), 0x0600);
	/* Read-only registers do not change. */
	set(f, config_at(0, 0), 4, 0);
	assert_int_equal(get(f, config_at(0, 0), 4), 0x10421af4);
	assert_int_equal(f->config_writes, 1);
}

static uint64_t in(struct fixture *f, unsigned port, unsigned bytes)
{
	uint64_t value = 0;

	assert_true(pci_bus_port_read(&f->bus, (uint16_t)port, &value, bytes));

	return value;
}

static void out(struct fixture *f, unsigned port, unsigned bytes, uint64_t value)
{
	assert_true(pci_bus_port_write(&f->bus, (uint16_t)port, &value, bytes));
}

/* Configuration space by ports: what ECAM has, one bus, and only whole writes to the address. */
static void test_ports(void **state)
{
	struct fixture *f = *state;
	uint8_t byte = 1;

	/* What a kernel looks for. */
	out(f, 0xcf8, 4, 0x80000000);
	assert_int_equal(in(f, 0xcf8, 4), 0x80000000);
	assert_int_equal(in(f, 0xcfc, 4), 0x00081b36);
	assert_int_equal(in(f, 0xcfd, 1), 0x1b);
	assert_int_equal(in(f, 0xcfe, 2), 0x0008);
	/* Slot 1, register 8, in parts and beyond its end. */
	out(f, 0xcf8, 4, 0x80000808);
	assert_int_equal(in(f, 0xcfe, 2), 0x0180);
	assert_int_equal(in(f, 0xcfe, 4), UINT32_MAX);
	assert_int_equal(in(f, 0xcff, 2), UINT16_MAX);
	out(f, 0xcf8, 4, 0x80000800 | PCI_COMMAND);
	out(f, 0xcfc, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(get(f, config_at(0, PCI_COMMAND), 2), PCI_COMMAND_MEMORY);
	/* Not enabled, and a bus that does not exist. */
	out(f, 0xcf8, 4, 0x00000800 | PCI_COMMAND);
	out(f, 0xcfc, 2, 0);
	assert_int_equal(in(f, 0xcfc, 4), UINT32_MAX);
	out(f, 0xcf8, 4, 0x80010800 | PCI_COMMAND);
	out(f, 0xcfc, 2, 0);
	assert_int_equal(in(f, 0xcfc, 4), UINT32_MAX);
	assert_int_equal(get(f, config_at(0, PCI_COMMAND), 2), PCI_COMMAND_MEMORY);
	/* Bits that do not exist are zero, and other ports are not these. */
	out(f, 0xcf8, 4, 0xffffffff);
	assert_int_equal(in(f, 0xcf8, 4), 0x80fffffc);
	assert_false(pci_bus_port_write(&f->bus, 0xcf9, &byte, 1));
	assert_false(pci_bus_port_read(&f->bus, 0xcf8, &byte, 1));
	assert_false(pci_bus_port_read(&f->bus, 0xd00, &byte, 1));
	assert_int_equal(in(f, 0xcf8, 4), 0x80fffffc);
}

static void test_odd_accesses(void **state)
{
	struct fixture *f = *state;
	uint8_t data[8];

	assert_int_equal(get(f, config_at(0, PCI_CONFIG_BYTES - 4), 8), UINT64_MAX);
	assert_int_equal(get(f, config_at(0, PCI_CONFIG_BYTES), 4), UINT32_MAX);
	for (unsigned bytes = 1; bytes <= 8; bytes++) {
		assert_true(pci_bus_read(&f->bus, config_at(0, 0xff), data, bytes));
		assert_true(pci_bus_write(&f->bus, config_at(0, 0xff), data, bytes));
	}
	/* Three bytes are no access of PCI. */
	assert_int_equal(get(f, config_at(0, 0), 3), 0xffffff);
	assert_false(pci_bus_read(&f->bus, 0xd0000000, data, 4));
	assert_false(pci_bus_write(&f->bus, UINT64_MAX, data, 4));
}

static void test_bar_sizing(void **state)
{
	struct fixture *f = *state;
	uint64_t at = config_at(0, PCI_BASE_ADDRESS_0), before = get(f, at, 8);

	set(f, at, 4, UINT32_MAX);
	set(f, at + 4, 4, UINT32_MAX);
	assert_int_equal(get(f, at, 4), (uint32_t)~0x3fffU | PCI_BASE_ADDRESS_MEM_TYPE_64);
	assert_int_equal(get(f, at + 4, 4), UINT32_MAX);
	set(f, at, 8, before);
	assert_int_equal(get(f, at, 8), before);
	assert_int_equal(before & 0x3ff0, 0);
	assert_in_range(before, LAYOUT_BARS, LAYOUT_BARS_END);
}

static void test_registers(void **state)
{
	struct fixture *f = *state;
	uint64_t base = bar(f, 0);
	uint8_t data[8];

	/* Nothing is decoded until the guest says so. */
	assert_false(pci_bus_read(&f->bus, base, data, 4));
	enable(f);
	assert_true(pci_is_master(f->fn));
	assert_int_equal(get(f, base + 0x10, 4), 0x55667788);
	assert_int_equal(f->last_offset, 0x10);
	set(f, base + 0x3fff, 1, 0xab);
	assert_int_equal(f->last_offset, 0x3fff);
	assert_int_equal(f->last_value, 0xab);
	/* An access that leaves the BAR belongs to nobody. */
	assert_false(pci_bus_write(&f->bus, base + 0x3fff, data, 2));
	/* Moved. */
	set(f, config_at(0, PCI_BASE_ADDRESS_0), 8, 0xd0000000);
	assert_false(pci_bus_read(&f->bus, base, data, 4));
	assert_int_equal(get(f, 0xd0000000, 1), 0x88);
}

static void write_vector(struct fixture *f, unsigned vector, uint64_t address, uint32_t data)
{
	uint64_t at = bar(f, 2) + vector * PCI_MSIX_ENTRY_SIZE;

	set(f, at + PCI_MSIX_ENTRY_LOWER_ADDR, 4, (uint32_t)address);
	set(f, at + PCI_MSIX_ENTRY_UPPER_ADDR, 4, address >> 32);
	set(f, at + PCI_MSIX_ENTRY_DATA, 4, data);
}

static void mask_vector(struct fixture *f, unsigned vector, bool masked)
{
	set(f, bar(f, 2) + vector * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, masked);
}

static void test_vectors(void **state)
{
	struct fixture *f = *state;
	unsigned cap = find_cap(f, PCI_CAP_ID_MSIX);
	uint64_t control = config_at(0, cap + PCI_MSIX_FLAGS);
	uint64_t pending = bar(f, 2) + 0x800;
	int fd = pci_vector_fd(f->fn, 1);

	assert_int_not_equal(cap, 0);
	assert_int_equal(get(f, control, 2), 2); /* three vectors */
	enable(f);
	pci_raise(f->fn, 1);
	assert_false(is_raised(fd));
	assert_int_equal(get(f, pending, 4), 2);

	write_vector(f, 1, 0xfee01000, 0x4041);
	mask_vector(f, 1, false);
	assert_false(is_raised(fd)); /* not enabled as a whole */
	set(f, control, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_false(is_raised(fd));
	set(f, control, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_true(is_raised(fd)); /* what was pending */
	assert_int_equal(get(f, pending, 4), 0);
	assert_true(f->router.messages[1].routed);
	assert_int_equal(f->router.messages[1].address, 0xfee01000);
	assert_int_equal(f->router.messages[1].data, 0x4041);
	assert_false(f->router.messages[0].routed);

	pci_raise(f->fn, 1);
	assert_true(is_raised(fd));
	mask_vector(f, 1, true);
	pci_raise(f->fn, 1);
	assert_false(is_raised(fd));
	mask_vector(f, 1, false);
	assert_true(is_raised(fd));
	pci_raise(f->fn, 3);
	pci_raise(f->fn, UINT32_MAX);
	assert_int_equal(pci_vector_fd(f->fn, 3), -1);
}

/* A function that sends its messages itself: as the entry is then, with no route and no eventfd. */
static void test_messages(void **state)
{
	struct fixture *f = *state;
	struct pci_spec spec = some_spec(f);
	uint64_t control;

	pci_bus_done(&f->bus);
	pci_bus_init(&f->bus, &f->router);
	spec.vector_fds = false;
	assert_int_equal(pci_bus_add(&f->bus, &spec, &f->fn, NULL), 0);
	assert_int_equal(f->router.messages_len, 3); /* of the function that was here before */
	assert_int_equal(pci_vector_fd(f->fn, 1), -1);
	control = config_at(0, find_cap(f, PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS);
	enable(f);
	write_vector(f, 1, 0xfee01000, 0x4041);
	mask_vector(f, 1, false);
	pci_raise(f->fn, 1);
	assert_int_equal(f->sent, 0); /* not enabled as a whole */
	set(f, control, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(f->sent, 1); /* what was pending */
	assert_int_equal(f->sent_address, 0xfee01000);
	assert_int_equal(f->sent_data, 0x4041);
	pci_raise(f->fn, 1);
	assert_int_equal(f->sent, 2);
	/* Moved to another processor while it is pending. */
	mask_vector(f, 1, true);
	pci_raise(f->fn, 1);
	pci_raise(f->fn, 1);
	write_vector(f, 1, 0x1fee02000, 9);
	assert_int_equal(f->sent, 2);
	mask_vector(f, 1, false);
	assert_int_equal(f->sent, 3);
	assert_int_equal(f->sent_address, 0x1fee02000);
	assert_int_equal(f->sent_data, 9);
	pci_raise(f->fn, 3);
	assert_int_equal(f->sent, 3);
}

/* The guest moves an interrupt to another processor: mask, write, unmask. */
static void test_reroute(void **state)
{
	struct fixture *f = *state;
	uint64_t control = config_at(0, find_cap(f, PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS);

	enable(f);
	set(f, control, 2, PCI_MSIX_FLAGS_ENABLE);
	write_vector(f, 2, 0xfee00000, 1);
	mask_vector(f, 2, false);
	mask_vector(f, 2, true);
	write_vector(f, 2, 0xfee03000, 9);
	assert_int_equal(f->router.messages[2].data, 1);
	mask_vector(f, 2, false);
	assert_int_equal(f->router.messages[2].data, 9);
	assert_int_equal(f->router.messages[2].address, 0xfee03000);
}

static void test_table_accesses(void **state)
{
	struct fixture *f = *state;
	uint64_t table = bar(f, 2);

	enable(f);
	set(f, table, 8, 0x1234567800000000 | 0xfee00000);
	assert_int_equal(get(f, table, 8), 0x12345678fee00000);
	assert_int_equal(get(f, table + 4, 4), 0x12345678);
	set(f, table + 1, 4, 0);
	set(f, table, 2, 0);
	set(f, table, 1, 0);
	assert_int_equal(get(f, table, 8), 0x12345678fee00000);
	/* Entries that do not exist, pending bits that are read-only, the end of the BAR. */
	set(f, table + 3 * PCI_MSIX_ENTRY_SIZE, 4, 5);
	assert_int_equal(get(f, table + 3 * PCI_MSIX_ENTRY_SIZE, 4), 0);
	for (unsigned offset = 0; offset < 0x1000; offset += 4) {
		set(f, table + offset, 4, 0);
		(void)get(f, table + offset, 4);
	}
}

static void test_capabilities(void **state)
{
	struct fixture *f = *state;
	uint8_t body[14] = { 1, 2, 3 }, writable[14] = { [2] = 0xf0 };
	int at = pci_add_capability(f->fn, PCI_CAP_ID_VNDR, body, sizeof(body), writable);

	assert_true(at > 0);
	assert_int_equal(find_cap(f, PCI_CAP_ID_VNDR), at);
	set(f, config_at(0, (unsigned)at + 2), 4, UINT32_MAX);
	assert_int_equal(get(f, config_at(0, (unsigned)at + 2), 4), 0xf30201);
	while ((at = pci_add_capability(f->fn, PCI_CAP_ID_VNDR, body, sizeof(body), NULL)) > 0)
		assert_in_range(at, 0x40, PCI_CONFIG_BYTES - 16);
	assert_int_equal(at, -ENOSPC);
}

static void test_many_functions(void **state)
{
	struct fixture *f = *state;
	struct pci_spec spec = some_spec(f);
	struct pci_function *fn;

	for (unsigned n = 1; n < PCI_FUNCTIONS_MAX; n++) {
		assert_int_equal(pci_bus_add(&f->bus, &spec, &fn, NULL), 0);
		assert_int_equal(get(f, config_at(n, 0), 4), 0x10421af4);
		assert_int_equal(get(f, config_at(0, PCI_HEADER_TYPE), 1),
				 n >= PCI_SLOTS ? 0x80 : 0);
	}
	assert_int_equal(pci_bus_add(&f->bus, &spec, &fn, NULL), -ENOSPC);
}

static void test_impossible_specs(void **state)
{
	struct fixture *f = *state;
	struct pci_spec spec = some_spec(f);
	struct pci_function *fn;

	spec.registers_bytes = 0x3000;
	assert_int_equal(pci_bus_add(&f->bus, &spec, &fn, NULL), -EINVAL);
	spec.registers_bytes = 0x800;
	assert_int_equal(pci_bus_add(&f->bus, &spec, &fn, NULL), -EINVAL);
	spec = some_spec(f);
	spec.vectors = PCI_VECTORS_MAX + 1;
	assert_int_equal(pci_bus_add(&f->bus, &spec, &fn, NULL), -EINVAL);
}

static void test_state(void **state)
{
	struct fixture *f = *state;
	struct pci_state before, after;

	enable(f);
	set(f, config_at(0, find_cap(f, PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS), 2,
	    PCI_MSIX_FLAGS_ENABLE);
	write_vector(f, 0, 0xfee00000, 77);
	mask_vector(f, 0, false);
	pci_save(f->fn, &before);

	mask_vector(f, 0, true);
	write_vector(f, 0, 0, 0);
	set(f, config_at(0, PCI_COMMAND), 2, 0);
	assert_int_equal(pci_load(f->fn, &before, NULL), 0);
	pci_save(f->fn, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	pci_raise(f->fn, 0);
	assert_true(is_raised(pci_vector_fd(f->fn, 0)));
	/* The state of something else. */
	before.config[PCI_DEVICE_ID]++;
	assert_int_equal(pci_load(f->fn, &before, NULL), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_header),	     TEST(test_odd_accesses), TEST(test_bar_sizing),
		TEST(test_registers),	     TEST(test_vectors),      TEST(test_reroute),
		TEST(test_table_accesses),   TEST(test_capabilities), TEST(test_many_functions),
		TEST(test_impossible_specs), TEST(test_state),	      TEST(test_ports),
		TEST(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
