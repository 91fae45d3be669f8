/* SPDX-License-Identifier: Apache-2.0
 *
 * tool.h - jobs on a container's files: cp, diff, export; and its process list
 *
 * They are done by the same code at every level, next to the workload. For one that does not run
 * a sandbox without a workload is made for as long as the job takes: at the vm level a machine
 * that boots for it, so that the host never mounts what a guest has written.
 */
#ifndef ENGINE_TOOL_H
#define ENGINE_TOOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct engine;

/* Changes against the image, a line each: "A path", "C path", "D path". */
int engine_diff(struct engine *e, const char *ref, FILE *out, struct err *err);

/* The root filesystem as a tar archive on @out_fd. */
int engine_export(struct engine *e, const char *ref, int out_fd, struct err *err);

/* The processes of a running container; the caller owns @ret. */
int engine_top(struct engine *e, const char *ref, json_t **ret, struct err *err);

/**
 * struct engine_copy - one copy between a container and the host (docker cp)
 * @container:	name or id
 * @path:	in the container, resolved there
 * @host_path:	on the host; NULL: a tar archive on @stream_fd instead
 * @stream_fd:	read or written
 * @archive:	keep owner and group
 * @follow:	copy what a symlink at the source leads to
 */
struct engine_copy {
	const char *container, *path, *host_path;
	int stream_fd;
	bool archive, follow;
};

/* From the container to the host. 0 or a negative errno. */
int engine_copy_out(struct engine *e, const struct engine_copy *copy, struct err *err);

/* From the host into the container. */
int engine_copy_in(struct engine *e, const struct engine_copy *copy, struct err *err);

#endif
