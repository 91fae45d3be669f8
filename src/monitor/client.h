/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h - how the engine reaches a workload: start its monitor, ask it, read what it left
 *
 * A workload's run directory (<run-root>/<id>, mode 0700) holds, written by the monitor only:
 *	lock	locked for as long as the monitor lives: the one proof of life (state.h)
 *	ctl	its socket
 *	state	what it is doing, JSON, replaced whole (monitor_read_state())
 *	exit	the exit record, JSON, replaced whole; once it exists the workload has ended
 * Everything that comes from a monitor is checked here; calls block until it answers, and
 * give up with -ETIMEDOUT after MONITOR_REPLY_MS unless they say that they wait longer.
 */
#ifndef MONITOR_CLIENT_H
#define MONITOR_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "spec/sandbox.h"

struct monitor_client;

#define MONITOR_REPLY_MS 30000

/* In which form a level takes its read-only layers: see sandbox_setup.layer_fds. */
enum monitor_layers {
	MONITOR_LAYER_MOUNTS = 0,
	MONITOR_LAYER_FILES,
};

/**
 * struct monitor_level - what the engine needs to know of an isolation level, without asking which
 * @name:	as in --isolation
 * @layers:	form of the layers
 * @userns:	takes a range of host ids for a user namespace
 * @host_net:	can share the host's network; else @host_net_why says why not
 * @host_namespaces: can share the host's pid, ipc, uts namespaces
 * @devices:	takes --device
 * @machine:	has a kernel and a disk of its own, takes --kernel and --storage-opt size
 * @default_memory_bytes: memory when the user names none, 0: not limited
 * @min_memory_bytes: with less nothing starts
 * @max_cpus:	processors it can have, 0: the host's
 */
struct monitor_level {
	const char *name;
	enum monitor_layers layers;
	bool userns;
	bool host_net;
	const char *host_net_why;
	bool host_namespaces;
	bool devices, machine;
	uint64_t default_memory_bytes, min_memory_bytes;
	uint32_t max_cpus;
};

/* The levels, and the one called @name (NULL: no such). */
const struct monitor_level *monitor_levels(size_t *ret_len);
const struct monitor_level *monitor_level_find(const char *name);

/**
 * monitor_probe() - Can this host run @level?
 * @level:	name of a level
 * @err:	what is missing, with a hint; or (code 0) a remark on what runs it here
 *
 * Asks a hull-monitor that is started for it, since only that program has the levels in it.
 *
 * Return: 0, -ENOTSUP, or another negative errno.
 */
int monitor_probe(const char *level, struct err *err);

/**
 * struct monitor_log - where output is kept
 * @path:	host path of the log file; rotated to @path.1, @path.2 ...; NULL: not kept
 * @max_bytes:	size at which a file is rotated; 0: never
 * @max_files:	files kept, the current one included; at least 1
 */
struct monitor_log {
	const char *path;
	uint64_t max_bytes;
	uint32_t max_files;
};

/**
 * struct monitor_child - a monitor that awaits its request; all zero: none
 * @pid:	our child
 * @sock_fd:	to it
 * @exe_fd:	mount of its program
 */
struct monitor_child {
	pid_t pid;
	int sock_fd, exe_fd;
};

/**
 * struct monitor_start - what a new monitor works with; all of it is borrowed
 * @level:	name of a level
 * @run_dir:	host path of the run directory; exists, mode 0700
 * @spec:	the workload
 * @layer_fds:	layers, lowest first, in the level's form
 * @layers_len:	their number
 * @rw_fd:	directory of the writable layer
 * @log:	log files
 * @open_stdin:	keep the first process's stdin open for attachers (-i); else it reads EOF
 * @stdin_once:	close stdin once the first attacher's input ends (docker's StdinOnce)
 * @cache_dir:	host path for shared artefacts
 * @reap_args:	argv of the command that undoes everything at the end, NULL-terminated; the
 *		monitor executes it unless a client has claimed the reaping
 * @claim_reap:	this client will reap when it is told of the end and is still there
 * @child:	from monitor_child_spawn(), used up also on failure; NULL: spawn one
 */
struct monitor_start {
	const char *level;
	const char *run_dir;
	const struct spec_sandbox *spec;
	const int *layer_fds;
	size_t layers_len;
	int rw_fd;
	struct monitor_log log;
	bool open_stdin;
	bool stdin_once;
	const char *cache_dir;
	char *const *reap_args;
	bool claim_reap;
	struct monitor_child *child;
};

