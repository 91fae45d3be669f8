/* SPDX-License-Identifier: Apache-2.0
 *
 * boot_linux.c - a bzImage that is entered by Linux' 64-bit protocol
 *
 * Documentation/arch/x86/boot.rst of Linux. The kernel is entered at its 64-bit entry, in long
 * mode, with the first 4 GiB mapped one to one.
 */
#include <asm/bootparam.h>
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/boot_priv.h"
#include "vmm/layout.h"

#define BOOT_FLAG 0xaa55
#define HEADER_MAGIC 0x53726448 /* "HdrS" */
#define PROTOCOL_MIN 0x020c
#define SECTOR_BYTES 512U
#define SETUP_SECTORS_DEFAULT 4
#define ENTRY_64_OFFSET 0x200
#define LOADER_UNDEFINED 0xff
#define GDT_ENTRIES 4

#define CR0_PE_ET_PG 0x80000011
#define CR4_PAE 0x20
#define EFER_LME_LMA 0x500
#define PTE_PRESENT_RW 0x3ULL
#define PTE_LARGE 0x80ULL
#define PAGE_BYTES 4096
#define TABLE_ENTRIES 512

static int read_header(int fd, struct setup_header *ret, struct err *err)
{
	ssize_t n = pread(fd, ret, sizeof(*ret), BOOT_SETUP_HEADER_AT);

	if (n < 0)
		return err_sys(err, "read the file");
	if (n != sizeof(*ret) || ret->boot_flag != BOOT_FLAG || ret->header != HEADER_MAGIC)
		return err_setk(err, ERR_USAGE, ENOEXEC,
				"it is neither an ELF kernel nor a bzImage");
	if (ret->version < PROTOCOL_MIN || !(ret->xloadflags & XLF_KERNEL_64))
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"it is a bzImage without a 64-bit entry");

	return 0;
}

int boot_linux_load(const struct memory *mem, int fd, struct boot_image *ret, struct err *err)
{
	struct boot_image image = { 0 };
	struct setup_header header;
	uint64_t at, offset, start;
	struct stat st;
	int r = read_header(fd, &header, err);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at the file");
	offset = (header.setup_sects ? header.setup_sects : SETUP_SECTORS_DEFAULT) + 1U;
	offset *= SECTOR_BYTES;
	at = (uint64_t)st.st_size;
	start = header.pref_address;
	if (offset >= at || start < LAYOUT_KERNEL || add_overflows(start, header.init_size, &at))
		return err_set(err, EINVAL, "its header is wrong");
	if (!memory_at(mem, GPA(start), header.init_size) ||
	    (uint64_t)st.st_size - offset > header.init_size)
		return err_set(err, E2BIG, "it does not fit into %llu MiB of memory",
			       (unsigned long long)(mem->bytes / MIB));
	r = memory_load(mem, GPA(start), fd, offset, (uint64_t)st.st_size - offset);
	if (r < 0)
		return err_set(err, -r, "read the file: %s", strerrordesc_np(-r));
	image.entry = start + ENTRY_64_OFFSET;
	image.end = at;
	image.initrd_max = MIN((uint64_t)header.initrd_addr_max, MEMORY_HOLE_START);
	/* The parameters begin with the file's own header. */
	r = memory_write(mem, GPA(LAYOUT_ZERO_PAGE + BOOT_SETUP_HEADER_AT), &header,
			 sizeof(header));
	*ret = image;

	return r;
}

