/* SPDX-License-Identifier: Apache-2.0
 *
 * test_boot.c - kernels of both kinds, and files that only look like one
 */
#include "vmm/boot.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "vmm/layout.h"
#include "vmm/memory.h"

#define KERNEL_GPA 0x1000000ULL
#define ENTRY 0x1000120U
#define CMDLINE "console=ttyS0 quiet"

/* A kernel of one segment and the note that names its entry. */
struct elf_file {
	Elf64_Ehdr head;
	Elf64_Phdr headers[2];
	struct {
		Elf64_Nhdr head;
		char owner[4];
		uint32_t entry;
	} note;
	char text[16];
};

static struct elf_file some_elf(void)
{
	struct elf_file f = {
		.head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64 },
			  .e_machine = EM_X86_64,
			  .e_phoff = offsetof(struct elf_file, headers),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 2 },
		.headers = { { .p_type = PT_LOAD,
			       .p_offset = offsetof(struct elf_file, text),
			       .p_paddr = KERNEL_GPA,
			       .p_filesz = 16,
			       .p_memsz = 0x3000 },
			     { .p_type = PT_NOTE,
			       .p_offset = offsetof(struct elf_file, note),
			       .p_filesz = 20 } },
		.note = { { 4, 4, 18 }, "Xen", ENTRY },
		.text = "this is a kernel",
	};

	return f;
}

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, len), len);

	return fd;
}

struct fixture {
	struct memory mem;
	struct boot_entry entry;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ 0 };
	*state = &f;

	return memory_init(&f.mem, 64 * MIB, MEMORY_PRIVATE, -1, NULL);
}

static int teardown(void **state)
{
	memory_done(&((struct fixture *)*state)->mem);

	return 0;
}

static int load(struct fixture *f, const void *kernel, size_t len, int initrd_fd)
{
	struct boot_config config = { .kernel_fd = file_of(kernel, len),
				      .initrd_fd = initrd_fd,
				      .cmdline = CMDLINE,
				      .rsdp_gpa = LAYOUT_ACPI };
	struct err err = ERR_INIT;
	int r = boot_load(&f->mem, &config, &f->entry, &err);

	assert_int_equal(err.code, r < 0 ? -r : 0);
	(void)close(config.kernel_fd);

	return r;
}

static uint64_t get(struct fixture *f, uint64_t gpa, unsigned bytes)
{
	uint64_t value = 0;

	assert_int_equal(memory_read(&f->mem, GPA(gpa), &value, bytes), 0);

	return value;
}

static void check_text(struct fixture *f, uint64_t gpa, const char *text, size_t len)
{
	assert_memory_equal(memory_at(&f->mem, GPA(gpa), len), text, len);
}

static void test_elf(void **state)
{
	struct fixture *f = *state;
	struct elf_file elf = some_elf();
	int initrd_fd = file_of("initramfs", 9);
	uint64_t module, map, initrd;

	assert_int_equal(load(f, &elf, sizeof(elf), initrd_fd), 0);
	check_text(f, KERNEL_GPA, elf.text, 16);
	assert_int_equal(f->entry.regs.rip, ENTRY);
	assert_int_equal(f->entry.regs.rbx, LAYOUT_START_INFO);
	assert_int_equal(f->entry.sregs.cr0, 0x11);
	assert_int_equal(f->entry.sregs.efer, 0);
	/* What the kernel is told (offsets of the PVH protocol). */
	assert_int_equal(get(f, LAYOUT_START_INFO, 4), 0x336ec578);
	assert_int_equal(get(f, LAYOUT_START_INFO + 12, 4), 1);
	module = get(f, LAYOUT_START_INFO + 16, 8);
	check_text(f, get(f, LAYOUT_START_INFO + 24, 8), CMDLINE, sizeof(CMDLINE));
	assert_int_equal(get(f, LAYOUT_START_INFO + 32, 8), LAYOUT_ACPI);
	map = get(f, LAYOUT_START_INFO + 40, 8);
	initrd = get(f, module, 8);
	assert_int_equal(get(f, module + 8, 8), 9);
	check_text(f, initrd, "initramfs", 9);
	assert_int_equal(initrd % 4096, 0);
	assert_in_range(initrd, KERNEL_GPA + 0x3000, 64 * MIB - 9);
	/* All RAM, and nothing else, is in the map. */
	assert_int_equal(get(f, LAYOUT_START_INFO + 48, 4), 3);
	assert_int_equal(get(f, map + 2 * 24, 8), MIB);
	assert_int_equal(get(f, map + 2 * 24 + 8, 8), 63 * MIB);
	(void)close(initrd_fd);
}

static void test_elf_spoiled(void **state)
{
	struct fixture *f = *state;
	struct elf_file elf = some_elf();

	for (size_t len = offsetof(struct elf_file, text) + 15; len >= 4; len--)
		assert_true(load(f, &elf, len, -1) < 0);
	elf.headers[0].p_paddr = 64 * MIB - 0x2000;
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -E2BIG);
	elf.headers[0].p_paddr = UINT64_MAX - 0x1000;
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -EINVAL);
	elf.headers[0].p_paddr = 0x1000; /* where our own structures are */
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -EINVAL);
	elf = some_elf();
	elf.headers[0].p_type = PT_NULL; /* nothing of it is loaded, and the initramfs anywhere */
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -EINVAL);
	elf = some_elf();
	elf.headers[0].p_memsz = 8;
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -EINVAL);
	elf = some_elf();
	elf.headers[0].p_offset = UINT64_MAX - 4;
	assert_true(load(f, &elf, sizeof(elf), -1) < 0);
	elf = some_elf();
	elf.note.head.n_type = 17;
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -EINVAL);
	elf = some_elf();
	elf.note.head.n_namesz = UINT32_MAX;
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -EINVAL);
	elf = some_elf();
	elf.note.head.n_descsz = UINT32_MAX - 2;
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -EINVAL);
	elf = some_elf();
	elf.headers[1].p_filesz = MIB;
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -E2BIG);
	elf = some_elf();
	elf.head.e_phnum = UINT16_MAX;
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -EINVAL);
	elf = some_elf();
	elf.head.e_machine = EM_AARCH64;
	assert_int_equal(load(f, &elf, sizeof(elf), -1), -EINVAL);
}

