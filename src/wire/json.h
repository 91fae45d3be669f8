/* SPDX-License-Identifier: Apache-2.0
 *
 * json.h - JSON documents from outside, and how ours are written
 *
 * A thin layer over jansson: duplicate keys are refused, size and depth are bounded, and the
 * getters say which member of which document was wrong. Getters leave @ret untouched when the
 * member is absent or null and return 0; a member of another type is -EINVAL.
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

#define JSON_MAX_BYTES (4 * MIB)

static inline void json_decrefp_(json_t **json)
{
	json_decref(*json);
}
#define auto_json __attribute__((cleanup(json_decrefp_))) json_t

/**
 * json_parse() - Read one document
 * @text:	bytes, need not end in NUL; at most JSON_MAX_BYTES
 * @len:	bytes of @text
 * @what:	for messages, such as "image config"
 * @ret:	the document, an object; the caller owns it
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -EINVAL (also for a duplicate key or trailing bytes) or -EFBIG.
 */
int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct err *err);

/* The same for a document that is an array. */
int json_parse_array(const char *text, size_t len, const char *what, json_t **ret, struct err *err);

/* The document as one line of compact text; the caller frees it. NULL: out of memory. */
char *json_text(const json_t *json);

/* Borrowed. NULL in @ret when absent. */
int json_get_text(const json_t *object, const char *key, const char **ret, struct err *err);
/* A copy replaces what @ret held; the caller frees it. */
int json_get_strdup(const json_t *object, const char *key, char **ret, struct err *err);
int json_get_bool(const json_t *object, const char *key, bool *ret, struct err *err);
int json_get_i64(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *ret,
		 struct err *err);
int json_get_u32(const json_t *object, const char *key, uint32_t *ret, struct err *err);
int json_get_u64(const json_t *object, const char *key, uint64_t *ret, struct err *err);
/* Appends an array of strings; at most 65,536 of them. */
int json_get_strv(const json_t *object, const char *key, struct strv *ret, struct err *err);
/* Borrowed object or array. */
int json_get_object(const json_t *object, const char *key, const json_t **ret, struct err *err);
int json_get_array(const json_t *object, const char *key, const json_t **ret, struct err *err);

/* Build: abort-free setters, 0 or -ENOMEM; text that is not UTF-8 is written as U+FFFD. */
int json_set_text(json_t *object, const char *key, const char *text);
int json_set_i64(json_t *object, const char *key, int64_t value);
int json_set_bool(json_t *object, const char *key, bool value);
int json_set_strv(json_t *object, const char *key, const struct strv *v);

#endif
