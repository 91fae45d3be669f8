/* SPDX-License-Identifier: Apache-2.0
 *
 * vmlinux.h - an uncompressed ELF kernel out of what distributions ship
 */
#ifndef IMAGE_VMLINUX_H
#define IMAGE_VMLINUX_H

#include <stddef.h>

#include "base/err.h"
#include "base/macro.h"

#define VMLINUX_MAX_FILE_BYTES (256 * MIB) /* of the file that is read */
#define VMLINUX_MAX_BYTES (1 * GIB)	   /* of the kernel in it */

/**
 * vmlinux_extract() - Find the ELF kernel in a bzImage and write it
 * @kernel:	bzImage of x86-64, or an ELF file, which is written as it is
 * @kernel_len:	its bytes
 * @out_fd:	receives the ELF file, from its current offset; borrowed
 * @err:	filled in on failure, may be NULL
 *
 * The payload may be compressed by LZ4 (legacy frame), gzip, xz or zstd; see the kernel's
 * Documentation/arch/x86/boot.rst for the header.
 *
 * Return: 0, -EBADMSG for a malformed file, -EOPNOTSUPP for one we cannot read, or another
 *	   negative errno.
 */
int vmlinux_extract(const void *kernel, size_t kernel_len, int out_fd, struct err *err);

/**
 * vmlinux_trim() - Let an ELF kernel's segments end where their content does
 * @fd:		what vmlinux_extract() has written, open for reading and writing; borrowed
 * @err:	filled in on failure, may be NULL
 *
 * Linux' own build stores the memory of zeroes behind its data as zeroes, 12 MB with Debian: what
 * loads the kernel into memory that is zero would read and copy them at every start. Only sizes in
 * the file (p_filesz) change, to a multiple of a page; the memory that results is the same.
 *
 * Return: 0 or a negative errno.
 */
int vmlinux_trim(int fd, struct err *err);

#endif
