/* SPDX-License-Identifier: Apache-2.0
 *
 * seccomp_filter.c - compile rules to a BPF program
 *
 * The numbers 0..known_max are cut into segments of equal treatment: one action, or the
 * conditional rules of one call. The program compares with the middle segment's first number
 * and goes left or right, so that a call costs about log2(segments) comparisons.
 */
#include "linux/seccomp_filter.h"

#include <endian.h>
#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "this architecture needs its AUDIT_ARCH here"
#endif

#define NO_CALL (SECCOMP_RET_ERRNO | ENOSYS)
#define JUMP_MAX 255
#define NR_MAX 4096

/* A program that grows; once @err_code is set nothing more is added. */
struct code {
	struct sock_filter insns[BPF_MAXINSNS];
	size_t len;
	bool overflow;
};

/* From @start to the next one's: @rule < 0: @action, else the rules of call @start. */
struct segment {
	uint32_t start, action;
	int rule;
};

static size_t emit(struct code *code, uint16_t op, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (code->len == BPF_MAXINSNS) {
		code->overflow = true;
		return 0;
	}
	code->insns[code->len] = (struct sock_filter){ .code = op, .jt = jt, .jf = jf, .k = k };

	return code->len++;
}

static void emit_return(struct code *code, uint32_t action)
{
	(void)emit(code, BPF_RET | BPF_K, action, 0, 0);
}

