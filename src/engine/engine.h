/* SPDX-License-Identifier: Apache-2.0
 *
 * engine.h - the engine: a store, a run directory, and what is done with them
 *
 * The engine keeps nothing in memory from call to call and has no daemon: the truth is a row in
 * the store plus what a workload's run directory tells (state.c). It never asks which isolation
 * level it works for; where levels differ it looks at a field of struct monitor_level.
 *
 * Headers of its parts: config.h (what a container is), container.h (its life), tool.h (its files),
 * image.h, volume.h, system.h, info.h.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/err.h"

struct engine;
struct store;

enum engine_flags {
	ENGINE_REPAIR = 1 << 0, /* first remove what a crash left */
	ENGINE_HURRY = 1 << 1,	/* as STORE_HURRY */
};

/**
 * engine_open() - Open the engine
 * @root:	absolute path of the store, made when absent
 * @run_root:	absolute path of what a reboot forgets, made when absent
 * @flags:	enum engine_flags
 * @ret:	handle, released by engine_close()
 * @err:	filled in on failure
 *
 * Return: 0 or a negative errno.
 */
int engine_open(const char *root, const char *run_root, unsigned flags, struct engine **ret,
		struct err *err);

/* NULL allowed. */
void engine_close(struct engine *e);

/* Borrowed. */
struct store *engine_store(const struct engine *e);
const char *engine_root(const struct engine *e);
const char *engine_run_root(const struct engine *e);

#endif
