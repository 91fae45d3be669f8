/* SPDX-License-Identifier: Apache-2.0
 *
 * acpi.c - the ACPI tables of a hardware-reduced machine
 *
 * Hardware-reduced means that there is no legacy timer, interrupt controller or power management
 * block: what the kernel needs is listed here and nothing else is looked for. The boot flags say
 * that there is no CMOS clock: a kernel that believes in one polls it for seconds.
 *
 * ACPI 6.4, sections 5.2 (tables) and 4.1 (hardware-reduced).
 */
#include "vmm/acpi.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/aml.h"
#include "vmm/layout.h"
#include "vmm/memory.h"

#define HEADER_BYTES 36
#define LENGTH_AT 4
#define CHECKSUM_AT 9
#define OEM_ID "HULL  "
#define OEM_TABLE_ID "HULLVMM "
#define TABLE_ALIGN 16

#define RSDP_BYTES 36
#define RSDP_V1_BYTES 20
#define RSDP_CHECKSUM_AT 8
#define RSDP_XCHECKSUM_AT 32

#define FADT_BYTES 276
#define FADT_BOOT_FLAGS_AT 109
#define FADT_FLAGS_AT 112
#define FADT_RESET_REGISTER_AT 116
#define FADT_RESET_VALUE_AT 128
#define FADT_MINOR_AT 131
#define FADT_DSDT_AT 140
#define FADT_SLEEP_CONTROL_AT 244
#define FADT_SLEEP_STATUS_AT 256
#define FADT_HYPERVISOR_AT 268

#define BOOT_NO_VGA (1U << 2)
#define BOOT_NO_ASPM (1U << 4)
#define BOOT_NO_CMOS_RTC (1U << 5)
#define FLAG_WBINVD (1U << 0)
#define FLAG_NO_POWER_BUTTON (1U << 4) /* it is a device of the DSDT */
#define FLAG_NO_SLEEP_BUTTON (1U << 5)
#define FLAG_RESET_REGISTER (1U << 10)
#define FLAG_HW_REDUCED (1U << 20)

#define MADT_LAPIC 0
#define MADT_IOAPIC 1
#define POWER_BUTTON_PRESSED 0x80
#define GENERATION_CHANGED 0x80

/* The tables as they are written; offsets are relative to @start. */
struct tables {
	struct aml out;
	uint64_t start;
};

static void pad(struct tables *t)
{
	while (t->out.len % TABLE_ALIGN != 0 && !t->out.failed)
		aml_byte(&t->out, 0);
}

static uint8_t checksum(const uint8_t *bytes, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);

	return (uint8_t)-sum;
}

/* Begin a table. Returns where it is. */
static size_t begin_table(struct tables *t, const char signature[4], uint8_t revision)
{
	size_t at;

	pad(t);
	at = t->out.len;
	aml_bytes(&t->out, signature, 4);
	aml_raw(&t->out, 0, 4); /* length */
	aml_byte(&t->out, revision);
	aml_byte(&t->out, 0); /* checksum */
	aml_bytes(&t->out, OEM_ID, 6);
	aml_bytes(&t->out, OEM_TABLE_ID, 8);
	aml_raw(&t->out, 1, 4);
	aml_bytes(&t->out, "HULL", 4);
	aml_raw(&t->out, 1, 4);

	return at;
}

/* Fill in length and checksum. Returns the table's guest address. */
static uint64_t end_table(struct tables *t, size_t at)
{
	uint32_t bytes = htole32((uint32_t)(t->out.len - at));

	if (t->out.failed)
		return 0;
	memcpy(t->out.bytes + at + LENGTH_AT, &bytes, sizeof(bytes));
	t->out.bytes[at + CHECKSUM_AT] = checksum(t->out.bytes + at, t->out.len - at);

	return t->start + at;
}

/* ---- DSDT: the devices ---- */

static void add_pci_bridge(struct aml *aml)
{
	aml_begin_device(aml, "PCI0");
	aml_define_eisa_id(aml, "_HID", "PNP0A08");
	aml_define_eisa_id(aml, "_CID", "PNP0A03");
	aml_define_integer(aml, "_SEG", LAYOUT_PCI_SEGMENT);
	aml_define_integer(aml, "_BBN", 0);
	aml_define_integer(aml, "_UID", 0);
	aml_define_integer(aml, "_CCA", 1);
	aml_begin_resources(aml);
	aml_bus_window(aml, 0, 0);
	aml_memory_window(aml, (uint32_t)LAYOUT_BARS, (uint32_t)(LAYOUT_BARS_END - 1));
	aml_end_resources(aml);
	aml_end(aml);
}

