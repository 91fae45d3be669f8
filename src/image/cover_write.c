/* SPDX-License-Identifier: Apache-2.0
 *
 * cover_write.c - from the skeletons of an image's layers to the archive of its cover
 *
 * All layers' names are merged (merge.h); what the cover has to hold is marked in the merged
 * tree by a nid that is not 0, with all folders above it, since a folder of the cover hides the
 * attributes of those below it. Folders come first, by path, then files in the order of the
 * archives they are copied from, each followed by its other names.
 */
#include "image/cover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/member.h"
#include "image/merge.h"
#include "image/skeleton.h"
#include "image/tree.h"
#include "wire/tar.h"
#include "wire/tar_file.h"

/* A name that the cover has. */
struct name {
	struct tree_node *node;
	char *path;
};

struct names {
	struct name *items;
	size_t len;
};

struct cover {
	struct tree *merged;
	struct names folders; /* of the merged tree; later, those that are marked */
	struct names links;   /* whose inode is copied */
	struct tar_writer tar;
	struct tar_file file;
	uint64_t out_bytes; /* those that wait in @file, too */
};

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->len; i++)
		free(names->items[i].path);
	free(names->items);
}

static void cover_done(struct cover *c)
{
	names_done(&c->folders);
	names_done(&c->links);
	tree_free(c->merged);
	tar_file_done(&c->file);
}
DEFINE_AUTO_DONE(cover)

static int names_add(struct names *names, struct tree_node *node, struct err *err)
{
	/* Doubled at powers of two. */
	if ((names->len & (names->len - 1)) == 0) {
		size_t room = names->len ? names->len * 2 : 1;
		struct name *items = realloc(names->items, room * sizeof(*items));

		if (!items)
			return out_of_memory(err);
		names->items = items;
	}
	names->items[names->len++] = (struct name){ .node = node };

	return 0;
}

/* ---- reading ---- */

struct layer_walk {
	struct tree *tree;
	uint64_t members;
};

static int on_member(void *ctx, const struct tar_entry *entry, struct err *err)
{
	struct layer_walk *w = ctx;
	struct tree_inode *inode;
	struct tree_attr attr;
	int r = member_add(w->tree, entry, &attr, &inode, err);

	w->members++;
	if (r == 0 && inode)
		inode->nid = w->members;

	return r;
}

static int add_layer(struct cover *c, int skeleton_fd, uint32_t number, const uint8_t seed[16],
		     struct err *err)
{
	static const struct tar_reader_ops ops = { .entry = on_member };
	auto_ptr(tree) *tree = tree_new(seed);
	struct layer_walk walk = { .tree = tree };
	auto_ptr(tar_reader) *reader = tar_reader_new(&ops, &walk);
	int r;

	if (!tree || !reader)
		return out_of_memory(err);
	r = skeleton_walk(skeleton_fd, -1, NULL, reader, err);

	return r < 0 ? r : merge_layer(c->merged, tree, number, err);
}

/* ---- choosing ---- */

static void mark(struct tree_node *node)
{
	for (; node && node->dir->nid == 0; node = node->parent)
		node->dir->nid = 1;
}

/* All folders are seen; those that the cover needs are marked, files that it needs are listed. */
static int choose(struct cover *c, struct err *err)
{
	int r = names_add(&c->folders, tree_root(c->merged), err);

	for (size_t i = 0; r == 0 && i < c->folders.len; i++) {
		struct tree_node *folder = c->folders.items[i].node;

		if (!folder->dir->named && !tree_attr_is_made_up(&folder->dir->attr))
			mark(folder);
		for (struct tree_node *node = folder->dir->children; r == 0 && node;
		     node = node->sibling) {
			if (node->dir)
				r = names_add(&c->folders, node, err);
			if (!node->inode || !node->inode->copied)
				continue;
			mark(folder);
			r = names_add(&c->links, node, err);
		}
	}

	return r;
}

static void keep_marked(struct names *folders)
{
	size_t kept = 0;

	for (size_t i = 0; i < folders->len; i++)
		if (folders->items[i].node->dir->nid != 0)
			folders->items[kept++] = folders->items[i];
	folders->len = kept;
}

/* "a/b/" for a folder, "a/b" for a file, "./" for the root. */
static char *path_of(const struct tree_node *node)
{
	size_t len = node->parent ? 0 : 2;
	char *path, *at;

	for (const struct tree_node *n = node; n->parent; n = n->parent)
		len += n->name_len + 1U;
	path = malloc(len + 1);
	if (!path)
		return NULL;
	memcpy(path, "./", node->parent ? 0 : 2);
	at = path + len;
	*at = '\0';
	for (const struct tree_node *n = node; n->parent; n = n->parent) {
		*--at = '/';
		at -= n->name_len;
		memcpy(at, n->name, n->name_len);
	}
	if (!node->dir)
		path[len - 1] = '\0';

	return path;
}

static uint64_t nid_of(const struct name *name)
{
	return name->node->inode ? name->node->inode->nid : 0;
}

