/* SPDX-License-Identifier: Apache-2.0
 *
 * seccomp_filter.h - system call filters: rules in, a BPF program out
 *
 * The program answers by a binary search over ranges of system call numbers. Only the native
 * ABI passes it: 32-bit and x32 calls get ENOSYS, as on a kernel built without them.
 */
#ifndef LINUX_SECCOMP_FILTER_H
#define LINUX_SECCOMP_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A program; @insns is owned unless it is one of those compiled into this program. */
struct seccomp_filter {
	const struct sock_filter *insns;
	unsigned short len;
	bool owned;
};
void seccomp_filter_done(struct seccomp_filter *filter);
DEFINE_AUTO_DONE(seccomp_filter)

enum seccomp_compare {
	SECCOMP_CMP_NE,
	SECCOMP_CMP_LT,
	SECCOMP_CMP_LE,
	SECCOMP_CMP_EQ,
	SECCOMP_CMP_GE,
	SECCOMP_CMP_GT,
	SECCOMP_CMP_MASKED_EQ, /* (argument & @mask) == @value */
};

/* A condition on one argument, 64 bits, unsigned. */
struct seccomp_cond {
	unsigned arg; /* 0 to 5 */
	enum seccomp_compare op;
	uint64_t value, mask;
};
#define SECCOMP_MAX_CONDS 6

/**
 * struct seccomp_rule - what to do about one system call
 * @nr:		number
 * @action:	SECCOMP_RET_*, with data
 * @conds:	all must hold; several rules of one call are tried in order
 * @conds_len:	0: always
 */
struct seccomp_rule {
	int nr;
	uint32_t action;
	struct seccomp_cond conds[SECCOMP_MAX_CONDS];
	size_t conds_len;
};

/**
 * struct seccomp_policy - what a filter is made of
 * @rules:	in order of decreasing importance within one call
 * @rules_len:	their number
 * @otherwise:	action for calls up to @known_max without a rule that holds
 * @known_max:	calls beyond get ENOSYS, so that programs fall back to older ones
 */
struct seccomp_policy {
	const struct seccomp_rule *rules;
	size_t rules_len;
	uint32_t otherwise;
	int known_max;
};

/**
 * seccomp_compile() - Make the program
 * @policy:	rules
 * @ret:	the caller releases it with seccomp_filter_done()
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -E2BIG (longer than the kernel takes) or -ENOMEM.
 */
int seccomp_compile(const struct seccomp_policy *policy, struct seccomp_filter *ret,
		    struct err *err);

/* Filter this process; needs no_new_privs or CAP_SYS_ADMIN. 0 or a negative errno. */
int seccomp_apply(const struct seccomp_filter *filter, struct err *err);

/**
 * seccomp_default() - The filter for a workload that holds @caps
 * @caps:	set of capabilities; some open system calls that only their holder can use
 * @ret:	the caller releases it with seccomp_filter_done()
 * @err:	filled in on failure, may be NULL
 *
 * Usual sets have been compiled with this program; others are compiled now.
 *
 * Return: 0 or a negative errno.
 */
int seccomp_default(uint64_t caps, struct seccomp_filter *ret, struct err *err);

/* Compile it now, whatever has been compiled before. 0 or a negative errno. */
int seccomp_default_compile(uint64_t caps, struct seccomp_filter *ret, struct err *err);

/* The capabilities that make a difference to it. */
uint64_t seccomp_default_caps(void);

/* Number of a system call, or -1. */
int seccomp_call_number(const char *name);
/* The highest number that seccomp_call_number() knows. */
int seccomp_call_max(void);

#endif
