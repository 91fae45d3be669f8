/* SPDX-License-Identifier: Apache-2.0
 *
 * query.c - what there is, and what it is doing
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"

const char *engine_status_name(enum engine_status status)
{
	static const char *const names[] = {
		[ENGINE_CREATED] = "created",
		[ENGINE_RUNNING] = "running",
		[ENGINE_PAUSED] = "paused",
		[ENGINE_EXITED] = "exited",
	};

	return names[status];
}

void engine_container_done(struct engine_container *c)
{
	if (!c)
		return;
	store_container_done(&c->row);
	engine_config_done(&c->config);
	*c = (struct engine_container){ 0 };
}

void engine_containers_done(struct engine_containers *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->len; i++)
		engine_container_done(&list->items[i]);
	free(list->items);
	*list = (struct engine_containers){ 0 };
}

static void state_from_row(const struct store_container *row, struct engine_state *ret)
{
	*ret = (struct engine_state){
		.status = row->ended ? ENGINE_EXITED : ENGINE_CREATED,
		.exit_status = row->exit_status,
		.oom = row->oom,
		.started_wall_ns = row->started_wall_ns,
		.finished_wall_ns = row->finished_wall_ns,
	};
	(void)snprintf(ret->error, sizeof(ret->error), "%s", row->error ? row->error : "");
}

static void state_from_monitor(const struct monitor_state *m, struct engine_state *ret)
{
	*ret = (struct engine_state){
		.pid = m->init_pid,
		.started_wall_ns = m->started_wall_ns,
	};
	(void)snprintf(ret->machine, sizeof(ret->machine), "%s", m->machine);
	switch (m->phase) {
	case MONITOR_CREATED:
		ret->status = ENGINE_CREATED;
		return;
	case MONITOR_RUNNING:
		ret->status = ENGINE_RUNNING;
		return;
	case MONITOR_PAUSED:
		ret->status = ENGINE_PAUSED;
		return;
	case MONITOR_EXITED:
		ret->exit_status = m->exit_status;
		ret->oom = m->oom;
		ret->finished_wall_ns = m->finished_wall_ns;
		(void)snprintf(ret->error, sizeof(ret->error), "%s", m->error);
		break;
	case MONITOR_ABSENT: /* after a reboot */
	case MONITOR_LOST:
		ret->exit_status = 137;
		(void)snprintf(ret->error, sizeof(ret->error), "monitor lost");
		break;
	}
	ret->status = ENGINE_EXITED;
	ret->needs_reap = true;
	ret->pid = 0;
}

int engine_state_read(const struct engine *e, const struct store_container *row,
		      struct engine_state *ret, struct err *err)
{
	struct monitor_state m = { 0 };
	auto_free char *path = NULL;
	int r;

	if (row->ended || !row->started) {
		state_from_row(row, ret);
		return 0;
	}
	path = rundir_path(e, row->id);
	r = monitor_read_state(path, &m, err);
	if (r < 0)
		return err_wrap(err, r, "read the state of container %.12s", row->id);
	state_from_monitor(&m, ret);

	return 0;
}

int engine_complete(struct engine *e, struct engine_container *c, struct err *err)
{
	int r = engine_config_decode(c->row.config, &c->config, err);

	if (r < 0)
		return err_wrap(err, r, "read the record of container %.12s", c->row.id);
	c->level = monitor_level_find(c->row.level);
	if (!c->level)
		return err_set(err, EPROTO, "container %.12s has the unknown isolation level '%s'",
			       c->row.id, c->row.level);

	return engine_state_read(e, &c->row, &c->state, err);
}

/*
 * Record an end that nobody recorded; -ENOENT when with --rm nothing is left of it. While another
 * command has the container locked the end is its business, and a workload that seems lost is one
 * that it is just starting.
 */
static int settle(struct engine *e, struct engine_container *c, struct err *err)
{
	auto_close int dir_fd = -1;
	auto_free char *id = NULL;
	int r;

	if (!c->state.needs_reap)
		return 0;
	dir_fd = rundir_lock(e, c->row.id, RUNDIR_TRY, err);
	if (dir_fd == -EAGAIN) {
		if (c->state.finished_wall_ns == 0)
			c->state = (struct engine_state){ .status = ENGINE_CREATED };
		return 0;
	}
	if (dir_fd < 0)
		return dir_fd;
	id = mem_strdup(c->row.id);
	engine_container_done(c);
	r = engine_reload(e, id, c, err);
	if (r == -ENOENT)
		(void)rundir_remove(e, id, dir_fd, NULL);
	if (r == 0 && c->state.needs_reap)
		r = engine_reap_locked(e, c, dir_fd, NULL, err);

	return r == 1 ? err_setk(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", id) : r;
}

int engine_find(struct engine *e, const char *ref, struct engine_container *ret, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	int r = store_container_find(e->store, ref, &c.row, err);

	if (r == 0)
		r = engine_complete(e, &c, err);
	if (r == 0)
		r = settle(e, &c, err);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct engine_container){ 0 };

	return 0;
}

int engine_list(struct engine *e, struct engine_containers *ret, struct err *err)
{
	auto_done(store_containers) rows = { 0 };
	auto_done(engine_containers) list = { 0 };
	int r = rundir_sweep(e, err);

	if (r == 0)
		r = store_container_list(e->store, &rows, err);
	if (r < 0)
		return r;
	list.items = mem_calloc(rows.len, sizeof(*list.items));
	for (size_t i = 0; i < rows.len; i++) {
		struct engine_container *c = &list.items[list.len];

		c->row = rows.items[i];
		rows.items[i] = (struct store_container){ 0 };
		list.len++;
		r = engine_complete(e, c, err);
		if (r == 0)
			r = settle(e, c, err);
		if (r == -ENOENT) { /* it went away meanwhile, or just now with --rm */
			engine_container_done(c);
			list.len--;
			continue;
		}
		if (r < 0)
			return r;
	}
	/* Those that a run with --rm left mounted for the next one. */
	r = store_layer_unmount_unused(e->store, err);
	if (r < 0)
		return r;
	*ret = list;
	list = (struct engine_containers){ 0 };

	return 0;
}

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
