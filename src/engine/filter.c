/* SPDX-License-Identifier: Apache-2.0
 *
 * filter.c - --filter KEY=VALUE
 */
#include "engine/filter.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define KEYS_MAX_BYTES 200

static bool has_key(const char *filter, const char *key)
{
	size_t len = strlen(key);

	return strncmp(filter, key, len) == 0 && filter[len] == '=';
}

static int unknown(const char *filter, const char *const *keys, struct err *err)
{
	auto_done(strbuf) text = STRBUF_INIT(KEYS_MAX_BYTES);

	for (size_t i = 0; keys[i]; i++)
		(void)strbuf_addf(&text, "%s%s", i ? ", " : "", keys[i]);
	err_setk(err, ERR_USAGE, EINVAL, "invalid filter '%s'", filter);
	err_hint(err, "a filter is KEY=VALUE; keys here: %s", strbuf_get(&text));

	return -EINVAL;
}

static bool is_known(const char *filter, const char *const *keys)
{
	for (; *keys; keys++)
		if (has_key(filter, *keys))
			return true;

	return false;
}

int filter_check(const struct strv *filters, const char *const *keys, struct err *err)
{
	for (size_t i = 0; filters && i < filters->len; i++)
		if (!is_known(filters->items[i], keys))
			return unknown(filters->items[i], keys, err);

	return 0;
}

int filter_keep(const struct strv *filters, const char *const *keys, struct strv *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && filters && i < filters->len; i++)
		if (is_known(filters->items[i], keys))
			r = strv_add(ret, filters->items[i]);

	return r;
}

const char *filter_value(const struct strv *filters, size_t i, const char *key)
{
	return has_key(filters->items[i], key) ? filters->items[i] + strlen(key) + 1 : NULL;
}

bool filter_match(const struct strv *filters, const char *key,
		  bool (*match)(const void *thing, const char *value), const void *thing)
{
	bool given = false;

	for (size_t i = 0; filters && i < filters->len; i++) {
		const char *value = filter_value(filters, i, key);

		if (value && match(thing, value))
			return true;
		given = given || value;
	}

	return !given;
}

static bool has_label(const struct strv *labels, const char *wanted)
{
	const char *equals = strchr(wanted, '=');
	size_t len = strlen(wanted);

	for (size_t i = 0; i < labels->len; i++) {
		const char *label = labels->items[i];

		if (equals ? strcmp(label, wanted) == 0
			   : strncmp(label, wanted, len) == 0 &&
				     (label[len] == '=' || label[len] == '\0'))
			return true;
	}

	return false;
}

bool filter_labels(const struct strv *filters, const struct strv *labels)
{
	for (size_t i = 0; filters && i < filters->len; i++) {
		const char *wanted = filter_value(filters, i, "label");
		const char *unwanted = filter_value(filters, i, "label!");

		if ((wanted && !has_label(labels, wanted)) ||
		    (unwanted && has_label(labels, unwanted)))
			return false;
	}

	return true;
}

int filter_bool(const struct strv *filters, const char *key, bool *ret, struct err *err)
{
	for (size_t i = 0; filters && i < filters->len; i++) {
		const char *value = filter_value(filters, i, key);

		if (value && parse_bool(value, ret) < 0)
			return err_setk(err, ERR_USAGE, EINVAL,
					"filter '%s' takes true or false, not '%s'", key, value);
	}

	return 0;
}

int filter_time(const struct strv *filters, const char *key, int64_t *ret_wall_ns, struct err *err)
{
	for (size_t i = 0; filters && i < filters->len; i++) {
		const char *value = filter_value(filters, i, key);
		int64_t age_ns;

		if (!value)
			continue;
		if (parse_duration(value, &age_ns) == 0)
			*ret_wall_ns = clock_wall_ns() - age_ns;
		else if (clock_parse_rfc3339(value, ret_wall_ns) < 0)
			return err_setk(err, ERR_USAGE, EINVAL,
					"filter '%s' takes a time or a duration, not '%s'", key,
					value);
	}

	return 0;
}
