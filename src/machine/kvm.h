/* SPDX-License-Identifier: Apache-2.0
 *
 * kvm.h - can this host's KVM run an unmodified kernel?
 */
#ifndef MACHINE_KVM_H
#define MACHINE_KVM_H

#include "base/err.h"

/**
 * kvm_probe() - Run a few instructions in a tiny guest
 * @ret_vm_fd:	on success, what keeps the guest in being; NULL: it is taken apart at once. KVM
 *waits for grace periods of the kernel before a guest is gone, 12 ms at 250 Hz: whoever is about to
 *start a machine closes this when it runs
 * @err:	why not; may be NULL
 *
 * Takes 1 to 2 ms; of a KVM that does not end its guest, 400 ms of processor time, at most 3 s.
 * Capabilities do not tell: some hosts interpret privileged code, look complete, and then fail at
 * an instruction that every kernel uses.
 *
 * Return: 0 or a negative errno.
 */
int kvm_probe(int *ret_vm_fd, struct err *err);

#endif
