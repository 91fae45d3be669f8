/* SPDX-License-Identifier: Apache-2.0
 *
 * kvm.h - can this host's KVM run an unmodified kernel?
 */
#ifndef MACHINE_KVM_H
#define MACHINE_KVM_H

#include "base/err.h"

/**
 * kvm_probe() - Run a few instructions in a tiny guest
 * @ret_vm_fd:	on success, a descriptor that keeps the guest; NULL: it is taken apart at once
 * @err:	why not; may be NULL
 *
 * Takes 1 to 2 ms of a processor; of a KVM that does not end its guest, 400 ms of processor time,
 * at most 3 s. Capabilities do not tell: some hosts interpret privileged code, look complete, and
 * then fail at an instruction that every kernel uses.
 *
 * To take a guest apart, KVM waits for grace periods of the kernel, 12 ms at 250 Hz. Whoever is
 * about to start a machine closes @ret_vm_fd once it runs, and waits beside it.
 *
 * Return: 0 or a negative errno.
 */
int kvm_probe(int *ret_vm_fd, struct err *err);

#endif
