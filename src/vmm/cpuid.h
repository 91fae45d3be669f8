/* SPDX-License-Identifier: Apache-2.0
 *
 * cpuid.h - what the processors of a guest say about themselves
 */
#ifndef VMM_CPUID_H
#define VMM_CPUID_H

#include "base/err.h"

struct kvm_cpuid2;

#define CPUID_ENTRIES_MAX 256

/**
 * cpuid_get_supported() - What KVM can offer
 * @kvm_fd:	of /dev/kvm
 * @ret:	heap memory that the caller frees, with room for a few entries more
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int cpuid_get_supported(int kvm_fd, struct kvm_cpuid2 **ret, struct err *err);

/**
 * cpuid_for_vcpu() - Turn what KVM offers into what one processor says
 * @cpuid:	changed in place; may be that of another processor already
 * @index:	of the processor, which is its APIC id
 * @cpus:	number of processors of the guest
 *
 * The guest sees one socket of @cpus cores, a hypervisor (KVM), no performance counters, no
 * virtualisation of its own and no power management.
 */
void cpuid_for_vcpu(struct kvm_cpuid2 *cpuid, unsigned index, unsigned cpus);

#endif
