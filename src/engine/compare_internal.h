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

#define COMPARE_INIT "/dev/hull-init" /* where a workload finds it: --init */

/* ---- compare_job.c: one run ---- */

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
 * struct compare_place - where runs happen
 * @root, @run_root: of the store
 * @image:	image
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

/* Run @argv at @place. 0 or a negative errno; then there is nothing to end. */
int compare_job_start(const struct compare_place *place, const struct strv *argv, bool as_root,
		      struct compare_job *ret, struct err *err);

/* Read what it says up to a line's end or, with @buf_bytes 1, its first byte. */
ssize_t compare_job_read_line(const struct compare_job *job, int64_t deadline_ns, char *buf,
			      size_t buf_bytes, struct err *err);

/* End it, wait for that, give its exit status; by force after a while. */
int compare_job_finish(const struct compare_place *place, struct compare_job *job, int *ret_status,
		       struct err *err);

/* A signal wants us to end. */
bool compare_is_cancelled(void);
void compare_catch_signals(void);

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
