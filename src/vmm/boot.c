/* SPDX-License-Identifier: Apache-2.0
 *
 * boot.c - what both kinds of kernel have in common: initramfs, command line, memory map
 */
#include "vmm/boot.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/boot_priv.h"
#include "vmm/layout.h"

#define PAGE_BYTES 4096ULL

size_t boot_ranges(const struct memory *mem, struct boot_range ret[BOOT_RANGES_MAX])
{
	size_t n = 0;

	ret[n++] = (struct boot_range){ 0, LAYOUT_LOW_END, BOOT_RAM };
	ret[n++] = (struct boot_range){ LAYOUT_LOW_END, LAYOUT_KERNEL - LAYOUT_LOW_END,
					BOOT_RESERVED };
	ret[n++] = (struct boot_range){ LAYOUT_KERNEL, mem->regions[0].bytes - LAYOUT_KERNEL,
					BOOT_RAM };
	for (size_t i = 1; i < mem->regions_len; i++)
		ret[n++] = (struct boot_range){ mem->regions[i].start, mem->regions[i].bytes,
						BOOT_RAM };

	return n;
}

/* At the top of low memory, where it is out of the way of a kernel that unpacks itself. */
static int load_initrd(const struct memory *mem, int fd, struct boot_image *image, struct err *err)
{
	uint64_t top = MIN(mem->regions[0].bytes, image->initrd_max), bytes;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at the initramfs");
	bytes = (uint64_t)st.st_size;
	if (bytes > top || ((top - bytes) & ~(PAGE_BYTES - 1)) < image->end)
		return err_set(err, E2BIG, "kernel and initramfs do not fit into %llu MiB",
			       (unsigned long long)(mem->bytes / MIB));
	image->initrd = (top - bytes) & ~(PAGE_BYTES - 1);
	image->initrd_bytes = bytes;
	r = memory_load(mem, GPA(image->initrd), fd, 0, bytes);

	return r < 0 ? err_set(err, -r, "read the initramfs: %s", strerrordesc_np(-r)) : 0;
}

/*
 * The last resort of kernels that want a reset is to jump where firmware would be. Linux does so at
 * once when ACPI is hardware-reduced, because it expects the services of EFI then.
 */
static int write_reset_vector(const struct memory *mem)
{
	static const uint8_t code[] = {
		0xb0,
		0x01, /* mov al, 1 */
		0xba,
		LAYOUT_RESET & 0xff,
		LAYOUT_RESET >> 8,
		0xee, /* mov dx, port; out dx, al */
		0xf4,
		0xeb,
		0xfd, /* hlt; jmp to it */
	};

	return memory_write(mem, GPA(LAYOUT_RESET_VECTOR), code, sizeof(code));
}

int boot_load(const struct memory *mem, const struct boot_config *config, struct boot_entry *ret,
	      struct err *err)
{
	size_t cmdline_bytes = strlen(config->cmdline) + 1;
	struct boot_image image = { 0 };
	bool is_elf = true;
	int r;

	if (cmdline_bytes - 1 > BOOT_CMDLINE_MAX)
		return err_setk(err, ERR_USAGE, E2BIG, "the kernel's command line is too long");
	r = boot_elf_load(mem, config->kernel_fd, &image, err);
	if (r == -ENOEXEC) {
		is_elf = false;
		r = boot_linux_load(mem, config->kernel_fd, &image, err);
	}
	if (r == 0 && config->initrd_fd >= 0)
		r = load_initrd(mem, config->initrd_fd, &image, err);
	if (r < 0)
		return err_wrap(err, r, "load the kernel");

	r = memory_write(mem, GPA(LAYOUT_CMDLINE), config->cmdline, cmdline_bytes);
	if (r == 0)
		r = write_reset_vector(mem);
	if (r == 0)
		r = is_elf ? boot_elf_params(mem, config, &image)
			   : boot_linux_params(mem, config, &image);
	if (r < 0)
		return err_set(err, -r, "write the kernel's parameters");
	*ret = (struct boot_entry){ 0 };
	if (is_elf)
		boot_elf_entry(&image, ret);
	else
		boot_linux_entry(&image, ret);

	return 0;
}
