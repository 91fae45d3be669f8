/* SPDX-License-Identifier: Apache-2.0
 *
 * files.h - kernels, initramfs and disks that the user names
 */
#ifndef BARE_FILES_H
#define BARE_FILES_H

#include <stdbool.h>

#include "base/err.h"

/**
 * files_open_kernel() - Open a kernel of a kind that can be booted
 * @path:	the user's
 * @err:	kind USAGE and a hint when it is no kernel
 *
 * An ELF file for x86-64, or a bzImage. Whether an ELF file has a PVH entry the hypervisor finds
 * out.
 *
 * Return: a descriptor that the caller owns, -ENOEXEC, or another negative errno.
 */
int files_open_kernel(const char *path, struct err *err);

/* Open an initramfs, of which nothing is known. A descriptor or a negative errno. */
int files_open_initrd(const char *path, struct err *err);

/**
 * files_open_disk() - Open a raw disk and lock it against another machine
 * @spec:	"FILE" or "FILE:ro", a regular file or a block device
 * @ret_readonly: as the spec says
 * @err:	kind CONFLICT when another machine writes to it, or this one would to one in use
 *
 * Return: a descriptor that the caller owns; the lock lasts as long as any copy of it. Or -EBUSY or
 *	   another negative errno.
 */
int files_open_disk(const char *spec, bool *ret_readonly, struct err *err);

#endif
