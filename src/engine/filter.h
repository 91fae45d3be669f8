/* SPDX-License-Identifier: Apache-2.0
 *
 * filter.h - --filter KEY=VALUE, as listings and prune commands take it
 *
 * Values of one key are alternatives, different keys must all match; each label must match.
 */
#ifndef ENGINE_FILTER_H
#define ENGINE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

/**
 * filter_check() - Refuse what is no filter of this command
 * @filters:	"key=value" each, NULL allowed
 * @keys:	allowed keys, NULL-terminated
 * @err:	kind USAGE, names the filter and the keys there are
 *
 * Return: 0 or -EINVAL.
 */
int filter_check(const struct strv *filters, const char *const *keys, struct err *err);

/* Value of filter number @i if its key is @key, borrowed, else NULL. */
const char *filter_value(const struct strv *filters, size_t i, const char *key);

/* Those with one of @keys (NULL-terminated) are copied to @ret. 0 or -ENOMEM. */
int filter_keep(const struct strv *filters, const char *const *keys, struct strv *ret);

/**
 * filter_match() - Does one of the values of @key satisfy @match?
 * @filters:	as checked
 * @key:	key
 * @match:	compares one value with a thing
 * @thing:	for @match
 *
 * Return: true also when no filter has the key.
 */
bool filter_match(const struct strv *filters, const char *key,
		  bool (*match)(const void *thing, const char *value), const void *thing);

/* "label=k" and "label=k=v", and their contrary "label!=...", against "key=value" entries. */
bool filter_labels(const struct strv *filters, const struct strv *labels);

/* A key that takes true or false: untouched when it is not given. 0 or -EINVAL, kind USAGE. */
int filter_bool(const struct strv *filters, const char *key, bool *ret, struct err *err);

/**
 * filter_time() - A key that takes a time ("until"): RFC 3339, or how long ago ("24h")
 * @filters:	as checked
 * @key:	key
 * @ret_wall_ns: untouched when it is not given
 * @err:	kind USAGE
 *
 * Return: 0 or -EINVAL.
 */
int filter_time(const struct strv *filters, const char *key, int64_t *ret_wall_ns, struct err *err);

#endif
