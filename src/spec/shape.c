/* SPDX-License-Identifier: Apache-2.0
 *
 * shape.c - one codec for all structs that have a shape
 */
#include "spec/shape.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "wire/json.h"

/* The member that holds a string which is not UTF-8. */
#define B64_KEY "b64"

static void *member(void *thing, size_t at)
{
	return (char *)thing + at;
}

static const void *member_const(const void *thing, size_t at)
{
	return (const char *)thing + at;
}

/* ---- release ---- */

static void field_done(const struct spec_field *field, void *thing)
{
	void *at = member(thing, field->at);

	switch (field->type) {
	case SPEC_FIELD_TEXT:
		free(*(char **)at);
		break;
	case SPEC_FIELD_STRV:
		strv_done(at);
		break;
	case SPEC_FIELD_OBJECT:
		spec_shape_done(field->shape, at);
		break;
	case SPEC_FIELD_LIST: {
		char *items = *(char **)at;
		size_t len = *(size_t *)member(thing, field->len_at);

		for (size_t i = 0; i < len; i++)
			spec_shape_done(field->shape, items + i * field->shape->bytes);
		free(items);
		break;
	}
	case SPEC_FIELD_BOOL:
	case SPEC_FIELD_U32:
	case SPEC_FIELD_I32:
	case SPEC_FIELD_U64:
	case SPEC_FIELD_I64:
	case SPEC_FIELD_ENUM:
		break;
	}
}

void spec_shape_done(const struct spec_shape *shape, void *thing)
{
	if (!thing)
		return;
	for (size_t i = 0; i < shape->fields_len; i++)
		field_done(&shape->fields[i], thing);
	memset(thing, 0, shape->bytes);
}

/* ---- encode ---- */

static json_t *encode_shape(const struct spec_shape *shape, const void *thing);

static json_t *encode_text(const char *text)
{
	json_t *value = json_string(text);
	auto_free char *b64 = NULL;

	if (value)
		return value;
	b64 = base64_encode(text, strlen(text));

	return b64 ? json_pack("{s:s}", B64_KEY, b64) : NULL;
}

static json_t *encode_strv(const struct strv *v)
{
	auto_json *array = json_array();

	for (size_t i = 0; array && i < v->len; i++)
		if (json_array_append_new(array, encode_text(v->items[i])) < 0)
			return NULL;

	return take_ptr(array);
}

static json_t *encode_list(const struct spec_shape *shape, const char *items, size_t len)
{
	auto_json *array = json_array();

	for (size_t i = 0; array && i < len; i++)
		if (json_array_append_new(array, encode_shape(shape, items + i * shape->bytes)) < 0)
			return NULL;

	return take_ptr(array);
}

static const char *enum_name(const char *const *names, int value)
{
	int i = 0;

	while (names[i] && i < value)
		i++;
	assert(i == value && names[i]);

	return names[i];
}

/* @ret is NULL for a member that has its default value. False: out of memory. */
static bool encode_field(const struct spec_field *field, const void *thing, json_t **ret)
{
	const void *at = member_const(thing, field->at);
	int64_t number = 0;

	switch (field->type) {
	case SPEC_FIELD_BOOL:
		return !*(const bool *)at || (*ret = json_true());
	case SPEC_FIELD_U32:
		number = *(const uint32_t *)at;
		break;
	case SPEC_FIELD_I32:
		number = *(const int32_t *)at;
		break;
	case SPEC_FIELD_U64:
	case SPEC_FIELD_I64:
		number = *(const int64_t *)at;
		break;
	case SPEC_FIELD_ENUM:
		/* Value 0 is a choice like the others: name it. */
		return (*ret = json_string(enum_name(field->names, *(const int *)at)));
	case SPEC_FIELD_TEXT: {
		const char *text = *(char *const *)at;

		return !text || (*ret = encode_text(text));
	}
	case SPEC_FIELD_STRV: {
		const struct strv *v = at;

		return v->len == 0 || (*ret = encode_strv(v));
	}
	case SPEC_FIELD_OBJECT:
		return (*ret = encode_shape(field->shape, at));
	case SPEC_FIELD_LIST: {
		size_t len = *(const size_t *)member_const(thing, field->len_at);

		return len == 0 || (*ret = encode_list(field->shape, *(char *const *)at, len));
	}
	}

	return number == 0 || (*ret = json_integer(number));
}