/* Four gibibytes in pages of two mebibytes. */
static int write_page_tables(const struct memory *mem)
{
	uint64_t table[TABLE_ENTRIES] = { 0 };
	uint64_t at = LAYOUT_PAGE_TABLES;
	int r;

	table[0] = htole64((at + PAGE_BYTES) | PTE_PRESENT_RW);
	r = memory_write(mem, GPA(at), table, sizeof(table));
	for (uint64_t i = 0; i < 4; i++)
		table[i] = htole64((at + (2 + i) * PAGE_BYTES) | PTE_PRESENT_RW);
	if (r == 0)
		r = memory_write(mem, GPA(at + PAGE_BYTES), table, sizeof(table));
	for (uint64_t gib = 0; gib < 4 && r == 0; gib++) {
		for (uint64_t i = 0; i < TABLE_ENTRIES; i++)
			table[i] = htole64((gib * GIB + i * MEMORY_HUGE_BYTES) | PTE_PRESENT_RW |
					   PTE_LARGE);
		r = memory_write(mem, GPA(at + (2 + gib) * PAGE_BYTES), table, sizeof(table));
	}

	return r;
}

/* The kernel reloads its segments from a table of this shape: code at 0x10, data at 0x18. */
static int write_gdt(const struct memory *mem)
{
	const uint64_t gdt[GDT_ENTRIES] = { 0, 0, htole64(0x00af9b000000ffff),
					    htole64(0x00cf93000000ffff) };

	return memory_write(mem, GPA(LAYOUT_GDT), gdt, sizeof(gdt));
}

int boot_linux_params(const struct memory *mem, const struct boot_config *config,
		      const struct boot_image *image)
{
	auto_free struct boot_params *params = calloc(1, sizeof(*params));
	struct boot_range ranges[BOOT_RANGES_MAX];
	size_t ranges_len = boot_ranges(mem, ranges);
	int r;

	if (!params)
		return -ENOMEM;
	r = memory_read(mem, GPA(LAYOUT_ZERO_PAGE + BOOT_SETUP_HEADER_AT), &params->hdr,
			sizeof(params->hdr));
	if (r < 0)
		return r;
	if (strlen(config->cmdline) > params->hdr.cmdline_size)
		return -E2BIG;
	params->hdr.type_of_loader = LOADER_UNDEFINED;
	params->hdr.cmd_line_ptr = LAYOUT_CMDLINE;
	params->hdr.ramdisk_image = (uint32_t)image->initrd;
	params->hdr.ramdisk_size = (uint32_t)image->initrd_bytes;
	params->acpi_rsdp_addr = config->rsdp_gpa;
	params->e820_entries = (uint8_t)ranges_len;
	for (size_t i = 0; i < ranges_len; i++)
		params->e820_table[i] = (struct boot_e820_entry){ ranges[i].start, ranges[i].bytes,
								  ranges[i].type };
	r = memory_write(mem, GPA(LAYOUT_ZERO_PAGE), params, sizeof(*params));
	if (r == 0)
		r = write_page_tables(mem);

	return r < 0 ? r : write_gdt(mem);
}

void boot_linux_entry(const struct boot_image *image, struct boot_entry *ret)
{
	struct kvm_segment data = { .limit = UINT32_MAX,
				    .selector = 0x18,
				    .type = 3,
				    .present = 1,
				    .db = 1,
				    .s = 1,
				    .g = 1 };
	struct kvm_segment code = data;

	code.selector = 0x10;
	code.type = 11;
	code.db = 0;
	code.l = 1;
	ret->sregs.cs = code;
	ret->sregs.ds = ret->sregs.es = ret->sregs.ss = data;
	ret->sregs.fs = ret->sregs.gs = data;
	ret->sregs.tr = (struct kvm_segment){ .limit = 0x67, .type = 11, .present = 1 };
	ret->sregs.gdt = (struct kvm_dtable){ .base = LAYOUT_GDT, .limit = GDT_ENTRIES * 8 - 1 };
	ret->sregs.cr0 = CR0_PE_ET_PG;
	ret->sregs.cr3 = LAYOUT_PAGE_TABLES;
	ret->sregs.cr4 = CR4_PAE;
	ret->sregs.efer = EFER_LME_LMA;
	ret->regs.rflags = 2;
	ret->regs.rip = image->entry;
	ret->regs.rsi = LAYOUT_ZERO_PAGE;
	ret->regs.rsp = LAYOUT_STACK;
}
