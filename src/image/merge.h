/* SPDX-License-Identifier: Apache-2.0
 *
 * merge.h - the names of one layer over those of the layers below it, as overlayfs shows them
 *
 * In the merged tree a folder is "named" when its attributes are those that overlayfs shows: of
 * the topmost layer that has it. It is not for a folder that layers above only imply, and that a
 * layer below names: overlayfs then shows what the topmost layer made up. An inode is "copied"
 * when a layer links to it from above.
 */
#ifndef IMAGE_MERGE_H
#define IMAGE_MERGE_H

#include <stdint.h>

#include "base/err.h"
#include "image/tree.h"

/**
 * merge_layer() - Put a layer over what there is
 * @merged:	all layers below, or a new tree
 * @layer:	as member_add() made it; its inodes' @nid numbers them within the layer
 * @number:	of the layer, from 0
 * @err:	filled in on failure, may be NULL
 *
 * An inode of @merged has merge_nid() of where it comes from.
 *
 * Return: 0, -ENOENT when a hard link's target is in no layer below, -EINVAL when it is no file,
 *	   or -ENOMEM.
 */
int merge_layer(struct tree *merged, struct tree *layer, uint32_t number, struct err *err);

static inline uint64_t merge_nid(uint32_t layer, uint64_t nid)
{
	return (uint64_t)layer << 32 | nid;
}

#endif