static int by_origin(const void *a, const void *b)
{
	uint64_t x = nid_of(a), y = nid_of(b);

	return x != y ? (x < y ? -1 : 1)
		      : strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

static int name_and_sort(struct names *names, struct err *err)
{
	for (size_t i = 0; i < names->len; i++) {
		names->items[i].path = path_of(names->items[i].node);
		if (!names->items[i].path)
			return out_of_memory(err);
	}
	if (names->len > 0)
		qsort(names->items, names->len, sizeof(*names->items), by_origin);

	return 0;
}

/* ---- writing ---- */

static int too_large(struct err *err)
{
	return err_setk(err, ERR_USAGE, EFBIG, "hard links to lower layers name more than %llu GiB",
			COVER_MAX_BYTES / GIB);
}

static int to_file(void *ctx, const void *buf, size_t len, struct err *err)
{
	struct cover *c = ctx;

	if (len > COVER_MAX_BYTES - c->out_bytes)
		return too_large(err);
	c->out_bytes += len;

	return tar_file_write(&c->file, buf, len, err);
}

static int put_folders(struct cover *c, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->folders.len; i++) {
		const struct tree_attr *attr = &c->folders.items[i].node->dir->attr;
		const struct tar_entry entry = { .type = TAR_DIR,
						 .name = c->folders.items[i].path,
						 .mode = attr->mode & 07777,
						 .uid = attr->uid,
						 .gid = attr->gid,
						 .mtime_s = attr->mtime_s,
						 .mtime_ns = attr->mtime_ns,
						 .xattrs = attr->xattrs,
						 .xattrs_len = attr->xattrs_len };

		r = tar_writer_entry(&c->tar, &entry, err);
	}

	return r;
}

/* Copies members of one layer's archive as they pass. */
struct copier {
	struct cover *cover;
	uint32_t layer;
	uint64_t members;
	size_t at; /* in @cover->links: what comes next */
	bool copying;
};

static bool is_next(const struct copier *cp, uint64_t nid)
{
	const struct names *links = &cp->cover->links;

	return cp->at < links->len && nid_of(&links->items[cp->at]) == nid;
}

static int copy_entry(void *ctx, const struct tar_entry *entry, struct err *err)
{
	struct copier *cp = ctx;
	struct tar_entry copy = *entry;

	cp->members++;
	cp->copying = is_next(cp, merge_nid(cp->layer, cp->members));
	if (!cp->copying)
		return 0;
	copy.name = cp->cover->links.items[cp->at].path;
	/* Said before a file is written that would be cut off. */
	if (tar_entry_data_bytes(entry) > COVER_MAX_BYTES - cp->cover->out_bytes)
		return too_large(err);

	return tar_writer_entry(&cp->cover->tar, &copy, err);
}

static int copy_data(void *ctx, uint64_t offset_bytes, const void *buf, size_t len, struct err *err)
{
	struct copier *cp = ctx;

	(void)offset_bytes; /* the map of a sparse file, written with its entry, has it */

	return cp->copying ? tar_writer_data(&cp->cover->tar, buf, len, err) : 0;
}

static int copy_end(void *ctx, struct err *err)
{
	struct copier *cp = ctx;
	const struct name *first = &cp->cover->links.items[cp->at];
	int r = 0;

	if (!cp->copying)
		return 0;
	for (cp->at++; r == 0 && is_next(cp, nid_of(first)); cp->at++) {
		const struct tar_entry link = { .type = TAR_HARDLINK,
						.name = cp->cover->links.items[cp->at].path,
						.link = first->path };

		r = tar_writer_entry(&cp->cover->tar, &link, err);
	}

	return r;
}

static int copy_links(struct cover *c, const int *skeleton_fds, const int *layer_fds,
		      struct err *err)
{
	static const struct tar_reader_ops ops = { copy_entry, copy_data, copy_end, NULL };
	struct copier cp = { .cover = c };

	while (cp.at < c->links.len) {
		uint32_t layer = (uint32_t)(nid_of(&c->links.items[cp.at]) >> 32);
		auto_ptr(tar_reader) *reader = tar_reader_new(&ops, &cp);
		size_t before = cp.at;
		int r;

		if (!reader)
			return out_of_memory(err);
		cp.layer = layer;
		cp.members = 0;
		r = skeleton_walk(skeleton_fds[layer], layer_fds[layer], &cp.copying, reader, err);
		if (r < 0)
			return r;
		/* What was counted in its members is in them, unless they have changed since. */
		if (cp.at == before)
			return err_set(err, EUCLEAN, "a layer changes while it is read");
	}

	return 0;
}

int cover_write(const int *skeleton_fds, const int *layer_fds, size_t len, const uint8_t seed[16],
		int out_fd, struct err *err)
{
	auto_done(cover) c = { .merged = tree_new(seed) };
	int r = c.merged ? tar_file_init(&c.file, out_fd, err) : out_of_memory(err);

	for (size_t i = 0; r == 0 && i < len; i++)
		r = add_layer(&c, skeleton_fds[i], (uint32_t)i, seed, err);
	if (r == 0)
		r = choose(&c, err);
	if (r < 0)
		return r;
	keep_marked(&c.folders);
	if (c.folders.len == 0)
		return 0;
	r = name_and_sort(&c.folders, err);
	if (r == 0)
		r = name_and_sort(&c.links, err);
	tar_writer_init(&c.tar, to_file, &c);
	if (r == 0)
		r = put_folders(&c, err);
	if (r == 0)
		r = copy_links(&c, skeleton_fds, layer_fds, err);
	if (r == 0)
		r = tar_writer_finish(&c.tar, err);
	if (r == 0)
		r = tar_file_flush(&c.file, err);

	return r < 0 ? r : 1;
}