/**
 * monitor_child_spawn() - Start the program ahead of the request to it
 * @ret:	released by monitor_child_done(), also after monitor_start() has used it
 * @err:	filled in on failure, may be NULL
 *
 * Loading it takes as long as a handful of writes to the database: do them meanwhile.
 *
 * Return: 0 or a negative errno.
 */
int monitor_child_spawn(struct monitor_child *ret, struct err *err);

/* End it, unless it has been used. */
void monitor_child_done(struct monitor_child *child);
DEFINE_AUTO_DONE(monitor_child)

/**
 * monitor_start() - Start a monitor that creates the sandbox, its first process waiting
 * @start:	what to run
 * @cancel_fd:	give up (and let the monitor undo everything) once readable; -1: never
 * @ret:	connection to it; the caller owns it
 * @err:	the monitor's own reason, whole
 *
 * Blocks until the sandbox has been created; a machine takes seconds.
 *
 * Return: 0 or a negative errno; -ECANCELED.
 */
int monitor_start(const struct monitor_start *start, int cancel_fd, struct monitor_client **ret,
		  struct err *err);

/**
 * monitor_connect() - Connect to the live monitor of a run directory
 * @run_dir:	host path
 * @ret:	the caller owns it
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0; -ESRCH when no monitor lives; -ETIMEDOUT; another negative errno.
 */
int monitor_connect(const char *run_dir, struct monitor_client **ret, struct err *err);

/* Let go of the connection; the workload goes on. NULL allowed. */
void monitor_client_free(struct monitor_client *c);
DEFINE_AUTO_PTR(monitor_client)

/* Let the first process run its command: 0, or kind NO_COMMAND / CANNOT_EXEC (the monitor ends). */
int monitor_begin(struct monitor_client *c, struct err *err);

/**
 * monitor_exec() - Start another process
 * @c:		connection
 * @process:	what to run
 * @open_stdin:	it reads what an attacher sends; else EOF
 * @detached:	nobody will attach: output goes to /dev/null
 * @ret_proc:	its number; the process waits for its attacher before output is lost
 * @err:	kind NO_COMMAND or CANNOT_EXEC when its exec failed
 *
 * Return: 0 or a negative errno.
 */
int monitor_exec(struct monitor_client *c, const struct spec_process *process, bool open_stdin,
		 bool detached, uint32_t *ret_proc, struct err *err);

/**
 * struct monitor_attach - one attaching end; -1 for a stream that is not wanted
 * @proc:	which process, SANDBOX_INIT (0) or from monitor_exec()
 * @stdin_fd:	read from here
 * @stdout_fd:	and write there; with a terminal @stderr_fd is unused
 * @stderr_fd:	likewise
 * @terminal:	the process has a terminal
 * @raw_fd:	a local terminal to put into raw mode and follow the size of, or -1
 * @detach_keys: bytes that detach when typed, or NULL
 * @detach_keys_len: their number
 * @forward_signals: pass on signals that reach this process (docker's --sig-proxy)
 * @begin:	call monitor_begin() once attached, so that no output is missed
 */
struct monitor_attach {
	uint32_t proc;
	int stdin_fd, stdout_fd, stderr_fd;
	bool terminal;
	int raw_fd;
	const char *detach_keys;
	size_t detach_keys_len;
	bool forward_signals;
	bool begin;
};

/* How an attachment or a wait ended. */
struct monitor_end {
	bool detached;	 /* by keys; the process goes on */
	int exit_status; /* 0..255; 128 + n after signal n */
	bool oom;
	bool reap_is_ours; /* the claim of monitor_start held: reap now */
};

/**
 * monitor_attach() - Relay streams until the process ends, the output is drained, or detach
 * @c:		connection, used for nothing else meanwhile
 * @attach:	what to relay
 * @ret:	how it ended
 * @err:	filled in on failure; with @attach->begin also as for monitor_begin()
 *
 * Restores the local terminal on every way out. Blocks without a limit. When the local terminal
 * goes away this counts as detaching.
 *
 * Return: 0, or a negative errno; -EPIPE when the monitor was lost, or nobody reads @stdout_fd
 *	   or @stderr_fd any more (SIGPIPE has struck already, unless it is ignored).
 */
int monitor_attach(struct monitor_client *c, const struct monitor_attach *attach,
		   struct monitor_end *ret, struct err *err);

