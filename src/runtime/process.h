/* SPDX-License-Identifier: Apache-2.0
 *
 * process.h - from a process in the right namespaces to the user's program
 *
 * Shared by the first process and by those that join later. process_prepare() does what needs
 * root and the filesystem, process_exec() what cannot be undone.
 */
#ifndef RUNTIME_PROCESS_H
#define RUNTIME_PROCESS_H

#include <stdbool.h>

#include "linux/seccomp_filter.h"
#include "runtime/user.h"
#include "spec/sandbox.h"

/**
 * struct process - a program about to run
 * @spec:	what is wanted, borrowed
 * @filter:	seccomp filter, or NULL, borrowed
 * @under_init:	run it under hull-init
 * @joins:	it is not the first: its working directory has to be there, and is not made
 * @stdio_fds:	streams, -1: /dev/null; unused with a terminal
 * @sync_fd:	socket whose end means that the parent has died
 * @user:	filled in by process_prepare()
 * @envp:	likewise
 * @slave_fd:	terminal, or -1
 */
struct process {
	const struct spec_process *spec;
	const struct seccomp_filter *filter;
	bool under_init, joins;
	int stdio_fds[3];
	int sync_fd;
	struct user user;
	char **envp;
	int slave_fd;
};

/**
 * process_prepare() - Find the user, make the working directory and the terminal
 * @p:		@spec, @stdio_fds and @sync_fd are set; the process' root is the workload's
 * @devpts_fd:	root of the workload's devpts
 * @ret_master_fd: our end of the terminal, -1 without one; the caller owns it
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int process_prepare(struct process *p, int devpts_fd, int *ret_master_fd, struct err *err);

/* Show the terminal of @p as /dev/console below @dev_fd. 0 or a negative errno. */
int process_show_console(const struct process *p, int dev_fd, struct err *err);

/**
 * process_exec() - Take streams and credentials, then become the program
 * @p:		after process_prepare()
 * @err:	kind NO_COMMAND or CANNOT_EXEC when the program is what failed
 *
 * Return: only on failure, a negative errno.
 */
int process_exec(struct process *p, struct err *err);

/* What any child of ours does first: no inherited signal state, dies with its parent. 0 or -errno.
 */
int process_start_clean(struct err *err);

/* Close every descriptor but these (negative ones are skipped). 0 or a negative errno. */
int process_keep_only(const int *fds, size_t fds_len, struct err *err);

#endif
