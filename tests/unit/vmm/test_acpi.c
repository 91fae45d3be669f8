/* SPDX-License-Identifier: Apache-2.0
 *
 * test_acpi.c - the tables as a kernel walks them, and their byte code
 */
#include "vmm/acpi.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "vmm/aml.h"
#include "vmm/layout.h"

#define START LAYOUT_ACPI

static uint64_t get(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	memcpy(&value, at, bytes);

	return value;
}

static uint8_t sum(const uint8_t *at, size_t bytes)
{
	uint8_t total = 0;

	while (bytes-- > 0)
		total = (uint8_t)(total + *at++);

	return total;
}

/* The table at guest address @gpa; its length and checksum are right. */
static const uint8_t *table_at(const uint8_t *buf, size_t len, uint64_t gpa)
{
	const uint8_t *table = buf + (gpa - START);

	assert_in_range(gpa, START, START + len - 36);
	assert_int_equal(gpa % 16, 0);
	assert_in_range(get(table + 4, 4), 36, len - (gpa - START));
	assert_int_equal(sum(table, get(table + 4, 4)), 0);

	return table;
}

static const uint8_t *find_table(const uint8_t *buf, size_t len, const char *signature)
{
	const uint8_t *xsdt = table_at(buf, len, get(buf + 24, 8));

	assert_memory_equal(xsdt, "XSDT", 4);
	for (size_t at = 36; at < get(xsdt + 4, 4); at += 8) {
		const uint8_t *table = table_at(buf, len, get(xsdt + at, 8));

		if (memcmp(table, signature, 4) == 0)
			return table;
	}
	fail_msg("there is no %s", signature);

	return NULL;
}

static void test_root(void **state)
{
	uint8_t *buf = calloc(1, ACPI_BYTES_MAX);
	int len = acpi_build(buf, START, 1);

	(void)state;
	assert_in_range(len, 600, ACPI_BYTES_MAX);
	assert_memory_equal(buf, "RSD PTR ", 8);
	assert_int_equal(sum(buf, 20), 0);
	assert_int_equal(sum(buf, 36), 0);
	assert_int_equal(buf[15], 2);
	(void)find_table(buf, (size_t)len, "MCFG");
	free(buf);
}

/* ECAM is where it is in the segment that the bridge is in. */
static void test_mcfg(void **state)
{
	uint8_t *buf = calloc(1, ACPI_BYTES_MAX);
	int len = acpi_build(buf, START, 1);
	const uint8_t *mcfg = find_table(buf, (size_t)len, "MCFG");

	(void)state;
	assert_int_equal(get(mcfg + 4, 4), 60);
	assert_int_equal(get(mcfg + 44, 8), LAYOUT_ECAM);
	assert_int_equal(get(mcfg + 52, 2), LAYOUT_PCI_SEGMENT);
	assert_int_equal(get(mcfg + 54, 2), 0); /* the first and the last bus */
	free(buf);
}

static void test_fadt(void **state)
{
	uint8_t *buf = calloc(1, ACPI_BYTES_MAX);
	int len = acpi_build(buf, START, 1);
	const uint8_t *fadt = find_table(buf, (size_t)len, "FACP");

	(void)state;
	assert_int_equal(get(fadt + 4, 4), 276);
	assert_true(get(fadt + 112, 4) & (1U << 20)); /* hardware-reduced */
	assert_true(get(fadt + 109, 2) & (1U << 5));  /* no CMOS clock: else seconds are lost */
	assert_false(get(fadt + 109, 2) & (1U << 1)); /* no keyboard controller */
	assert_int_equal(get(fadt + 244, 1), 1);
	assert_int_equal(get(fadt + 244 + 4, 8), LAYOUT_SLEEP_CONTROL);
	assert_int_equal(get(fadt + 256 + 4, 8), LAYOUT_SLEEP_STATUS);
	assert_int_equal(get(fadt + 116 + 4, 8), LAYOUT_RESET);
	assert_memory_equal(table_at(buf, (size_t)len, get(fadt + 140, 8)), "DSDT", 4);
	free(buf);
}

