/* SPDX-License-Identifier: Apache-2.0
 *
 * vm_fd.h - a machine of KVM: interrupt controllers and memory slots
 */
#ifndef VMM_VM_FD_H
#define VMM_VM_FD_H

#include "base/err.h"

struct memory;

/**
 * vm_fd_open() - Have KVM make a machine with interrupt controllers and the guest's memory
 * @kvm_fd:	of /dev/kvm
 * @mem:	memory, which must outlive the machine
 * @err:	filled in on failure, may be NULL
 *
 * Return: a descriptor that the caller owns, -ENOTSUP when KVM is too old, or another negative
 *	   errno.
 */
int vm_fd_open(int kvm_fd, const struct memory *mem, struct err *err);

#endif
