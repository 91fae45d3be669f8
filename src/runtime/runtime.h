/* SPDX-License-Identifier: Apache-2.0
 *
 * runtime.h - one set of processes in namespaces, on the host and in a guest alike
 *
 * sandbox/container.c calls it on the host, agent/ calls it as process 1 of a virtual machine.
 * The first process is a child of the caller and dies with it (parent-death signal); so are
 * those that runtime_exec() and runtime_tool() start. The caller reaps all of them with
 * waitid() on their pidfds.
 */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "spec/sandbox.h"

struct runtime;

/**
 * struct runtime_setup - what runtime_create() works with; all of it is borrowed
 * @spec:	what to build
 * @layer_fds:	detached mounts of the layers, lowest first, for this sandbox alone: with a user
 *		namespace their owners are mapped to its ids for good
 * @layers_len:	their number, at least 1
 * @rw_fd:	directory on a writable filesystem; "upper" and "work" are made in it
 * @stdio_fds:	ends the first process reads and writes, -1: /dev/null; unused with a terminal
 * @share_net:	use the caller's network namespace (a guest has one of its own)
 * @init_path:	path of the static hull-init on the caller's side, or NULL
 * @cancel_fd:	give up with -ECANCELED once this is readable; -1: never
 */
struct runtime_setup {
	const struct spec_sandbox *spec;
	const int *layer_fds;
	size_t layers_len;
	int rw_fd;
	int stdio_fds[3];
	bool share_net;
	const char *init_path;
	int cancel_fd;
};

/* One process that runs in the set; the caller closes both descriptors. */
struct runtime_child {
	pid_t pid;  /* in the caller's pid namespace */
	int pidfd;  /* readable once it has ended */
	int tty_fd; /* the caller's end of its terminal, or -1 */
};

/**
 * runtime_create() - Build namespaces, cgroup and root; the first process waits before its exec
 * @setup:	what to build
 * @ret_init:	the first process; with @setup->spec->service it only holds the namespaces
 * @ret:	handle, released by runtime_destroy() and runtime_put()
 * @err:	filled in on failure, may be NULL
 *
 * Must be called from a single-threaded process. On failure everything has been undone.
 *
 * Return: 0 or a negative errno.
 */
int runtime_create(const struct runtime_setup *setup, struct runtime_child *ret_init,
		   struct runtime **ret, struct err *err);

/* Let the first process go. An exec that fails is told here: kind NO_COMMAND or CANNOT_EXEC. */
int runtime_start(struct runtime *rt, struct err *err);

/* Start another process; errors as for runtime_start(). */
int runtime_exec(struct runtime *rt, const struct spec_process *process, const int stdio_fds[3],
		 struct runtime_child *ret, struct err *err);

/* Run a built-in job (runtime/tool.h) in the root as a child; see sandbox_ops.tool. */
int runtime_tool(struct runtime *rt, const struct spec_tool *tool, const int stdio_fds[3],
		 struct runtime_child *ret, struct err *err);

/* SIGKILL to everything in the cgroup. 0 or a negative errno. */
int runtime_kill_all(struct runtime *rt, struct err *err);

/* Freeze (true) or thaw, and wait until it is so. 0 or a negative errno. */
int runtime_pause(struct runtime *rt, bool frozen, struct err *err);

/* Apply new limits; 0 in a field leaves it as it is. 0 or a negative errno. */
int runtime_update(struct runtime *rt, const struct spec_resources *resources, struct err *err);

/* Read resource use; what the host does not tell is -1. 0. */
int runtime_stats(struct runtime *rt, struct spec_stats *ret, struct err *err);

/* Kill what is left, remove the cgroup. Safe to repeat. 0 or a negative errno. */
int runtime_destroy(struct runtime *rt, struct err *err);

/* Forget the handle; NULL allowed. */
void runtime_put(struct runtime *rt);

/**
 * runtime_cleanup() - Undo what a create left whose caller died: kill by cgroup, remove it
 * @id:		the sandbox's id
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 (also when nothing was left) or a negative errno.
 */
int runtime_cleanup(const char *id, struct err *err);

#endif
