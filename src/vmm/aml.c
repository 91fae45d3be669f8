/* SPDX-License-Identifier: Apache-2.0
 *
 * aml.c - the byte code of ACPI tables, written front to back into a bounded buffer
 */
#include "vmm/aml.h"

#include <endian.h>
#include <string.h>

#include "base/macro.h"

#define ZERO_OP 0x00
#define ONE_OP 0x01
#define NAME_OP 0x08
#define BYTE_PREFIX 0x0a
#define WORD_PREFIX 0x0b
#define DWORD_PREFIX 0x0c
#define STRING_PREFIX 0x0d
#define QWORD_PREFIX 0x0e
#define SCOPE_OP 0x10
#define BUFFER_OP 0x11
#define PACKAGE_OP 0x12
#define METHOD_OP 0x14
#define EXT_PREFIX 0x5b
#define DEVICE_OP 0x82
#define NOTIFY_OP 0x86
#define ARG0_OP 0x68
#define EQUAL_OP 0x93
#define IF_OP 0xa0
#define ROOT_CHAR '\\'

/* Lengths are always written in three bytes: they are known only at the end. */
#define LENGTH_BYTES 3
#define LENGTH_MAX 0xfffff
#define LENGTH_THREE 0x80
/* A resource template is a buffer whose size, a word, comes after its length. */
#define BUFFER_SIZE_BYTES 3

void aml_init(struct aml *aml, uint8_t *buf, size_t buf_bytes)
{
	*aml = (struct aml){ .bytes = buf, .room = buf_bytes };
}

void aml_bytes(struct aml *aml, const void *bytes, size_t len)
{
	if (aml->failed || len > aml->room - aml->len) {
		aml->failed = true;
		return;
	}
	memcpy(aml->bytes + aml->len, bytes, len);
	aml->len += len;
}

void aml_byte(struct aml *aml, uint8_t value)
{
	aml_bytes(aml, &value, 1);
}

void aml_raw(struct aml *aml, uint64_t value, unsigned bytes)
{
	value = htole64(value);
	aml_bytes(aml, &value, bytes);
}

void aml_name(struct aml *aml, const char *name)
{
	char seg[4] = { '_', '_', '_', '_' };
	size_t len = strlen(name);

	if (len > sizeof(seg))
		aml->failed = true;
	memcpy(seg, name, MIN(len, sizeof(seg)));
	aml_bytes(aml, seg, sizeof(seg));
}

void aml_integer(struct aml *aml, uint64_t value)
{
	if (value <= 1) {
		aml_byte(aml, value ? ONE_OP : ZERO_OP);
	} else if (value <= UINT8_MAX) {
		aml_byte(aml, BYTE_PREFIX);
		aml_raw(aml, value, 1);
	} else if (value <= UINT16_MAX) {
		aml_byte(aml, WORD_PREFIX);
		aml_raw(aml, value, 2);
	} else if (value <= UINT32_MAX) {
		aml_byte(aml, DWORD_PREFIX);
		aml_raw(aml, value, 4);
	} else {
		aml_byte(aml, QWORD_PREFIX);
		aml_raw(aml, value, 8);
	}
}

void aml_string(struct aml *aml, const char *text)
{
	aml_byte(aml, STRING_PREFIX);
	aml_bytes(aml, text, strlen(text) + 1);
}

static unsigned hex_digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'A' + 10);
}

/* Three letters of five bits each, then four hexadecimal digits; stored big-endian. */
void aml_eisa_id(struct aml *aml, const char *id)
{
	uint32_t value = 0;

	if (strlen(id) != 7) {
		aml->failed = true;
		return;
	}
	for (int i = 0; i < 3; i++)
		value = value << 5 | (unsigned)(id[i] - 'A' + 1);
	for (int i = 3; i < 7; i++)
		value = value << 4 | hex_digit(id[i]);
	aml_byte(aml, DWORD_PREFIX);
	aml_raw(aml, htobe32(value), 4);
}

static void define(struct aml *aml, const char *name)
{
	aml_byte(aml, NAME_OP);
	aml_name(aml, name);
}

void aml_define_integer(struct aml *aml, const char *name, uint64_t value)
{
	define(aml, name);
	aml_integer(aml, value);
}

void aml_define_eisa_id(struct aml *aml, const char *name, const char *id)
{
	define(aml, name);
	aml_eisa_id(aml, id);
}

void aml_define_string(struct aml *aml, const char *name, const char *text)
{
	define(aml, name);
	aml_string(aml, text);
}

/* ---- what contains others ---- */

static void begin(struct aml *aml)
{
	if (aml->depth == AML_DEPTH_MAX) {
		aml->failed = true;
		return;
	}
	aml->open[aml->depth++] = aml->len;
	aml_raw(aml, 0, LENGTH_BYTES);
}

