/* SPDX-License-Identifier: Apache-2.0
 *
 * test_seccomp_filter.c - compiled filters, run by an interpreter, against a model of the rules
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/macro.h"
#include "check.h"
#include "linux/caps.h"
#include "linux/seccomp_filter.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif
#define ERRNO(code) (SECCOMP_RET_ERRNO | (code))
#define MODELS 400
#define CALLS_PER_MODEL 300
#define MAX_RULES 200
#define MAX_NR 300

/* The classic BPF that a seccomp filter may use. */
static uint32_t run(const struct seccomp_filter *filter, const struct seccomp_data *data)
{
	uint32_t a = 0;
	size_t pc = 0;

	for (;;) {
		const struct sock_filter *insn;
		bool taken = false;

		assert_true(pc < filter->len);
		insn = &filter->insns[pc++];
		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(insn->k % 4 == 0 && insn->k + 4 <= sizeof(*data));
			memcpy(&a, (const char *)data + insn->k, sizeof(a));
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= insn->k;
			continue;
		case BPF_RET | BPF_K:
			return insn->k;
		case BPF_JMP | BPF_JA:
			pc += insn->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			taken = a == insn->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			taken = a > insn->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			taken = a >= insn->k;
			break;
		default:
			fail_msg("instruction %#x", insn->code);
		}
		pc += taken ? insn->jt : insn->jf;
	}
}

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;

	return random_state;
}

/* Values that meet each other, near and across the 32-bit border. */
static uint64_t random_value(void)
{
	static const uint64_t VALUES[] = { 0,	       1,	    2,		 0x7fffffff,
					   0xffffffff, 0x100000000, 0x100000001, UINT64_MAX };

	return next_random() % 4 ? VALUES[next_random() % ARRAY_SIZE(VALUES)] : next_random();
}

static bool holds(const struct seccomp_cond *cond, const struct seccomp_data *data)
{
	uint64_t arg = data->args[cond->arg];

	switch (cond->op) {
	case SECCOMP_CMP_NE:
		return arg != cond->value;
	case SECCOMP_CMP_LT:
		return arg < cond->value;
	case SECCOMP_CMP_LE:
		return arg <= cond->value;
	case SECCOMP_CMP_EQ:
		return arg == cond->value;
	case SECCOMP_CMP_GE:
		return arg >= cond->value;
	case SECCOMP_CMP_GT:
		return arg > cond->value;
	case SECCOMP_CMP_MASKED_EQ:
		return (arg & cond->mask) == (cond->value & cond->mask);
	}

	return false;
}

static uint32_t model(const struct seccomp_policy *policy, const struct seccomp_data *data)
{
	if (data->arch != ARCH || (uint32_t)data->nr > (uint32_t)policy->known_max)
		return ERRNO(ENOSYS);
	for (size_t i = 0; i < policy->rules_len; i++) {
		const struct seccomp_rule *rule = &policy->rules[i];
		bool all = rule->nr == data->nr;

		for (size_t j = 0; all && j < rule->conds_len; j++)
			all = holds(&rule->conds[j], data);
		if (all)
			return rule->action;
	}

	return policy->otherwise;
}

static void random_rule(struct seccomp_rule *rule)
{
	*rule = (struct seccomp_rule){
		.nr = (int)(next_random() % MAX_NR),
		.action = next_random() % 2 ? SECCOMP_RET_ALLOW
					    : ERRNO((uint32_t)(next_random() % 3) + 1),
		.conds_len = next_random() % 3 ? 0 : next_random() % (SECCOMP_MAX_CONDS + 1),
	};
	for (size_t i = 0; i < rule->conds_len; i++)
		rule->conds[i] = (struct seccomp_cond){
			.arg = (unsigned)(next_random() % 6),
			.op = (enum seccomp_compare)(next_random() % 7),
			.value = random_value(),
			.mask = random_value(),
		};
}

static void equals_its_model(void **state)
{
	static struct seccomp_rule rules[MAX_RULES];

	(void)state;
	for (int i = 0; i < MODELS; i++) {
		struct seccomp_policy policy = {
			.rules = rules,
			.rules_len = next_random() % MAX_RULES,
			.otherwise = next_random() % 2 ? SECCOMP_RET_ALLOW : ERRNO(EPERM),
			.known_max = (int)(next_random() % (MAX_NR + 20)),
		};
		auto_done(seccomp_filter) filter = { 0 };

		for (size_t j = 0; j < policy.rules_len; j++)
			random_rule(&rules[j]);
		assert_int_equal(seccomp_compile(&policy, &filter, NULL), 0);
		for (int j = 0; j < CALLS_PER_MODEL; j++) {
			struct seccomp_data data = {
				.nr = (int)(next_random() % (MAX_NR + 30)) - 5,
				.arch = next_random() % 20 ? ARCH : AUDIT_ARCH_I386,
			};

			for (size_t k = 0; k < 6; k++)
				data.args[k] = random_value();
			assert_int_equal(run(&filter, &data), model(&policy, &data));
		}
	}
}

