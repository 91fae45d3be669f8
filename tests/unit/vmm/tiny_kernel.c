/* SPDX-License-Identifier: Apache-2.0
 *
 * tiny_kernel.c - a kernel of a few bytes, which every KVM can run
 */
#include "tiny_kernel.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

#define KERNEL_GPA 0x100000

struct kernel {
	Elf64_Ehdr head;
	Elf64_Phdr headers[2];
	struct {
		Elf64_Nhdr head;
		char owner[4];
		uint32_t entry;
	} note;
	uint8_t text[TINY_KERNEL_MAX_BYTES];
};

int tiny_kernel(const void *text, size_t len)
{
	struct kernel k = {
		.head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64 },
			  .e_machine = EM_X86_64,
			  .e_phoff = offsetof(struct kernel, headers),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 2 },
		.headers = { { .p_type = PT_LOAD,
			       .p_offset = offsetof(struct kernel, text),
			       .p_paddr = KERNEL_GPA,
			       .p_filesz = sizeof(k.text),
			       .p_memsz = sizeof(k.text) },
			     { .p_type = PT_NOTE,
			       .p_offset = offsetof(struct kernel, note),
			       .p_filesz = sizeof(k.note) } },
		.note = { { 4, 4, 18 }, "Xen", KERNEL_GPA },
	};
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	assert_true(len <= sizeof(k.text));
	memcpy(k.text, text, len);
	assert_int_equal(write(fd, &k, sizeof(k)), sizeof(k));

	return fd;
}
