/* SPDX-License-Identifier: Apache-2.0
 *
 * jail.h - what a process gives up before it reads bytes from strangers
 *
 * jail_enter() in a single-threaded child: user, network, mount and IPC namespaces of its own,
 * no privilege to gain, no path of the filesystem (Landlock), limits on memory and time, and an
 * end with its parent.
 * jail_seal() once its threads run: from then on nothing but reading and writing descriptors it
 * has, memory, and waiting for its own threads; anything else kills it.
 *
 * Namespaces and Landlock are a second wall, and the host may refuse them; the filter of
 * jail_seal() is the first, and it is not optional.
 */
#ifndef IMAGE_JAIL_H
#define IMAGE_JAIL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macro.h"

#define JAIL_MAX_MEMORY_BYTES (4 * GIB)
#define JAIL_MAX_CPU_SECONDS 7200

/**
 * jail_enter() - Give up all that needs no seccomp filter
 * @file_max_bytes: no file may grow beyond this
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int jail_enter(uint64_t file_max_bytes, struct err *err);

/* Install the filter in all threads. 0 or a negative errno. */
int jail_seal(struct err *err);

/**
 * jail_keep_fds() - In a child: close all descriptors but these, the standard streams too
 * @fds:	those that are not -1 become 3, 4, ... by their place in the list, which says so
 * @fds_len:	their number
 * @err:	filled in on failure, may be NULL
 *
 * SIGPIPE is ignored.
 *
 * Return: 0, or -EMFILE where the limit does not allow twice as many: then all of the list are
 *	   still open, and so are others.
 */
int jail_keep_fds(int *fds, size_t fds_len, struct err *err);

/**
 * struct jail_job - what a jailed child does
 * @run:	in the child, with @ctx and the descriptors as they are there: answers what
 *		jail_run() does
 * @ctx:	for @run
 * @fds:	borrowed; all that the child has
 * @fds_len:	their number
 * @file_max_bytes: as for jail_enter()
 */
struct jail_job {
	int (*run)(void *ctx, const int *fds, struct err *err);
	void *ctx;
	const int *fds;
	size_t fds_len;
	uint64_t file_max_bytes;
};

/**
 * jail_run() - Do something in a jailed child, and wait for it
 * @job:	what
 * @err:	filled in on failure, may be NULL
 *
 * Must be called from a single-threaded process.
 *
 * Return: what @job->run answered, or a negative errno.
 */
int jail_run(const struct jail_job *job, struct err *err);

#endif
