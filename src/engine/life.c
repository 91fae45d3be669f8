/* SPDX-License-Identifier: Apache-2.0
 *
 * life.c - start a workload, and wait for its end
 *
 * Order: lock the run directory, write the row, then make what the row tells of; the monitor
 * creates the sandbox with its first process waiting; an attacher is there before that process
 * begins, so that none of its output is missed. The lock is let go before the wait.
 */
#include <errno.h>
#include <stdio.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"

static bool is_exec_failure(const struct err *err)
{
	return err && (err->kind == ERR_NO_COMMAND || err->kind == ERR_CANNOT_EXEC);
}

/* Our end of it broke, as when whoever reads our output has gone: say that it goes on. */
static void hint_at_survivor(struct engine *e, const struct engine_container *c, struct err *err)
{
	struct engine_state state;

	if (engine_state_read(e, &c->row, &state, NULL) == 0 && state.status == ENGINE_RUNNING)
		err_hint(err, "the workload goes on: hull logs -f %s, hull stop %s", c->row.name,
			 c->row.name);
}

/* What has come of a start that failed, for the reason @err. */
static void record_failure(struct engine *e, struct engine_container *c, int dir_fd,
			   const struct err *err)
{
	if (engine_state_read(e, &c->row, &c->state, NULL) == 0)
		(void)engine_reap_locked(e, c, dir_fd, err, NULL);
}

/* Let it go, and with @streams stay. The lock on the run directory is no longer held. */
static int begin(struct engine *e, const struct engine_container *c, struct monitor_client *client,
		 const struct engine_streams *streams, struct engine_end *ret_end, struct err *err)
{
	const struct relay relay = { .terminal = c->config.tty, .begin = true };
	struct engine_state state = { 0 };
	struct monitor_end end = { 0 };
	int r = streams ? engine_relay(client, &relay, streams, &end, err)
			: monitor_begin(client, err);

	if (r < 0) {
		(void)engine_reap_ended(e, c->row.id, is_exec_failure(err) ? err : NULL, NULL,
					NULL);
		hint_at_survivor(e, c, err);
		return r;
	}
	if (!streams)
		return 0;
	*ret_end = (struct engine_end){
		.detached = end.detached,
		.exit_status = end.exit_status,
		.oom = end.oom,
	};
	if (end.detached || !end.reap_is_ours)
		return 0;
	r = engine_reap_ended(e, c->row.id, NULL, &state, err);
	/* When its sandbox has died, the monitor has recorded why. */
	(void)snprintf(ret_end->error, sizeof(ret_end->error), "%s", state.error);

	return r;
}

/* ---- run, start, wait ---- */

/* Everything up to the first process, which waits; undone on failure as far as --rm says. */
static int run_to_created(struct engine *e, struct engine_request *request,
			  const struct engine_caller *caller, struct engine_container *c,
			  struct monitor_client **ret, struct err *err)
{
	auto_done(launch) launch = { .claim_reap = caller->streams != NULL };
	auto_close int dir_fd = -1;
	int r = engine_prepare(e, request, c, &launch, err);

	if (r < 0)
		return r;
	dir_fd = rundir_lock(e, c->row.id, RUNDIR_WAIT, err);
	if (dir_fd < 0)
		return dir_fd;
	failpoint("rundir-made");
	c->row.started = true;
	/* It loads while the row is written and the layers are mounted. */
	r = monitor_child_spawn(&launch.monitor, err);
	if (r == 0)
		r = engine_record(e, request, c, err);
	if (r < 0) {
		(void)rundir_remove(e, c->row.id, dir_fd, NULL);
		return r;
	}
	if (caller->created)
		r = caller->created(caller->ctx, c->row.id, err);
	engine_terminal_size(&launch.spec.process, caller->streams);
	if (r == 0)
		r = launch_start(e, c, &launch, ret, err);
	failpoint("monitor-started");
	if (r == 0 && caller->built && engine_state_read(e, &c->row, &c->state, NULL) == 0)
		caller->built(caller->ctx, c);
	if (r < 0)
		record_failure(e, c, dir_fd, err);

	return r;
}

int engine_run(struct engine *e, struct engine_request *request, const struct engine_caller *caller,
	       struct engine_end *ret_end, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_ptr(monitor_client) *client = NULL;
	int r = run_to_created(e, request, caller, &c, &client, err);

	if (r == 0)
		r = begin(e, &c, client, caller->streams, ret_end, err);

	return err_wrap(err, r, "cannot run '%s'", request->image);
}

/* With the lock held: forget the last run, and get as far as the waiting first process. */
static int restart_locked(struct engine *e, struct engine_container *c, int dir_fd,
			  const struct engine_streams *streams, struct monitor_client **ret,
			  struct err *err)
{
	auto_done(launch) launch = { .claim_reap = streams != NULL };
	auto_free char *path = rundir_path(e, c->row.id);
	int r = launch_load(e, c, &launch, err);

	/* A service machine of a cp that was killed, say. */
	if (r == 0)
		r = monitor_kill_lost(path, c->row.id, err);
	if (r == 0)
		r = rundir_clear(dir_fd, err);
	if (r < 0)
		return r;
	c->row.started = true;
	c->row.ended = c->row.oom = false;
	free(take_ptr(c->row.error));
	r = store_container_update(e->store, &c->row, err);
	if (r < 0)
		return r;
	engine_terminal_size(&launch.spec.process, streams);
	r = launch_start(e, c, &launch, ret, err);
	if (r < 0)
		record_failure(e, c, dir_fd, err);

	return r;
}

/* @ret stays NULL when it runs already. */
static int start_again(struct engine *e, const char *ref, const struct engine_streams *streams,
		       struct engine_container *c, struct monitor_client **ret, struct err *err)
{
	auto_close int dir_fd = -1;
	int r = engine_find_locked(e, ref, c, &dir_fd, err);

	if (r < 0)
		return r;
	if (c->row.started && !c->row.ended && !c->state.needs_reap)
		return 0;

	return restart_locked(e, c, dir_fd, streams, ret, err);
}

int engine_start(struct engine *e, const char *ref, const struct engine_streams *streams,
		 struct engine_end *ret_end, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_ptr(monitor_client) *client = NULL;
	int r = start_again(e, ref, streams, &c, &client, err);

	if (r == 0 && client)
		r = begin(e, &c, client, streams, ret_end, err);
	else if (r == 0 && streams)
		return engine_attach(e, ref, streams, ret_end, err);

	return err_wrap(err, r, "cannot start container '%s'", ref);
}

int engine_wait(struct engine *e, const char *ref, int *ret_exit_status, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_free char *path = NULL, *id = NULL;
	int r = engine_find(e, ref, &c, err);

	if (r < 0)
		return r;
	id = mem_strdup(c.row.id);
	path = rundir_path(e, id);
	while (c.row.started && c.state.status != ENGINE_EXITED) {
		auto_ptr(monitor_client) *client = NULL;
		auto_close int dir_fd = -1;
		struct monitor_end end = { 0 };

		r = monitor_connect(path, &client, err);
		if (r == 0)
			r = monitor_wait(client, 0, -1, &end, err);
		if (r == 0) {
			*ret_exit_status = end.exit_status;
			return 0;
		}
		if (r != -ESRCH && r != -EPIPE)
			return r;
		/* Just ended, or just being started: look again once that is over. */
		r = engine_find_locked(e, id, &c, &dir_fd, err);
		if (r < 0)
			return r;
	}
	*ret_exit_status = c.state.exit_status;

	return 0;
}
