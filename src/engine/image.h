/* SPDX-License-Identifier: Apache-2.0
 *
 * image.h - images by name
 *
 * What needs decompressors (import, save, bootstrap) is the helper hull-image's work: the
 * process becomes it. A @ref is a name, a digest, or the unique start of an id.
 */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "spec/image.h"
#include "store/store.h"

struct engine;

/**
 * struct engine_image - one image
 * @row:	what the store knows
 * @config:	its config document, decoded
 * @containers:	how many containers are made of it
 * @shared_bytes: of its layers, what another image has too; engine_image_list() only
 */
struct engine_image {
	struct store_image row;
	struct spec_image config;
	uint64_t containers;
	uint64_t shared_bytes;
};
void engine_image_done(struct engine_image *image);
DEFINE_AUTO_DONE(engine_image)

struct engine_images {
	struct engine_image *items;
	size_t len;
};
void engine_images_done(struct engine_images *list);
DEFINE_AUTO_DONE(engine_images)

/* Return: 0, -ENOENT with the hint that mends it, or another negative errno. */
int engine_image_find(struct engine *e, const char *ref, struct engine_image *ret, struct err *err);

/**
 * engine_image_list() - Images, newest first
 * @e:		engine
 * @filters:	dangling, label, before, since, reference, until; NULL: all
 * @ret:	those that match
 * @err:	kind USAGE for a bad filter
 *
 * A filter "reference" also takes the names off an image that do not match it.
 *
 * Return: 0 or a negative errno.
 */
int engine_image_list(struct engine *e, const struct strv *filters, struct engine_images *ret,
		      struct err *err);

/* What docker image inspect shows; the caller owns @ret. */
int engine_image_inspect(struct engine *e, const char *ref, json_t **ret, struct err *err);

/* What was taken away: names, then digests of images and layers. */
struct engine_image_removed {
	struct strv untagged, deleted;
};
void engine_image_removed_done(struct engine_image_removed *removed);
DEFINE_AUTO_DONE(engine_image_removed)

/* Remove a name, or the image with its last one; @force as docker rmi -f. */
int engine_image_remove(struct engine *e, const char *ref, bool force,
			struct engine_image_removed *ret, struct err *err);

/**
 * engine_image_prune() - Remove images that no container uses
 * @e:		engine
 * @all:	also those that have names
 * @filters:	until, label, dangling (wins over @all), as engine_prune() has checked them
 * @ret:	what went
 * @err:	filled in on failure
 *
 * Return: 0 or a negative errno.
 */
int engine_image_prune(struct engine *e, bool all, const struct strv *filters,
		       struct engine_image_removed *ret, struct err *err);

/* Give what @ref names one more name. 0, -ENOENT, or -EINVAL for a malformed name. */
int engine_image_tag(struct engine *e, const char *ref, const char *name, struct err *err);

/* ---- helper.c ---- */

/**
 * engine_image_helper() - Become hull-image
 * @root:	as in engine_open()
 * @run_root:	as in engine_open()
 * @quiet:	no progress
 * @args:	command and its arguments; texts of users only as values or behind "--"
 * @err:	why it could not be executed
 *
 * To be called without an open engine. Return: only on failure, a negative errno.
 */
int engine_image_helper(const char *root, const char *run_root, bool quiet, const struct strv *args,
			struct err *err);

/**
 * engine_image_verify() - Have hull-image verify every layer, and mend what can be mended
 * @e:		engine
 * @fn:		called for each finding
 * @ctx:	for @fn
 * @err:	filled in on failure
 *
 * Return: findings that are left, or a negative errno.
 */
int engine_image_verify(struct engine *e, void (*fn)(void *ctx, const char *what, bool mended),
			void *ctx, struct err *err);

#endif
