/* SPDX-License-Identifier: Apache-2.0
 *
 * member.h - what a member of a layer's archive does to the layer's names
 */
#ifndef IMAGE_MEMBER_H
#define IMAGE_MEMBER_H

#include "base/err.h"
#include "image/tree.h"
#include "wire/tar.h"

/**
 * member_add() - Let the next member change the names
 * @t:		names of the members before it
 * @entry:	the member
 * @ret_attr:	what it says of its inode; points into @entry
 * @ret_inode:	a new inode, whose content is the caller's to keep; NULL when it made none: a
 *		folder, a hard link, a whiteout
 * @err:	filled in on failure, may be NULL
 *
 * A hard link to what the layer does not hold gets an inode with a path below: it is resolved where
 * the layers below are known (cover.h).
 *
 * Return: 0, -EINVAL for a refused name, -E2BIG beyond a limit, or -ENOMEM.
 */
int member_add(struct tree *t, const struct tar_entry *entry, struct tree_attr *ret_attr,
	       struct tree_inode **ret_inode, struct err *err);

#endif
