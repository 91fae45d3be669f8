/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_seccomp.c - seccomp profiles: what compiles is a program that the kernel would take
 *
 * The checks are those of seccomp_check_filter() and bpf_check_classic(): every instruction is
 * of a known kind, every jump stays inside, and every path ends in a return.
 */
#include "fuzz.h"

#include <linux/audit.h>
#include <string.h>

#include "base/macro.h"
#include "runtime/seccomp.h"

static void check_insn(const struct seccomp_filter *filter, size_t at)
{
	const struct sock_filter *insn = &filter->insns[at];
	size_t left = filter->len - at - 1;

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		fuzz_assert(insn->code == (BPF_LD | BPF_W | BPF_ABS));
		fuzz_assert(insn->k % 4 == 0 && insn->k < sizeof(struct seccomp_data));
		break;
	case BPF_ALU:
		fuzz_assert(insn->code == (BPF_ALU | BPF_AND | BPF_K));
		break;
	case BPF_JMP:
		fuzz_assert(BPF_SRC(insn->code) == BPF_K);
		if (BPF_OP(insn->code) == BPF_JA)
			fuzz_assert(insn->k < left);
		else
			fuzz_assert(insn->jt < left && insn->jf < left);
		break;
	case BPF_RET:
		fuzz_assert(insn->code == (BPF_RET | BPF_K));
		break;
	default:
		fuzz_assert(false); /* an instruction of another kind */
	}
}

static uint32_t run(const struct seccomp_filter *filter, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t at = 0;; at++) {
		const struct sock_filter *insn = &filter->insns[at];
		bool yes = false;

		switch (BPF_CLASS(insn->code)) {
		case BPF_LD:
			memcpy(&a, (const char *)data + insn->k, sizeof(a));
			continue;
		case BPF_ALU:
			a &= insn->k;
			continue;
		case BPF_RET:
			return insn->k;
		}
		switch (BPF_OP(insn->code)) {
		case BPF_JA:
			at += insn->k;
			continue;
		case BPF_JEQ:
			yes = a == insn->k;
			break;
		case BPF_JGT:
			yes = a > insn->k;
			break;
		case BPF_JGE:
			yes = a >= insn->k;
			break;
		case BPF_JSET:
			yes = a & insn->k;
			break;
		}
		at += yes ? insn->jt : insn->jf;
	}
}

static void check_answers(const struct seccomp_filter *filter)
{
	struct seccomp_data data = { .arch = AUDIT_ARCH_I386 };

	/* No profile opens another ABI. */
	fuzz_assert((run(filter, &data) & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ALLOW);
	data.arch = AUDIT_ARCH_X86_64;
	data.nr = 0x40000000 | 1;
	fuzz_assert((run(filter, &data) & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ALLOW);
	for (data.nr = 0; data.nr < 600; data.nr++) {
		memset(data.args, data.nr & 0xff, sizeof(data.args));
		(void)run(filter, &data);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_free char *text = strndup((const char *)data, len);
	struct seccomp_filter filter = { 0 };

	fuzz_assert(text);
	if (runtime_seccomp_profile(text, 0xa80425fb, &filter, NULL) < 0)
		return 0;
	fuzz_assert(filter.len > 0 && filter.len <= BPF_MAXINSNS);
	fuzz_assert(BPF_CLASS(filter.insns[filter.len - 1].code) == BPF_RET);
	for (size_t i = 0; i < filter.len; i++)
		check_insn(&filter, i);
	check_answers(&filter);
	seccomp_filter_done(&filter);

	return 0;
}
