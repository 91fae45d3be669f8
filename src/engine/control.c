/* SPDX-License-Identifier: Apache-2.0
 *
 * control.c - stop, kill, pause, rename, update, remove: what is done to a workload that exists
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "engine/lookup.h"
#include "engine/name.h"
#include "engine/options.h"

/* How long a workload may take to vanish after SIGKILL. */
#define KILL_WAIT_NS (10 * NS_PER_SEC)

static int stop_signal(const struct engine_config *config, struct err *err)
{
	return config->stop_signal ? lookup_signal(config->stop_signal, err) : SIGTERM;
}

/* The signal, its time, then SIGKILL. 0 once it has ended; -ETIMEDOUT when even that did not. */
static int stop_workload(struct monitor_client *client, int signo, int64_t timeout_ns, bool paused,
			 struct err *err)
{
	struct monitor_end end = { 0 };
	int r = monitor_signal(client, 0, signo, err);

	/* A frozen process sees its signal only once it is thawed. */
	if (r == 0 && paused)
		r = monitor_pause(client, false, err);
	if (r == 0)
		r = monitor_wait(client, 0, clock_now_ns() + timeout_ns, &end, err);
	if (r != -ETIMEDOUT)
		return r == -ESRCH || r == -EPIPE ? 0 : r;
	r = monitor_signal(client, 0, SIGKILL, err);
	if (r == 0)
		r = monitor_wait(client, 0, clock_now_ns() + KILL_WAIT_NS, &end, err);

	return r == -ESRCH || r == -EPIPE ? 0 : r;
}

static int stop_found(struct engine *e, const struct engine_container *c, int signo,
		      int64_t timeout_s, struct err *err)
{
	auto_ptr(monitor_client) *client = NULL;
	auto_free char *path = rundir_path(e, c->row.id);
	int r = engine_connect(e, c, &client, err);

	if (r == -ESRCH)
		return 0;
	if (r == 0 && signo == 0)
		r = signo = stop_signal(&c->config, err);
	if (timeout_s < 0)
		timeout_s = c->config.stop_timeout_s >= 0 ? c->config.stop_timeout_s
							  : ENGINE_STOP_TIMEOUT_S;
	if (r >= 0)
		r = stop_workload(client, signo, timeout_s * NS_PER_SEC,
				  c->state.status == ENGINE_PAUSED, err);
	if (r == -ETIMEDOUT)
		r = monitor_kill_lost(path, c->row.id, err);
	if (r < 0)
		return r;

	/* The monitor's own reaping may be under way: this waits for it. */
	return engine_reap(e, c->row.id, err);
}

int engine_stop(struct engine *e, const char *ref, int signo, int64_t timeout_s, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	int r = engine_find(e, ref, &c, err);

	if (r == 0 && (c.state.status == ENGINE_RUNNING || c.state.status == ENGINE_PAUSED))
		r = stop_found(e, &c, signo, timeout_s, err);

	return err_wrap(err, r, "cannot stop container '%s'", ref);
}

int engine_restart(struct engine *e, const char *ref, int signo, int64_t timeout_s, struct err *err)
{
	int r = engine_stop(e, ref, signo, timeout_s, err);

	return r < 0 ? r : engine_start(e, ref, NULL, NULL, err);
}

int engine_kill(struct engine *e, const char *ref, int signo, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_ptr(monitor_client) *client = NULL;
	struct monitor_end end = { 0 };
	int r = engine_find(e, ref, &c, err);

	if (r == 0)
		r = engine_connect(e, &c, &client, err);
	if (r == 0)
		r = monitor_signal(client, 0, signo, err);
	if (r == 0 && signo == SIGKILL) {
		r = monitor_wait(client, 0, clock_now_ns() + KILL_WAIT_NS, &end, err);
		if (r == 0 || r == -EPIPE)
			r = engine_reap(e, c.row.id, err);
	}

	return err_wrap(err, r, "cannot kill container '%s'", ref);
}

int engine_pause(struct engine *e, const char *ref, bool frozen, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_ptr(monitor_client) *client = NULL;
	int r = engine_find(e, ref, &c, err);

	if (r == 0)
		r = engine_connect(e, &c, &client, err);
	if (r == 0 && frozen && c.state.status == ENGINE_PAUSED)
		r = err_setk(err, ERR_CONFLICT, EALREADY, "container %s is already paused",
			     c.row.name);
	else if (r == 0 && !frozen && c.state.status == ENGINE_RUNNING)
		r = err_setk(err, ERR_CONFLICT, EALREADY, "container %s is not paused", c.row.name);
	if (r == 0)
		r = monitor_pause(client, frozen, err);

	return err_wrap(err, r, "cannot %s container '%s'", frozen ? "pause" : "unpause", ref);
}

