/* SPDX-License-Identifier: Apache-2.0
 *
 * boot.h - put a kernel, its initramfs and its command line into memory, ready to be entered
 *
 * Two kinds of kernel: an ELF file with a PVH note is entered in 32-bit mode without paging; a
 * bzImage with a 64-bit entry in long mode with its memory mapped one to one. Both find the ACPI
 * tables by a pointer in their parameters.
 */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include <linux/kvm.h>
#include <stdint.h>

#include "base/err.h"

struct memory;

/**
 * struct boot_config - what to boot
 * @kernel_fd:	ELF or bzImage, borrowed
 * @initrd_fd:	borrowed; -1: none
 * @cmdline:	at most BOOT_CMDLINE_MAX characters, what the kernel allows if that is less
 * @rsdp_gpa:	guest address of the ACPI root pointer
 */
struct boot_config {
	int kernel_fd, initrd_fd;
	const char *cmdline;
	uint64_t rsdp_gpa;
};

#define BOOT_CMDLINE_MAX 2047

/* How the first processor begins. */
struct boot_entry {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

/**
 * boot_load() - Load everything
 * @mem:	the guest's memory
 * @config:	what
 * @ret:	how to enter it
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -ENOEXEC when the kernel is of no kind we know, -E2BIG when it does not fit, or
 *	   another negative errno.
 */
int boot_load(const struct memory *mem, const struct boot_config *config, struct boot_entry *ret,
	      struct err *err);

#endif
