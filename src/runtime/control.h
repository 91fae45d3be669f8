/* SPDX-License-Identifier: Apache-2.0
 *
 * control.h - what create.c and exec.c share of driving a process from outside
 */
#ifndef RUNTIME_CONTROL_H
#define RUNTIME_CONTROL_H

#include "base/err.h"
#include "runtime/build.h"
#include "runtime/sync.h"

#define CONTROL_CGROUP "hull-" /* and the id */

/* Apply limits to the cgroup. 0 or a negative errno. */
int control_set_limits(const struct runtime *rt, const struct spec_resources *resources,
		       struct err *err);

/**
 * control_settle() - What only the host may do to a process that waits to be let go
 * @rt:		runtime
 * @pid:	the process
 * @process:	what it shall be: resource limits, OOM score
 * @stdio_fds:	its streams; pipes become its user's, so that it can open them again
 * @ready:	what it has told of itself
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int control_settle(const struct runtime *rt, pid_t pid, const struct spec_process *process,
		   const int stdio_fds[3], const struct sync_msg *ready, struct err *err);

/* Let a waiting process execute its program; its failure to do so is ours. 0 or -errno. */
int control_let_go(int gate_fd, struct err *err);

/* Kill and reap a child that never got to its program. */
void control_kill_child(pid_t pid, int pidfd);

/* Undo a create that failed; frees @rt. */
void control_abandon(struct runtime *rt);

#endif
