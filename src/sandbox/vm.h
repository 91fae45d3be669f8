/* SPDX-License-Identifier: Apache-2.0
 *
 * vm.h - the parts of the vm level: a machine, its helpers, and calls to the agent in it
 */
#ifndef SANDBOX_VM_H
#define SANDBOX_VM_H

#include "agentproto/conn.h"
#include "base/clock.h"
#include "linux/cgroup.h"
#include "loop/loop.h"
#include "machine/jail.h"
#include "machine/machine.h"
#include "sandbox/sandbox.h"
#include "spec/sandbox.h"

#define VM_CALL_LIMIT_NS (20 * NS_PER_SEC)

/* ---- disks: vm_disk.c ---- */

#define VM_DISK_DEFAULT_BYTES (10 * GIB)

/* A writable disk that is being made; @pid 0 when it was there already. */
struct vm_disk {
	int fd;
	int dir_fd; /* borrowed */
	pid_t pid;  /* mkfs */
};

/**
 * vm_disk_open() - Open the writable disk of a sandbox; where there is none, start making it
 * @dir_fd:	where it is kept, borrowed until vm_disk_finish()
 * @size_bytes:	of a new one; 0: VM_DISK_DEFAULT_BYTES
 * @ret:	released with vm_disk_done()
 * @err:	filled in on failure, may be NULL
 *
 * The host never mounts it: only the guest's kernel reads what the guest has written.
 *
 * Return: 0 or a negative errno.
 */
int vm_disk_open(int dir_fd, uint64_t size_bytes, struct vm_disk *ret, struct err *err);

/* Wait until it can be used. 0 or a negative errno. */
int vm_disk_finish(struct vm_disk *disk, struct err *err);
void vm_disk_done(struct vm_disk *disk);
DEFINE_AUTO_DONE(vm_disk)

/* ---- shares: vm_share.c ---- */

/* A directory or file of the host, served to the machine by a daemon in a jail. */
struct vm_share {
	struct jail_child daemon;
	int sock_fd; /* connected to it, for the machine; -1 once that has it */
	bool is_dir;
};

#define VM_SHARE_FILE "file" /* name of a file in the share made for it */

/* What all shares of a sandbox have in common; borrowed. */
struct vm_share_place {
	int dir_fd; /* private directory, used while a daemon starts */
	const struct cgroup *cgroup;
	int cgroup_fd;
};

/**
 * vm_share_start() - Start a daemon for one bind mount
 * @place:	where
 * @mount:	what to share
 * @ret:	released with vm_share_done()
 * @err:	filled in on failure, may be NULL
 *
 * The daemon is the host's root, because the workload's root writes a bind mount as the host's
 * root; it sees nothing but the share, and a read-only mount is read-only for it too.
 *
 * Return: 0 or a negative errno.
 */
int vm_share_start(const struct vm_share_place *place, const struct spec_mount *mount,
		   struct vm_share *ret, struct err *err);
void vm_share_done(struct vm_share *share);

/* Is the daemon's program installed? 0, or -ENOTSUP with a hint. */
int vm_share_probe(struct err *err);

/* ---- processes, events and calls: vm_link.c ---- */

/* A process in the machine. */
struct vm_proc {
	struct vm_proc *next;
	uint32_t number;
	int end_fd; /* eventfd: it has ended and its output has been passed on */
	bool ended, told;
	bool died; /* it went with the machine */
	int wstatus;
};

/* A daemon whose end is the machine's end. */
struct vm_watched_share {
	struct vm_share share;
	struct loop_source source;
};

/* The answer that a call waits for. */
struct vm_reply {
	uint32_t seq;
	bool come;
	struct err failure;
	char *body;
};

/**
 * struct sandbox - a machine and what belongs to it
 * @ops:	its hypervisor
 * @machine:	NULL until it has been started
 * @loop:	all that can happen to the machine
 * @caller_loop: where @loop is watched between calls, NULL until created
 * @loop_source: @loop's descriptor there
 * @death_source: the end of the machine
 * @cancel_source: the caller's wish to give up, during create()
 * @conn:	to the agent
 * @events:	of @conn
 * @shares:	bind mounts
 * @shares_len:	their number
 * @cgroup:	of the machine and its daemons
 * @cgroup_fd:	its v2 directory, or -1
 * @has_cgroup:	it may have been made
 * @procs:	processes that have not been reaped
 * @last_proc:	number of the newest
 * @reply:	what a call waits for
 * @cancelled:	@cancel_source has fired
 * @booted:	the agent has said hello
 * @paused:	its processors stand still
 * @dead:	of no use any more; @death says why
 * @ending:	its end has been asked for
 * @death_fd:	eventfd, for sandbox_ops.death_fd
 * @boot_limit_ns: how long a boot may take
 * @memory_bytes: size of the machine
 * @memory_limit_bytes: what the workload may use, at most @memory_bytes
 * @cpus:	its processors
 * @oom_kills:	as last told by the agent
 */
