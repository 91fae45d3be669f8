/* SPDX-License-Identifier: Apache-2.0
 *
 * boot_priv.h - the parts of loading a kernel, for boot.c and the files of the two kinds
 */
#ifndef VMM_BOOT_PRIV_H
#define VMM_BOOT_PRIV_H

#include "vmm/boot.h"
#include "vmm/memory.h"

/* What has been loaded where. */
struct boot_image {
	uint64_t entry;	 /* guest address */
	uint64_t end;	 /* first address that the kernel does not use */
	uint64_t initrd; /* address, when there is one */
	uint64_t initrd_bytes;
	uint64_t initrd_max; /* highest address that the kernel accepts for its last byte */
};

/* A range of a memory map; usable RAM or reserved. */
struct boot_range {
	uint64_t start, bytes;
	uint32_t type;
};

#define BOOT_RAM 1
#define BOOT_RESERVED 2
#define BOOT_RANGES_MAX 8

/* The memory map of the guest. Returns the number of ranges. */
size_t boot_ranges(const struct memory *mem, struct boot_range ret[BOOT_RANGES_MAX]);

/* Load the ELF file @fd. -ENOEXEC without a word in @err when it is no ELF file. */
int boot_elf_load(const struct memory *mem, int fd, struct boot_image *ret, struct err *err);

/* Write what a PVH kernel is told; the rest of @image is known. 0 or a negative errno. */
int boot_elf_params(const struct memory *mem, const struct boot_config *config,
		    const struct boot_image *image);
/* How it is entered. */
void boot_elf_entry(const struct boot_image *image, struct boot_entry *ret);

#define BOOT_SETUP_HEADER_AT 0x1f1

/* The same for a bzImage. */
int boot_linux_load(const struct memory *mem, int fd, struct boot_image *ret, struct err *err);
int boot_linux_params(const struct memory *mem, const struct boot_config *config,
		      const struct boot_image *image);
void boot_linux_entry(const struct boot_image *image, struct boot_entry *ret);

#endif