static uint32_t ask(uint64_t caps, int nr, uint64_t arg0, uint64_t arg1)
{
	const struct seccomp_data data = { .nr = nr, .arch = ARCH, .args = { arg0, arg1 } };
	auto_done(seccomp_filter) filter = { 0 };

	assert_int_equal(seccomp_default(caps, &filter, NULL), 0);

	return run(&filter, &data);
}

static void default_follows_capabilities(void **state)
{
	static const struct {
		int nr, cap;
	} CASES[] = {
		{ SYS_mount, CAP_SYS_ADMIN },
		{ SYS_unshare, CAP_SYS_ADMIN },
		{ SYS_chroot, CAP_SYS_CHROOT },
		{ SYS_reboot, CAP_SYS_BOOT },
		{ SYS_init_module, CAP_SYS_MODULE },
		{ SYS_clock_settime, CAP_SYS_TIME },
		{ SYS_open_by_handle_at, CAP_DAC_READ_SEARCH },
		{ SYS_bpf, CAP_BPF },
		{ SYS_kcmp, CAP_SYS_PTRACE },
		{ SYS_mbind, CAP_SYS_NICE },
		{ SYS_syslog, CAP_SYSLOG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		assert_int_equal(ask(0, CASES[i].nr, 0, 0), ERRNO(EPERM));
		assert_int_equal(ask(CAPS_BIT(CASES[i].cap), CASES[i].nr, 0, 0), SECCOMP_RET_ALLOW);
	}
}

static void default_looks_at_arguments(void **state)
{
	(void)state;
	assert_int_equal(ask(0, SYS_clone, SIGCHLD, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(ask(0, SYS_clone, CLONE_NEWUSER | SIGCHLD, 0), ERRNO(EPERM));
	assert_int_equal(ask(CAPS_BIT(CAP_SYS_ADMIN), SYS_clone, CLONE_NEWUSER, 0),
			 SECCOMP_RET_ALLOW);
	assert_int_equal(ask(0, SYS_clone3, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(0, SYS_socket, AF_INET, 0), SECCOMP_RET_ALLOW);
	/* The kernel takes an int: what is above it must not hide the family. */
	assert_int_equal(ask(0, SYS_socket, AF_ALG | 1ULL << 32, 0), ERRNO(EAFNOSUPPORT));
	assert_int_equal(ask(0, SYS_socket, AF_VSOCK, 0), ERRNO(EAFNOSUPPORT));
	assert_int_equal(ask(0, SYS_personality, 0x0400000, 0), ERRNO(EPERM));
	assert_int_equal(ask(0, SYS_personality, 0xffffffff, 0), SECCOMP_RET_ALLOW);
}

/* What was compiled with the program is what would be compiled now. */
static void builtin_is_current(void **state)
{
	static const uint64_t SETS[] = { 0, CAPS_BIT(CAP_SYS_CHROOT) };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(SETS); i++) {
		auto_done(seccomp_filter) built = { 0 }, now = { 0 };

		assert_int_equal(seccomp_default(SETS[i] | CAPS_BIT(CAP_CHOWN), &built, NULL), 0);
		assert_int_equal(seccomp_default_compile(SETS[i], &now, NULL), 0);
		assert_false(built.owned);
		assert_int_equal(built.len, now.len);
		assert_memory_equal(built.insns, now.insns, now.len * sizeof(*now.insns));
	}
}

static void names(void **state)
{
	(void)state;
	assert_int_equal(seccomp_call_number("read"), SYS_read);
	assert_int_equal(seccomp_call_number("openat2"), SYS_openat2);
	assert_int_equal(seccomp_call_number("mseal"), 462);
	assert_int_equal(seccomp_call_number("no_such_call"), -1);
	assert_int_equal(seccomp_call_number(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_its_model),
		cmocka_unit_test(default_follows_capabilities),
		cmocka_unit_test(default_looks_at_arguments),
		cmocka_unit_test(builtin_is_current),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
