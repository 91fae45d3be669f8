/* SPDX-License-Identifier: Apache-2.0
 *
 * life.c - start a workload, attach to it, wait for its end
 *
 * Order: lock the run directory, write the row, then make what the row tells of; the monitor
 * creates the sandbox with its first process waiting; an attacher is there before that process
 * begins, so that none of its output is missed. The lock is let go before the wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"

/* ---- the monitor's material ---- */

static int open_layers(struct engine *e, const struct monitor_level *level,
		       const struct store_image *image, int *fds, struct err *err)
{
	if (level->layers == MONITOR_LAYER_MOUNTS)
		return store_layer_mounts(e->store, image->layers, image->layers_len, fds, err);
	for (size_t i = 0; i < image->layers_len; i++) {
		fds[i] = store_layer_open(e->store, image->layers[i].diff_id, err);
		if (fds[i] < 0)
			return fds[i];
	}

	return 0;
}

static void close_all(int *fds, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fd_close(fds[i]);
	free(fds);
}

static int make_log_dir(const struct engine *e, const char *id, struct err *err)
{
	int root_fd = store_root_fd(e->store);
	auto_free char *path = mem_printf("logs/%s", id);

	if (mkdirat(root_fd, path, 0700) == 0 || errno == EEXIST)
		return 0;
	if (errno == ENOENT && (mkdirat(root_fd, "logs", 0700) == 0 || errno == EEXIST) &&
	    mkdirat(root_fd, path, 0700) == 0)
		return 0;

	return err_sys(err, "make '%s/%s'", e->root, path);
}

/* hull --root R --run-root RR internal reap ID */
static int add_reap_args(const struct engine *e, const char *id, struct strv *args, struct err *err)
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len < 0)
		return err_sys(err, "read /proc/self/exe");
	exe[len] = '\0';
	(void)strv_add(args, exe);
	(void)strv_add(args, "--root");
	(void)strv_add(args, e->root);
	(void)strv_add(args, "--run-root");
	(void)strv_add(args, e->run_root);
	(void)strv_add(args, "internal");
	(void)strv_add(args, "reap");
	(void)strv_add(args, id);

	return 0;
}

static int start_monitor(struct engine *e, const struct engine_container *c,
			 const struct spec_sandbox *spec, struct monitor_start *start,
			 struct monitor_client **ret, struct err *err)
{
	auto_free char *run_dir = rundir_path(e, c->row.id);
	auto_free char *log_path = rundir_log_path(e, c->row.id);
	auto_free char *cache_dir = mem_printf("%s/cache", e->root);
	auto_done(strv) reap_args = { 0 };
	int r = 0;

	if (!spec->service) {
		r = make_log_dir(e, c->row.id, err);
		if (r == 0)
			r = add_reap_args(e, c->row.id, &reap_args, err);
	}
	if (r < 0)
		return r;
	start->level = c->row.level;
	start->run_dir = run_dir;
	start->spec = spec;
	start->log = (struct monitor_log){
		.path = spec->service ? NULL : log_path,
		.max_bytes = c->config.log_max_bytes,
		.max_files = (uint32_t)c->config.log_max_files,
	};
	start->open_stdin = c->config.open_stdin;
	start->stdin_once = c->config.stdin_once;
	start->cache_dir = cache_dir;
	start->reap_args = strv_argv(&reap_args);

	return monitor_start(start, -1, ret, err);
}

void launch_done(struct launch *launch)
{
	store_image_done(&launch->image);
	spec_sandbox_done(&launch->spec);
}

int launch_load(struct engine *e, const struct engine_container *c, struct launch *ret,
		struct err *err)
{
	int r = store_image_find(e->store, c->row.image_id, &ret->image, err);

	return r < 0 ? r : engine_build(c, &ret->spec, err);
}

int launch_start(struct engine *e, const struct engine_container *c, struct launch *launch,
		 struct monitor_client **ret, struct err *err)
{
	struct monitor_start start = {
		.layers_len = launch->image.layers_len,
		.claim_reap = launch->claim_reap,
	};
	auto_close int rw_fd = -1;
	int *layer_fds;
	int r = engine_build_late(e, c, &launch->spec, err);

