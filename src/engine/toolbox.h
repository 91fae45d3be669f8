/* SPDX-License-Identifier: Apache-2.0
 *
 * toolbox.h - a sandbox to do jobs in: a running container's, or one made for them
 */
#ifndef ENGINE_TOOLBOX_H
#define ENGINE_TOOLBOX_H

#include <jansson.h>

#include "engine/internal.h"

/**
 * struct toolbox - where jobs are done
 * @c:		container
 * @client:	its monitor
 * @dir_fd:	lock on its run directory while a sandbox was made for us, else -1
 */
struct toolbox {
	struct engine_container c;
	struct monitor_client *client;
	int dir_fd;
};

/* On failure too, release @ret with toolbox_done(). */
int toolbox_open(struct engine *e, const char *ref, struct toolbox *ret, struct err *err);
void toolbox_done(struct toolbox *box);
DEFINE_AUTO_DONE(toolbox)

/* Run a job whose output is one JSON object. */
int toolbox_read_json(struct toolbox *box, const struct spec_tool *tool, json_t **ret,
		      struct err *err);

#endif
