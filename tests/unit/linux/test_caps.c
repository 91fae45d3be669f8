/* SPDX-License-Identifier: Apache-2.0
 *
 * test_caps.c - capabilities of a child that gives them up step by step
 */
#include "linux/caps.h"

#include <linux/capability.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define TWO (CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_KILL))

/* The effective set is the permitted one. */
static bool has(uint64_t permitted, uint64_t ambient)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t found = 0;

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			found |= CAPS_BIT(cap);

	return data[0].permitted == permitted && data[1].permitted == 0 &&
	       data[0].effective == permitted && data[0].inheritable == ambient && found == ambient;
}

/* Which step of the child's failed, or 0. */
static int give_up(void)
{
	if (caps_set(TWO, TWO, NULL) < 0 || !has(TWO, TWO))
		return 1;
	if (caps_set(TWO, CAPS_BIT(CAP_KILL), NULL) < 0 || !has(TWO, CAPS_BIT(CAP_KILL)))
		return 2;
	if (caps_set(TWO, 0, NULL) < 0 || !has(TWO, 0))
		return 3;
	/* What it has not is not asked for. */
	if (caps_set(CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_SYS_ADMIN), CAPS_BIT(CAP_KILL), NULL) < 0 ||
	    !has(CAPS_BIT(CAP_KILL), CAPS_BIT(CAP_KILL)))
		return 4;
	if (caps_set(0, 0, NULL) < 0 || !has(0, 0))
		return 5;

	return 0;
}

static void test_giving_up(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(give_up());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_giving_up) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
