/* SPDX-License-Identifier: Apache-2.0
 *
 * container.h - the life of workloads, by name, at every isolation level
 *
 * "Container" is what users call a workload here as in Docker, whatever isolates it. A @ref is a
 * name, an id, or the unique start of an id. Every call that finds a workload ended whose end
 * nobody has recorded yet records it first (and removes it, with --rm).
 */
#ifndef ENGINE_CONTAINER_H
#define ENGINE_CONTAINER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "engine/config.h"
#include "spec/sandbox.h"
#include "store/store.h"

struct engine;
struct monitor_level;

enum engine_status {
	ENGINE_CREATED = 0,
	ENGINE_RUNNING,
	ENGINE_PAUSED,
	ENGINE_EXITED,
};

/* What a container is doing, from its row and its run directory. */
struct engine_state {
	enum engine_status status;
	int pid; /* 0 unless it runs; for people */
	int exit_status;
	bool oom;
	bool needs_reap;			   /* it has ended, its row does not say so yet */
	int64_t started_wall_ns, finished_wall_ns; /* 0: not yet */
	char machine[32];			   /* what runs it, such as "qemu-tcg" */
	char error[256];
};

/* "created", "running", "paused", "exited". */
const char *engine_status_name(enum engine_status status);

/**
 * struct engine_container - one container as last read
 * @row:	its record
 * @config:	the record's document
 * @level:	its isolation level, borrowed for ever
 * @state:	what it is doing
 */
struct engine_container {
	struct store_container row;
	struct engine_config config;
	const struct monitor_level *level;
	struct engine_state state;
};
void engine_container_done(struct engine_container *c);
DEFINE_AUTO_DONE(engine_container)

struct engine_containers {
	struct engine_container *items;
	size_t len;
};
void engine_containers_done(struct engine_containers *list);
DEFINE_AUTO_DONE(engine_containers)

/* ---- create.c ---- */

enum engine_pull {
	ENGINE_PULL_MISSING = 0,
	ENGINE_PULL_ALWAYS,
	ENGINE_PULL_NEVER,
};

/**
 * struct engine_request - what a user asks for; all of it is borrowed but @config
 * @image:	name or id
 * @name:	of the container, or NULL for a random one
 * @level:	isolation level, or NULL: HULL_ISOLATION, else container
 * @pull:	when to look for a newer image
 * @entrypoint:	replaces the image's, and its cmd; "" removes it; NULL: the image's
 * @volumes:	-v
 * @mounts:	--mount
 * @tmpfs:	--tmpfs
 * @security_opts: --security-opt
 * @storage_opts: --storage-opt
 * @log_opts:	--log-opt
 * @config:	the rest as given (modes may be NULL); completed by engine_create()
 */
struct engine_request {
	const char *image, *name, *level;
	enum engine_pull pull;
	const char *entrypoint;
	const struct strv *volumes, *mounts, *tmpfs, *security_opts, *storage_opts, *log_opts;
	struct engine_config config;
};

/**
 * engine_create() - Record a container; nothing of it is made but its volumes
 * @e:		engine
 * @request:	what is wanted; @request->config is moved out of
 * @ret:	the new container
 * @err:	filled in on failure
 *
 * Return: 0 or a negative errno.
 */
int engine_create(struct engine *e, struct engine_request *request, struct engine_container *ret,
		  struct err *err);

/* ---- find.c ---- */

/* By name, id, or unique start of an id. -ENOENT with kind NOT_FOUND, or -ENOTUNIQ. */
int engine_find(struct engine *e, const char *ref, struct engine_container *ret, struct err *err);
/* All of them, newest first. */
int engine_list(struct engine *e, struct engine_containers *ret, struct err *err);

/* ---- reap.c ---- */

/* Record the end of @id, if it has ended; the monitor's last act. */
int engine_reap(struct engine *e, const char *id, struct err *err);

/* ---- attach.c ---- */

/**
 * struct engine_streams - the caller's ends of a workload's streams; -1 for those not wanted
 * @stdin_fd, @stdout_fd, @stderr_fd: borrowed
 * @detach_keys: bytes that detach when typed at a terminal, or NULL
 * @detach_keys_len: their number
 * @forward_signals: pass on the signals that this process gets
 */
struct engine_streams {
	int stdin_fd, stdout_fd, stderr_fd;
	const char *detach_keys;
	size_t detach_keys_len;
	bool forward_signals;
};

/* How a foreground command ended. */
struct engine_end {
	bool detached; /* by keys: the workload goes on */
	int exit_status;
	bool oom;
	char error[256]; /* why it did not end by itself; "": it did, or that is not known */
};

/* Attach to a running one. */
int engine_attach(struct engine *e, const char *ref, const struct engine_streams *streams,
		  struct engine_end *ret_end, struct err *err);

/* ---- life.c: start, wait ---- */