/* A new object, NULL when out of memory. */
static json_t *encode_shape(const struct spec_shape *shape, const void *thing)
{
	auto_json *object = json_object();

	for (size_t i = 0; object && i < shape->fields_len; i++) {
		json_t *value = NULL;

		if (!encode_field(&shape->fields[i], thing, &value))
			return NULL;
		if (value && json_object_set_new(object, shape->fields[i].key, value) < 0)
			return NULL;
	}

	return take_ptr(object);
}

int spec_shape_encode(const struct spec_shape *shape, const void *thing, char **ret_text,
		      struct err *err)
{
	auto_json *object = encode_shape(shape, thing);
	char *text = object ? json_text(object) : NULL;

	if (!text)
		return err_set(err, ENOMEM, "write %s: out of memory", shape->what);
	*ret_text = text;

	return 0;
}

/* ---- decode ---- */

static int decode_shape(const struct spec_shape *shape, json_t *object, void *ret, struct err *err);

static int bad_type(const char *key, const char *type, struct err *err)
{
	return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not %s", key, type);
}

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

/* A string, or bytes as {"b64": ...}, at most @max_bytes and without NUL. */
static int decode_text(const char *key, json_t *value, int64_t max_bytes, char **ret,
		       struct err *err)
{
	json_t *b64 = json_is_object(value) && json_object_size(value) == 1
			      ? json_object_get(value, B64_KEY)
			      : NULL;
	auto_free char *text = NULL;
	size_t len = 0;
	int r;

	if (json_is_string(value)) {
		len = json_string_length(value);
		text = strndup(json_string_value(value), len);
		if (!text)
			return out_of_memory(err);
	} else if (json_is_string(b64)) {
		r = base64_decode(json_string_value(b64), json_string_length(b64), &text, &len);
		if (r < 0)
			return err_setk(err, ERR_USAGE, -r, "'%s' is not valid base64", key);
	} else {
		return bad_type(key, "a string", err);
	}
	if (len > (uint64_t)max_bytes)
		return err_setk(err, ERR_USAGE, EFBIG, "'%s' is longer than %lld bytes", key,
				(long long)max_bytes);
	if (strlen(text) != len)
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' contains a NUL byte", key);
	*ret = take_ptr(text);

	return 0;
}

static int check_count(const char *key, const json_t *value, int64_t max, struct err *err)
{
	if (!json_is_array(value))
		return bad_type(key, "an array", err);
	if (json_array_size(value) > (uint64_t)max)
		return err_setk(err, ERR_USAGE, EFBIG, "'%s' has more than %lld entries", key,
				(long long)max);

	return 0;
}

static int decode_strv(const struct spec_field *field, json_t *value, struct strv *ret,
		       struct err *err)
{
	int r = check_count(field->key, value, field->max, err);

	for (size_t i = 0; r == 0 && i < json_array_size(value); i++) {
		char *text = NULL;

		r = decode_text(field->key, json_array_get(value, i), JSON_MAX_BYTES, &text, err);
		if (r == 0 && strv_give(ret, text) < 0)
			r = out_of_memory(err);
	}

	return r;
}

static int decode_list(const struct spec_field *field, json_t *value, void *thing, struct err *err)
{
	size_t *len = member(thing, field->len_at), count;
	char *items;
	int r = check_count(field->key, value, field->max, err);

	if (r < 0)
		return r;
	count = json_array_size(value);
	if (count == 0)
		return 0;
	items = calloc(count, field->shape->bytes);
	if (!items)
		return out_of_memory(err);
	*(char **)member(thing, field->at) = items;
	*len = count;
	for (size_t i = 0; i < count; i++) {
		r = decode_shape(field->shape, json_array_get(value, i),
				 items + i * field->shape->bytes, err);
		if (r < 0)
			return err_wrap(err, r, "entry %zu of '%s'", i, field->key);
	}

	return 0;
}

