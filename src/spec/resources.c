/* SPDX-License-Identifier: Apache-2.0
 *
 * resources.c - limits and measured resource use as JSON
 */
#include <errno.h>
#include <string.h>

#include "spec/sandbox.h"
#include "spec/shape.h"

#define CPUS_MAX_MILLI (1000 * 65536LL)
#define SHARES_MIN 2 /* the kernel's own range of cpu.shares */
#define SHARES_MAX 262144
#define PIDS_MAX 4194304 /* PID_MAX_LIMIT */
#define CPUSET_MAX_BYTES 4095

static const struct spec_field resources_fields[] = {
	SPEC_I64(spec_resources, memory_bytes, "memoryBytes", 0, INT64_MAX),
	SPEC_I64(spec_resources, memory_swap_bytes, "memorySwapBytes", SPEC_UNLIMITED, INT64_MAX),
	SPEC_I64(spec_resources, cpus_milli, "cpusMilli", 0, CPUS_MAX_MILLI),
	SPEC_I64(spec_resources, cpu_shares, "cpuShares", 0, SHARES_MAX),
	SPEC_TEXT(spec_resources, cpuset_cpus, "cpusetCpus", CPUSET_MAX_BYTES),
	SPEC_I64(spec_resources, pids_limit, "pidsLimit", SPEC_UNLIMITED, PIDS_MAX),
};

static int resources_check(const void *thing, struct err *err)
{
	const struct spec_resources *r = thing;

	if (r->cpu_shares > 0 && r->cpu_shares < SHARES_MIN)
		return err_setk(err, ERR_USAGE, EINVAL, "'cpuShares' is out of range");
	if (r->memory_swap_bytes > 0 && r->memory_swap_bytes < r->memory_bytes)
		return err_setk(err, ERR_USAGE, EINVAL,
				"the limit of memory and swap is below that of memory");
	if (r->cpuset_cpus && r->cpuset_cpus[strspn(r->cpuset_cpus, "0123456789,-")] != '\0')
		return err_setk(err, ERR_USAGE, EINVAL, "'cpusetCpus' is not a list of processors");

	return 0;
}

const struct spec_shape spec_resources_shape = SPEC_SHAPE(
	spec_resources, "resource specification", resources_fields, .check = resources_check);

void spec_resources_done(struct spec_resources *resources)
{
	spec_shape_done(&spec_resources_shape, resources);
}

int spec_resources_encode(const struct spec_resources *r, char **ret_text, struct err *err)
{
	return spec_shape_encode(&spec_resources_shape, r, ret_text, err);
}

int spec_resources_decode(const char *text, size_t len, struct spec_resources *ret, struct err *err)
{
	return spec_shape_decode(&spec_resources_shape, text, len, ret, err);
}

/* -1: this level cannot measure it. */
#define STATS_FIELD(member, name) SPEC_I64(spec_stats, member, name, -1, INT64_MAX)

static const struct spec_field stats_fields[] = {
	STATS_FIELD(cpu_ns, "cpuNs"),
	STATS_FIELD(cpu_user_ns, "cpuUserNs"),
	STATS_FIELD(cpu_system_ns, "cpuSystemNs"),
	STATS_FIELD(memory_bytes, "memoryBytes"),
	STATS_FIELD(memory_limit_bytes, "memoryLimitBytes"),
	STATS_FIELD(memory_peak_bytes, "memoryPeakBytes"),
	STATS_FIELD(pids, "pids"),
	STATS_FIELD(pids_limit, "pidsLimit"),
	STATS_FIELD(block_read_bytes, "blockReadBytes"),
	STATS_FIELD(block_write_bytes, "blockWriteBytes"),
	STATS_FIELD(oom_kills, "oomKills"),
	STATS_FIELD(cpus, "cpus"),
};

static const struct spec_shape stats_shape =
	SPEC_SHAPE(spec_stats, "resource statistics", stats_fields);

int spec_stats_encode(const struct spec_stats *stats, char **ret_text, struct err *err)
{
	return spec_shape_encode(&stats_shape, stats, ret_text, err);
}

int spec_stats_decode(const char *text, size_t len, struct spec_stats *ret, struct err *err)
{
	return spec_shape_decode(&stats_shape, text, len, ret, err);
}
