/* SPDX-License-Identifier: Apache-2.0
 *
 * confine.h - which system calls a thread may make once the guest runs
 *
 * Every file of vmm/ that makes system calls while the guest runs lists them in a table beside
 * the callers, declared in its header:
 *
 *	const struct confine_list blk_calls = CONFINE_LIST(
 *		{ .nr = SYS_fallocate, .action = SECCOMP_RET_ALLOW });
 *
 * The thread of the event loop may make those of the loop and of all devices; a vCPU thread those
 * of vcpu.c, pci.c and uart.c: a device does no more for an access to its registers than to write
 * to eventfds. Everything else kills the process.
 */
#ifndef VMM_CONFINE_H
#define VMM_CONFINE_H

#include <stddef.h>
#include <sys/syscall.h>

#include "base/err.h"
#include "linux/seccomp_filter.h"

struct confine_list {
	const struct seccomp_rule *rules;
	size_t rules_len;
};

#define CONFINE_LIST(...)                                                           \
	{                                                                           \
		.rules = (const struct seccomp_rule[]){ __VA_ARGS__ },              \
		.rules_len = sizeof((const struct seccomp_rule[]){ __VA_ARGS__ }) / \
			     sizeof(struct seccomp_rule)                            \
	}

#define CONFINE_ALLOW(number)                               \
	{                                                   \
		.nr = (number), .action = SECCOMP_RET_ALLOW \
	}
/* Only while argument @index is @wanted. */
#define CONFINE_ALLOW_IF(number, index, wanted)                                         \
	{                                                                               \
		.nr = (number), .action = SECCOMP_RET_ALLOW, .conds_len = 1, .conds = { \
			{ .arg = (index), .op = SECCOMP_CMP_EQ, .value = (wanted) }     \
		}                                                                       \
	}
/* The same for two arguments. */
#define CONFINE_ALLOW_IF_BOTH(number, index, wanted, index2, wanted2)                   \
	{                                                                               \
		.nr = (number), .action = SECCOMP_RET_ALLOW, .conds_len = 2, .conds = { \
			{ .arg = (index), .op = SECCOMP_CMP_EQ, .value = (wanted) },    \
			{ .arg = (index2), .op = SECCOMP_CMP_EQ, .value = (wanted2) }   \
		}                                                                       \
	}

/**
 * confine_compile() - Make the filter of a thread of the union of some lists
 * @lists:	what it may do
 * @lists_len:	their number
 * @ret:	released with seccomp_filter_done(); for seccomp_apply(), which takes no memory
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int confine_compile(const struct confine_list *const *lists, size_t lists_len,
		    struct seccomp_filter *ret, struct err *err);

/**
 * confine_thread() - Filter the calling thread by the union of some lists; there is no way back
 * @lists:	what it may do
 * @lists_len:	their number
 * @err:	filled in on failure, may be NULL
 *
 * The filter's memory is given back afterwards: that must be among the calls (brk, munmap).
 *
 * Return: 0 or a negative errno.
 */
int confine_thread(const struct confine_list *const *lists, size_t lists_len, struct err *err);

#endif
