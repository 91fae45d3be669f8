/* SPDX-License-Identifier: Apache-2.0
 *
 * system.c - disk space, clearing up, checking
 */
#include "engine/system.h"

#include <errno.h>

#include "base/macro.h"
#include "engine/filter.h"
#include "engine/internal.h"
#include "engine/volume.h"

int engine_usage(struct engine *e, struct store_usage *ret, struct err *err)
{
	return store_usage(e->store, ret, err);
}

/* ---- prune ---- */

void engine_pruned_done(struct engine_pruned *pruned)
{
	strv_done(&pruned->containers);
	strv_done(&pruned->volumes);
	engine_image_removed_done(&pruned->images);
}

/* Filters that containers know; "until" is about when they were made. */
static bool container_matches(const struct engine_container *c, const struct strv *filters,
			      int64_t until_wall_ns)
{
	if (c->state.status == ENGINE_RUNNING || c->state.status == ENGINE_PAUSED)
		return false;
	if (until_wall_ns && c->row.created_wall_ns >= until_wall_ns)
		return false;

	return filter_labels(filters, &c->config.labels);
}

static int prune_containers(struct engine *e, const struct strv *filters, struct strv *ret,
			    struct err *err)
{
	auto_done(engine_containers) list = { 0 };
	int64_t until_wall_ns = 0;
	int r = filter_time(filters, "until", &until_wall_ns, err);

	if (r == 0)
		r = engine_list(e, &list, err);
	for (size_t i = 0; r == 0 && i < list.len; i++) {
		const struct engine_container *c = &list.items[i];

		if (!container_matches(c, filters, until_wall_ns))
			continue;
		r = engine_remove(e, c->row.id, 0, err);
		if (r == 0)
			r = strv_add(ret, c->row.id);
		else if (r == -ENOENT || r == -EBUSY)
			r = 0; /* removed, or started, meanwhile */
	}

	return r;
}

/* What the kinds that are pruned know. Containers and images have an age, volumes have none. */
static const char *const *known_keys(unsigned flags)
{
	static const char *const some[] = { "until", "label", "label!", NULL };
	static const char *const of_images[] = { "until", "label", "label!", "dangling", NULL };
	static const char *const of_volumes[] = { "label", "label!", NULL };

	if (flags & ENGINE_PRUNE_CONTAINERS)
		return some;

	return flags & ENGINE_PRUNE_IMAGES ? of_images : of_volumes;
}

int engine_prune(struct engine *e, unsigned flags, const struct strv *filters,
		 struct engine_pruned *ret, struct err *err)
{
	struct store_usage before, after;
	int r = filter_check(filters, known_keys(flags), err);

	if (r == 0)
		r = store_usage(e->store, &before, err);
	if (r == 0 && (flags & ENGINE_PRUNE_CONTAINERS))
		r = prune_containers(e, filters, &ret->containers, err);
	if (r == 0 && (flags & ENGINE_PRUNE_VOLUMES))
		r = engine_volume_prune(e, flags & ENGINE_PRUNE_ALL_VOLUMES, filters, &ret->volumes,
					err);
	if (r == 0 && (flags & ENGINE_PRUNE_IMAGES))
		r = engine_image_prune(e, flags & ENGINE_PRUNE_ALL_IMAGES, filters, &ret->images,
				       err);
	if (r == 0)
		r = store_usage(e->store, &after, err);
	if (r == 0)
		ret->bytes = before.total_bytes - MIN(before.total_bytes, after.total_bytes);

	return r;
}

/* ---- check ---- */

int engine_check(struct engine *e, bool repair,
		 void (*fn)(void *ctx, const char *what, bool mended), void *ctx, struct err *err)
{
	/* Ends that nobody has recorded yet are not findings: recording them is part of listing. */
	auto_done(engine_containers) list = { 0 };
	int left, damaged = 0, r = engine_list(e, &list, err);

	if (r < 0)
		return r;
	left = store_check(e->store, repair, fn, ctx, err);
	if (left >= 0 && repair)
		damaged = engine_image_verify(e, fn, ctx, err);

	return left < 0 || damaged < 0 ? MIN(left, damaged) : left + damaged;
}
