/* SPDX-License-Identifier: Apache-2.0
 *
 * seccomp_names.c - numbers of system calls by name
 */
#include <sys/syscall.h>

#include "base/macro.h"
#include "linux/seccomp_filter.h"

struct call {
	const char *name;
	int nr;
};

/* Sorted by name; from the headers this was compiled with (tools/gen-syscalls). */
static const struct call KNOWN[] = {
#include "linux/syscalls.inc"
};

/* Newer than these headers may be; the numbers are the same on every architecture. */
static const struct call NEWER[] = {
	{ "cachestat", 451 },	      { "fchmodat2", 452 },	   { "map_shadow_stack", 453 },
	{ "futex_wake", 454 },	      { "futex_wait", 455 },	   { "futex_requeue", 456 },
	{ "statmount", 457 },	      { "listmount", 458 },	   { "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
	{ "setxattrat", 463 },	      { "getxattrat", 464 },	   { "listxattrat", 465 },
	{ "removexattrat", 466 },     { "open_tree_attr", 467 },   { "file_getattr", 468 },
	{ "file_setattr", 469 },
};
#define NEWEST 469

static int compare(const void *key, const void *item)
{
	return strcmp(key, ((const struct call *)item)->name);
}

int seccomp_call_number(const char *name)
{
	const struct call *call =
		bsearch(name, KNOWN, ARRAY_SIZE(KNOWN), sizeof(KNOWN[0]), compare);

	if (call)
		return call->nr;
	for (size_t i = 0; i < ARRAY_SIZE(NEWER); i++)
		if (strcmp(NEWER[i].name, name) == 0)
			return NEWER[i].nr;

	return -1;
}

int seccomp_call_max(void)
{
	return NEWEST;
}
