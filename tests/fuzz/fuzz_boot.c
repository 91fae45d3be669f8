/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_boot.c - files that are to be kernels: ELF with a PVH note, bzImage, neither
 *
 * The first byte says how long the initramfs is, in kibibytes; the kernel follows. What is loaded
 * lies in memory, apart from each other, and none of it below the place of kernels.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/boot.h"
#include "vmm/boot_priv.h"
#include "vmm/layout.h"

#define GUEST_BYTES (64 * MIB)
#define GUARD_BYTES 4096
#define CMDLINE "quiet"

static struct memory memory;

static int file_of(const uint8_t *bytes, size_t len)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	fuzz_assert(fd >= 0 && fd_write_all(fd, bytes, len) == 0);

	return fd;
}

/* Whoever leaves guest memory ends the process. */
static void guard(unsigned char *at)
{
	void *map = mmap(at, GUARD_BYTES, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	(void)map; /* somebody else's page there is not ours to move */
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_assert(memory_init(&memory, GUEST_BYTES, MEMORY_PRIVATE, -1, NULL) == 0);
	/* Zeroing huge pages is most of the work otherwise. */
	(void)madvise(memory.regions[0].host, GUEST_BYTES, MADV_NOHUGEPAGE);
	guard(memory.regions[0].host - GUARD_BYTES);
	guard(memory.regions[0].host + GUEST_BYTES);

	return 0;
}

static void check(const struct boot_image *image, uint64_t initrd_bytes)
{
	fuzz_assert(image->end >= LAYOUT_KERNEL && image->end <= GUEST_BYTES);
	if (initrd_bytes == 0)
		return;
	fuzz_assert(image->initrd >= image->end);
	fuzz_assert(image->initrd + initrd_bytes <= GUEST_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t initrd_bytes = len > 0 ? data[0] * KIB : 0;
	auto_close int kernel_fd = file_of(data + (len > 0), len - (len > 0));
	auto_close int initrd_fd = file_of((const uint8_t *)"", 0);
	const struct boot_config config = { .kernel_fd = kernel_fd,
					    .initrd_fd = initrd_fd,
					    .cmdline = CMDLINE,
					    .rsdp_gpa = LAYOUT_ACPI };
	struct boot_image image = { 0 };
	struct boot_entry entry;
	struct err err = ERR_INIT;
	int r;

	fuzz_assert(ftruncate(initrd_fd, (off_t)initrd_bytes) == 0);
	r = boot_load(&memory, &config, &entry, &err);
	fuzz_assert(r == 0 || (r < 0 && err.code));
	if (r == 0) {
		char cmdline[sizeof(CMDLINE)];

		/* The parts again, which say where things went. */
		r = boot_elf_load(&memory, kernel_fd, &image, NULL);
		if (r == -ENOEXEC)
			r = boot_linux_load(&memory, kernel_fd, &image, NULL);
		fuzz_assert(r == 0 && entry.regs.rip == image.entry);
		image.initrd = ((MIN(GUEST_BYTES, image.initrd_max) - initrd_bytes) & ~4095ULL);
		check(&image, initrd_bytes);
		(void)memory_read(&memory, GPA(LAYOUT_CMDLINE), cmdline, sizeof(cmdline));
		fuzz_assert(memcmp(cmdline, CMDLINE, sizeof(CMDLINE)) == 0);
	}
	fuzz_assert(memory_discard(&memory, GPA(0), GUEST_BYTES) == 0);

	return 0;
}
