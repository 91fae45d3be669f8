/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs_dir.c - folders of an EROFS file, once all names are known
 *
 * A folder refers to its subfolders and to its parent by nid, so all of them get their place
 * first: sizes follow from the names alone. Then they are written in the same order: one run of
 * inodes with the ends of their entries, one run of whole blocks.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "image/erofs_priv.h"

enum entry_type {
	ENTRY_FILE = 1,
	ENTRY_DIR = 2,
	ENTRY_CHAR = 3,
	ENTRY_BLOCK = 4,
	ENTRY_FIFO = 5,
	ENTRY_SOCKET = 6,
	ENTRY_LINK = 7,
};

/* One folder: its entries are @first .. @first + @len of the list of all names. */
struct folder {
	struct tree_node *node;
	size_t first, len;
	size_t xattrs_len;
	uint64_t size_bytes;
	uint64_t block;
	bool inlined; /* the last, partial block follows the inode */
};

struct dirs {
	struct erofs *e;
	struct folder *folders;
	size_t folders_len;
	struct tree_node **names; /* sorted within each folder */
	size_t names_len;
	uint64_t whiteout_nid;
	uint64_t inodes_at; /* where the run of inodes starts */
};

/* A name as it stands in a folder: "." and ".." have no node. */
struct entry {
	const char *name;
	size_t len;
	uint64_t nid;
	enum entry_type type;
};

static void dirs_done(struct dirs *d)
{
	free(d->folders);
	free(d->names);
}
DEFINE_AUTO_DONE(dirs)

static int compare(const void *a, const void *b)
{
	const struct tree_node *x = *(struct tree_node *const *)a;
	const struct tree_node *y = *(struct tree_node *const *)b;
	int order = memcmp(x->name, y->name, MIN(x->name_len, y->name_len));

	return order ? order : x->name_len - y->name_len;
}

/* A link to a file of a layer below, too: in this layer the name does no more than hide. */
static bool is_whiteout(const struct tree_node *node)
{
	return !node->dir && (!node->inode || node->inode->below);
}

/* All folders, each before those in it, with their names sorted. */
static int gather(struct dirs *d, struct tree *tree, struct err *err)
{
	size_t len = tree_len(tree);

	d->folders = calloc(len, sizeof(*d->folders));
	d->names = calloc(len, sizeof(struct tree_node *));
	if (!d->folders || !d->names)
		return err_set(err, ENOMEM, "out of memory");
	d->folders[d->folders_len++] = (struct folder){ .node = tree_root(tree) };
	for (size_t i = 0; i < d->folders_len; i++) {
		struct folder *f = &d->folders[i];

		f->first = d->names_len;
		for (struct tree_node *n = f->node->dir->children; n; n = n->sibling) {
			d->names[d->names_len++] = n;
			if (n->dir)
				d->folders[d->folders_len++] = (struct folder){ .node = n };
		}
		f->len = d->names_len - f->first;
		qsort(d->names + f->first, f->len, sizeof(struct tree_node *), compare);
	}

	return 0;
}

static enum entry_type type_of_mode(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFCHR:
		return ENTRY_CHAR;
	case S_IFBLK:
		return ENTRY_BLOCK;
	case S_IFIFO:
		return ENTRY_FIFO;
	case S_IFSOCK:
		return ENTRY_SOCKET;
	case S_IFLNK:
		return ENTRY_LINK;
	default:
		return ENTRY_FILE;
	}
}

static struct entry entry_of_node(const struct dirs *d, const struct tree_node *node)
{
	struct entry entry = { .name = node->name, .len = node->name_len };

	if (is_whiteout(node)) {
		entry.nid = d->whiteout_nid;
		entry.type = ENTRY_CHAR;
	} else if (node->dir) {
		entry.nid = node->dir->nid;
		entry.type = ENTRY_DIR;
	} else {
		entry.nid = node->inode->nid;
		entry.type = type_of_mode(node->inode->mode);
	}

	return entry;
}

/*
 * Entries in the order of their bytes, "." and ".." among them: a walk with @at counting from 0.
 * Names that sort before "." are rare, but they exist.
 */
struct walk {
	const struct dirs *d;
	const struct folder *folder;
	size_t at;   /* of the folder's names */
	size_t dots; /* of "." and "..", how many are behind */
};

static bool before_dots(const struct walk *w)
{
	const struct tree_node *node;
	size_t dots_len = w->dots + 1;
	int order;

	if (w->at == w->folder->len)
		return false;
	node = w->d->names[w->folder->first + w->at];
	order = memcmp(node->name, "..", MIN(node->name_len, dots_len));

	return order < 0;
}