static void test_madt(void **state)
{
	const unsigned counts[] = { 1, 2, 64 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		uint8_t *buf = calloc(1, ACPI_BYTES_MAX);
		int len = acpi_build(buf, START, counts[i]);
		const uint8_t *madt = find_table(buf, (size_t)len, "APIC");
		unsigned lapics = 0, ioapics = 0;

		assert_int_equal(get(madt + 36, 4), LAYOUT_LAPIC);
		for (size_t at = 44; at < get(madt + 4, 4); at += madt[at + 1]) {
			assert_in_range(madt[at + 1], 2, 16);
			if (madt[at] == 0) {
				assert_int_equal(madt[at + 2], lapics);
				assert_int_equal(madt[at + 3], lapics++);
			}
			ioapics += madt[at] == 1;
		}
		assert_int_equal(lapics, counts[i]);
		assert_int_equal(ioapics, 1);
		free(buf);
	}
}

/* The length of a construct in its three-byte form. */
static size_t package_length(const uint8_t *at)
{
	assert_int_equal(at[0] & 0xf0, 0x80);

	return (size_t)(at[0] & 0xf) | (size_t)at[1] << 4 | (size_t)at[2] << 12;
}

/* Where the @name'd device of the DSDT begins; its end into @ret_end. */
static const uint8_t *find_device(const uint8_t *dsdt, const char *name, const uint8_t **ret_end)
{
	size_t len = get(dsdt + 4, 4);

	for (size_t at = 36; at + 9 <= len; at++) {
		if (dsdt[at] != 0x5b || dsdt[at + 1] != 0x82 || memcmp(dsdt + at + 5, name, 4) != 0)
			continue;
		*ret_end = dsdt + at + 2 + package_length(dsdt + at + 2);
		assert_true(*ret_end <= dsdt + len);
		return dsdt + at + 9;
	}
	fail_msg("there is no device %s", name);

	return NULL;
}

static bool holds(const uint8_t *at, const uint8_t *end, const void *bytes, size_t len)
{
	for (; at + len <= end; at++)
		if (memcmp(at, bytes, len) == 0)
			return true;

	return false;
}

static void test_devices(void **state)
{
	uint8_t *buf = calloc(1, ACPI_BYTES_MAX);
	int len = acpi_build(buf, START, 64);
	const uint8_t *fadt = find_table(buf, (size_t)len, "FACP"), *at, *end;
	const uint8_t *dsdt = table_at(buf, (size_t)len, get(fadt + 140, 8));
	static const uint8_t com1_irq[] = { 0x89, 6, 0, 3, 1, LAYOUT_COM1_IRQ, 0, 0, 0, 0x79 };
	static const uint8_t ged_irqs[] = {
		0x89, 6, 0, 3, 1, LAYOUT_BUTTON_IRQ,	 0, 0, 0,
		0x89, 6, 0, 3, 1, LAYOUT_GENERATION_IRQ, 0, 0, 0,
		0x79,
	};
	static const uint8_t addr[] = {
		0x08, 'A', 'D', 'D', 'R', 0x12, 0x8a, 0, 0, 2, 0x0c, 0, 0, 0x0f, 0, 0,
	};
	static const uint8_t ecam[] = { 0x86, 9, 0, 1, 0, 0, 0, 0xe0, 0, 0, 0x10, 0, 0x79 };
	static const uint8_t s5[] = { 0x08, '_', 'S', '5', '_', 0x12, 0x89, 0, 0, 4, 0x0a, 5 };

	(void)state;
	at = find_device(dsdt, "COM1", &end);
	assert_true(holds(at, end, com1_irq, sizeof(com1_irq)));
	at = find_device(dsdt, "GED_", &end);
	assert_true(holds(at, end, ged_irqs, sizeof(ged_irqs)));
	/* If (Arg0 == interrupt) { Notify (device, 0x80) } */
	assert_true(holds(at, end, "\xa0\x8e\x00\x00\x93\x68\x0a\x09\x86PWRB\x0a\x80", 15));
	assert_true(holds(at, end, "\xa0\x8e\x00\x00\x93\x68\x0a\x0a\x86VGEN\x0a\x80", 15));
	at = find_device(dsdt, "VGEN", &end);
	assert_true(holds(at, end, addr, sizeof(addr)));
	assert_true(holds(at, end, "VM_GEN_COUNTER", 15));
	at = find_device(dsdt, "PANC", &end);
	assert_true(holds(at, end, "QEMU0001", 9));
	assert_true(holds(at, end, "\x47\x01\x03\x06\x03\x06\x01\x01\x79", 9)); /* port 0x603 */
	at = find_device(dsdt, "ECAM", &end);
	assert_true(holds(at, end, "\x0c\x41\xd0\x0c\x02", 5)); /* PNP0C02 */
	assert_true(holds(at, end, ecam, sizeof(ecam)));
	at = find_device(dsdt, "PCI0", &end);
	assert_true(holds(at, end, "\x0c\x41\xd0\x0a\x08", 5)); /* PNP0A08 */
	(void)find_device(dsdt, "C03F", &end);
	assert_true(holds(dsdt, dsdt + get(dsdt + 4, 4), s5, sizeof(s5)));
	free(buf);
}

