/* SPDX-License-Identifier: Apache-2.0
 *
 * find.c - finds containers, and their monitors; none is found running that has ended
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"

/*
 * Another command has the container locked. If it recorded an end and cleared the run directory
 * after we had read the row, the row tells now; a workload still lost is one that it is just
 * starting.
 */
static int look_again(struct engine *e, struct engine_container *c, struct err *err)
{
	int r = engine_reload(e, c->row.id, c, err);

	if (r == 0 && c->state.needs_reap && c->state.finished_wall_ns == 0)
		c->state = (struct engine_state){ .status = ENGINE_CREATED };

	return r;
}

/*
 * Record an end that nobody recorded; -ENOENT when with --rm nothing is left of it. While another
 * command has the container locked, the end is its business.
 */
static int settle(struct engine *e, struct engine_container *c, struct err *err)
{
	auto_close int dir_fd = -1;
	int r;

	if (!c->state.needs_reap)
		return 0;
	dir_fd = rundir_lock(e, c->row.id, RUNDIR_TRY, err);
	if (dir_fd == -EAGAIN)
		return c->state.finished_wall_ns ? 0 : look_again(e, c, err);
	if (dir_fd < 0)
		return dir_fd;
	r = engine_reload(e, c->row.id, c, err);
	if (r == -ENOENT)
		(void)rundir_remove(e, c->row.id, dir_fd, NULL);
	if (r == 0 && c->state.needs_reap)
		r = engine_reap_locked(e, c, dir_fd, NULL, err);

	return r == 1 ? err_setk(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", c->row.id)
		      : r;
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
	/* Layers whose last user was killed before it let go of them. */
	r = store_layer_unmount_unused(e->store, err);
	if (r < 0)
		return r;
	*ret = list;
	list = (struct engine_containers){ 0 };

	return 0;
}

int engine_find_locked(struct engine *e, const char *ref, struct engine_container *ret,
		       int *ret_dir_fd, struct err *err)
{
	auto_done(engine_container) found = { 0 };
	auto_close int dir_fd = -1;
	int r = engine_find(e, ref, &found, err);

	if (r < 0)
		return r;
	dir_fd = rundir_lock(e, found.row.id, RUNDIR_WAIT, err);
	if (dir_fd < 0)
		return dir_fd;
	r = engine_reload(e, found.row.id, ret, err);
	if (r == -ENOENT)
		(void)rundir_remove(e, found.row.id, dir_fd, NULL);
	if (r < 0)
		return r;
	*ret_dir_fd = take_fd(dir_fd);

	return 0;
}

int engine_connect(struct engine *e, const struct engine_container *c, struct monitor_client **ret,
		   struct err *err)
{
	auto_free char *path = rundir_path(e, c->row.id);
	enum engine_status status = c->state.status;
	int r = -ESRCH;

	if (status == ENGINE_RUNNING || status == ENGINE_PAUSED)
		r = monitor_connect(path, ret, err);
	if (r == -ESRCH)
		return err_setk(err, ERR_CONFLICT, ESRCH, "container %s is not running",
				c->row.name);

	return r;
}