/* An initramfs never overlaps the kernel. */
static void test_initrd_too_big(void **state)
{
	struct fixture *f = *state;
	struct elf_file elf = some_elf();
	int fd = memfd_create("initrd", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)(64 * MIB - KERNEL_GPA - 0x2fff)), 0);
	assert_int_equal(load(f, &elf, sizeof(elf), fd), -E2BIG);
	assert_int_equal(ftruncate(fd, (off_t)(64 * MIB - KERNEL_GPA - 0x3000)), 0);
	assert_int_equal(load(f, &elf, sizeof(elf), fd), 0);
	assert_int_equal(ftruncate(fd, (off_t)(65 * MIB)), 0);
	assert_int_equal(load(f, &elf, sizeof(elf), fd), -E2BIG);
	(void)close(fd);
}

#define SETUP_SECTS 4
#define TEXT_AT ((SETUP_SECTS + 1) * 512)

static void some_bzimage(uint8_t file[TEXT_AT + 16])
{
	struct setup_header header = { .setup_sects = SETUP_SECTS,
				       .boot_flag = 0xaa55,
				       .header = 0x53726448,
				       .version = 0x020f,
				       .xloadflags = XLF_KERNEL_64,
				       .pref_address = KERNEL_GPA,
				       .init_size = 0x100000,
				       .initrd_addr_max = 0x7fffffff,
				       .cmdline_size = 2047 };

	memset(file, 0, TEXT_AT);
	memcpy(file + 0x1f1, &header, sizeof(header));
	memcpy(file + TEXT_AT, "this is a kernel", 16);
}

static void test_bzimage(void **state)
{
	struct fixture *f = *state;
	uint8_t file[TEXT_AT + 16];
	int initrd_fd = file_of("initramfs", 9);
	struct boot_params params;

	some_bzimage(file);
	assert_int_equal(load(f, file, sizeof(file), initrd_fd), 0);
	check_text(f, KERNEL_GPA, "this is a kernel", 16);
	assert_int_equal(f->entry.regs.rip, KERNEL_GPA + 0x200);
	assert_int_equal(f->entry.regs.rsi, LAYOUT_ZERO_PAGE);
	assert_true(f->entry.sregs.efer & 0x400);
	assert_int_equal(memory_read(&f->mem, GPA(LAYOUT_ZERO_PAGE), &params, sizeof(params)), 0);
	assert_int_equal(params.acpi_rsdp_addr, LAYOUT_ACPI);
	assert_int_equal(params.hdr.header, 0x53726448);
	check_text(f, params.hdr.cmd_line_ptr, CMDLINE, sizeof(CMDLINE));
	check_text(f, params.hdr.ramdisk_image, "initramfs", 9);
	assert_int_equal(params.hdr.ramdisk_size, 9);
	assert_int_equal(params.e820_entries, 3);
	assert_int_equal(params.e820_table[2].addr, MIB);
	assert_int_equal(params.e820_table[2].size, 63 * MIB);
	/* The last page of 4 GiB is mapped to itself. */
	assert_int_equal(get(f, LAYOUT_PAGE_TABLES + 5 * 4096 + 511 * 8, 8), 0xffe00083);
	(void)close(initrd_fd);
}

static void test_bzimage_spoiled(void **state)
{
	struct fixture *f = *state;
	uint8_t file[TEXT_AT + 16];
	struct setup_header *header = (struct setup_header *)(file + 0x1f1);

	some_bzimage(file);
	assert_int_equal(load(f, file, TEXT_AT, -1), -EINVAL);
	assert_int_equal(load(f, file, 0x1f1 + 4, -1), -ENOEXEC);
	header->xloadflags = 0;
	assert_int_equal(load(f, file, sizeof(file), -1), -ENOTSUP);
	some_bzimage(file);
	header->pref_address = 0x1000;
	assert_int_equal(load(f, file, sizeof(file), -1), -EINVAL);
	header->pref_address = UINT64_MAX;
	assert_int_equal(load(f, file, sizeof(file), -1), -EINVAL);
	header->pref_address = 64 * MIB - 0x1000;
	assert_int_equal(load(f, file, sizeof(file), -1), -E2BIG);
	some_bzimage(file);
	header->init_size = 8;
	assert_int_equal(load(f, file, sizeof(file), -1), -E2BIG);
	some_bzimage(file);
	header->cmdline_size = 4;
	assert_int_equal(load(f, file, sizeof(file), -1), -E2BIG);
	assert_int_equal(load(f, "#!/bin/sh\n", 10, -1), -ENODATA);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_elf),	    TEST(test_elf_spoiled),	TEST(test_initrd_too_big),
		TEST(test_bzimage), TEST(test_bzimage_spoiled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
