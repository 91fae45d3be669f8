/* SPDX-License-Identifier: Apache-2.0
 *
 * image.c - images by name: finding, filtering, removing
 */
#include "engine/image.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"
#include "engine/filter.h"
#include "engine/internal.h"
#include "wire/json.h"

void engine_image_done(struct engine_image *image)
{
	store_image_done(&image->row);
	spec_image_done(&image->config);
	image->containers = image->shared_bytes = 0;
}

void engine_images_done(struct engine_images *list)
{
	for (size_t i = 0; i < list->len; i++)
		engine_image_done(&list->items[i]);
	free(list->items);
	*list = (struct engine_images){ 0 };
}

void engine_image_removed_done(struct engine_image_removed *removed)
{
	strv_done(&removed->untagged);
	strv_done(&removed->deleted);
}

static void count_containers(const struct store_containers *all, struct engine_image *image)
{
	for (size_t i = 0; i < all->len; i++)
		image->containers += strcmp(all->items[i].image_id, image->row.id) == 0;
}

/* @image->row is there; the rest is filled in. */
static int complete(const struct store_containers *all, struct engine_image *image, struct err *err)
{
	int r = spec_image_decode(image->row.config, image->row.config_len, &image->config, err);

	if (r < 0)
		return err_wrap(err, r, "read image %.19s", image->row.id);
	count_containers(all, image);

	return 0;
}

int engine_image_find(struct engine *e, const char *ref, struct engine_image *ret, struct err *err)
{
	auto_done(store_containers) all = { 0 };
	auto_done(engine_image) image = { 0 };
	int r = store_image_find(e->store, ref, &image.row, err);

	if (r == 0)
		r = store_container_list(e->store, &all, err);
	if (r == 0)
		r = complete(&all, &image, err);
	if (r < 0)
		return r;
	*ret = image;
	image = (struct engine_image){ 0 };

	return 0;
}

/* ---- filters ---- */

/* The filters of one listing, with references and times looked up. */
struct wanted {
	const struct strv *filters;
	bool dangling_given, dangling;
	int64_t before_ns, since_ns; /* created in between; 0: no limit */
};

static int wanted_init(struct wanted *w, struct engine *e, const struct strv *filters,
		       struct err *err)
{
	static const char *const keys[] = { "dangling", "label", "label!",    "before",
					    "since",	"until", "reference", NULL };
	int r = filter_check(filters, keys, err);

	*w = (struct wanted){ .filters = filters };
	if (r == 0)
		r = filter_bool(filters, "dangling", &w->dangling, err);
	if (r == 0)
		r = filter_time(filters, "until", &w->before_ns, err);
	for (size_t i = 0; r == 0 && filters && i < filters->len; i++) {
		const char *before = filter_value(filters, i, "before");
		const char *since = filter_value(filters, i, "since");
		auto_done(store_image) other = { 0 };

		w->dangling_given = w->dangling_given || filter_value(filters, i, "dangling");
		if (!before && !since)
			continue;
		r = store_image_find(e->store, before ? before : since, &other, err);
		if (before)
			w->before_ns = other.created_wall_ns;
		else
			w->since_ns = other.created_wall_ns;
	}

	return r;
}

/* Docker's rule: the pattern is for the name without its tag, unless it has one. */
static bool reference_matches(const void *thing, const char *pattern)
{
	const char *name = thing, *colon = strrchr(name, ':');
	auto_free char *path = mem_strndup(name, (size_t)(colon - name));

	return fnmatch(pattern, name, FNM_PATHNAME) == 0 ||
	       fnmatch(pattern, path, FNM_PATHNAME) == 0;
}

static void keep_matching_names(const struct strv *filters, struct strv *names)
{
	auto_done(strv) kept = { 0 };

	for (size_t i = 0; i < names->len; i++)
		if (filter_match(filters, "reference", reference_matches, names->items[i]))
			(void)strv_add(&kept, names->items[i]);
	strv_done(names);
	*names = kept;
	kept = (struct strv){ 0 };
}

