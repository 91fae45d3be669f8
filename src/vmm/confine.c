/* SPDX-License-Identifier: Apache-2.0
 *
 * confine.c - join lists of system calls into the filter of a thread
 */
#include "vmm/confine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Far beyond any call there is: what is not listed ends the process. */
#define KNOWN_MAX 1023

/* Many lists have the same rule. Returns how many were added. */
static size_t add_rule(struct seccomp_rule *rules, size_t len, const struct seccomp_rule *rule)
{
	for (size_t i = 0; i < len; i++)
		if (memcmp(&rules[i], rule, sizeof(*rule)) == 0)
			return 0;
	rules[len] = *rule;

	return 1;
}

int confine_compile(const struct confine_list *const *lists, size_t lists_len,
		    struct seccomp_filter *ret, struct err *err)
{
	auto_free struct seccomp_rule *rules = NULL;
	struct seccomp_policy policy = { .otherwise = SECCOMP_RET_KILL_PROCESS,
					 .known_max = KNOWN_MAX };
	size_t count = 0;
	int r;

	for (size_t i = 0; i < lists_len; i++)
		count += lists[i]->rules_len;
	rules = calloc(count + 1, sizeof(*rules));
	if (!rules)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < lists_len; i++)
		for (size_t j = 0; j < lists[i]->rules_len; j++)
			policy.rules_len += add_rule(rules, policy.rules_len, &lists[i]->rules[j]);
	policy.rules = rules;
	r = seccomp_compile(&policy, ret, err);

	return r < 0 ? err_wrap(err, r, "make the filter of a thread") : 0;
}

int confine_thread(const struct confine_list *const *lists, size_t lists_len, struct err *err)
{
	auto_done(seccomp_filter) filter = { 0 };
	int r = confine_compile(lists, lists_len, &filter, err);

	if (r == 0)
		r = seccomp_apply(&filter, err);

	return r < 0 ? err_wrap(err, r, "confine a thread") : 0;
}