/* Without an owner of its addresses the kernel does not use ECAM. */
static void add_ecam_owner(struct aml *aml)
{
	aml_begin_device(aml, "ECAM");
	aml_define_eisa_id(aml, "_HID", "PNP0C02");
	aml_define_integer(aml, "_UID", 0);
	aml_begin_resources(aml);
	aml_memory(aml, (uint32_t)LAYOUT_ECAM, (uint32_t)LAYOUT_ECAM_BYTES);
	aml_end_resources(aml);
	aml_end(aml);
}

static void add_serial_port(struct aml *aml)
{
	aml_begin_device(aml, "COM1");
	aml_define_eisa_id(aml, "_HID", "PNP0501");
	aml_define_integer(aml, "_UID", 0);
	aml_begin_resources(aml);
	aml_ports(aml, LAYOUT_COM1, 8);
	aml_interrupt(aml, LAYOUT_COM1_IRQ);
	aml_end_resources(aml);
	aml_end(aml);
}

static void add_power_button(struct aml *aml)
{
	aml_begin_device(aml, "PWRB");
	aml_define_eisa_id(aml, "_HID", "PNP0C0C");
	aml_define_integer(aml, "_UID", 0);
	aml_end(aml);
}

/*
 * The generation of the machine: a kernel that is woken in a copy learns by it that its random
 * numbers are somebody else's as well. Names are compared in either spelling.
 */
static void add_generation(struct aml *aml)
{
	aml_begin_device(aml, "VGEN");
	aml_define_string(aml, "_HID", "HULLVGID");
	aml_begin_package(aml, "_CID", 2);
	aml_string(aml, "VM_Gen_Counter");
	aml_string(aml, "VM_GEN_COUNTER");
	aml_end(aml);
	aml_define_string(aml, "_DDN", "VM_Gen_Counter");
	aml_begin_package(aml, "ADDR", 2);
	aml_integer(aml, LAYOUT_GENERATION);
	aml_integer(aml, 0);
	aml_end(aml);
	aml_end(aml);
}

static void add_event(struct aml *aml, unsigned interrupt, const char *device, uint8_t what)
{
	aml_begin_if_arg0(aml, interrupt);
	aml_notify(aml, device, what);
	aml_end(aml);
}

/* Whose interrupts say that something has happened to another device. */
static void add_events(struct aml *aml)
{
	aml_begin_device(aml, "GED");
	aml_define_string(aml, "_HID", "ACPI0013");
	aml_define_integer(aml, "_UID", 0);
	aml_begin_resources(aml);
	aml_interrupt(aml, LAYOUT_BUTTON_IRQ);
	aml_interrupt(aml, LAYOUT_GENERATION_IRQ);
	aml_end_resources(aml);
	aml_begin_method(aml, "_EVT", 1);
	add_event(aml, LAYOUT_BUTTON_IRQ, "PWRB", POWER_BUTTON_PRESSED);
	add_event(aml, LAYOUT_GENERATION_IRQ, "VGEN", GENERATION_CHANGED);
	aml_end(aml);
	aml_end(aml);
}

/* Where a kernel that gives up says so: the name is the one that drivers look for (pvpanic). */
static void add_panic_port(struct aml *aml)
{
	aml_begin_device(aml, "PANC");
	aml_define_string(aml, "_HID", "QEMU0001");
	aml_define_integer(aml, "_UID", 0);
	aml_begin_resources(aml);
	aml_ports(aml, LAYOUT_PANIC, 1);
	aml_end_resources(aml);
	aml_end(aml);
}

static void add_processor(struct aml *aml, unsigned index)
{
	char name[5];

	(void)snprintf(name, sizeof(name), "C%03X", index & 0xfff);
	aml_begin_device(aml, name);
	aml_define_string(aml, "_HID", "ACPI0007");
	aml_define_integer(aml, "_UID", index);
	aml_end(aml);
}

static uint64_t add_dsdt(struct tables *t, unsigned cpus)
{
	size_t at = begin_table(t, "DSDT", 6);
	struct aml *aml = &t->out;

	aml_begin_package(aml, "_S5", 4);
	aml_integer(aml, 5);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_end(aml);
	aml_begin_scope(aml, "_SB");
	add_pci_bridge(aml);
	add_ecam_owner(aml);
	add_serial_port(aml);
	for (unsigned i = 0; i < cpus; i++)
		add_processor(aml, i);
	add_power_button(aml);
	add_generation(aml);
	add_events(aml);
	add_panic_port(aml);
	aml_end(aml);

	return end_table(t, at);
}

/* ---- the other tables ---- */

static void put(uint8_t *table, size_t at, uint64_t value, unsigned bytes)
{
	value = htole64(value);
	memcpy(table + at, &value, bytes);
}

/* A register of one byte among the ports. */
static void put_port(uint8_t *table, size_t at, uint16_t port)
{
	put(table, at, 1, 1);	  /* ports */
	put(table, at + 1, 8, 1); /* bits */
	put(table, at + 3, 1, 1); /* byte access */
	put(table, at + 4, port, 8);
}