int engine_rename(struct engine *e, const char *ref, const char *name, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_close int dir_fd = -1;
	int r = name_check(name, err);

	if (r == 0)
		r = engine_find_locked(e, ref, &c, &dir_fd, err);
	if (r == 0) {
		free(c.row.name);
		c.row.name = mem_strdup(name);
		r = store_container_update(e->store, &c.row, err);
	}

	return err_wrap(err, r, "cannot rename container '%s'", ref);
}

static void change_limits(struct spec_resources *limits, const struct spec_resources *changes)
{
	if (changes->memory_bytes)
		limits->memory_bytes = changes->memory_bytes;
	if (changes->memory_swap_bytes)
		limits->memory_swap_bytes = changes->memory_swap_bytes;
	if (changes->cpus_milli)
		limits->cpus_milli = changes->cpus_milli;
	if (changes->cpu_shares)
		limits->cpu_shares = changes->cpu_shares;
	if (changes->pids_limit)
		limits->pids_limit = changes->pids_limit;
	if (changes->cpuset_cpus) {
		free(limits->cpuset_cpus);
		limits->cpuset_cpus = mem_strdup(changes->cpuset_cpus);
	}
}

int engine_update(struct engine *e, const char *ref, const struct spec_resources *changes,
		  struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_done(spec_sandbox) spec = { 0 };
	auto_ptr(monitor_client) *client = NULL;
	auto_close int dir_fd = -1;
	int r = engine_find_locked(e, ref, &c, &dir_fd, err);

	if (r == 0) {
		change_limits(&c.config.resources, changes);
		r = options_limits(&c.config, c.level, err);
	}
	if (r == 0)
		r = engine_build(&c, &spec, err);
	/* First where it may be refused, then the record. */
	if (r == 0 && (c.state.status == ENGINE_RUNNING || c.state.status == ENGINE_PAUSED)) {
		r = engine_connect(e, &c, &client, err);
		if (r == 0)
			r = monitor_update(client, &spec.resources, err);
	}
	if (r == 0) {
		free(take_ptr(c.row.config));
		r = engine_config_encode(&c.config, &c.row.config, err);
	}
	if (r == 0)
		r = store_container_update(e->store, &c.row, err);

	return err_wrap(err, r, "cannot update container '%s'", ref);
}

/* Through the monitor, which then takes everything down in good order; by force otherwise. */
static int kill_workload(struct engine *e, const struct engine_container *c, struct err *err)
{
	auto_ptr(monitor_client) *client = NULL;
	auto_free char *path = rundir_path(e, c->row.id);
	struct monitor_end end = { 0 };
	int r = monitor_connect(path, &client, NULL);

	if (r == 0)
		r = monitor_signal(client, 0, SIGKILL, NULL);
	if (r == 0)
		r = monitor_wait(client, 0, clock_now_ns() + ENGINE_STOP_TIMEOUT_S * NS_PER_SEC,
				 &end, NULL);

	return monitor_kill_lost(path, c->row.id, err);
}

static int may_remove(const struct engine_container *c, unsigned flags, struct err *err)
{
	enum engine_status status = c->state.status;

	if ((flags & ENGINE_REMOVE_FORCE) || (status != ENGINE_RUNNING && status != ENGINE_PAUSED))
		return 0;
	err_setk(err, ERR_CONFLICT, EBUSY,
		 "You cannot remove a %s container %s. Stop the container before attempting "
		 "removal or force remove",
		 engine_status_name(status), c->row.name);
	err_hint(err, "hull stop %s, or hull rm -f %s", c->row.name, c->row.name);

	return -EBUSY;
}

int engine_remove(struct engine *e, const char *ref, unsigned flags, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_close int dir_fd = -1;
	int r = engine_find(e, ref, &c, err);

	if (r == 0)
		r = may_remove(&c, flags, err);
	if (r < 0)
		return r;
	dir_fd = rundir_lock(e, c.row.id, RUNDIR_WAIT, err);
	if (dir_fd < 0)
		return dir_fd;
	r = engine_reload(e, c.row.id, &c, err);
	if (r == -ENOENT)
		return rundir_remove(e, c.row.id, dir_fd, err);
	if (r == 0)
		r = may_remove(&c, flags, err);
	if (r == 0 && c.row.started && !c.row.ended)
		r = kill_workload(e, &c, err);
	if (r == 0)
		r = engine_remove_locked(e, &c, dir_fd,
					 c.config.auto_remove || (flags & ENGINE_REMOVE_VOLUMES),
					 err);
	if (r == 0)
		r = store_layer_unmount_unused(e->store, err);

	return err_wrap(err, r, "cannot remove container '%s'", ref);
}
