/* SPDX-License-Identifier: Apache-2.0
 *
 * cover.h - one more layer for an image, on top of its own
 *
 * A layer's file depends on its archive alone, so that images share it. Two things that an
 * archive may say depend on the layers below, and are said by a layer that is made at import:
 *
 *	a folder that a layer has files in but no member for: overlayfs shows the topmost layer's,
 *	which made it up (0755, root). The cover has it as the layer below names it.
 *
 *	a hard link to a file of a layer below. The layer's file hides the name, as any file of it
 *	would; the cover has a copy of the file under all the names that it has by then.
 *
 * The cover is a layer like others: an archive in canonical order, known by its digest, shared
 * by images that need the same one. It is in the store's list of the image's layers, and in no
 * document of the image. Most images need none: folders whose attributes differ from what is made
 * up in nothing but their time are left alone.
 */
#ifndef IMAGE_COVER_H
#define IMAGE_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "store/store.h"

/* Of what is copied for hard links, all in all. */
#define COVER_MAX_BYTES (16 * GIB)

/**
 * cover_make() - Bring the cover that an image needs
 * @s:		store
 * @diff_ids:	the image's own layers, lowest first, all in the store
 * @ret_diff_id: the cover, in the store like an ingested layer; "" when none is needed
 * @err:	filled in on failure, may be NULL
 *
 * Layers that cannot be shown at all are refused here. Must be called from a single-threaded
 * process.
 *
 * Return: 0; -ENOTSUP for a layer that hides all below it; -ENOENT for a hard link to what no
 *	   layer has; or another negative errno.
 */
int cover_make(struct store *s, const struct strv *diff_ids, char ret_diff_id[STORE_DIGEST_BYTES],
	       struct err *err);

/**
 * cover_is_needed() - Is there a chance that layers need a cover?
 * @traits:	erofs_get_traits() of each, lowest first
 * @len:	number of layers
 *
 * Return: false when there is none: then cover_write() would find nothing to write.
 */
bool cover_is_needed(const int *traits, size_t len);

/**
 * cover_write() - Write the archive of a cover
 * @skeleton_fds: of the layers, lowest first; borrowed
 * @layer_fds:	their EROFS files, borrowed
 * @len:	number of layers
 * @seed:	random bytes, for the tables of names; they do not show in the result
 * @out_fd:	empty file for the archive, borrowed
 * @err:	filled in on failure, may be NULL
 *
 * Pure but for the descriptors: it runs in a jail.
 *
 * Return: 1, 0 when no cover is needed (nothing is written), or a negative errno.
 */
int cover_write(const int *skeleton_fds, const int *layer_fds, size_t len, const uint8_t seed[16],
		int out_fd, struct err *err);

#endif
