/* SPDX-License-Identifier: Apache-2.0
 *
 * json.c - JSON documents over jansson
 */
#include "wire/json.h"

#include <errno.h>
#include <string.h>

#include "base/strbuf.h"

#define JSON_MAX_STRINGS 65536

static int parse_any(const char *text, size_t len, const char *what, json_t **ret, struct err *err)
{
	json_error_t why;

	if (len > JSON_MAX_BYTES)
		return err_setk(err, ERR_USAGE, EFBIG, "%s is longer than %llu bytes", what,
				JSON_MAX_BYTES);
	*ret = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (!*ret)
		return err_setk(err, ERR_USAGE, EINVAL, "%s: not valid JSON: %s (line %d)", what,
				why.text, why.line);

	return 0;
}

int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct err *err)
{
	auto_json *json = NULL;
	int r = parse_any(text, len, what, &json, err);

	if (r < 0)
		return r;
	if (!json_is_object(json))
		return err_setk(err, ERR_USAGE, EINVAL, "%s: not a JSON object", what);
	*ret = take_ptr(json);

	return 0;
}

int json_parse_array(const char *text, size_t len, const char *what, json_t **ret, struct err *err)
{
	auto_json *json = NULL;
	int r = parse_any(text, len, what, &json, err);

	if (r < 0)
		return r;
	if (!json_is_array(json))
		return err_setk(err, ERR_USAGE, EINVAL, "%s: not a JSON array", what);
	*ret = take_ptr(json);

	return 0;
}

char *json_text(const json_t *json)
{
	return json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
}

/* The member, NULL when absent or null; *@r is -EINVAL when it has another type. */
static const json_t *member(const json_t *object, const char *key, bool (*is)(const json_t *),
			    const char *type, int *r, struct err *err)
{
	const json_t *value = json_object_get(object, key);

	*r = 0;
	if (!value || json_is_null(value))
		return NULL;
	if (!is(value)) {
		*r = err_setk(err, ERR_USAGE, EINVAL, "'%s' is not %s", key, type);
		return NULL;
	}

	return value;
}

/* A string with a NUL inside would be cut short by every user of it. */
static bool is_text(const json_t *v)
{
	return json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v);
}

static bool is_bool(const json_t *v)
{
	return json_is_boolean(v);
}

static bool is_integer(const json_t *v)
{
	return json_is_integer(v);
}

static bool is_object(const json_t *v)
{
	return json_is_object(v);
}

static bool is_array(const json_t *v)
{
	return json_is_array(v);
}

int json_get_text(const json_t *object, const char *key, const char **ret, struct err *err)
{
	int r;
	const json_t *value = member(object, key, is_text, "a string", &r, err);

	if (value)
		*ret = json_string_value(value);

	return r;
}

int json_get_strdup(const json_t *object, const char *key, char **ret, struct err *err)
{
	const char *text = NULL;
	char *copy;
	int r = json_get_text(object, key, &text, err);

	if (r < 0 || !text)
		return r;
	copy = strdup(text);
	if (!copy)
		return err_set(err, ENOMEM, "out of memory");
	free(*ret);
	*ret = copy;

	return 0;
}

int json_get_bool(const json_t *object, const char *key, bool *ret, struct err *err)
{
	int r;
	const json_t *value = member(object, key, is_bool, "true or false", &r, err);

	if (value)
		*ret = json_is_true(value);

	return r;
}

int json_get_i64(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *ret,
		 struct err *err)
{
	int r;
	const json_t *value = member(object, key, is_integer, "an integer", &r, err);

	if (!value)
		return r;
	if (json_integer_value(value) < min || json_integer_value(value) > max)
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is out of range", key);
	*ret = json_integer_value(value);

	return 0;
}

int json_get_u32(const json_t *object, const char *key, uint32_t *ret, struct err *err)
{
	int64_t value = *ret;
	int r = json_get_i64(object, key, 0, UINT32_MAX, &value, err);

	*ret = (uint32_t)value;

	return r;
}

int json_get_u64(const json_t *object, const char *key, uint64_t *ret, struct err *err)
{
	int64_t value = -1;
	int r = json_get_i64(object, key, 0, INT64_MAX, &value, err);

	if (r == 0 && value >= 0)
		*ret = (uint64_t)value;

	return r;
}

int json_get_strv(const json_t *object, const char *key, struct strv *ret, struct err *err)
{
	const json_t *array = NULL, *item;
	size_t i;
	int r = json_get_array(object, key, &array, err);

	if (r < 0 || !array)
		return r;
	if (json_array_size(array) > JSON_MAX_STRINGS)
		return err_setk(err, ERR_USAGE, EFBIG, "'%s' has too many entries", key);
	json_array_foreach (array, i, item) {
		if (!is_text(item))
			return err_setk(err, ERR_USAGE, EINVAL,
					"'%s' holds something else than strings", key);
		r = strv_add(ret, json_string_value(item));
		if (r < 0)
			return err_set(err, -r, "out of memory");
	}

	return 0;
}

int json_get_object(const json_t *object, const char *key, const json_t **ret, struct err *err)
{
	int r;
	const json_t *value = member(object, key, is_object, "an object", &r, err);

	if (value)
		*ret = value;

	return r;
}

int json_get_array(const json_t *object, const char *key, const json_t **ret, struct err *err)
{
	int r;
	const json_t *value = member(object, key, is_array, "an array", &r, err);

	if (value)
		*ret = value;

	return r;
}

/* jansson refuses what is not UTF-8: replace each offending byte by U+FFFD. */
static json_t *text_value(const char *text)
{
	json_t *value = json_string(text);
	auto_done(strbuf) fixed = STRBUF_INIT(JSON_MAX_BYTES);

	if (value)
		return value;
	for (const char *at = text; *at;) {
		size_t len = 1, left = strlen(at);
		json_t *probe = NULL;

		for (len = 1; len <= 4 && len <= left; len++) {
			probe = json_stringn(at, len);
			if (probe)
				break;
		}
		if (probe) {
			json_decref(probe);
			strbuf_add(&fixed, at, len);
			at += len;
		} else {
			strbuf_adds(&fixed, "\xef\xbf\xbd");
			at++;
		}
	}

	return fixed.failed ? NULL : json_string(strbuf_get(&fixed));
}

static int set_new(json_t *object, const char *key, json_t *value)
{
	return value && json_object_set_new(object, key, value) == 0 ? 0 : -ENOMEM;
}

int json_set_text(json_t *object, const char *key, const char *text)
{
	return text ? set_new(object, key, text_value(text)) : 0;
}

int json_set_i64(json_t *object, const char *key, int64_t value)
{
	return set_new(object, key, json_integer(value));
}

int json_set_bool(json_t *object, const char *key, bool value)
{
	return set_new(object, key, json_boolean(value));
}

int json_set_strv(json_t *object, const char *key, const struct strv *v)
{
	json_t *array = json_array();

	if (!array)
		return -ENOMEM;
	for (size_t i = 0; i < v->len; i++) {
		json_t *text = text_value(v->items[i]);

		if (!text || json_array_append_new(array, text) < 0) {
			json_decref(array);
			return -ENOMEM;
		}
	}

	return set_new(object, key, array);
}
