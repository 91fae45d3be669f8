/* SPDX-License-Identifier: Apache-2.0
 *
 * volume.c - volumes by name
 */
#include "engine/volume.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/filter.h"
#include "engine/internal.h"
#include "wire/json.h"

int engine_volume_create(struct engine *e, const char *name, const struct strv *labels,
			 struct store_volume *ret, struct err *err)
{
	bool is_new;

	return store_volume_make(e->store, name, labels, ret, &is_new, err);
}

static bool name_contains(const void *thing, const char *value)
{
	return strstr(thing, value) != NULL;
}

static bool driver_is(const void *thing, const char *value)
{
	return strcmp(thing, value) == 0;
}

/* Move those of @all that match to @ret. */
static int select_volumes(struct engine *e, const struct strv *filters, struct store_volumes *all,
			  struct store_volumes *ret, struct err *err)
{
	bool dangling = false, given = false;
	int r = filter_bool(filters, "dangling", &dangling, err);

	for (size_t i = 0; filters && i < filters->len; i++)
		given = given || filter_value(filters, i, "dangling");
	for (size_t i = 0; r == 0 && i < all->len; i++) {
		struct store_volume *v = &all->items[i];
		auto_done(strv) users = { 0 };

		if (!filter_match(filters, "name", name_contains, v->name) ||
		    !filter_match(filters, "driver", driver_is, "local") ||
		    !filter_labels(filters, &v->labels))
			continue;
		if (given)
			r = store_volume_users(e->store, v->name, &users, err);
		if (r < 0 || (given && dangling != (users.len == 0)))
			continue;
		ret->items[ret->len++] = *v;
		*v = (struct store_volume){ 0 };
	}

	return r;
}

int engine_volume_list(struct engine *e, const struct strv *filters, struct store_volumes *ret,
		       struct err *err)
{
	static const char *const keys[] = { "name", "label", "label!", "dangling", "driver", NULL };
	auto_done(store_volumes) all = { 0 };
	auto_done(store_volumes) list = { 0 };
	int r = filter_check(filters, keys, err);

	if (r == 0)
		r = store_volume_list(e->store, &all, err);
	list.items = mem_calloc(all.len, sizeof(*list.items));
	if (r == 0)
		r = select_volumes(e, filters, &all, &list, err);
	if (r < 0)
		return r;
	*ret = list;
	list = (struct store_volumes){ 0 };

	return 0;
}

static json_t *labels_json(const struct strv *labels)
{
	json_t *object = json_object();

	for (size_t i = 0; i < labels->len; i++) {
		const char *label = labels->items[i], *equals = strchr(label, '=');
		auto_free char *key =
			mem_strndup(label, equals ? (size_t)(equals - label) : strlen(label));

		json_set_text(object, key, equals ? equals + 1 : "");
	}

	return object;
}

int engine_volume_inspect(struct engine *e, const char *name, json_t **ret, struct err *err)
{
	auto_done(store_volume) v = { 0 };
	char created[CLOCK_RFC3339_BYTES];
	json_t *doc;
	int r = store_volume_find(e->store, name, &v, err);

	if (r < 0)
		return r;
	doc = json_object();
	json_set_text(doc, "CreatedAt", clock_rfc3339(v.created_wall_ns, created));
	json_set_text(doc, "Driver", "local");
	json_object_set_new(doc, "Labels", labels_json(&v.labels));
	json_set_text(doc, "Mountpoint", v.path);
	json_set_text(doc, "Name", v.name);
	json_object_set_new(doc, "Options", json_object());
	json_set_text(doc, "Scope", "local");
	*ret = doc;

	return 0;
}

int engine_volume_links(struct engine *e, const char *name, size_t *ret, struct err *err)
{
	auto_done(strv) users = { 0 };
	int r = store_volume_users(e->store, name, &users, err);

	if (r == 0)
		*ret = users.len;

	return r;
}

int engine_volume_bytes(struct engine *e, const char *name, uint64_t *ret_bytes, struct err *err)
{
	return store_volume_usage(e->store, name, ret_bytes, err);
}

int engine_volume_remove(struct engine *e, const char *name, bool force, struct err *err)
{
	struct err why = ERR_INIT;
	int r = store_volume_remove(e->store, name, &why);

	if (r == -ENOENT && force)
		return 0;
	if (r < 0 && err)
		*err = why;

	return r;
}

int engine_volume_prune(struct engine *e, bool all, const struct strv *filters,
			struct strv *ret_names, struct err *err)
{
	static const char *const listed[] = { "label", "label!", NULL };
	auto_done(store_volumes) list = { 0 };
	auto_done(strv) kept = { 0 };
	int r = filter_keep(filters, listed, &kept);

	if (r == 0)
		r = engine_volume_list(e, &kept, &list, err);
	for (size_t i = 0; r == 0 && i < list.len; i++) {
		const struct store_volume *v = &list.items[i];
		auto_done(strv) users = { 0 };

		if (!all && !v->anonymous)
			continue;
		r = store_volume_users(e->store, v->name, &users, err);
		if (r < 0 || users.len > 0)
			continue;
		r = store_volume_remove(e->store, v->name, err);
		if (r == 0)
			r = strv_add(ret_names, v->name);
		else if (r == -EBUSY || r == -ENOENT)
			r = 0; /* used, or removed, meanwhile */
	}

	return r;
}