	if (r < 0)
		return r;
	rw_fd = store_rw_open(e->store, c->row.id, err);
	if (rw_fd < 0)
		return rw_fd;
	layer_fds = mem_calloc(start.layers_len, sizeof(*layer_fds));
	for (size_t i = 0; i < start.layers_len; i++)
		layer_fds[i] = -1;
	r = open_layers(e, c->level, &launch->image, layer_fds, err);
	start.layer_fds = layer_fds;
	start.rw_fd = rw_fd;
	if (r == 0)
		r = start_monitor(e, c, &launch->spec, &start, ret, err);
	close_all(layer_fds, start.layers_len);

	return r;
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

/* ---- attached ---- */

/* The process gets the size of the caller's terminal from the beginning. */
void engine_terminal_size(struct spec_process *process, const struct engine_streams *streams)
{
	struct winsize size;

	if (!process->terminal || !streams)
		return;
	if (ioctl(streams->stdout_fd, TIOCGWINSZ, &size) == 0 ||
	    ioctl(streams->stdin_fd, TIOCGWINSZ, &size) == 0) {
		process->rows = size.ws_row;
		process->cols = size.ws_col;
	}
}

int engine_relay(struct monitor_client *client, const struct relay *relay,
		 const struct engine_streams *streams, struct monitor_end *ret, struct err *err)
{
	bool raw = relay->terminal && streams->stdin_fd >= 0 && isatty(streams->stdin_fd);
	struct monitor_attach attach = {
		.proc = relay->proc,
		.stdin_fd = streams->stdin_fd,
		.stdout_fd = streams->stdout_fd,
		.stderr_fd = relay->terminal ? -1 : streams->stderr_fd,
		.terminal = relay->terminal,
		.raw_fd = raw ? streams->stdin_fd : -1,
		.detach_keys = raw ? streams->detach_keys : NULL,
		.detach_keys_len = raw ? streams->detach_keys_len : 0,
		.forward_signals = streams->forward_signals,
		.begin = relay->begin,
	};

	return monitor_attach(client, &attach, ret, err);
}

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

/* Let it go, and with @streams stay. The lock on the run directory is no longer held. */
static int begin(struct engine *e, const struct engine_container *c, struct monitor_client *client,
		 const struct engine_streams *streams, struct engine_end *ret_end, struct err *err)
{
	const struct relay relay = { .terminal = c->config.tty, .begin = true };
	struct monitor_end end = { 0 };
	int r = streams ? engine_relay(client, &relay, streams, &end, err)
			: monitor_begin(client, err);

	if (r < 0) {
		(void)engine_reap_ended(e, c->row.id, is_exec_failure(err) ? err : NULL, NULL);
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

	return engine_reap_ended(e, c->row.id, NULL, err);
}

/* ---- run, start, attach, wait ---- */

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
		(void)engine_reap_locked(e, c, dir_fd, err, NULL);

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
		(void)engine_reap_locked(e, c, dir_fd, err, NULL);

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

int engine_attach(struct engine *e, const char *ref, const struct engine_streams *streams,
		  struct engine_end *ret_end, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_ptr(monitor_client) *client = NULL;
	struct engine_streams wanted = *streams;
	struct relay relay = { 0 };
	struct monitor_end end = { 0 };
	int r = engine_find(e, ref, &c, err);

	if (r == 0)
		r = engine_connect(e, &c, &client, err);
	if (r == 0 && !c.config.open_stdin)
		wanted.stdin_fd = -1;
	relay.terminal = c.config.tty;
	if (r == 0)
		r = engine_relay(client, &relay, &wanted, &end, err);
	if (r < 0)
		return err_wrap(err, r, "cannot attach to container '%s'", ref);
	*ret_end = (struct engine_end){ end.detached, end.exit_status, end.oom };

	return 0;
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
		engine_container_done(&c);
		r = engine_find_locked(e, id, &c, &dir_fd, err);
		if (r < 0)
			return r;
	}
	*ret_exit_status = c.state.exit_status;

	return 0;
}
