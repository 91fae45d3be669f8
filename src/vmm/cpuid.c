/* SPDX-License-Identifier: Apache-2.0
 *
 * cpuid.c - what the processors of a guest say about themselves
 */
#include "vmm/cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Leaf 1 */
#define ECX_MONITOR (1U << 3)
#define ECX_VMX (1U << 5)
#define ECX_EST (1U << 7)
#define ECX_TM2 (1U << 8)
#define ECX_PDCM (1U << 15)
#define ECX_TSC_DEADLINE (1U << 24)
#define ECX_HYPERVISOR (1U << 31)
#define EDX_HTT (1U << 28)
/* Leaf 0x80000001 */
#define EXT_ECX_SVM (1U << 2)
#define EXT_ECX_TOPOLOGY (1U << 22)
#define EXT_ECX_PERFCTR (7U << 23)

#define LEVEL_SMT 1U
#define LEVEL_CORE 2U

int cpuid_get_supported(int kvm_fd, struct kvm_cpuid2 **ret, struct err *err)
{
	size_t bytes = sizeof(**ret) + CPUID_ENTRIES_MAX * sizeof((*ret)->entries[0]);
	struct kvm_cpuid2 *cpuid = calloc(1, bytes);

	if (!cpuid)
		return err_set(err, ENOMEM, "out of memory");
	cpuid->nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		int r = err_sys(err, "ask KVM for the processor's features");

		free(cpuid);
		return r;
	}
	*ret = cpuid;

	return 0;
}

/* Bits needed to number @count things. */
static uint32_t id_bits(unsigned count)
{
	uint32_t bits = 0;

	while ((1U << bits) < count)
		bits++;

	return bits;
}

/* Leaves 0xb and 0x1f: one thread a core, all cores in one package. */
static void set_topology(struct kvm_cpuid_entry2 *entry, unsigned index, unsigned cpus)
{
	entry->edx = index;
	entry->ecx = entry->index;
	entry->eax = entry->ebx = 0;
	if (entry->index == 0) {
		entry->ebx = 1;
		entry->ecx |= LEVEL_SMT << 8;
	} else if (entry->index == 1) {
		entry->eax = id_bits(cpus);
		entry->ebx = cpus;
		entry->ecx |= LEVEL_CORE << 8;
	}
}

static void set_features(struct kvm_cpuid_entry2 *entry, unsigned index, unsigned cpus)
{
	entry->ebx = (entry->ebx & 0xffff) | index << 24 | MIN(cpus, 255U) << 16;
	entry->ecx &= ~(ECX_MONITOR | ECX_VMX | ECX_EST | ECX_TM2 | ECX_PDCM);
	entry->ecx |= ECX_HYPERVISOR | ECX_TSC_DEADLINE;
	entry->edx = cpus > 1 ? entry->edx | EDX_HTT : entry->edx & ~EDX_HTT;
}

/* Leaf 4: how many processors share a cache, and how many cores there are. */
static void set_cache_sharing(struct kvm_cpuid_entry2 *entry, unsigned cpus)
{
	unsigned level = entry->eax >> 5 & 7, sharing = level >= 3 ? cpus : 1;

	if ((entry->eax & 0x1f) == 0)
		return;
	entry->eax = (entry->eax & 0x3fff) | ((1U << id_bits(sharing)) - 1) << 14 |
		     MIN((1U << id_bits(cpus)) - 1, 63U) << 26;
}

void cpuid_for_vcpu(struct kvm_cpuid2 *cpuid, unsigned index, unsigned cpus)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		switch (entry->function) {
		case 0x1:
			set_features(entry, index, cpus);
			break;
		case 0x4:
			set_cache_sharing(entry, cpus);
			break;
		case 0x6: /* power management */
		case 0xa: /* performance counters */
			entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
			break;
		case 0xb:
		case 0x1f:
			set_topology(entry, index, cpus);
			break;
		case 0x80000001:
			entry->ecx &= ~(EXT_ECX_SVM | EXT_ECX_PERFCTR);
			entry->ecx |= cpus > 1 ? EXT_ECX_TOPOLOGY : 0;
			break;
		case 0x80000008:
			entry->ecx = (entry->ecx & ~0xf0ffU) | id_bits(cpus) << 12 | (cpus - 1);
			break;
		case 0x8000000a: /* nested virtualisation */
			entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
			break;
		case 0x8000001e:
			entry->eax = index;
			entry->ebx = (entry->ebx & ~0xffffU) | index;
			entry->ecx = 0;
			break;
		default:
			break;
		}
	}
}