static int decode_enum(const struct spec_field *field, const json_t *value, int *ret,
		       struct err *err)
{
	const char *name = json_string_value(value);

	if (!name)
		return bad_type(field->key, "a string", err);
	for (int i = 0; field->names[i]; i++) {
		if (strcmp(name, field->names[i]) == 0) {
			*ret = i;
			return 0;
		}
	}

	return err_setk(err, ERR_USAGE, EINVAL, "'%s' has an unknown value", field->key);
}

static int decode_number(const struct spec_field *field, const json_t *value, void *at,
			 struct err *err)
{
	int64_t number = json_integer_value(value);

	if (!json_is_integer(value))
		return bad_type(field->key, "an integer", err);
	if (field->type != SPEC_FIELD_U64 && (number < field->min || number > field->max))
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is out of range", field->key);
	if (field->type == SPEC_FIELD_U32)
		*(uint32_t *)at = (uint32_t)number;
	else if (field->type == SPEC_FIELD_I32)
		*(int32_t *)at = (int32_t)number;
	else
		*(int64_t *)at = number;

	return 0;
}

static int decode_object(const struct spec_field *field, json_t *value, void *at, struct err *err)
{
	int r = decode_shape(field->shape, value, at, err);

	return r < 0 ? err_wrap(err, r, "'%s'", field->key) : 0;
}

static int decode_field(const struct spec_field *field, json_t *value, void *thing, struct err *err)
{
	void *at = member(thing, field->at);

	switch (field->type) {
	case SPEC_FIELD_BOOL:
		if (!json_is_boolean(value))
			return bad_type(field->key, "true or false", err);
		*(bool *)at = json_is_true(value);
		return 0;
	case SPEC_FIELD_U32:
	case SPEC_FIELD_I32:
	case SPEC_FIELD_U64:
	case SPEC_FIELD_I64:
		return decode_number(field, value, at, err);
	case SPEC_FIELD_ENUM:
		return decode_enum(field, value, at, err);
	case SPEC_FIELD_TEXT:
		return decode_text(field->key, value, field->max, at, err);
	case SPEC_FIELD_STRV:
		return decode_strv(field, value, at, err);
	case SPEC_FIELD_OBJECT:
		return decode_object(field, value, at, err);
	case SPEC_FIELD_LIST:
		return decode_list(field, value, thing, err);
	}

	return -EINVAL;
}

static const struct spec_field *field_find(const struct spec_shape *shape, const char *key)
{
	for (size_t i = 0; i < shape->fields_len; i++)
		if (strcmp(shape->fields[i].key, key) == 0)
			return &shape->fields[i];

	return NULL;
}

/* Fills in @ret, which is zero; what it holds after a failure is the caller's to release. */
static int decode_shape(const struct spec_shape *shape, json_t *object, void *ret, struct err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return err_setk(err, ERR_USAGE, EINVAL, "%s is not an object", shape->what);
	json_object_foreach (object, key, value) {
		const struct spec_field *field = field_find(shape, key);
		int r;

		if (!field)
			return err_setk(err, ERR_USAGE, EINVAL, "%s has an unknown member '%s'",
					shape->what, key);
		r = decode_field(field, value, ret, err);
		if (r < 0)
			return r;
	}

	return shape->check ? shape->check(ret, err) : 0;
}

int spec_shape_decode(const struct spec_shape *shape, const char *text, size_t len, void *ret,
		      struct err *err)
{
	auto_json *object = NULL;
	auto_free void *thing = NULL;
	int r = json_parse(text, len, shape->what, &object, err);

	if (r < 0)
		return r;
	thing = calloc(1, shape->bytes);
	if (!thing)
		return out_of_memory(err);
	r = decode_shape(shape, object, thing, err);
	if (r < 0) {
		spec_shape_done(shape, thing);
		return err_wrap(err, r, "read %s", shape->what);
	}
	memcpy(ret, thing, shape->bytes);

	return 0;
}

int spec_check_absolute(const char *path, const char *what, struct err *err)
{
	if (path && path[0] == '/')
		return 0;

	return err_setk(err, ERR_USAGE, EINVAL, "%s '%s' is not an absolute path", what,
			path ? path : "");
}
