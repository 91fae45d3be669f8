/* SPDX-License-Identifier: Apache-2.0
 *
 * initrd.h - the guest's first root filesystem: agent, modules, nothing else
 */
#ifndef IMAGE_INITRD_H
#define IMAGE_INITRD_H

#include <stddef.h>

#include "base/err.h"
#include "image/kmod.h"

/**
 * initrd_write() - Write a cpio archive (newc) that the kernel unpacks as its first root
 * @out_fd:	from its current offset; borrowed
 * @agent:	a static program, becomes /init
 * @agent_len:	its bytes
 * @modules:	become /lib/modules/NAME.ko; /modules, which is left out when there are none, lists
 *		these paths in their order
 * @err:	filled in on failure, may be NULL
 *
 * The same input gives the same bytes.
 *
 * Return: 0 or a negative errno.
 */
int initrd_write(int out_fd, const void *agent, size_t agent_len, const struct kmod_list *modules,
		 struct err *err);

#endif