void aml_end(struct aml *aml)
{
	size_t at, length;

	if (aml->failed || aml->depth == 0) {
		aml->failed = true;
		return;
	}
	at = aml->open[--aml->depth];
	length = aml->len - at;
	if (length > LENGTH_MAX) {
		aml->failed = true;
		return;
	}
	aml->bytes[at] = (uint8_t)(LENGTH_THREE | (length & 0xf));
	aml->bytes[at + 1] = (uint8_t)(length >> 4);
	aml->bytes[at + 2] = (uint8_t)(length >> 12);
}

void aml_begin_scope(struct aml *aml, const char *name)
{
	aml_byte(aml, SCOPE_OP);
	begin(aml);
	aml_byte(aml, ROOT_CHAR);
	aml_name(aml, name);
}

void aml_begin_device(struct aml *aml, const char *name)
{
	aml_byte(aml, EXT_PREFIX);
	aml_byte(aml, DEVICE_OP);
	begin(aml);
	aml_name(aml, name);
}

void aml_begin_method(struct aml *aml, const char *name, unsigned args)
{
	aml_byte(aml, METHOD_OP);
	begin(aml);
	aml_name(aml, name);
	aml_byte(aml, (uint8_t)(args & 7));
}

void aml_begin_if_arg0(struct aml *aml, uint64_t value)
{
	aml_byte(aml, IF_OP);
	begin(aml);
	aml_byte(aml, EQUAL_OP);
	aml_byte(aml, ARG0_OP);
	aml_integer(aml, value);
}

void aml_begin_package(struct aml *aml, const char *name, unsigned count)
{
	define(aml, name);
	aml_byte(aml, PACKAGE_OP);
	begin(aml);
	aml_byte(aml, (uint8_t)count);
}

void aml_begin_resources(struct aml *aml)
{
	define(aml, "_CRS");
	aml_byte(aml, BUFFER_OP);
	begin(aml);
	aml_byte(aml, WORD_PREFIX);
	aml_raw(aml, 0, 2);
}

void aml_end_resources(struct aml *aml)
{
	size_t at, bytes;

	aml_byte(aml, 0x79); /* end tag, with a checksum of 0: not checked */
	aml_byte(aml, 0);
	if (aml->failed || aml->depth == 0) {
		aml->failed = true;
		return;
	}
	at = aml->open[aml->depth - 1] + LENGTH_BYTES;
	bytes = aml->len - at - BUFFER_SIZE_BYTES;
	aml->bytes[at + 1] = (uint8_t)bytes;
	aml->bytes[at + 2] = (uint8_t)(bytes >> 8);
	aml_end(aml);
}

/* ---- resources ---- */

void aml_memory(struct aml *aml, uint32_t start, uint32_t bytes)
{
	aml_byte(aml, 0x86); /* 32-bit fixed memory range */
	aml_raw(aml, 9, 2);
	aml_byte(aml, 1); /* read and write */
	aml_raw(aml, start, 4);
	aml_raw(aml, bytes, 4);
}

void aml_ports(struct aml *aml, uint16_t start, uint8_t count)
{
	aml_byte(aml, 0x47); /* I/O ports */
	aml_byte(aml, 1);    /* all 16 bits are decoded */
	aml_raw(aml, start, 2);
	aml_raw(aml, start, 2);
	aml_byte(aml, 1); /* alignment */
	aml_byte(aml, count);
}

void aml_interrupt(struct aml *aml, uint32_t number)
{
	aml_byte(aml, 0x89); /* extended interrupt */
	aml_raw(aml, 6, 2);
	aml_byte(aml, 0x03); /* consumer, edge, active high, exclusive */
	aml_byte(aml, 1);
	aml_raw(aml, number, 4);
}

void aml_bus_window(struct aml *aml, uint16_t first, uint16_t last)
{
	aml_byte(aml, 0x88); /* word address space */
	aml_raw(aml, 13, 2);
	aml_byte(aml, 2);    /* bus numbers */
	aml_byte(aml, 0x0c); /* producer, both ends fixed, positive decode */
	aml_byte(aml, 0);
	aml_raw(aml, 0, 2);
	aml_raw(aml, first, 2);
	aml_raw(aml, last, 2);
	aml_raw(aml, 0, 2);
	aml_raw(aml, (uint64_t)last - first + 1, 2);
}

void aml_memory_window(struct aml *aml, uint32_t first, uint32_t last)
{
	aml_byte(aml, 0x87); /* double word address space */
	aml_raw(aml, 23, 2);
	aml_byte(aml, 0);    /* memory */
	aml_byte(aml, 0x0c); /* as above */
	aml_byte(aml, 1);    /* read and write, not cacheable */
	aml_raw(aml, 0, 4);
	aml_raw(aml, first, 4);
	aml_raw(aml, last, 4);
	aml_raw(aml, 0, 4);
	aml_raw(aml, (uint64_t)last - first + 1, 4);
}

void aml_notify(struct aml *aml, const char *name, uint8_t value)
{
	aml_byte(aml, NOTIFY_OP);
	aml_name(aml, name);
	aml_integer(aml, value);
}