static uint64_t add_fadt(struct tables *t, uint64_t dsdt)
{
	size_t at = begin_table(t, "FACP", 6);
	uint8_t body[FADT_BYTES] = { 0 };

	put(body, FADT_BOOT_FLAGS_AT, BOOT_NO_VGA | BOOT_NO_ASPM | BOOT_NO_CMOS_RTC, 2);
	put(body, FADT_FLAGS_AT,
	    FLAG_WBINVD | FLAG_NO_POWER_BUTTON | FLAG_NO_SLEEP_BUTTON | FLAG_RESET_REGISTER |
		    FLAG_HW_REDUCED,
	    4);
	put_port(body, FADT_RESET_REGISTER_AT, LAYOUT_RESET);
	put(body, FADT_RESET_VALUE_AT, 1, 1);
	put(body, FADT_MINOR_AT, 4, 1);
	put(body, FADT_DSDT_AT, dsdt, 8);
	put_port(body, FADT_SLEEP_CONTROL_AT, LAYOUT_SLEEP_CONTROL);
	put_port(body, FADT_SLEEP_STATUS_AT, LAYOUT_SLEEP_STATUS);
	memcpy(body + FADT_HYPERVISOR_AT, "HULL", 4);
	aml_bytes(&t->out, body + HEADER_BYTES, sizeof(body) - HEADER_BYTES);

	return end_table(t, at);
}

static uint64_t add_madt(struct tables *t, unsigned cpus)
{
	size_t at = begin_table(t, "APIC", 5);
	struct aml *aml = &t->out;

	aml_raw(aml, LAYOUT_LAPIC, 4);
	aml_raw(aml, 0, 4); /* no legacy controllers beside it */
	for (unsigned i = 0; i < cpus; i++) {
		aml_byte(aml, MADT_LAPIC);
		aml_byte(aml, 8);
		aml_byte(aml, (uint8_t)i); /* the processor's _UID */
		aml_byte(aml, (uint8_t)i);
		aml_raw(aml, 1, 4); /* enabled */
	}
	aml_byte(aml, MADT_IOAPIC);
	aml_byte(aml, 12);
	aml_raw(aml, 0, 2);
	aml_raw(aml, LAYOUT_IOAPIC, 4);
	aml_raw(aml, 0, 4);

	return end_table(t, at);
}

static uint64_t add_mcfg(struct tables *t)
{
	size_t at = begin_table(t, "MCFG", 1);

	aml_raw(&t->out, 0, 8);
	aml_raw(&t->out, LAYOUT_ECAM, 8);
	aml_raw(&t->out, LAYOUT_PCI_SEGMENT, 2);
	aml_byte(&t->out, 0); /* first and last bus */
	aml_byte(&t->out, 0);
	aml_raw(&t->out, 0, 4);

	return end_table(t, at);
}

static void write_rsdp(uint8_t *rsdp, uint64_t xsdt)
{
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, OEM_ID, 6);
	rsdp[15] = 2; /* revision */
	put(rsdp, 20, RSDP_BYTES, 4);
	put(rsdp, 24, xsdt, 8);
	rsdp[RSDP_CHECKSUM_AT] = checksum(rsdp, RSDP_V1_BYTES);
	rsdp[RSDP_XCHECKSUM_AT] = checksum(rsdp, RSDP_BYTES);
}

int acpi_build(uint8_t *buf, uint64_t start, unsigned cpus)
{
	static const uint8_t room_for_rsdp[RSDP_BYTES];
	struct tables t = { .start = start };
	uint64_t tables[3], xsdt;
	size_t at;

	aml_init(&t.out, buf, ACPI_BYTES_MAX);
	aml_bytes(&t.out, room_for_rsdp, sizeof(room_for_rsdp));
	tables[0] = add_fadt(&t, add_dsdt(&t, cpus));
	tables[1] = add_madt(&t, cpus);
	tables[2] = add_mcfg(&t);
	at = begin_table(&t, "XSDT", 1);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		aml_raw(&t.out, tables[i], 8);
	xsdt = end_table(&t, at);
	if (t.out.failed)
		return -ENOSPC;
	write_rsdp(buf, xsdt);

	return (int)t.out.len;
}

int acpi_load(const struct memory *mem, unsigned cpus, struct err *err)
{
	auto_free uint8_t *buf = calloc(1, ACPI_BYTES_MAX);
	int r;

	_Static_assert(ACPI_BYTES_MAX <= LAYOUT_ACPI_END - LAYOUT_ACPI, "the tables fit");
	if (!buf)
		return err_set(err, ENOMEM, "out of memory");
	r = acpi_build(buf, LAYOUT_ACPI, cpus);
	if (r >= 0)
		r = memory_write(mem, GPA(LAYOUT_ACPI), buf, (size_t)r);

	return r < 0 ? err_set(err, -r, "write the ACPI tables") : 0;
}