/**
 * struct engine_caller - who called engine_run()
 * @streams:	attached to the workload; NULL: it is only started
 * @created:	told the id once the container is recorded, before anything of it is made; a
 *		failure of its ends the run; may be NULL
 * @built:	told what runs it, before its first process begins; may be NULL
 * @ctx:	for both
 */
struct engine_caller {
	const struct engine_streams *streams;
	int (*created)(void *ctx, const char *id, struct err *err);
	void (*built)(void *ctx, const struct engine_container *c);
	void *ctx;
};

/**
 * engine_run() - Create, start and, with streams, stay until the end
 * @e:		engine
 * @request:	as for engine_create()
 * @caller:	who stays, and what it wants to be told
 * @ret_end:	how it ended; untouched without streams
 * @err:	filled in on failure; kinds NO_COMMAND and CANNOT_EXEC are the workload's
 *
 * Return: 0 or a negative errno.
 */
int engine_run(struct engine *e, struct engine_request *request, const struct engine_caller *caller,
	       struct engine_end *ret_end, struct err *err);

/* Start one that is created or has ended. @streams and @ret_end as for engine_run(). */
int engine_start(struct engine *e, const char *ref, const struct engine_streams *streams,
		 struct engine_end *ret_end, struct err *err);

/* Wait until it has ended; one that has not been started yet is waited for too. */
int engine_wait(struct engine *e, const char *ref, int *ret_exit_status, struct err *err);

/* ---- control.c ---- */

/* @signo 0: the container's stop signal; @timeout_s -1: its own, else 10. Ended is success. */
int engine_stop(struct engine *e, const char *ref, int signo, int64_t timeout_s, struct err *err);
int engine_restart(struct engine *e, const char *ref, int signo, int64_t timeout_s,
		   struct err *err);
int engine_kill(struct engine *e, const char *ref, int signo, struct err *err);
int engine_pause(struct engine *e, const char *ref, bool frozen, struct err *err);
int engine_rename(struct engine *e, const char *ref, const char *name, struct err *err);
/* Members of @changes that are 0 or NULL stay as they are. */
int engine_update(struct engine *e, const char *ref, const struct spec_resources *changes,
		  struct err *err);

enum engine_remove_flags {
	ENGINE_REMOVE_FORCE = 1 << 0,	/* also one that runs */
	ENGINE_REMOVE_VOLUMES = 1 << 1, /* and its anonymous volumes */
};

/* Remove it with its files, log and, if asked, volumes; kind CONFLICT while it runs. */
int engine_remove(struct engine *e, const char *ref, unsigned flags, struct err *err);

/* ---- exec.c ---- */

/**
 * struct engine_exec - another process in a running container
 * @args:	command and arguments
 * @env:	added to the container's
 * @user:	NULL: the container's
 * @working_dir: NULL: the container's
 * @tty:	give it a terminal
 * @open_stdin:	it reads @streams' stdin
 * @privileged:	all capabilities
 */
struct engine_exec {
	const struct strv *args, *env;
	const char *user, *working_dir;
	bool tty, open_stdin, privileged;
};

/* Run it; with @streams stay until it has ended. */
int engine_exec(struct engine *e, const char *ref, const struct engine_exec *exec,
		const struct engine_streams *streams, struct engine_end *ret_end, struct err *err);

/* ---- query.c ---- */

/**
 * struct engine_log_query - which part of a log
 * @follow:	go on until the container ends
 * @tail:	last lines only; -1: all
 * @since_wall_ns, @until_wall_ns: 0: no limit
 */
struct engine_log_query {
	bool follow;
	int64_t tail;
	int64_t since_wall_ns, until_wall_ns;
};

/**
 * struct engine_log_reader - who gets a log
 * @entry:	called for each piece: stream 1 or 2, its time, its bytes; a negative return
 *		ends the reading with it
 * @lost:	called with the bytes that rotation took away unread
 * @ctx:	for both
 */
struct engine_log_reader {
	int (*entry)(void *ctx, int stream, int64_t wall_ns, const char *text, size_t text_len);
	void (*lost)(void *ctx, uint64_t lost_bytes);
	void *ctx;
};

/* Deliver a container's output in order. 0, a negative errno, or what @reader->entry returned. */
int engine_logs(struct engine *e, const char *ref, const struct engine_log_query *query,
		const struct engine_log_reader *reader, struct err *err);

/* What a running one uses of the machine. */
int engine_stats(struct engine *e, const char *ref, struct spec_stats *ret, struct err *err);

/* Bytes of the writable layer as du counts. */
int engine_rw_bytes(struct engine *e, const char *ref, uint64_t *ret_bytes, struct err *err);

/* ---- inspect.c ---- */

/* What docker inspect shows; the caller owns @ret. */
int engine_inspect(struct engine *e, const char *ref, bool size, json_t **ret, struct err *err);

#endif