static void test_integers(void **state)
{
	static const struct {
		uint64_t value;
		const char *bytes;
		size_t len;
	} cases[] = {
		{ 0, "\x00", 1 },
		{ 1, "\x01", 1 },
		{ 2, "\x0a\x02", 2 },
		{ 255, "\x0a\xff", 2 },
		{ 256, "\x0b\x00\x01", 3 },
		{ 0x12345, "\x0c\x45\x23\x01\x00", 5 },
		{ 0x1122334455667788, "\x0e\x88\x77\x66\x55\x44\x33\x22\x11", 9 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t buf[16];
		struct aml aml;

		aml_init(&aml, buf, sizeof(buf));
		aml_integer(&aml, cases[i].value);
		assert_int_equal(aml.len, cases[i].len);
		assert_memory_equal(buf, cases[i].bytes, cases[i].len);
	}
}

/* Whatever does not fit is noticed, and nothing is written beyond the end. */
static void test_no_room(void **state)
{
	uint8_t whole[256], buf[256];
	size_t len = 0;

	(void)state;
	for (size_t room = sizeof(buf); room-- > 0;) {
		struct aml aml;

		memset(buf, 0xee, sizeof(buf));
		aml_init(&aml, buf, room);
		aml_begin_device(&aml, "DEV0");
		aml_define_string(&aml, "_HID", "ACPI0013");
		aml_begin_resources(&aml);
		aml_memory(&aml, 1, 2);
		aml_end_resources(&aml);
		aml_end(&aml);
		if (room == sizeof(buf) - 1) {
			len = aml.len;
			memcpy(whole, buf, len);
		}
		assert_int_equal(aml.failed, room < len);
		for (size_t i = room; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 0xee);
		if (!aml.failed)
			assert_memory_equal(buf, whole, len);
	}
}

static void test_misuse(void **state)
{
	uint8_t buf[64];
	struct aml aml;

	(void)state;
	aml_init(&aml, buf, sizeof(buf));
	aml_end(&aml);
	assert_true(aml.failed);
	aml_init(&aml, buf, sizeof(buf));
	aml_name(&aml, "TOOLONG");
	assert_true(aml.failed);
	aml_init(&aml, buf, sizeof(buf));
	for (int i = 0; i <= AML_DEPTH_MAX; i++)
		aml_begin_scope(&aml, "_SB");
	assert_true(aml.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),	 cmocka_unit_test(test_fadt),
		cmocka_unit_test(test_madt),	 cmocka_unit_test(test_devices),
		cmocka_unit_test(test_integers), cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_misuse),	 cmocka_unit_test(test_mcfg),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