static bool walk_next(struct walk *w, struct entry *ret)
{
	const struct tree_node *self = w->folder->node;
	const struct tree_node *node;

	if (w->dots < 2 && !before_dots(w)) {
		node = w->dots == 0 || !self->parent ? self : self->parent;
		*ret = (struct entry){ "..", w->dots + 1, node->dir->nid, ENTRY_DIR };
		w->dots++;
		return true;
	}
	if (w->at == w->folder->len)
		return false;
	*ret = entry_of_node(w->d, w->d->names[w->folder->first + w->at++]);

	return true;
}

/* The next block of a folder: bytes used of it, 0 at the end. @block may be NULL to measure. */
static size_t next_block(struct walk *w, uint8_t *block)
{
	struct walk measure = *w;
	size_t count = 0, used = 0, name_at;
	struct entry entry;

	while (walk_next(&measure, &entry) &&
	       used + sizeof(struct erofs_dirent) + entry.len <= EROFS_BLOCK_BYTES) {
		used += sizeof(struct erofs_dirent) + entry.len;
		count++;
	}
	name_at = count * sizeof(struct erofs_dirent);
	for (size_t i = 0; i < count; i++) {
		struct erofs_dirent dirent;

		(void)walk_next(w, &entry);
		if (!block)
			continue;
		dirent = (struct erofs_dirent){ .nid = to_le64(entry.nid),
						.name_at = to_le16((uint16_t)name_at),
						.type = (uint8_t)entry.type };
		memcpy(block + i * sizeof(dirent), &dirent, sizeof(dirent));
		memcpy(block + name_at, entry.name, entry.len);
		name_at += entry.len;
	}

	return used;
}

static uint64_t size_of(const struct dirs *d, const struct folder *f)
{
	struct walk w = { .d = d, .folder = f };
	uint64_t size_bytes = 0;

	for (;;) {
		size_t used = next_block(&w, NULL);

		if (used == 0)
			return size_bytes;
		/* All but the last block count as full. */
		size_bytes =
			((size_bytes + EROFS_BLOCK_BYTES - 1) & ~(EROFS_BLOCK_BYTES - 1ULL)) + used;
	}
}

static bool is_opaque(const struct folder *f)
{
	return f->node->dir->opaque || f->node->whiteout;
}

static size_t tail_of(const struct folder *f)
{
	return f->inlined ? (size_t)(f->size_bytes & (EROFS_BLOCK_BYTES - 1)) : 0;
}

/* A place for every inode and, behind them all, for every whole block. */
static int assign(struct dirs *d, struct err *err)
{
	uint64_t at = d->inodes_at, blocks_at;

	for (size_t i = 0; i < d->folders_len; i++) {
		struct folder *f = &d->folders[i];
		struct tree_dir *dir = f->node->dir;
		size_t tail_len;
		int r;

		f->size_bytes = size_of(d, f);
		/* The root has its place in the first block, with no room for entries. */
		if (i == 0) {
			dir->nid = (EROFS_SUPER_AT + sizeof(struct erofs_super)) / EROFS_SLOT_BYTES;
			continue;
		}
		r = erofs_xattrs_encode(&d->e->xattrs, &dir->attr, is_opaque(f), err);
		if (r < 0)
			return r;
		f->xattrs_len = d->e->xattrs.len;
		tail_len = (size_t)(f->size_bytes & (EROFS_BLOCK_BYTES - 1));
		f->inlined = tail_len > 0 && erofs_tail_fits(f->xattrs_len, tail_len);
		at = erofs_inode_place(at, f->xattrs_len, tail_of(f));
		dir->nid = at / EROFS_SLOT_BYTES;
		at += sizeof(struct erofs_inode) + f->xattrs_len + tail_of(f);
	}
	blocks_at = (at + EROFS_BLOCK_BYTES - 1) >> EROFS_BLOCK_BITS;
	for (size_t i = 0; i < d->folders_len; i++) {
		struct folder *f = &d->folders[i];

		f->block = blocks_at;
		blocks_at +=
			(f->size_bytes - tail_of(f) + EROFS_BLOCK_BYTES - 1) >> EROFS_BLOCK_BITS;
	}

	return 0;
}

/* The last block of a folder, which is its tail. */
static void tail_block(const struct dirs *d, const struct folder *f, uint8_t *block)
{
	uint64_t whole = f->size_bytes >> EROFS_BLOCK_BITS;
	struct walk w = { .d = d, .folder = f };

	while (whole-- > 0)
		(void)next_block(&w, NULL);
	(void)next_block(&w, block);
}

static struct erofs_inode inode_of(struct erofs *e, const struct folder *f, size_t xattrs_len)
{
	const struct inode_info info = {
		.size_bytes = f->size_bytes,
		.layout = f->inlined ? EROFS_INLINE : EROFS_PLAIN,
		.block = (uint32_t)f->block,
		.nlink = f->node->dir->subdirs + 2,
	};

