/* SPDX-License-Identifier: Apache-2.0
 *
 * reap.c - the end of a workload: recorded once, and everything of it removed when asked
 *
 * Whoever notices the end first does this: the command that waits in the foreground, the
 * monitor's last act (hull internal reap), or the next command that looks. The lock on the run
 * directory makes it happen once; each step may be repeated after a crash.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "engine/internal.h"

static int remove_logs(const struct engine *e, const char *id, struct err *err)
{
	int logs_fd = openat(store_root_fd(e->store), "logs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (logs_fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open '%s/logs'", e->root);
	r = path_rmtree(logs_fd, id, err);
	fd_close(logs_fd);

	return r;
}

static bool has_anonymous(const struct engine_config *config)
{
	for (size_t i = 0; i < config->mounts_len; i++)
		if (config->mounts[i].anonymous)
			return true;

	return false;
}

int engine_remove_locked(struct engine *e, const struct engine_container *c, int dir_fd,
			 bool volumes, struct err *err)
{
	const char *id = c->row.id;
	int r = store_rw_discard(e->store, id, err);

	if (r == 0)
		r = remove_logs(e, id, err);
	failpoint("container-emptied");
	if (r == 0 && volumes && has_anonymous(&c->config))
		r = store_container_remove_with_volumes(e->store, id, err);
	else if (r == 0)
		r = store_container_remove(e->store, id, err);
	failpoint("container-removed");
	if (r == 0)
		r = rundir_remove(e, id, dir_fd, err);
	/* What takes its time comes last: it is gone already, whatever happens now. */
	if (r == 0)
		r = store_rw_reclaim(e->store, err);

	return r;
}

/* A start that failed leaves it as it was before, with the reason. */
static void record_failed_start(struct store_container *row, const struct err *why)
{
	char text[sizeof(why->frames)];

	row->exit_status = err_exit_status(why);
	free(row->error);
	row->error = mem_strdup(err_text(why, text, sizeof(text)));
	row->started = row->ended = row->finished_wall_ns != 0;
}

static void record_end(struct store_container *row, const struct engine_state *state)
{
	row->ended = true;
	row->exit_status = state->exit_status;
	row->oom = state->oom;
	row->started_wall_ns = state->started_wall_ns;
	row->finished_wall_ns = state->finished_wall_ns ? state->finished_wall_ns : clock_wall_ns();
	free(row->error);
	row->error = state->error[0] ? mem_strdup(state->error) : NULL;
}

int engine_reap_locked(struct engine *e, struct engine_container *c, int dir_fd,
		       const struct err *why, struct err *err)
{
	auto_free char *path = rundir_path(e, c->row.id);
	bool recorded = c->row.ended || !c->row.started;
	int r = 0;

	if (!recorded && !c->state.needs_reap && !why)
		return 0; /* it lives */
	/* Without an exit record something of the workload may be left. */
	if (!recorded && c->state.finished_wall_ns == 0)
		r = monitor_kill_lost(path, c->row.id, err);
	if (r < 0)
		return r;
	failpoint("reap-begun");
	if (c->config.auto_remove && (c->row.started || why)) {
		r = engine_remove_locked(e, c, dir_fd, true, err);
		if (r == 0)
			r = store_layer_unmount_unused(e->store, err);
		return r < 0 ? r : 1;
	}
	if (recorded)
		return 0;
	if (why)
		record_failed_start(&c->row, why);
	else
		record_end(&c->row, &c->state);
	r = store_container_update(e->store, &c->row, err);
	failpoint("reap-recorded");
	if (r == 0)
		r = rundir_clear(dir_fd, err);
	if (r == 0)
		r = store_layer_unmount_unused(e->store, err);
	if (r == 0)
		r = engine_state_read(e, &c->row, &c->state, err);

	return r;
}

int engine_reap_ended(struct engine *e, const char *id, const struct err *why,
		      struct engine_state *ret, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_close int dir_fd = rundir_lock(e, id, RUNDIR_WAIT, err);
	int r;

	if (dir_fd < 0)
		return dir_fd;
	r = engine_reload(e, id, &c, err);
	if (r == -ENOENT) /* removed while we waited */
		return rundir_remove(e, id, dir_fd, err);
	if (r == 0)
		r = MIN(engine_reap_locked(e, &c, dir_fd, why, err), 0);
	if (r == 0 && ret)
		*ret = c.state;

	return err_wrap(err, r, "record the end of container %.12s", id);
}

int engine_reap(struct engine *e, const char *id, struct err *err)
{
	auto_done(store_container) row = { 0 };
	int r = store_container_find(e->store, id, &row, err);

	if (r == -ENOENT)
		return 0;

	return r < 0 ? r : engine_reap_ended(e, row.id, NULL, NULL, err);
}
