/* SPDX-License-Identifier: Apache-2.0
 *
 * merge.c - the names of one layer over those of the layers below it, as overlayfs shows them
 */
#include "image/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A folder of the layer, and the one that it becomes part of. */
struct pair {
	struct tree_node *layer, *merged;
};

struct merge {
	struct tree *merged;
	uint32_t number;
	struct pair *pairs; /* of the folders seen; those above come first */
	size_t pairs_len;
};

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

/* Before any name changes: a link's target is what is there below. */
static int pair_inode(void *ctx, struct tree_inode *inode, struct err *err)
{
	struct merge *m = ctx;
	int r;

	if (inode->nlink == 0)
		return 0;
	if (inode->below) {
		r = tree_link_target(m->merged, inode->below, &inode->twin, err);
		if (r < 0)
			return err_wrap(err, r, "hard link to \"%.80s%s\"", inode->below,
					strlen(inode->below) > 80 ? "..." : "");
		inode->twin->copied = true;
		return 0;
	}
	inode->twin = tree_make_inode(m->merged, merge_nid(m->number, inode->nid), inode->mode);

	return inode->twin ? 0 : out_of_memory(err);
}

static struct slice name_of(const struct tree_node *node)
{
	return (struct slice){ node->name, node->name_len };
}

static int put_dir(struct merge *m, struct tree_node *parent, struct tree_node *from,
		   struct err *err)
{
	struct tree_node *to = tree_find(m->merged, parent, name_of(from));
	bool seen_through = to && to->dir && !from->dir->opaque && !from->whiteout;
	int r = 0;

	if (to && !seen_through)
		tree_clear(m->merged, to);
	if (!seen_through || from->dir->named)
		r = tree_put_dir(m->merged, parent, name_of(from), &from->dir->attr, err);
	else
		to->dir->named = false;
	if (r < 0)
		return r;
	m->pairs[m->pairs_len++] =
		(struct pair){ from, tree_find(m->merged, parent, name_of(from)) };

	return 0;
}

static int put_name(struct merge *m, struct tree_node *parent, struct tree_node *from,
		    struct err *err)
{
	struct tree_node *to;

	if (from->dir)
		return put_dir(m, parent, from, err);
	if (from->inode)
		return tree_put_inode(m->merged, parent, name_of(from), from->inode->twin, err);
	to = tree_find(m->merged, parent, name_of(from));
	if (to)
		tree_clear(m->merged, to);

	return 0;
}

/* The root has no parent to be put into; its marks are looked at elsewhere. */
static int put_root(struct merge *m, struct tree_node *from, struct err *err)
{
	struct tree_node *to = tree_root(m->merged);

	m->pairs[m->pairs_len++] = (struct pair){ from, to };
	if (from->dir->named || m->number == 0)
		return tree_put_dir(m->merged, to, (struct slice){ 0 }, &from->dir->attr, err);
	to->dir->named = false;

	return 0;
}

int merge_layer(struct tree *merged, struct tree *layer, uint32_t number, struct err *err)
{
	auto_free struct pair *pairs = malloc(tree_len(layer) * sizeof(*pairs));
	struct merge m = { .merged = merged, .number = number, .pairs = pairs };
	int r = pairs ? tree_each_inode(layer, pair_inode, &m, err) : out_of_memory(err);

	if (r == 0)
		r = put_root(&m, tree_root(layer), err);
	for (size_t i = 0; r == 0 && i < m.pairs_len; i++)
		for (struct tree_node *node = m.pairs[i].layer->dir->children; r == 0 && node;
		     node = node->sibling)
			r = put_name(&m, m.pairs[i].merged, node, err);

	return r;
}
