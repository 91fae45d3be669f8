/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup_limits.c - limits of a control group, in the words of either version
 */
#include "linux/cgroup.h"

#include <errno.h>
#include <inttypes.h>

#include "base/log.h"

#define CPU_PERIOD_US 100000

static int no_controller(const char *what, struct err *err)
{
	err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "this host has no cgroup controller for %s", what);
	err_hint(err, "see /proc/cgroups; some need a kernel parameter");

	return -ENOTSUP;
}

static int write_number(const struct cgroup_dir *dir, const char *file, int64_t value,
			struct err *err)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	/* v1 spells "no limit" -1, v2 "max". */
	return cgroup_write(dir, file, value < 0 && dir->v2 ? "max" : text, err);
}

/* Swap accounting can be off: then there is nothing to limit. */
static int write_swap(const struct cgroup_dir *dir, const char *file, int64_t value,
		      struct err *err)
{
	int r = write_number(dir, file, value, err);

	if (r != -ENOENT)
		return r;
	log_debug("%s is absent: swap is not limited", file);

	return 0;
}

static int set_memory_v1(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
			 struct err *err)
{
	int64_t swap_bytes = limits->swap_bytes;
	int r = 0;

	/* memory <= memory + swap must hold after each step: on the way up swap goes first. */
	if (limits->memory_bytes) {
		r = write_number(dir, "memory.limit_in_bytes", limits->memory_bytes, err);
		if (r == -EINVAL && swap_bytes) {
			r = write_swap(dir, "memory.memsw.limit_in_bytes", swap_bytes, err);
			swap_bytes = 0;
			if (r == 0)
				r = write_number(dir, "memory.limit_in_bytes", limits->memory_bytes,
						 err);
		}
	}
	if (r == 0 && swap_bytes)
		r = write_swap(dir, "memory.memsw.limit_in_bytes", swap_bytes, err);

	return r;
}

static int set_memory(const struct cgroup *cg, const struct cgroup_limits *limits, struct err *err)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_MEMORY);
	int64_t swap_bytes = limits->swap_bytes;
	int r = 0;

	if (!limits->memory_bytes && !swap_bytes)
		return 0;
	if (!dir)
		return no_controller("memory", err);
	if (!dir->v2)
		return set_memory_v1(dir, limits, err);
	if (limits->memory_bytes)
		r = write_number(dir, "memory.max", limits->memory_bytes, err);
	/* v2 counts swap alone. */
	if (swap_bytes > 0)
		swap_bytes -= limits->memory_bytes > 0 ? limits->memory_bytes : 0;
	if (r == 0 && limits->swap_bytes)
		r = write_swap(dir, "memory.swap.max", swap_bytes, err);

	return r;
}

static int set_quota(const struct cgroup_dir *dir, int64_t cpus_milli, struct err *err)
{
	int64_t quota_us = cpus_milli < 0 ? -1 : cpus_milli * CPU_PERIOD_US / 1000;
	char text[64];
	int r;

	if (dir->v2) {
		if (quota_us < 0)
			(void)snprintf(text, sizeof(text), "max %d", CPU_PERIOD_US);
		else
			(void)snprintf(text, sizeof(text), "%" PRId64 " %d", quota_us,
				       CPU_PERIOD_US);
		return cgroup_write(dir, "cpu.max", text, err);
	}
	r = write_number(dir, "cpu.cfs_period_us", CPU_PERIOD_US, err);

	return r < 0 ? r : write_number(dir, "cpu.cfs_quota_us", quota_us, err);
}

static int set_shares(const struct cgroup_dir *dir, int64_t shares, struct err *err)
{
	/* 2..262144 of v1 onto 1..10000 of v2, the mapping of OCI runtimes. */
	int64_t weight = 1 + (shares - 2) * 9999 / 262142;

	return dir->v2 ? write_number(dir, "cpu.weight", weight, err)
		       : write_number(dir, "cpu.shares", shares, err);
}

static int set_cpu(const struct cgroup *cg, const struct cgroup_limits *limits, struct err *err)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_CPU);
	int r = 0;

	if (!limits->cpus_milli && !limits->cpu_shares)
		return 0;
	if (!dir)
		return no_controller("processor time", err);
	if (limits->cpus_milli)
		r = set_quota(dir, limits->cpus_milli, err);
	if (r == 0 && limits->cpu_shares > 0)
		r = set_shares(dir, limits->cpu_shares, err);

	return r;
}

int cgroup_set_limits(const struct cgroup *cg, const struct cgroup_limits *limits, struct err *err)
{
	const struct cgroup_dir *dir;
	int r = set_memory(cg, limits, err);

	if (r < 0)
		return err_wrap(err, r, "limit memory");
	r = set_cpu(cg, limits, err);
	if (r < 0)
		return err_wrap(err, r, "limit processor time");
	if (limits->cpus) {
		dir = cgroup_dir_of(cg, CGROUP_CPUSET);
		r = dir ? cgroup_write(dir, "cpuset.cpus", limits->cpus, err)
			: no_controller("sets of processors", err);
	}
	if (r < 0)
		return err_wrap(err, r, "choose processors");
	if (limits->pids) {
		dir = cgroup_dir_of(cg, CGROUP_PIDS);
		r = !dir	       ? no_controller("processes", err)
		    : limits->pids > 0 ? write_number(dir, "pids.max", limits->pids, err)
				       : cgroup_write(dir, "pids.max", "max", err);
	}

	return r < 0 ? err_wrap(err, r, "limit processes") : 0;
}
