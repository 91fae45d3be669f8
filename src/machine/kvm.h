/* SPDX-License-Identifier: Apache-2.0
 *
 * kvm.h - can this host's KVM run an unmodified kernel?
 */
#ifndef MACHINE_KVM_H
#define MACHINE_KVM_H

#include "base/err.h"

/**
 * kvm_probe() - Run a few instructions in a tiny guest
 * @err:	why not; may be NULL
 *
 * Takes 1 to 2 ms; of a KVM that does not end its guest, 400 ms of processor time, at most 3 s.
 * Capabilities do not tell: some hosts interpret privileged code, look complete, and then fail at
 * an instruction that every kernel uses.
 *
 * Return: 0 or a negative errno.
 */
int kvm_probe(struct err *err);

#endif
