/* SPDX-License-Identifier: Apache-2.0
 *
 * test_cpuid.c - every processor has its own number, and nothing that we do not give it
 */
#include "vmm/cpuid.h"

#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define LEAVES 12

static struct kvm_cpuid_entry2 leaf(uint32_t function, uint32_t index)
{
	return (struct kvm_cpuid_entry2){ .function = function,
					  .index = index,
					  .eax = UINT32_MAX,
					  .ebx = UINT32_MAX,
					  .ecx = UINT32_MAX,
					  .edx = UINT32_MAX };
}

/* A host that has everything; the caller frees it. */
static struct kvm_cpuid2 *all_leaves(void)
{
	const struct kvm_cpuid_entry2 list[LEAVES] = {
		leaf(1, 0),	     leaf(4, 0),	  leaf(4, 3),	       leaf(6, 0),
		leaf(0xa, 0),	     leaf(0xb, 0),	  leaf(0xb, 1),	       leaf(0x80000001, 0),
		leaf(0x80000008, 0), leaf(0x8000000a, 0), leaf(0x8000001e, 0), leaf(0x7, 0)
	};
	struct kvm_cpuid2 *l = calloc(1, sizeof(*l) + sizeof(list));

	assert_non_null(l);
	l->nent = LEAVES;
	memcpy(l->entries, list, sizeof(list));

	return l;
}

static void test_numbers(void **state)
{
	auto_free struct kvm_cpuid2 *l = all_leaves();

	(void)state;
	/* The same memory serves one processor after the other. */
	for (unsigned i = 0; i < 6; i++) {
		cpuid_for_vcpu(l, i, 6);
		assert_int_equal(l->entries[0].ebx >> 24, i);
		assert_int_equal(l->entries[0].ebx >> 16 & 0xff, 6);
		assert_int_equal(l->entries[5].edx, i);
		assert_int_equal(l->entries[6].edx, i);
		assert_int_equal(l->entries[10].eax, i);
	}
	/* Six cores: three bits of the number; one thread each. */
	assert_int_equal(l->entries[5].eax, 0);
	assert_int_equal(l->entries[5].ebx, 1);
	assert_int_equal(l->entries[6].eax, 3);
	assert_int_equal(l->entries[6].ebx, 6);
	assert_int_equal(l->entries[8].ecx & 0xff, 5);
	assert_int_equal(l->entries[8].ecx >> 12 & 0xf, 3);
	/* Unknown leaves pass. */
	assert_int_equal(l->entries[11].ebx, UINT32_MAX);
}

static void test_features(void **state)
{
	auto_free struct kvm_cpuid2 *l = all_leaves();

	(void)state;
	cpuid_for_vcpu(l, 0, 1);
	assert_true(l->entries[0].ecx & (1U << 31));  /* a hypervisor */
	assert_true(l->entries[0].ecx & (1U << 24));  /* TSC deadline */
	assert_false(l->entries[0].ecx & (1U << 5));  /* VMX */
	assert_false(l->entries[0].ecx & (1U << 3));  /* MWAIT */
	assert_false(l->entries[0].edx & (1U << 28)); /* one processor: no siblings */
	assert_false(l->entries[7].ecx & (1U << 2));  /* SVM */
	assert_int_equal(l->entries[3].eax | l->entries[3].ecx, 0);
	assert_int_equal(l->entries[4].eax, 0); /* no performance counters */
	assert_int_equal(l->entries[9].edx, 0);
	/* A first-level cache is of one processor. */
	assert_int_equal(l->entries[1].eax >> 14 & 0xfff, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
