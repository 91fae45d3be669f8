/* SPDX-License-Identifier: Apache-2.0
 *
 * system.h - everything at once: disk space, clearing up, checking
 */
#ifndef ENGINE_SYSTEM_H
#define ENGINE_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "engine/image.h"
#include "store/store.h"

struct engine;

/* What the store takes on disk; the sum is what du(1) says of it. */
int engine_usage(struct engine *e, struct store_usage *ret, struct err *err);

/**
 * struct engine_pruned - what engine_prune() took away
 * @containers:	ids
 * @volumes:	names
 * @images:	names and digests
 * @bytes:	disk space that came back
 */
struct engine_pruned {
	struct strv containers, volumes;
	struct engine_image_removed images;
	uint64_t bytes;
};
void engine_pruned_done(struct engine_pruned *pruned);
DEFINE_AUTO_DONE(engine_pruned)

enum engine_prune_flags {
	ENGINE_PRUNE_CONTAINERS = 1 << 0,
	ENGINE_PRUNE_IMAGES = 1 << 1,
	ENGINE_PRUNE_ALL_IMAGES = 1 << 2, /* not only those without a name */
	ENGINE_PRUNE_VOLUMES = 1 << 3,	  /* anonymous ones */
	ENGINE_PRUNE_ALL_VOLUMES = 1 << 4,
};

/**
 * engine_prune() - Remove what is not in use
 * @e:		engine
 * @flags:	enum engine_prune_flags
 * @filters:	until, label; of images alone also dangling, of volumes alone label only; NULL: none
 * @ret:	what went
 * @err:	filled in on failure
 *
 * Return: 0 or a negative errno.
 */
int engine_prune(struct engine *e, unsigned flags, const struct strv *filters,
		 struct engine_pruned *ret, struct err *err);

/**
 * engine_check() - Compare rows, files, mounts and what every workload left
 * @e:		engine
 * @repair:	mend what can be mended; reads every layer and document again
 * @fn:		called for each finding
 * @ctx:	for @fn
 * @err:	filled in on failure
 *
 * Return: findings that are left, or a negative errno.
 */
int engine_check(struct engine *e, bool repair,
		 void (*fn)(void *ctx, const char *what, bool mended), void *ctx, struct err *err);

#endif