struct sandbox {
	const struct machine_ops *ops;
	struct machine *machine;
	struct loop loop;
	struct loop *caller_loop;
	struct loop_source loop_source, death_source, cancel_source;
	struct agentproto_conn conn;
	struct agentproto_events events;
	struct vm_watched_share *shares;
	size_t shares_len;
	struct cgroup cgroup;
	int cgroup_fd;
	bool has_cgroup;
	struct vm_proc *procs;
	uint32_t last_proc;
	struct vm_reply reply;
	bool cancelled, booted, paused, dead, ending;
	int death_fd; /* eventfd */
	struct err death;
	int64_t boot_limit_ns;
	int64_t memory_bytes, memory_limit_bytes, cpus;
	int64_t oom_kills;
};

/**
 * struct vm_proc_want - a process that is about to be asked for
 * @msg:	the request, its process numbered; which streams it has is filled in
 * @stdio_fds:	the caller's descriptors
 * @terminal:	give a terminal instead
 * @tty_fd:	its end for the caller, or -1
 */
struct vm_proc_want {
	struct agentproto_msg msg;
	const int *stdio_fds;
	bool terminal;
	int tty_fd;
};

/* Process @number, or NULL. */
struct vm_proc *vm_find_proc(const struct sandbox *sb, uint32_t number);
/* Drop its streams and the struct. */
void vm_forget_proc(struct sandbox *sb, struct vm_proc *proc);

/**
 * vm_ask_for_proc() - Make the streams of a process, ask the agent for it, let them go
 * @sb:		sandbox
 * @want:	what to ask for; on success its tty_fd is the caller's
 * @limit_ns:	how long the answer may take
 * @err:	the agent's reason, or ours
 *
 * Return: 0 or a negative errno; then nothing of the process is left.
 */
int vm_ask_for_proc(struct sandbox *sb, struct vm_proc_want *want, int64_t limit_ns,
		    struct err *err);

/**
 * vm_call() - Send a request and wait for its answer
 * @sb:		sandbox
 * @msg:	request; its number is filled in
 * @limit_ns:	how long the answer may take
 * @ret_body:	text that came with the answer, the caller frees it; may be NULL
 * @err:	the agent's reason, or ours
 *
 * Streams are relayed meanwhile.
 *
 * Return: 0, -EPIPE when the machine is dead, -EBUSY when it is paused, -ETIMEDOUT, -ECANCELED
 *	   or what the agent answered.
 */
int vm_call(struct sandbox *sb, struct agentproto_msg *msg, int64_t limit_ns, char **ret_body,
	    struct err *err);

/* 0, -EPIPE when the machine is dead, -EBUSY while it is paused. */
int vm_check_alive(const struct sandbox *sb, struct err *err);

/* Kill the machine because of @why; all its processes have ended by SIGKILL then. */
void vm_die(struct sandbox *sb, const char *why);

/* Watch the end of a share's daemon. 0 or a negative errno. */
int vm_watch_share(struct sandbox *sb, struct vm_watched_share *share);
/* Watch the machine's end and take up the connection @stream_fd (given). 0 or a negative errno. */
int vm_watch_machine(struct sandbox *sb, int stream_fd);
/* Have the caller's loop run ours, between calls. 0 or a negative errno. */
int vm_watch_loop(struct sandbox *sb, struct loop *caller_loop);
/* Let calls end with -ECANCELED once @cancel_fd is readable; -1: no longer. */
void vm_watch_cancel(struct sandbox *sb, int cancel_fd);

/* ---- creation: vm_create.c ---- */

/**
 * vm_build() - Choose a hypervisor, start the machine and have the agent create the workload
 * @sb:		as vm_create() has initialised it
 * @setup:	what sandbox_ops.create got
 * @ret_tty_fd:	as there
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno; what has been made until then is left to vm_destroy().
 */
int vm_build(struct sandbox *sb, const struct sandbox_setup *setup, int *ret_tty_fd,
	     struct err *err);

#endif
