/* SPDX-License-Identifier: Apache-2.0
 *
 * test_confine.c - what is listed works, everything else ends the process
 */
#include "vmm/confine.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "check.h"
#include "vmm/pci.h"
#include "vmm/uart.h"
#include "vmm/vcpu.h"

static const struct confine_list list_a =
	CONFINE_LIST(CONFINE_ALLOW(SYS_write), CONFINE_ALLOW(SYS_exit_group));
static const struct confine_list list_b =
	CONFINE_LIST(CONFINE_ALLOW_IF(SYS_ioctl, 1, KVM_RUN), CONFINE_ALLOW_IF(SYS_ioctl, 1, 77),
		     CONFINE_ALLOW(SYS_write));

/* How a child ends that confines itself by both lists and then does @fn. */
static int end_of(void (*fn)(void))
{
	const struct confine_list *lists[] = { &list_a, &list_b };
	int wstatus;
	pid_t pid = fork();

	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    confine_thread(lists, 2, NULL) < 0)
			_exit(99);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);

	return WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : -WEXITSTATUS(wstatus);
}

static void do_listed(void)
{
	(void)!write(-1, "", 1);
	(void)syscall(SYS_ioctl, -1, KVM_RUN, 0);
	(void)syscall(SYS_ioctl, -1, 77, 0);
}

static void do_other_ioctl(void)
{
	(void)syscall(SYS_ioctl, -1, 78, 0);
}

static void do_open(void)
{
	(void)syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY, 0);
}

static void do_socket(void)
{
	(void)socket(AF_UNIX, SOCK_STREAM, 0);
}

static void do_exec(void)
{
	(void)syscall(SYS_execve, "/", NULL, NULL);
}

static void do_uring(void)
{
	(void)syscall(SYS_io_uring_setup, 1, NULL);
}

static void do_unknown(void)
{
	(void)syscall(900);
}

static void test_lists(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip(); /* it makes system calls of its own */
#endif
	assert_int_equal(end_of(do_listed), 0);
	assert_int_equal(end_of(do_other_ioctl), SIGSYS);
	assert_int_equal(end_of(do_open), SIGSYS);
	assert_int_equal(end_of(do_socket), SIGSYS);
	assert_int_equal(end_of(do_exec), SIGSYS);
	assert_int_equal(end_of(do_uring), SIGSYS);
	assert_int_equal(end_of(do_unknown), SIGSYS);
}

/* What Firecracker allows. */
#define VCPU_CALLS_MAX 27

/* The different system calls that a processor's thread may make: those that vmm_start() lists. */
static void test_calls_of_processors(void **state)
{
	static const struct confine_list *const lists[] = { &vcpu_calls, &uart_calls, &pci_calls };
	bool allowed[1024] = { false };
	unsigned count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t j = 0; j < lists[i]->rules_len; j++) {
			const struct seccomp_rule *rule = &lists[i]->rules[j];

			assert_in_range(rule->nr, 0, ARRAY_SIZE(allowed) - 1);
			count += !allowed[rule->nr];
			allowed[rule->nr] = true;
			/* ioctl(2) is many calls: only by number. */
			if (rule->nr == SYS_ioctl)
				assert_in_range(rule->conds_len, 1, SECCOMP_MAX_CONDS);
		}
	print_message("%u system calls on a processor's thread\n", count);
	assert_in_range(count, 1, VCPU_CALLS_MAX);
	assert_false(allowed[SYS_openat] || allowed[SYS_socket] || allowed[SYS_execve] ||
		     allowed[SYS_mmap] || allowed[SYS_clone]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_calls_of_processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
