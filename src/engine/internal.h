/* SPDX-License-Identifier: Apache-2.0
 *
 * internal.h - what the files of the engine share
 *
 * In the order in which they build on each other: a file calls those above it here, never those
 * below. copy.c, control.c, exec.c, inspect.c, query.c, tool.c and what serves images, volumes and
 * the whole come last.
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include "engine/container.h"
#include "engine/engine.h"
#include "monitor/client.h"
#include "spec/image.h"
#include "store/store.h"

/**
 * struct engine - one open engine
 * @store:	metadata, layers, volumes
 * @root, @run_root: absolute paths, the store's
 */
struct engine {
	struct store *store;
	const char *root, *run_root;
};

#define ENGINE_STOP_TIMEOUT_S 10
#define ENGINE_LOG_MAX_BYTES (10 * MIB)
#define ENGINE_LOG_MAX_FILES 3
#define ENGINE_SHM_BYTES (64 * MIB)
#define ENGINE_UID_COUNT 65536
#define ENGINE_SHORT_ID 12

/* ---- rundir.c ---- */

/* "<run-root>/<id>"; the caller frees it. */
char *rundir_path(const struct engine *e, const char *id);

/* "<root>/logs/<id>/log"; the caller frees it. */
char *rundir_log_path(const struct engine *e, const char *id);

enum rundir_wait {
	RUNDIR_WAIT = 0,
	RUNDIR_TRY, /* -EAGAIN while another has it */
};

/**
 * rundir_lock() - Make the run directory if need be, and be the only one to change the container
 * @e:		engine
 * @id:		container
 * @wait:	enum rundir_wait
 * @err:	filled in on failure
 *
 * Who holds it may start, reap, rename or remove. It is not held while the workload runs: the
 * monitor has a lock of its own for that.
 *
 * Return: a descriptor of the directory; closing it ends the lock. Or a negative errno.
 */
int rundir_lock(const struct engine *e, const char *id, enum rundir_wait wait, struct err *err);

/* Remove what is in it. 0 or a negative errno. */
int rundir_clear(int dir_fd, struct err *err);

/* Remove it; @dir_fd is the locked directory, still open. 0 or a negative errno. */
int rundir_remove(const struct engine *e, const char *id, int dir_fd, struct err *err);

/* Remove run directories that no row knows and nobody has locked. 0 or a negative errno. */
int rundir_sweep(const struct engine *e, struct err *err);

/* ---- state.c ---- */

/* What @row and the run directory tell. */
int engine_state_read(const struct engine *e, const struct store_container *row,
		      struct engine_state *ret, struct err *err);

/* Fill in config, level and state from @c->row. */
int engine_complete(struct engine *e, struct engine_container *c, struct err *err);

/*
 * Row and config of @id again, and its state, in place of what is in @ret, which is zeroed or
 * filled in; @id may be that one's own. 0, or a negative errno, -ENOENT when it has gone: then @ret
 * is as it was.
 */
int engine_reload(struct engine *e, const char *id, struct engine_container *ret, struct err *err);

/* ---- reap.c ---- */

/*
 * Record the end with the lock held, since when @c's state has been read; @why of a failed start,
 * else NULL. 0; 1 when --rm said to remove it and nothing of it is left; or a negative errno.
 */
int engine_reap_locked(struct engine *e, struct engine_container *c, int dir_fd,
		       const struct err *why, struct err *err);

/* As engine_reap(), for a caller that has its end from the monitor; @ret, unless NULL: that end. */
int engine_reap_ended(struct engine *e, const char *id, const struct err *why,
		      struct engine_state *ret, struct err *err);

/* Remove everything of a container that does not run, with the lock held. */
int engine_remove_locked(struct engine *e, const struct engine_container *c, int dir_fd,
			 bool volumes, struct err *err);

/* ---- find.c ---- */

/* Find it, be the only one to change it, read it again; the caller closes @ret_dir_fd. */
int engine_find_locked(struct engine *e, const char *ref, struct engine_container *ret,
		       int *ret_dir_fd, struct err *err);

/* Connect to the monitor of a container that runs; kind CONFLICT when it does not. */
int engine_connect(struct engine *e, const struct engine_container *c, struct monitor_client **ret,
		   struct err *err);

/* ---- build.c ---- */

/**
 * engine_build() - The sandbox that a container's document describes
 * @c:		container with its row, config and level; @c->row.uid_base may still be unset
 * @ret:	filled in, but for what only a start can know: see engine_build_late()
 * @err:	kind USAGE or UNSUPPORTED says what the user asked in vain
 *
 * Return: 0 or a negative errno.
 */
int engine_build(const struct engine_container *c, struct spec_sandbox *ret, struct err *err);

/* Limits that a start gives it: as given, and what follows from them. The caller releases them. */
struct spec_resources engine_limits(const struct engine_container *c);

/* Fill in the range of ids, and the paths of volumes and of other containers' namespaces. */
int engine_build_late(struct engine *e, const struct engine_container *c, struct spec_sandbox *spec,
		      struct err *err);

/* ---- launch.c ---- */

/* What a start needs beside the container's row. */
struct launch {
	struct store_image image;
	struct spec_sandbox spec;
	bool claim_reap;	      /* the caller stays, and reaps */
	struct monitor_child monitor; /* started ahead of its request, or none */
};
void launch_done(struct launch *launch);
DEFINE_AUTO_DONE(launch)

/**
 * launch_start() - Start the monitor; the first process waits for monitor_begin()
 * @e:		engine
 * @c:		container whose row says started (or, for a service, whatever it says)
 * @launch:	image and sandbox
 * @ret:	connection
 * @err:	the monitor's reason
 *
 * Return: 0 or a negative errno.
 */
int launch_start(struct engine *e, const struct engine_container *c, struct launch *launch,
		 struct monitor_client **ret, struct err *err);

/* Image and sandbox of a container that has a row. */
int launch_load(struct engine *e, const struct engine_container *c, struct launch *ret,
		struct err *err);

/* ---- create.c ---- */

/* What @config does not say the image does; a new @entrypoint, also "", drops the image's cmd. */
void engine_merge_image(struct engine_config *config, const char *entrypoint,
			const struct spec_image *image);

/* Choose an id, complete the request with its image, build the sandbox; nothing is recorded. */
int engine_prepare(struct engine *e, struct engine_request *request, struct engine_container *ret,
		   struct launch *ret_launch, struct err *err);

/* Make volumes, write the row. @c->row.started is the caller's. */
int engine_record(struct engine *e, const struct engine_request *request,
		  struct engine_container *c, struct err *err);

/* ---- attach.c ---- */

/* The process gets the size of the caller's terminal from the beginning; NULL allowed. */
void engine_terminal_size(struct spec_process *process, const struct engine_streams *streams);

/* What is attached to: a process, whether it has a terminal, and whether it is still to begin. */
struct relay {
	uint32_t proc;
	bool terminal, begin;
};

/* Relay until the process ends or a detach, and say how it ended. 0 or a negative errno. */
int engine_relay(struct monitor_client *client, const struct relay *relay,
		 const struct engine_streams *streams, struct monitor_end *ret, struct err *err);

#endif