static bool image_matches(const struct wanted *w, struct engine_image *image)
{
	int64_t created_ns = image->row.created_wall_ns;

	if ((w->dangling_given && w->dangling != (image->row.names.len == 0)) ||
	    (w->before_ns && created_ns >= w->before_ns) ||
	    (w->since_ns && created_ns <= w->since_ns) ||
	    !filter_labels(w->filters, &image->config.labels))
		return false;
	/* An image without names matches no pattern for names. */
	if (image->row.names.len == 0)
		return filter_match(w->filters, "reference", reference_matches, ":");
	keep_matching_names(w->filters, &image->row.names);

	return image->row.names.len > 0;
}

static bool has_layer(const struct store_image *image, const char *diff_id)
{
	for (size_t i = 0; i < image->layers_len; i++)
		if (strcmp(image->layers[i].diff_id, diff_id) == 0)
			return true;

	return false;
}

/* Bytes of the layers of image @which that another of @rows has too. */
static uint64_t shared_bytes(const struct store_images *rows, size_t which)
{
	const struct store_image *image = &rows->items[which];
	uint64_t bytes = 0;

	for (size_t l = 0; l < image->layers_len; l++) {
		const struct store_layer *layer = &image->layers[l];
		bool shared = false;

		for (size_t i = 0; i < rows->len && !shared; i++)
			shared = i != which && has_layer(&rows->items[i], layer->diff_id);
		bytes += shared ? layer->file_bytes : 0;
	}

	return bytes;
}

int engine_image_list(struct engine *e, const struct strv *filters, struct engine_images *ret,
		      struct err *err)
{
	auto_done(store_containers) all = { 0 };
	auto_done(store_images) rows = { 0 };
	auto_done(engine_images) list = { 0 };
	struct wanted wanted;
	int r = wanted_init(&wanted, e, filters, err);

	if (r == 0)
		r = store_image_list(e->store, &rows, err);
	if (r == 0)
		r = store_container_list(e->store, &all, err);
	list.items = mem_calloc(rows.len, sizeof(*list.items));
	for (size_t i = 0; r == 0 && i < rows.len; i++)
		list.items[i].shared_bytes = shared_bytes(&rows, i);
	for (size_t i = 0; r == 0 && i < rows.len; i++) {
		auto_done(engine_image) image = {
			.row = rows.items[i],
			.shared_bytes = list.items[i].shared_bytes,
		};

		rows.items[i] = (struct store_image){ 0 };
		r = complete(&all, &image, err);
		if (r == 0 && image_matches(&wanted, &image)) {
			list.items[list.len++] = image;
			image = (struct engine_image){ 0 };
		}
	}
	if (r < 0)
		return r;
	*ret = list;
	list = (struct engine_images){ 0 };

	return 0;
}

/* ---- changes ---- */

int engine_image_remove(struct engine *e, const char *ref, bool force,
			struct engine_image_removed *ret, struct err *err)
{
	return store_image_remove(e->store, ref, force, &ret->untagged, &ret->deleted, err);
}

int engine_image_tag(struct engine *e, const char *ref, const char *name, struct err *err)
{
	return store_image_tag(e->store, ref, name, err);
}

int engine_image_prune(struct engine *e, bool all, const struct strv *filters,
		       struct engine_image_removed *ret, struct err *err)
{
	/* "dangling=false" means all here, but those with a name in a listing. */
	static const char *const listed[] = { "until", "label", "label!", NULL };
	auto_done(engine_images) list = { 0 };
	auto_done(strv) kept = { 0 };
	bool dangling = !all;
	int r = filter_bool(filters, "dangling", &dangling, err);

	if (r == 0)
		r = filter_keep(filters, listed, &kept);
	if (r == 0)
		r = engine_image_list(e, &kept, &list, err);
	for (size_t i = 0; r == 0 && i < list.len; i++) {
		const struct engine_image *image = &list.items[i];

		if (image->containers > 0 || (dangling && image->row.names.len > 0))
			continue;
		r = engine_image_remove(e, image->row.id, true, ret, err);
		/* Others may remove, or begin to use it, at the same time. */
		if (r == -ENOENT || r == -EBUSY)
			r = 0;
	}

