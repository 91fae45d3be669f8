/* SPDX-License-Identifier: Apache-2.0
 *
 * compare_internal.h - what the files of engine_compare() share
 */
#ifndef ENGINE_COMPARE_INTERNAL_H
#define ENGINE_COMPARE_INTERNAL_H

#include <sys/types.h>

#include "base/parse.h"
#include "engine/compare.h"
#include "engine/image.h"
#include "engine/internal.h"
#include "linux/signals.h"

/* ---- compare_job.c: one run ---- */

/**
 * struct compare_stop - what ends a comparison before its time
 * @signals:	taken from this process
 * @signo:	the first that came, or 0
 */
struct compare_stop {
	struct signals signals;
	int signo;
};

/**
 * compare_wait() - Wait until there is something to read
 * @stop:	signals
 * @fd:		descriptor, borrowed; -1: none, only time passes
 * @deadline_ns: monotonic time
 *
 * Return: 1; 0 at the deadline; -EINTR once a signal has come, also before the call.
 */
int compare_wait(struct compare_stop *stop, int fd, int64_t deadline_ns);

/**
 * struct compare_job - a run in a child of ours
 * @pid:	child: the client of a container, or the plain process
 * @pidfd:	the same
 * @in_fd:	its input; closing it ends it
 * @out_fd:	its output, both streams
 * @status_fd:	a struct err comes here when it could not be started
 * @began_ns:	monotonic time
 * @name:	of the container, "" for a plain process
 */
struct compare_job {
	pid_t pid;
	int pidfd, in_fd, out_fd, status_fd;
	int64_t began_ns;
	char name[48];
};

/**
 * struct compare_place - where runs happen; all of it is borrowed
 * @root:	of the store
 * @run_root:	of the store
 * @image:	image
 * @image_name:	the same, as the user calls it
 * @level:	isolation level; NULL: a plain process in the root @holder_pid has
 * @holder_pid:	a process of the container that holds the image's files
 * @plain:	container without namespaces but its files: the holder itself
 */
struct compare_place {
	const char *root, *run_root;
	const struct engine_image *image;
	const char *image_name;
	const char *level;
	pid_t holder_pid;
	bool plain;
};

/**
 * compare_job_start() - Run something
 * @place:	where
 * @argv:	a command of hull-init, which ends with its input
 * @as_root:	not as the image's user
 * @ret:	to be ended with compare_job_finish()
 * @err:	filled in on failure
 *
 * Returns at once: what the child could not do compare_job_finish() tells.
 *
 * Return: 0 or a negative errno; then there is nothing to end.
 */
int compare_job_start(const struct compare_place *place, const struct strv *argv, bool as_root,
		      struct compare_job *ret, struct err *err);

/**
 * compare_job_read_line() - Wait for what it says
 * @job:	started
 * @stop:	signals
 * @deadline_ns: monotonic time
 * @buf:	text without the newline, NUL-terminated where that fits
 * @buf_bytes:	room; 1: for the first byte, whatever it is
 * @err:	filled in on failure
 *
 * Return: bytes read, 0 when it ended without any; @buf_bytes when the line is longer; -ETIMEDOUT;
 *	   -EINTR after a signal.
 */
ssize_t compare_job_read_line(const struct compare_job *job, struct compare_stop *stop,
			      int64_t deadline_ns, char *buf, size_t buf_bytes, struct err *err);

/**
 * compare_job_finish() - End it, and wait for that
 * @place:	where it was started
 * @job:	released
 * @ret_status:	exit status
 * @err:	why it could not be started, or that it had to be killed
 *
 * Signals do not cut this short: it takes half a minute at most, then force is used.
 *
 * Return: 0, -ETIMEDOUT when it had to be killed, or what the child failed with.
 */
int compare_job_finish(const struct compare_place *place, struct compare_job *job, int *ret_status,
		       struct err *err);

/* ---- compare_tree.c: processes of this host ---- */

/* What a tree of processes takes. */
struct compare_use {
	int64_t pss_bytes, cpu_ns;
};

/**
 * compare_tree_use() - Add up the descendants of this process
 * @skip:	processes that are left out, but not what descends from them
 * @skip_trees:	those that are left out with what descends from them
 * @ret:	sums
 *
 * Each list ends with 0.
 */
void compare_tree_use(const pid_t *skip, const pid_t *skip_trees, struct compare_use *ret);

/* Wait for the end of all children but @except, as their new parent. */
void compare_reap_all(pid_t except, int64_t deadline_ns);

/* ---- compare_place.c: what the probe says ---- */

/* The value of "name=value" among words, or an empty slice. */
struct slice compare_word(const char *line, const char *name);

/* The same as a number, -1 when there is none. */
int64_t compare_number(const char *line, const char *name);

/* From the probe's line "place ...": kernel, and what is shared with @own, this host's words. */
void compare_describe(const char *line, const char *own, struct compare_row *row);

/* This host's words: its boot and its namespaces. */
void compare_own_place(char *buf, size_t buf_bytes);

#endif
