/* SPDX-License-Identifier: Apache-2.0
 *
 * volume.h - volumes by name
 */
#ifndef ENGINE_VOLUME_H
#define ENGINE_VOLUME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "store/store.h"

struct engine;

/* Make it; one of that name that is there already is success. @name NULL: a random one. */
int engine_volume_create(struct engine *e, const char *name, const struct strv *labels,
			 struct store_volume *ret, struct err *err);

/* Volumes that match @filters (name, label, dangling, driver; NULL: all), by name. */
int engine_volume_list(struct engine *e, const struct strv *filters, struct store_volumes *ret,
		       struct err *err);

/* What docker volume inspect shows; the caller owns @ret. */
int engine_volume_inspect(struct engine *e, const char *name, json_t **ret, struct err *err);

/* How many containers use it. 0 or a negative errno. */
int engine_volume_links(struct engine *e, const char *name, size_t *ret, struct err *err);

/* Bytes on disk as du counts. */
int engine_volume_bytes(struct engine *e, const char *name, uint64_t *ret_bytes, struct err *err);

/* @force: an absent one is success. One that a container uses is always refused. */
int engine_volume_remove(struct engine *e, const char *name, bool force, struct err *err);

/**
 * engine_volume_prune() - Remove volumes that no container uses
 * @e:		engine
 * @all:	also those that a user named
 * @filters:	label, as engine_prune() has checked them; others are passed over
 * @ret_names:	names of those that went are appended
 * @err:	filled in on failure
 *
 * Return: 0 or a negative errno.
 */
int engine_volume_prune(struct engine *e, bool all, const struct strv *filters,
			struct strv *ret_names, struct err *err);

#endif