	return r;
}

/* ---- inspect ---- */

/* {"name": {}, ...}, as Docker shows sets. */
static json_t *set_of(const struct strv *names)
{
	json_t *set = json_object();

	for (size_t i = 0; i < names->len; i++)
		json_object_set_new(set, names->items[i], json_object());

	return set;
}

static json_t *list_of(const struct strv *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->len; i++)
		json_array_append_new(list, json_string_nocheck(v->items[i]));

	return list;
}

/* The member "config" of the document as it stands there, with every member Docker shows. */
static int inspect_config(const struct engine_image *image, json_t **ret, struct err *err)
{
	const struct spec_image *c = &image->config;
	auto_json *doc = NULL;
	const json_t *found = NULL;
	json_t *config;
	int r = json_parse(image->row.config, image->row.config_len, "image config", &doc, err);

	if (r == 0)
		r = json_get_object(doc, "config", &found, err);
	if (r < 0)
		return r;
	config = found ? json_deep_copy(found) : json_object();
	json_set_text(config, "User", c->user ? c->user : "");
	json_set_text(config, "WorkingDir", c->working_dir ? c->working_dir : "");
	json_object_set_new(config, "Env", list_of(&c->env));
	json_object_set_new(config, "Cmd", c->cmd.len ? list_of(&c->cmd) : json_null());
	json_object_set_new(config, "Entrypoint",
			    c->entrypoint.len ? list_of(&c->entrypoint) : json_null());
	json_object_set_new(config, "Volumes", c->volumes.len ? set_of(&c->volumes) : json_null());
	if (!json_object_get(config, "Labels"))
		json_object_set_new(config, "Labels", json_null());
	*ret = config;

	return 0;
}

/* Name and manifest digest, for each repository that the image has a name in. */
static json_t *repo_digests(const struct store_image *row)
{
	json_t *list = json_array();

	for (size_t i = 0; i < row->names.len; i++) {
		const char *name = row->names.items[i];
		auto_free char *text = mem_printf("%.*s@%s", (int)(strrchr(name, ':') - name), name,
						  row->manifest_digest);

		json_array_append_new(list, json_string_nocheck(text));
	}

	return list;
}

static json_t *inspect_rootfs(const struct store_image *row)
{
	json_t *rootfs = json_object(), *layers = json_array();

	for (size_t i = 0; i < store_image_own_layers(row); i++)
		json_array_append_new(layers, json_string(row->layers[i].diff_id));
	json_set_text(rootfs, "Type", "layers");
	json_object_set_new(rootfs, "Layers", layers);

	return rootfs;
}

int engine_image_inspect(struct engine *e, const char *ref, json_t **ret, struct err *err)
{
	auto_done(engine_image) image = { 0 };
	const struct spec_image *c = &image.config;
	json_t *config = NULL, *doc;
	int r = engine_image_find(e, ref, &image, err);

	if (r == 0)
		r = inspect_config(&image, &config, err);
	if (r < 0)
		return r;
	doc = json_object();
	json_set_text(doc, "Id", image.row.id);
	json_object_set_new(doc, "RepoTags", list_of(&image.row.names));
	json_object_set_new(doc, "RepoDigests", repo_digests(&image.row));
	json_set_text(doc, "Parent", "");
	json_set_text(doc, "Comment", "");
	json_set_text(doc, "Created", c->created ? c->created : "");
	json_set_text(doc, "Author", c->author ? c->author : "");
	json_object_set_new(doc, "Config", config);
	json_set_text(doc, "Architecture", c->architecture ? c->architecture : "");
	if (c->variant)
		json_set_text(doc, "Variant", c->variant);
	json_set_text(doc, "Os", c->os ? c->os : "");
	json_set_i64(doc, "Size", (int64_t)image.row.size_bytes);
	json_object_set_new(doc, "RootFS", inspect_rootfs(&image.row));
	*ret = doc;

	return 0;
}
