/* SPDX-License-Identifier: Apache-2.0
 *
 * state.c - what a container is doing, from its row and its run directory
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/exit.h"
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
		ret->exit_status = EXIT_SIGNAL + SIGKILL;
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

int engine_reload(struct engine *e, const char *id, struct engine_container *ret, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	int r = store_container_find(e->store, id, &c.row, err);

	if (r == 0)
		r = engine_complete(e, &c, err);
	if (r < 0)
		return r;
	engine_container_done(ret);
	*ret = c;
	c = (struct engine_container){ 0 };

	return 0;
}
