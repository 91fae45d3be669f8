/* SPDX-License-Identifier: Apache-2.0
 *
 * guest.h - kernel and initrd of a virtual machine, made ready once and kept
 */
#ifndef IMAGE_GUEST_H
#define IMAGE_GUEST_H

#include "base/err.h"

/**
 * guest_build() - Make a folder with "vmlinux" and "initrd"
 * @kernel:	host path of a bzImage or an ELF kernel
 * @modules:	host path of its modules (.../lib/modules/VERSION), or NULL for a kernel that has
 *		everything built in
 * @agent:	host path of the static agent
 * @out:	host path of the folder; one that is there already is replaced
 * @err:	filled in on failure, may be NULL
 *
 * The folder appears whole or not at all.
 *
 * Return: 0 or a negative errno.
 */
int guest_build(const char *kernel, const char *modules, const char *agent, const char *out,
		struct err *err);

#endif
