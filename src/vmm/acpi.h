/* SPDX-License-Identifier: Apache-2.0
 *
 * acpi.h - the ACPI tables of a hardware-reduced machine
 */
#ifndef VMM_ACPI_H
#define VMM_ACPI_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct memory;

#define ACPI_BYTES_MAX (64 * KIB)

/**
 * acpi_build() - Write all tables, one after the other
 * @buf:	destination, ACPI_BYTES_MAX
 * @start:	its guest physical address, where the root pointer (RSDP) is
 * @cpus:	number of processors, whose APIC ids are 0 to @cpus - 1
 *
 * Return: bytes used, or -ENOSPC.
 */
int acpi_build(uint8_t *buf, uint64_t start, unsigned cpus);

/* The same into the guest's memory at LAYOUT_ACPI. 0 or a negative errno. */
int acpi_load(const struct memory *mem, unsigned cpus, struct err *err);

#endif
