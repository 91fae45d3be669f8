/* SPDX-License-Identifier: Apache-2.0
 *
 * info.h - what this host and this store are like
 */
#ifndef ENGINE_INFO_H
#define ENGINE_INFO_H

#include <jansson.h>

#include "base/err.h"

struct engine;

/**
 * engine_info() - Describe host, store and isolation levels
 * @e:		engine
 * @ret:	what hull info shows; the caller owns it. Each of "Levels" has Name, Usable and,
 *		where it is not, Reason and Hint
 * @err:	filled in on failure
 *
 * Runs the probe of every level, which may take a moment.
 *
 * Return: 0 or a negative errno.
 */
int engine_info(struct engine *e, json_t **ret, struct err *err);

#endif