	return erofs_inode_make(e, &f->node->dir->attr, &info, xattrs_len);
}

static int write_inode(struct dirs *d, const struct folder *f, struct err *err)
{
	struct erofs *e = d->e;
	uint64_t at = f->node->dir->nid * EROFS_SLOT_BYTES;
	uint8_t block[EROFS_BLOCK_BYTES];
	struct erofs_inode inode;
	int r = erofs_xattrs_encode(&e->xattrs, &f->node->dir->attr, is_opaque(f), err);

	if (r < 0)
		return r;
	inode = inode_of(e, f, e->xattrs.len);
	r = erofs_sink_add(&e->sink, NULL, at - erofs_sink_at(&e->sink), err);
	if (r == 0)
		r = erofs_sink_add(&e->sink, &inode, sizeof(inode), err);
	if (r == 0)
		r = erofs_sink_add(&e->sink, strbuf_get(&e->xattrs), e->xattrs.len, err);
	if (r < 0 || !f->inlined)
		return r;
	tail_block(d, f, block);

	return erofs_sink_add(&e->sink, block, tail_of(f), err);
}

static int write_blocks(struct dirs *d, const struct folder *f, struct err *err)
{
	uint64_t left_bytes = f->size_bytes - tail_of(f);
	struct walk w = { .d = d, .folder = f };
	int r = 0;

	while (r == 0 && left_bytes > 0) {
		uint8_t block[EROFS_BLOCK_BYTES] = { 0 };

		(void)next_block(&w, block);
		r = erofs_sink_add(&d->e->sink, block, sizeof(block), err);
		left_bytes -= MIN(left_bytes, (uint64_t)sizeof(block));
	}

	return r;
}

/* All whiteouts are hard links of one inode. */
static int write_whiteout(struct dirs *d, struct tree *tree, struct err *err)
{
	const struct tree_attr attr = { .mode = S_IFCHR };
	struct tree_inode *inode;
	uint32_t nlink = 0;
	int r;

	for (size_t i = 0; i < d->names_len; i++)
		nlink += is_whiteout(d->names[i]);
	if (nlink == 0)
		return 0;
	r = erofs_special(d->e, &attr, 0, 0, &d->whiteout_nid, err);
	if (r < 0)
		return r;
	inode = tree_make_inode(tree, d->whiteout_nid, attr.mode);
	if (!inode)
		return err_set(err, ENOMEM, "out of memory");
	inode->nlink = nlink;

	return 0;
}

static void write_root(struct dirs *d, const struct strbuf *xattrs)
{
	uint8_t *at = d->e->head + EROFS_SUPER_AT + sizeof(struct erofs_super);
	struct erofs_inode inode = inode_of(d->e, &d->folders[0], xattrs->len);

	memcpy(at, &inode, sizeof(inode));
	if (xattrs->len > 0)
		memcpy(at + sizeof(inode), xattrs->text, xattrs->len);
}

static unsigned traits_of(const struct dirs *d)
{
	const struct tree_dir *root = d->folders[0].node->dir;
	unsigned traits = is_opaque(&d->folders[0]) ? EROFS_HIDES_ALL : 0;

	if (!root->named)
		traits |= EROFS_IMPLIES_ROOT;
	else if (!tree_attr_is_made_up(&root->attr))
		traits |= EROFS_SETS_ROOT;
	for (size_t i = 1; i < d->folders_len; i++)
		if (!d->folders[i].node->dir->named)
			traits |= EROFS_IMPLIES;

	return traits;
}

int erofs_dirs_write(struct erofs *e, struct tree *tree, struct err *err)
{
	auto_done(dirs) d = { .e = e };
	auto_done(strbuf) root_xattrs = STRBUF_INIT(EROFS_BLOCK_BYTES);
	int r = gather(&d, tree, err);

	if (r == 0)
		r = write_whiteout(&d, tree, err);
	if (r == 0)
		r = erofs_xattrs_encode_shared(e, &root_xattrs, &tree_root(tree)->dir->attr,
					       is_opaque(&d.folders[0]), err);
	if (r < 0)
		return r;
	d.inodes_at = erofs_sink_at(&e->sink);
	r = assign(&d, err);
	for (size_t i = 1; r == 0 && i < d.folders_len; i++)
		r = write_inode(&d, &d.folders[i], err);
	if (r == 0)
		r = erofs_sink_pad(&e->sink, err);
	for (size_t i = 0; r == 0 && i < d.folders_len; i++)
		r = write_blocks(&d, &d.folders[i], err);
	if (r == 0)
		write_root(&d, &root_xattrs);
	e->traits |= traits_of(&d);

	return r;
}
