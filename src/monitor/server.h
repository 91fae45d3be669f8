/* SPDX-License-Identifier: Apache-2.0
 *
 * server.h - the inside of hull-monitor: one workload, its processes, its clients
 *
 * One event loop. Data of a process goes: its pipe or terminal -> log -> pipe of each attached
 * client. A chunk that a client's pipe has no room for is kept for that client, and the stream is
 * not read again until every client has taken its chunk: so memory is bounded by one chunk for
 * each client and stream, and a reader that pauses (a pager) pauses the workload, as with Docker.
 * With others attached to the same process it may do so for MONITOR_STALL_NS; then it is dropped.
 * A client that closes its end is dropped at once. What the log cannot keep (disk full) is
 * counted there and never holds up the workload. Once a process has ended, nothing is left to be
 * paused: the rest of its output is logged and kept for slow clients, its end is recorded, and
 * the monitor stays until they have taken it.
 *
 * Replies to a client that does not read them are never waited for: it is dropped.
 *
 * Life: main() receives PROTO_START, life_create() builds the sandbox while the starting client
 * waits, life_begin() lets the workload go. The end of the first process, or of the sandbox,
 * leads to life_end(): destroy, exit record, tell the clients, leave the loop. main() then
 * executes the reaping command, unless the starting client was told to reap.
 */
#ifndef MONITOR_SERVER_H
#define MONITOR_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/strv.h"
#include "loop/loop.h"
#include "monitor/client.h"
#include "monitor/logfile.h"
#include "monitor/proto.h"
#include "sandbox/sandbox.h"

#define MONITOR_CHUNK_BYTES (64 * KIB)
#define MONITOR_MAX_CLIENTS 512
#define MONITOR_MAX_PROCS 1024
#define MONITOR_STALL_NS (10 * NS_PER_SEC)

struct client;
struct monitor;
struct proc;

/* One output stream of a process: @fd is our end of it, -1 once it has ended. */
struct outlet {
	struct proc *proc;
	int index; /* 0: stdout or the terminal, 1: stderr */
	int fd;
	struct loop_source source;
};

/* The input of a process: what did not fit yet is in @pending. */
struct inlet {
	struct proc *proc;
	int fd;
	struct loop_source source;
	char *pending;
	size_t pending_len, pending_at;
};

/**
 * struct proc - a process of the sandbox
 * @number:	as sandbox_ops names it
 * @terminal:	@in and @out[0] are its terminal
 * @held:	its output waits for the first client that attaches
 * @close_in:	close the input once the input of an attached client ends
 * @rest:	armed: its output costs the log too much and is left alone for a while
 * @reaped:	it has ended with @wstatus; output may still be on its way
 * @tool_err_fd: for a tool, where a failing one leaves its struct err; else -1
 */
struct proc {
	struct proc *next;
	struct monitor *monitor;
	uint32_t number;
	bool terminal, held, close_in, reaped;
	int wstatus;
	struct inlet in;
	struct outlet out[2];
	struct loop_timer rest;
	struct loop_source wait;
	int tool_err_fd;
};

/* A client's end of one output stream, with the chunk that it has not taken yet. */
struct tap {
	struct client *client;
	int fd;
	struct loop_source source;
	char *pending;
	size_t pending_len, pending_at;
};

/**
 * struct client - one connection
 * @starter:	the one that this monitor was started by
 * @proc:	process it waits for, is attached to, has just started, or the tool it runs
 * @waiting:	it is to be told of the end of @proc
 * @in:		input of an attached client
 * @out:	where its output goes
 * @stall:	runs while a chunk waits and others are attached too
 */
struct client {
	struct client *next;
	struct monitor *monitor;
	int sock_fd;
	struct loop_source source;
	struct proto_reader reader;
	bool starter, waiting;
	struct proc *proc;
	int in_fd;
	struct loop_source in;
	struct tap out[2];
	struct loop_timer stall;
};

struct monitor {
	struct loop loop;
	const struct sandbox_ops *ops;
	struct sandbox *sb;
	char *id;
	bool service, open_stdin, stdin_once, claim_reap;
	bool ending; /* the sandbox is gone, or about to be */
	/* There is an exit record: @reap_args have to be executed, by us unless ... */
	bool ended;
	/* ... the starting client was told to reap. */
	bool reap_told;
	/* Nothing ever ran, but whoever began it is gone: they have to be executed as well. */
	bool orphan;
	char *cache_dir;
	struct strv reap_args;
	int run_fd, lock_fd;
	struct monitor_state state;
	struct logfile *log;
	int listen_fd, signal_fd;
	struct loop_source listener, signals, death;
	struct proc *procs;
	struct client *clients;
	size_t clients_len, procs_len;
	struct loop_timer trim, kill, accept_again;
	char chunk[MONITOR_CHUNK_BYTES];
};

/* ---- life.c ---- */