/**
 * monitor_wait() - Block until a process has ended
 * @c:		connection
 * @proc:	which process; 0: the workload
 * @deadline_ns: monotonic; -1: wait for ever
 * @ret:	how it ended
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0; -ETIMEDOUT at the deadline (the connection stays good, and may wait again);
 *	   -EPIPE when the monitor was lost.
 */
int monitor_wait(struct monitor_client *c, uint32_t proc, int64_t deadline_ns,
		 struct monitor_end *ret, struct err *err);

/* -ESRCH once the process has ended. */
int monitor_signal(struct monitor_client *c, uint32_t proc, int signo, struct err *err);
int monitor_resize(struct monitor_client *c, uint32_t proc, uint16_t rows, uint16_t cols,
		   struct err *err);
int monitor_pause(struct monitor_client *c, bool frozen, struct err *err);
int monitor_update(struct monitor_client *c, const struct spec_resources *resources,
		   struct err *err);
int monitor_stats(struct monitor_client *c, struct spec_stats *ret, struct err *err);

/**
 * monitor_tool() - Run a built-in job in the root to its end
 * @c:		connection
 * @tool:	which
 * @in_fd:	its input, or -1
 * @out_fd:	its output, or -1; the monitor gets the descriptor itself, nothing is copied
 * @err:	the job's own reason
 *
 * Blocks without a limit.
 *
 * Return: 0 or a negative errno.
 */
int monitor_tool(struct monitor_client *c, const struct spec_tool *tool, int in_fd, int out_fd,
		 struct err *err);

/* End a sandbox that was created but not begun, or a service one, and wait until it is gone. */
int monitor_discard(struct monitor_client *c, struct err *err);

enum monitor_phase {
	MONITOR_ABSENT = 0, /* no run directory, or nothing was ever started in it */
	MONITOR_CREATED,    /* alive, the first process waits */
	MONITOR_RUNNING,
	MONITOR_PAUSED,
	MONITOR_EXITED, /* the exit record is there */
	MONITOR_LOST,	/* no monitor and no record: it was killed */
};

/* What a run directory tells, without talking to anyone. */
struct monitor_state {
	enum monitor_phase phase;
	pid_t monitor_pid, init_pid; /* 0 unless alive; for people, never for kill(2) */
	int64_t started_wall_ns, finished_wall_ns; /* 0: not yet */
	int exit_status;
	bool oom;
	char machine[32]; /* sandbox_ops.describe */
	char error[256];  /* why it ended, when not by its own exit */
};

/* Read it. 0 or a negative errno. */
int monitor_read_state(const char *run_dir, struct monitor_state *ret, struct err *err);

/**
 * monitor_kill_lost() - Make sure that no process of a workload is left, whatever happened
 * @run_dir:	host path
 * @id:		the sandbox's id
 * @err:	filled in on failure, may be NULL
 *
 * Kills a live monitor (which takes its workload along), waits for the lock, then kills by
 * cgroup what is left and removes the cgroup. Repeatable.
 *
 * Return: 0 or a negative errno.
 */
int monitor_kill_lost(const char *run_dir, const char *id, struct err *err);

/**
 * struct monitor_log_query - which entries monitor_log_read() delivers
 * @log:	where the monitor keeps it
 * @run_dir:	to see whether the workload still runs, with @follow
 * @follow:	wait for more until the workload ends
 * @tail:	only the last N lines; -1: all
 * @since_wall_ns: only entries from then on; 0: all
 * @until_wall_ns: only entries before then; 0: all
 */
struct monitor_log_query {
	struct monitor_log log;
	const char *run_dir;
	bool follow;
	int64_t tail;
	int64_t since_wall_ns, until_wall_ns;
};

/*
 * One entry: @stream is 1 or 2; @text is what the workload wrote, its newline included; @partial
 * says that the line goes on in the next entry of the same stream.
 */
struct monitor_log_entry {
	int stream;
	int64_t wall_ns;
	const char *text;
	size_t text_len;
	bool partial;
};

/**
 * monitor_log_read() - Deliver log entries in order, across rotations
 * @query:	which
 * @fn:		called for each; a negative return ends the reading with it
 * @lost:	called with the bytes that rotation took away before they were read; may be NULL
 * @ctx:	for both
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int monitor_log_read(const struct monitor_log_query *query,
		     int (*fn)(void *ctx, const struct monitor_log_entry *entry),
		     void (*lost)(void *ctx, uint64_t lost_bytes), void *ctx, struct err *err);

#endif
