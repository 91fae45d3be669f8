/* SPDX-License-Identifier: Apache-2.0
 *
 * test_choose.c - which hypervisor a machine gets
 */
#include "machine/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "machine/kvm.h"

static void test_best_unless_told(void **state)
{
	const struct machine_ops *ops = NULL;
	bool ours = machine_hullvmm_ops.probe(NULL) == 0;

	(void)state;
	assert_int_equal(unsetenv("HULL_MACHINE"), 0);
	assert_int_equal(machine_choose(&ops, NULL), ours ? 0 : machine_qemu_ops.probe(NULL));
	assert_true(ops == (ours ? &machine_hullvmm_ops : &machine_qemu_ops) || (!ours && !ops));
}

static void test_ours_by_name(void **state)
{
	const struct machine_ops *ops = NULL;
	struct err err = ERR_INIT;
	int r;

	(void)state;
	assert_int_equal(setenv("HULL_MACHINE", "hull-vmm", 1), 0);
	r = machine_choose(&ops, &err);
	assert_int_equal(r, machine_hullvmm_ops.probe(NULL));
	/* Never QEMU in its place. */
	assert_ptr_equal(ops, r == 0 ? &machine_hullvmm_ops : NULL);
	assert_true(r == 0 || err.hint[0]);
}

static void test_unknown_name(void **state)
{
	const struct machine_ops *ops = NULL;
	struct err err = ERR_INIT;
	char text[256];

	(void)state;
	assert_int_equal(setenv("HULL_MACHINE", "bochs", 1), 0);
	assert_int_equal(machine_choose(&ops, &err), -EINVAL);
	assert_null(ops);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_non_null(strstr(err_text(&err, text, sizeof(text)), "bochs"));
}

/* What people read: by which program, and why not on KVM. */
static void test_remark(void **state)
{
	struct err why = ERR_INIT, remark = ERR_INIT;
	bool usable = kvm_probe(&why) == 0;
	char text[512], reason[256];

	(void)state;
	machine_remark(&machine_qemu_ops, &remark);
	assert_int_equal(remark.code, 0);
	(void)err_text(&remark, text, sizeof(text));
	if (usable)
		assert_string_equal(text, "qemu on KVM");
	else
		assert_non_null(strstr(text, err_text(&why, reason, sizeof(reason))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_best_unless_told),
		cmocka_unit_test(test_ours_by_name),
		cmocka_unit_test(test_unknown_name),
		cmocka_unit_test(test_remark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
