/* SPDX-License-Identifier: Apache-2.0
 *
 * query.c - a workload's log, its use of resources, the size of what it wrote
 */
#include "base/mem.h"
#include "engine/internal.h"

int engine_rw_bytes(struct engine *e, const char *ref, uint64_t *ret_bytes, struct err *err)
{
	auto_done(store_container) row = { 0 };
	int r = store_container_find(e->store, ref, &row, err);

	return r < 0 ? r : store_rw_usage(e->store, row.id, ret_bytes, err);
}

int engine_stats(struct engine *e, const char *ref, struct spec_stats *ret, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_ptr(monitor_client) *client = NULL;
	int r = engine_find(e, ref, &c, err);

	if (r == 0)
		r = engine_connect(e, &c, &client, err);
	if (r == 0)
		r = monitor_stats(client, ret, err);

	return r;
}

static int log_entry(void *ctx, const struct monitor_log_entry *entry)
{
	const struct engine_log_reader *reader = ctx;

	return reader->entry(reader->ctx, entry->stream, entry->wall_ns, entry->text,
			     entry->text_len);
}

static void log_lost(void *ctx, uint64_t lost_bytes)
{
	const struct engine_log_reader *reader = ctx;

	reader->lost(reader->ctx, lost_bytes);
}

int engine_logs(struct engine *e, const char *ref, const struct engine_log_query *query,
		const struct engine_log_reader *reader, struct err *err)
{
	struct engine_log_reader ctx = *reader;
	auto_done(engine_container) c = { 0 };
	auto_free char *path = NULL, *run_dir = NULL;
	int r = engine_find(e, ref, &c, err);
	struct monitor_log_query all;

	if (r < 0)
		return r;
	path = rundir_log_path(e, c.row.id);
	run_dir = rundir_path(e, c.row.id);
	all = (struct monitor_log_query){
		.log = {
			.path = path,
			.max_bytes = c.config.log_max_bytes,
			.max_files = (uint32_t)c.config.log_max_files,
		},
		.run_dir = run_dir,
		.follow = query->follow && c.state.status != ENGINE_EXITED,
		.tail = query->tail,
		.since_wall_ns = query->since_wall_ns,
		.until_wall_ns = query->until_wall_ns,
	};

	return monitor_log_read(&all, log_entry, log_lost, &ctx, err);
}
