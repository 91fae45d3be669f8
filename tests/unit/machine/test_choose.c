/* SPDX-License-Identifier: Apache-2.0
 *
 * test_choose.c - which hypervisor a machine gets
 */
#include "machine/machine.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "check.h"
#include "machine/kvm.h"

static void test_best_unless_told(void **state)
{
	bool kvm = kvm_probe(NULL, NULL) == 0, ours = kvm && machine_hullvmm_ops.probe(NULL) == 0;
	const struct machine_ops *qemu = kvm ? &machine_qemu_ops : &machine_tcg_ops, *ops = NULL;

	(void)state;
	assert_int_equal(unsetenv("HULL_MACHINE"), 0);
	assert_int_equal(machine_choose(&ops, NULL, NULL), ours ? 0 : qemu->probe(NULL));
	assert_true(ops == (ours ? &machine_hullvmm_ops : qemu) || (!ours && !ops));
}

/* What is left of the probe is one descriptor, of a guest that works. */
static void test_probe_left(void **state)
{
	bool kvm = kvm_probe(NULL, NULL) == 0;
	const struct machine_ops *ops = NULL;
	int fd = -2;

	(void)state;
	assert_int_equal(unsetenv("HULL_MACHINE"), 0);
	if (machine_choose(&ops, &fd, NULL) < 0) {
		assert_int_equal(fd, -2);
		return;
	}
	if (!kvm) {
		assert_int_equal(fd, -1);
		return;
	}
	assert_int_equal(ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), 1);
	assert_int_equal(close(fd), 0);
}

static void test_ours_by_name(void **state)
{
	const struct machine_ops *ops = NULL;
	struct err err = ERR_INIT;
	bool kvm = kvm_probe(NULL, NULL) == 0, ours = kvm && machine_hullvmm_ops.probe(NULL) == 0;

	(void)state;
	assert_int_equal(setenv("HULL_MACHINE", "hull-vmm", 1), 0);
	assert_int_equal(machine_choose(&ops, NULL, &err) == 0, ours);
	/* Never QEMU in its place. */
	assert_ptr_equal(ops, ours ? &machine_hullvmm_ops : NULL);
	assert_true(kvm || err.hint[0]);
}

static void test_unknown_name(void **state)
{
	const struct machine_ops *ops = NULL;
	struct err err = ERR_INIT;
	char text[256];

	(void)state;
	assert_int_equal(setenv("HULL_MACHINE", "bochs", 1), 0);
	assert_int_equal(machine_choose(&ops, NULL, &err), -EINVAL);
	assert_null(ops);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_non_null(strstr(err_text(&err, text, sizeof(text)), "bochs"));
}

/* What people read: by which program, and why not on KVM. */
static void test_remark(void **state)
{
	struct err why = ERR_INIT, remark = ERR_INIT;
	bool usable = kvm_probe(NULL, &why) == 0;
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
		cmocka_unit_test(test_best_unless_told), cmocka_unit_test(test_probe_left),
		cmocka_unit_test(test_ours_by_name),	 cmocka_unit_test(test_unknown_name),
		cmocka_unit_test(test_remark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
