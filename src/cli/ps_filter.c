/* SPDX-License-Identifier: Apache-2.0
 *
 * ps_filter.c - hull ps --filter
 */
#include "cli/ps_filter.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "engine/container.h"

enum ps_key {
	PS_NAME,
	PS_ID,
	PS_LABEL,
	PS_STATUS,
	PS_EXITED,
	PS_ANCESTOR,
	PS_VOLUME,
	PS_ISOLATION,
	PS_NETWORK,
	PS_BEFORE,
	PS_SINCE,
	PS_KEYS,
};

static const char *const key_names[] = {
	[PS_NAME] = "name",	  [PS_ID] = "id",
	[PS_LABEL] = "label",	  [PS_STATUS] = "status",
	[PS_EXITED] = "exited",	  [PS_ANCESTOR] = "ancestor",
	[PS_VOLUME] = "volume",	  [PS_ISOLATION] = "isolation",
	[PS_NETWORK] = "network", [PS_BEFORE] = "before",
	[PS_SINCE] = "since",
};

struct ps_term {
	enum ps_key key;
	const char *value;
	uint64_t number;	 /* of PS_EXITED */
	int64_t created_wall_ns; /* of the container that PS_BEFORE or PS_SINCE names */
};

void ps_filter_done(struct ps_filter *filter)
{
	free(filter->terms);
	*filter = (struct ps_filter){ 0 };
}

static int check_status(const char *value, struct err *err)
{
	/* "restarting", "removing" and "dead" are words of Docker's that never apply here. */
	static const char *const known[] = { "created",	   "running",  "paused", "exited",
					     "restarting", "removing", "dead" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(value, known[i]) == 0)
			return 0;

	return err_setk(err, ERR_USAGE, EINVAL,
			"invalid filter 'status=%s': expected created, running, paused or exited",
			value);
}

static int parse_term(const char *text, struct ps_term *ret, struct err *err)
{
	struct slice value = slice_of(text), key;

	(void)slice_next(&value, '=', &key);
	for (int i = 0; i < PS_KEYS; i++) {
		if (!slice_eq(key, key_names[i]) || !value.at)
			continue;
		*ret = (struct ps_term){ .key = (enum ps_key)i, .value = value.at };
		if (i == PS_EXITED && parse_u64(value.at, 0, 255, &ret->number) < 0)
			break;
		return i == PS_STATUS ? check_status(value.at, err) : 0;
	}
	err_setk(err, ERR_USAGE, EINVAL, "invalid filter '%s'", text);
	err_hint(err, "filters are name=, id=, label=, status=, exited=, ancestor=, volume=, "
		      "network=, before=, since= and isolation=");

	return -EINVAL;
}

int ps_filter_parse(const struct strv *texts, struct ps_filter *ret, struct err *err)
{
	auto_done(ps_filter) filter = { 0 };

	filter.terms = mem_calloc(texts->len, sizeof(*filter.terms));
	for (size_t i = 0; i < texts->len; i++) {
		struct ps_term *term = &filter.terms[filter.terms_len];
		int r = parse_term(texts->items[i], term, err);

		if (r < 0)
			return r;
		filter.terms_len++;
		filter.any_status |= term->key == PS_STATUS || term->key == PS_EXITED;
	}
	*ret = filter;
	filter = (struct ps_filter){ 0 };

	return 0;
}

static int resolve(struct ps_term *term, const struct engine_containers *list, struct err *err)
{
	size_t len = strlen(term->value);

	for (size_t i = 0; i < list->len; i++) {
		const struct store_container *row = &list->items[i].row;

		if (strcmp(row->name, term->value) != 0 &&
		    (len == 0 || strncmp(row->id, term->value, len) != 0))
			continue;
		term->created_wall_ns = row->created_wall_ns;
		return 0;
	}

	return err_setk(err, ERR_NOT_FOUND, ENOENT, "filter '%s=%s': no such container",
			key_names[term->key], term->value);
}

int ps_filter_resolve(struct ps_filter *filter, const struct engine_containers *list,
		      struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < filter->terms_len && r == 0; i++)
		if (filter->terms[i].key == PS_BEFORE || filter->terms[i].key == PS_SINCE)
			r = resolve(&filter->terms[i], list, err);

	return r;
}

static bool has_label(const struct strv *labels, const char *wanted)
{
	const char *value = strchr(wanted, '=');
	auto_free char *name = mem_strndup(wanted, strcspn(wanted, "="));
	const char *found = strv_env_find(labels, name);

	return found && (!value || strcmp(found, value + 1) == 0);
}

static bool has_mount(const struct engine_config *config, const char *wanted)
{
	for (size_t i = 0; i < config->mounts_len; i++)
		if (strcmp(config->mounts[i].target, wanted) == 0 ||
		    (config->mounts[i].source && strcmp(config->mounts[i].source, wanted) == 0))
			return true;

	return false;
}

/* By the name it was started with, with or without :latest, or the start of the image's id. */
static bool has_ancestor(const struct store_container *row, const char *wanted)
{
	size_t len = strlen(wanted);
	const char *digest =
		strncmp(row->image_id, "sha256:", 7) == 0 ? row->image_id + 7 : row->image_id;

	if (strcmp(row->image_ref, wanted) == 0 ||
	    (strncmp(row->image_ref, wanted, len) == 0 && row->image_ref[len] == ':'))
		return true;
	if (strlen(row->image_ref) + strlen(":latest") == len &&
	    strncmp(row->image_ref, wanted, strlen(row->image_ref)) == 0 &&
	    strcmp(wanted + strlen(row->image_ref), ":latest") == 0)
		return true;

	return len >= 4 &&
	       (strncmp(digest, wanted, len) == 0 || strncmp(row->image_id, wanted, len) == 0);
}

static bool term_matches(const struct ps_term *term, const struct engine_container *c)
{
	switch (term->key) {
	case PS_NAME:
		return strstr(c->row.name, term->value) != NULL;
	case PS_ID:
		return strncmp(c->row.id, term->value, strlen(term->value)) == 0;
	case PS_LABEL:
		return has_label(&c->config.labels, term->value);
	case PS_STATUS:
		return strcmp(engine_status_name(c->state.status), term->value) == 0;
	case PS_EXITED:
		return c->state.status == ENGINE_EXITED &&
		       (uint64_t)c->state.exit_status == term->number;
	case PS_ANCESTOR:
		return has_ancestor(&c->row, term->value);
	case PS_VOLUME:
		return has_mount(&c->config, term->value);
	case PS_ISOLATION:
		return strcmp(c->row.level, term->value) == 0;
	case PS_NETWORK:
		return strcmp(c->config.modes.network, term->value) == 0;
	case PS_BEFORE:
		return c->row.created_wall_ns < term->created_wall_ns;
	case PS_SINCE:
		return c->row.created_wall_ns > term->created_wall_ns;
	case PS_KEYS:
		break;
	}

	return false;
}

bool ps_filter_matches(const struct ps_filter *filter, const struct engine_container *c)
{
	bool asked[PS_KEYS] = { false }, holds[PS_KEYS] = { false };

	for (size_t i = 0; i < filter->terms_len; i++) {
		const struct ps_term *term = &filter->terms[i];
		bool matches = term_matches(term, c);

		/* Labels all have to hold, as in Docker; of other keys one is enough. */
		holds[term->key] = asked[term->key] && term->key == PS_LABEL
					   ? holds[term->key] && matches
					   : holds[term->key] || matches;
		asked[term->key] = true;
	}
	for (int i = 0; i < PS_KEYS; i++)
		if (asked[i] && !holds[i])
			return false;

	return true;
}
