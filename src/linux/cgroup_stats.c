/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup_stats.c - counters of a control group, from the files of either version
 */
#include "linux/cgroup.h"

#include <errno.h>

#include "base/parse.h"

#define STAT_BYTES (16 * KIB)
/* v1 tells "no limit" as the highest number of pages. */
#define V1_UNLIMITED (INT64_MAX - 65536)

static int64_t to_number(struct slice text)
{
	uint64_t value;

	return parse_slice_u64(text, 0, INT64_MAX, &value) < 0 ? -1 : (int64_t)value;
}

/* A file that holds one number. */
static int64_t read_number(const struct cgroup_dir *dir, const char *file)
{
	char text[64];

	if (!dir || cgroup_read(dir, file, text, sizeof(text), NULL) < 0)
		return -1;

	return to_number(slice_of(text));
}

/* The number after @key at the start of a line. */
static int64_t find_key(const char *text, const char *key)
{
	struct slice rest = slice_of(text), line, word;

	while (slice_next(&rest, '\n', &line))
		if (slice_next(&line, ' ', &word) && slice_eq(word, key))
			return to_number(line);

	return -1;
}

static int64_t read_key(const struct cgroup_dir *dir, const char *file, const char *key)
{
	char text[STAT_BYTES];

	if (!dir || cgroup_read(dir, file, text, sizeof(text), NULL) < 0)
		return -1;

	return find_key(text, key);
}

static void get_cpu(const struct cgroup *cg, struct cgroup_stats *ret)
{
	const struct cgroup_dir *v1 = cgroup_dir_of(cg, CGROUP_CPUACCT);
	char text[STAT_BYTES];

	if (v1) {
		ret->cpu_ns = read_number(v1, "cpuacct.usage");
		ret->cpu_user_ns = read_number(v1, "cpuacct.usage_user");
		ret->cpu_system_ns = read_number(v1, "cpuacct.usage_sys");
		return;
	}
	/* cpu.stat exists in v2 even without the controller. */
	if (!cgroup_v2(cg) || cgroup_read(cgroup_v2(cg), "cpu.stat", text, sizeof(text), NULL) < 0)
		return;
	ret->cpu_ns = find_key(text, "usage_usec") * 1000;
	ret->cpu_user_ns = find_key(text, "user_usec") * 1000;
	ret->cpu_system_ns = find_key(text, "system_usec") * 1000;
}

static void get_memory(const struct cgroup *cg, struct cgroup_stats *ret)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_MEMORY);
	bool v2 = dir && dir->v2;
	int64_t cache_bytes;

	ret->memory_bytes = read_number(dir, v2 ? "memory.current" : "memory.usage_in_bytes");
	cache_bytes = read_key(dir, "memory.stat", v2 ? "inactive_file" : "total_inactive_file");
	if (cache_bytes > 0 && cache_bytes <= ret->memory_bytes)
		ret->memory_bytes -= cache_bytes;
	/* "max" is no number: -1, as it should be. */
	ret->memory_limit_bytes = read_number(dir, v2 ? "memory.max" : "memory.limit_in_bytes");
	if (ret->memory_limit_bytes > V1_UNLIMITED)
		ret->memory_limit_bytes = -1;
	ret->memory_peak_bytes = read_number(dir, v2 ? "memory.peak" : "memory.max_usage_in_bytes");
	ret->oom_kills = read_key(dir, v2 ? "memory.events" : "memory.oom_control", "oom_kill");
}

/* Sum up "8:0 Read 123" lines of v1, or "8:0 rbytes=123 wbytes=45 ..." lines of v2. */
static void add_block_line(struct slice line, struct cgroup_stats *ret)
{
	struct slice device, word;

	if (!slice_next(&line, ' ', &device))
		return;
	while (slice_next(&line, ' ', &word)) {
		struct slice key;
		int64_t value;

		if (slice_eq(word, "Read") || slice_eq(word, "Write")) {
			key = word;
			value = to_number(line);
		} else if (slice_next(&word, '=', &key)) {
			value = to_number(word);
		} else {
			continue;
		}
		if (value > 0 && (slice_eq(key, "Read") || slice_eq(key, "rbytes")))
			ret->block_read_bytes += value;
		if (value > 0 && (slice_eq(key, "Write") || slice_eq(key, "wbytes")))
			ret->block_write_bytes += value;
	}
}

static void get_block(const struct cgroup *cg, struct cgroup_stats *ret)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cg, CGROUP_IO);
	char text[STAT_BYTES];
	struct slice rest, line;

	if (!dir || cgroup_read(dir, dir->v2 ? "io.stat" : "blkio.throttle.io_service_bytes", text,
				sizeof(text), NULL) < 0)
		return;
	ret->block_read_bytes = 0;
	ret->block_write_bytes = 0;
	rest = slice_of(text);
	while (slice_next(&rest, '\n', &line))
		add_block_line(line, ret);
}

int cgroup_get_stats(const struct cgroup *cg, struct cgroup_stats *ret)
{
	const struct cgroup_dir *pids = cgroup_dir_of(cg, CGROUP_PIDS);

	*ret = (struct cgroup_stats){
		.cpu_ns = -1,
		.cpu_user_ns = -1,
		.cpu_system_ns = -1,
		.block_read_bytes = -1,
		.block_write_bytes = -1,
		.pids = read_number(pids, "pids.current"),
		.pids_limit = read_number(pids, "pids.max"),
	};
	get_cpu(cg, ret);
	get_memory(cg, ret);
	get_block(cg, ret);

	return 0;
}