/**
 * life_create() - Take the run directory and build the sandbox that a PROTO_START asks for
 * @m:		zeroed but for the loop
 * @frame:	the request; its descriptors are used
 * @sock_fd:	its sender: readable means give up
 * @err:	why not; everything has been undone then
 *
 * Return: 0 or a negative errno.
 */
int life_create(struct monitor *m, struct proto_reader *frame, int sock_fd, struct err *err);

/* Let the first process go; on failure the monitor ends with an exit record. */
int life_begin(struct monitor *m, struct err *err);

/* The first process has ended with @wstatus, or the sandbox died: @why, else NULL. */
void life_end(struct monitor *m, int wstatus, const char *why);

/* The first process has ended; with its sandbox, if @why holds an error. */
void life_note_death(struct monitor *m, const struct err *why);

/* Leave the loop, if the workload has ended and nobody has to be told of it or served any more. */
void life_leave(struct monitor *m);

/* Remove a sandbox that never ran, without an exit record, and leave the loop. */
int life_discard(struct monitor *m, struct err *err);

/* Nothing is asked of us for now: give memory back in a while. */
void life_rest(struct monitor *m);

/* SIGKILL to the workload, or life_discard() when none runs; the end follows by itself. */
void life_kill(struct monitor *m);

/* The starting client is gone. */
void life_starter_lost(struct monitor *m);

/* Freeze or thaw, and say so in the state. */
int life_pause(struct monitor *m, bool frozen, struct err *err);

/* ---- proc.c ---- */

/* Our ends and the process's ends of its streams, while it is being made. */
struct proc_stdio {
	int theirs[3];
	int ours[3];
};

/**
 * proc_stdio_open() - Make the pipes of a process that has no terminal
 * @with_in:	it has an input; else -1: /dev/null
 * @ret:	all -1 but what was made; release it with proc_stdio_close()
 * @err:	filled in on failure
 *
 * Return: 0 or a negative errno.
 */
int proc_stdio_open(bool with_in, struct proc_stdio *ret, struct err *err);
void proc_stdio_close(struct proc_stdio *io);

/* A process to keep; the ends in @io->ours and @tty_fd (or -1) are taken. NULL: no memory. */
struct proc *proc_new(struct monitor *m, uint32_t number, struct proc_stdio *io, int tty_fd);

/* Watch for its end. 0 or a negative errno. */
int proc_watch(struct proc *proc, struct err *err);

/*
 * Read its output (not while @held) as far as its clients take it. Of a process that has been
 * reaped this takes what the streams hold by now, and then ends it: @proc may be freed.
 */
void proc_pump(struct proc *proc);

/* Nobody will attach to a process that was held for that: let its output go. */
void proc_release(struct proc *proc);

/* Close its input once nothing is left to be written. */
void proc_close_input(struct proc *proc);

/* Write input; what does not fit is kept. Only while !proc_input_busy(). */
void proc_input(struct proc *proc, const char *bytes, size_t len);
bool proc_input_busy(const struct proc *proc);

/* Borrowed, or NULL. */
struct proc *proc_find(struct monitor *m, uint32_t number);

/* Take it out of the list and release it; clients that wait for it are not told. */
void proc_free(struct proc *proc);

/* ---- relay.c: the streams of attached clients ---- */

/* Give a chunk of output to every client of @proc. */
void relay_output(struct proc *proc, int index, const char *bytes, size_t len);

/* Does a client of @proc still have to take a chunk of output stream @index? */
bool relay_busy(const struct proc *proc, int index);

/* Output stream @index of @proc has ended: close it for its clients, chunks handed over. */
void relay_end(struct proc *proc, int index);

/* @proc takes input again. */
void relay_input_ready(struct proc *proc);

/* Attach the streams of a request's descriptors. 0 or a negative errno. */
int relay_attach(struct client *client, struct proc *proc, uint32_t flags,
		 struct proto_reader *frame, struct err *err);

/* The process has ended: close the streams, each once the client has taken its chunk. */
void relay_finish(struct client *client);
/* Has the client still to take some of the output? */
bool relay_unfinished(const struct client *client);

/* Let go of all streams of a client. */
void relay_detach(struct client *client);

/* ---- server.c: connections ---- */

/* Serve @sock_fd, which is taken even on failure. NULL: refused. */
struct client *client_new(struct monitor *m, int sock_fd, bool starter);
void client_free(struct client *client);

/* Take connections of the listening socket. 0 or a negative errno. */
int server_listen(struct monitor *m, struct err *err);

/* Tell those who wait for @proc that it has ended; @wstatus as from waitpid(). */
void server_tell_end(struct monitor *m, struct proc *proc, int wstatus);

/* PROTO_ENDED to one client. 0, or a negative errno: drop it. */
int server_send_ended(struct client *client, uint32_t number, int exit_status);

/* The starting client while it is connected, or NULL. */
struct client *server_starter(struct monitor *m);

#endif