/* Load one half of an argument; @high for the upper 32 bits. */
static void emit_load(struct code *code, unsigned arg, bool high)
{
	bool second = high == (__BYTE_ORDER == __LITTLE_ENDIAN);
	size_t offset = offsetof(struct seccomp_data, args) + arg * 8 + (second ? 4 : 0);

	(void)emit(code, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* Jumps marked with this are turned to the end of the rule. */
#define TO_FAIL 0xff

/*
 * A condition: falls through when it holds. Each comparison of 64 bits is one of the upper
 * halves, which mostly decides, then one of the lower.
 */
static void emit_condition(struct code *code, const struct seccomp_cond *cond)
{
	uint64_t mask = cond->op == SECCOMP_CMP_MASKED_EQ ? cond->mask : UINT64_MAX;
	uint64_t value = cond->value & mask;
	uint32_t high = (uint32_t)(value >> 32), low = (uint32_t)value;

	emit_load(code, cond->arg, true);
	if (mask >> 32 != UINT32_MAX)
		(void)emit(code, BPF_ALU | BPF_AND | BPF_K, (uint32_t)(mask >> 32), 0, 0);
	switch (cond->op) {
	case SECCOMP_CMP_EQ:
	case SECCOMP_CMP_MASKED_EQ:
		(void)emit(code, BPF_JMP | BPF_JEQ | BPF_K, high, 0, TO_FAIL);
		emit_load(code, cond->arg, false);
		if ((uint32_t)mask != UINT32_MAX)
			(void)emit(code, BPF_ALU | BPF_AND | BPF_K, (uint32_t)mask, 0, 0);
		(void)emit(code, BPF_JMP | BPF_JEQ | BPF_K, low, 0, TO_FAIL);
		break;
	case SECCOMP_CMP_NE:
		(void)emit(code, BPF_JMP | BPF_JEQ | BPF_K, high, 0, 2);
		emit_load(code, cond->arg, false);
		(void)emit(code, BPF_JMP | BPF_JEQ | BPF_K, low, TO_FAIL, 0);
		break;
	case SECCOMP_CMP_GT:
	case SECCOMP_CMP_GE:
		(void)emit(code, BPF_JMP | BPF_JGT | BPF_K, high, 3, 0);
		(void)emit(code, BPF_JMP | BPF_JEQ | BPF_K, high, 0, TO_FAIL);
		emit_load(code, cond->arg, false);
		(void)emit(code, BPF_JMP | (cond->op == SECCOMP_CMP_GT ? BPF_JGT : BPF_JGE) | BPF_K,
			   low, 0, TO_FAIL);
		break;
	case SECCOMP_CMP_LT:
	case SECCOMP_CMP_LE:
		(void)emit(code, BPF_JMP | BPF_JGT | BPF_K, high, TO_FAIL, 0);
		(void)emit(code, BPF_JMP | BPF_JEQ | BPF_K, high, 0, 2);
		emit_load(code, cond->arg, false);
		(void)emit(code, BPF_JMP | (cond->op == SECCOMP_CMP_LT ? BPF_JGE : BPF_JGT) | BPF_K,
			   low, TO_FAIL, 0);
		break;
	}
}

static void emit_rule(struct code *code, const struct seccomp_rule *rule)
{
	size_t start = code->len;

	for (size_t i = 0; i < rule->conds_len; i++)
		emit_condition(code, &rule->conds[i]);
	emit_return(code, rule->action);
	/* SECCOMP_MAX_CONDS conditions are far shorter than a jump may be. */
	for (size_t i = start; i < code->len; i++) {
		struct sock_filter *insn = &code->insns[i];
		uint8_t to_end = (uint8_t)(code->len - i - 1);

		if (BPF_CLASS(insn->code) != BPF_JMP)
			continue;
		insn->jt = insn->jt == TO_FAIL ? to_end : insn->jt;
		insn->jf = insn->jf == TO_FAIL ? to_end : insn->jf;
	}
}

static void emit_segment(struct code *code, const struct seccomp_policy *policy,
			 const struct segment *segment)
{
	size_t i;

	if (segment->rule < 0) {
		emit_return(code, segment->action);
		return;
	}
	for (i = (size_t)segment->rule; i < policy->rules_len; i++) {
		const struct seccomp_rule *rule = &policy->rules[i];

		if (rule->nr != (int)segment->start)
			continue;
		emit_rule(code, rule);
		if (rule->conds_len == 0)
			return;
	}
	emit_return(code, policy->otherwise);
}

static void emit_search(struct code *code, const struct seccomp_policy *policy,
			const struct segment *segments, size_t len)
{
	size_t middle = len / 2, at, left;

	if (len == 1) {
		emit_segment(code, policy, segments);
		return;
	}
	at = emit(code, BPF_JMP | BPF_JGE | BPF_K, segments[middle].start, 0, 1);
	(void)emit(code, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_search(code, policy, segments, middle);
	if (code->overflow)
		return;
	left = code->len - at - 2;
	if (left <= JUMP_MAX) {
		/* Near: the comparison jumps itself. */
		memmove(&code->insns[at + 1], &code->insns[at + 2], left * sizeof(code->insns[0]));
		code->len--;
		code->insns[at].jt = (uint8_t)left;
		code->insns[at].jf = 0;
	} else {
		code->insns[at + 1].k = (uint32_t)left;
	}
	emit_search(code, policy, segments + middle, len - middle);
}

/* Cut the numbers up; returns how many segments there are. */
static size_t cut(const struct seccomp_policy *policy, struct segment *segments)
{
	size_t len = 0;

	for (int nr = 0; nr <= policy->known_max; nr++) {
		struct segment next = { (uint32_t)nr, policy->otherwise, -1 };

		for (size_t i = 0; i < policy->rules_len; i++) {
			if (policy->rules[i].nr != nr)
				continue;
			next.action = policy->rules[i].action;
			next.rule = policy->rules[i].conds_len ? (int)i : -1;
			break;
		}
		if (len > 0 && next.rule < 0 && segments[len - 1].rule < 0 &&
		    segments[len - 1].action == next.action)
			continue;
		segments[len++] = next;
	}
	/* x32 calls have bit 30 set: they are beyond too. */
	segments[len++] = (struct segment){ (uint32_t)policy->known_max + 1, NO_CALL, -1 };

	return len;
}

int seccomp_compile(const struct seccomp_policy *policy, struct seccomp_filter *ret,
		    struct err *err)
{
	auto_free struct segment *segments = calloc(NR_MAX + 2, sizeof(*segments));
	auto_free struct code *code = calloc(1, sizeof(*code));
	struct sock_filter *insns;

	if (policy->known_max < 0 || policy->known_max > NR_MAX)
		return err_set(err, EINVAL, "highest system call %d", policy->known_max);
	if (!segments || !code)
		return err_set(err, ENOMEM, "out of memory");
	(void)emit(code, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	(void)emit(code, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	emit_return(code, NO_CALL);
	(void)emit(code, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit_search(code, policy, segments, cut(policy, segments));
	if (code->overflow)
		return err_set(err, E2BIG, "the seccomp filter is too long");
	insns = calloc(code->len, sizeof(*insns));
	if (!insns)
		return err_set(err, ENOMEM, "out of memory");
	memcpy(insns, code->insns, code->len * sizeof(*insns));
	*ret = (struct seccomp_filter){ insns, (unsigned short)code->len, true };

	return 0;
}

void seccomp_filter_done(struct seccomp_filter *filter)
{
	if (filter->owned)
		free((void *)(uintptr_t)filter->insns);
	*filter = (struct seccomp_filter){ 0 };
}

int seccomp_apply(const struct seccomp_filter *filter, struct err *err)
{
	struct sock_fprog program = {
		.len = filter->len,
		.filter = (struct sock_filter *)(uintptr_t)filter->insns,
	};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_sys(err, "install the seccomp filter");

	return 0;
}
