/* SPDX-License-Identifier: Apache-2.0
 *
 * aml.h - the byte code of ACPI tables, written front to back into a bounded buffer
 *
 * A construct that contains others is opened with aml_begin_...() and closed with aml_end(), which
 * fills in its length. Whatever does not fit sets @failed; one check at the end is enough.
 *
 * ACPI 6.4, chapter 20 (AML) and section 6.4 (resource descriptors).
 */
#ifndef VMM_AML_H
#define VMM_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH_MAX 8

struct aml {
	uint8_t *bytes;
	size_t len, room;
	size_t open[AML_DEPTH_MAX]; /* where the lengths of open constructs are */
	unsigned depth;
	bool failed;
};

/* Write into @buf. */
void aml_init(struct aml *aml, uint8_t *buf, size_t buf_bytes);

/* Bytes as they are. */
void aml_byte(struct aml *aml, uint8_t value);
void aml_bytes(struct aml *aml, const void *bytes, size_t len);
/* The low @bytes of a number, little-endian. */
void aml_raw(struct aml *aml, uint64_t value, unsigned bytes);

/* "PCI0": four characters, padded with '_' when @name is shorter; "\" and '.' are not known. */
void aml_name(struct aml *aml, const char *name);
/* A number as an object, in the shortest form. */
void aml_integer(struct aml *aml, uint64_t value);
void aml_string(struct aml *aml, const char *text);
/* "PNP0A08" packed into a number, as an object. */
void aml_eisa_id(struct aml *aml, const char *id);

/* Name (@name, @value), a number; the same with an EISA id; the same with a string. */
void aml_define_integer(struct aml *aml, const char *name, uint64_t value);
void aml_define_eisa_id(struct aml *aml, const char *name, const char *id);
void aml_define_string(struct aml *aml, const char *name, const char *text);

/* Scope (\@name), Device (@name), Method (@name, @args), Name (@name, Package () of @count). */
void aml_begin_scope(struct aml *aml, const char *name);
void aml_begin_device(struct aml *aml, const char *name);
void aml_begin_method(struct aml *aml, const char *name, unsigned args);
/* If (Arg0 == @value) */
void aml_begin_if_arg0(struct aml *aml, uint64_t value);
void aml_begin_package(struct aml *aml, const char *name, unsigned count);
/* Name (_CRS, ResourceTemplate ()); ends with aml_end_resources(). */
void aml_begin_resources(struct aml *aml);
void aml_end_resources(struct aml *aml);
void aml_end(struct aml *aml);

/* Resources: what a device decodes, and where it interrupts (edge, active high, alone). */
void aml_memory(struct aml *aml, uint32_t start, uint32_t bytes);
void aml_ports(struct aml *aml, uint16_t start, uint8_t count);
void aml_interrupt(struct aml *aml, uint32_t number);
/* Windows that a bridge passes on. */
void aml_bus_window(struct aml *aml, uint16_t first, uint16_t last);
void aml_memory_window(struct aml *aml, uint32_t first, uint32_t last);

/* Notify (@name, @value) */
void aml_notify(struct aml *aml, const char *name, uint8_t value);

#endif
