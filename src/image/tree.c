/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.c - the names of a layer in a hash table, and in lists by folder
 *
 * Everything lives in an arena that only grows: what a later member replaces is dropped from
 * table and lists, and its memory stays until the end. The number of members is bounded by
 * whoever feeds the tree, and so is the memory.
 */
#include "image/tree.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define ARENA_BYTES (256 * KIB)
#define BUCKETS_FIRST 1024
#define MADE_UP_MODE 0755

struct arena_block {
	struct arena_block *next;
	size_t used, room;
	_Alignas(16) unsigned char bytes[];
};

/* Inodes are kept in blocks of their own, so that they can be walked. */
#define INODES_PER_BLOCK 1024
struct inode_block {
	struct inode_block *next;
	size_t len;
	struct tree_inode items[INODES_PER_BLOCK];
};

struct tree {
	uint64_t seed[2];
	struct arena_block *arena;
	struct inode_block *inodes_first, *inodes_last;
	struct tree_node *root;
	struct tree_node **buckets;
	size_t buckets_len; /* a power of two */
	size_t len;
};

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

static void *arena_take(struct tree *t, size_t bytes)
{
	struct arena_block *block = t->arena;
	void *mem;

	bytes = (bytes + 15) & ~(size_t)15;
	if (!block || block->room - block->used < bytes) {
		size_t room = MAX(bytes, (size_t)ARENA_BYTES);

		block = malloc(sizeof(*block) + room);
		if (!block)
			return NULL;
		*block = (struct arena_block){ .next = t->arena, .room = room };
		t->arena = block;
	}
	mem = block->bytes + block->used;
	block->used += bytes;

	return memset(mem, 0, bytes);
}

static struct tree_node *make_node(struct tree *t, struct slice name)
{
	struct tree_node *node = arena_take(t, sizeof(*node) + name.len + 1);

	if (!node)
		return NULL;
	node->name_len = (uint8_t)name.len;
	if (name.len > 0)
		memcpy(node->name, name.at, name.len);

	return node;
}

bool tree_attr_is_made_up(const struct tree_attr *attr)
{
	return (attr->mode & 07777) == MADE_UP_MODE && attr->uid == 0 && attr->gid == 0 &&
	       attr->xattrs_len == 0;
}

static struct tree_dir *make_dir(struct tree *t)
{
	struct tree_dir *dir = arena_take(t, sizeof(*dir));

	if (dir)
		dir->attr.mode = S_IFDIR | MADE_UP_MODE;

	return dir;
}

struct tree *tree_new(const uint8_t seed[16])
{
	struct tree *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	memcpy(t->seed, seed, sizeof(t->seed));
	t->buckets_len = BUCKETS_FIRST;
	t->buckets = calloc(t->buckets_len, sizeof(struct tree_node *));
	t->root = make_node(t, (struct slice){ 0 });
	if (t->root)
		t->root->dir = make_dir(t);
	if (!t->buckets || !t->root || !t->root->dir) {
		tree_free(t);
		return NULL;
	}
	t->len = 1;

	return t;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	for (struct arena_block *block = t->arena, *next; block; block = next) {
		next = block->next;
		free(block);
	}
	for (struct inode_block *block = t->inodes_first, *next; block; block = next) {
		next = block->next;
		free(block);
	}
	free(t->buckets);
	free(t);
}

struct tree_node *tree_root(struct tree *t)
{
	return t->root;
}

size_t tree_len(const struct tree *t)
{
	return t->len;
}

/* ---- the table: SipHash-2-4 of the name, with the parent as part of the key ---- */

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

static uint64_t hash_of(const struct tree *t, const struct tree_node *parent, struct slice name)
{
	uint64_t v[4] = { t->seed[0] ^ 0x736f6d6570736575, t->seed[1] ^ 0x646f72616e646f6d,
			  t->seed[0] ^ 0x6c7967656e657261, t->seed[1] ^ 0x7465646279746573 };

	sip_word(v, (uint64_t)(uintptr_t)parent);
	for (size_t i = 0; i < name.len; i += sizeof(uint64_t)) {
		uint64_t word = 0;

		memcpy(&word, name.at + i, MIN(name.len - i, sizeof(word)));
		sip_word(v, word);
	}
	sip_word(v, name.len);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);

	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct tree_node *lookup(const struct tree *t, const struct tree_node *parent,
				struct slice name, uint64_t hash)
{
	struct tree_node *node = t->buckets[hash & (t->buckets_len - 1)];

	while (node && (node->hash != hash || node->parent != parent ||
			node->name_len != name.len || memcmp(node->name, name.at, name.len) != 0))
		node = node->hash_next;

	return node;
}

struct tree_node *tree_find(const struct tree *t, const struct tree_node *parent, struct slice name)
{
	return lookup(t, parent, name, hash_of(t, parent, name));
}

/* A table that cannot grow stays as it is: slower, not wrong. */
static void grow_table(struct tree *t)
{
	size_t len = t->buckets_len * 2;
	struct tree_node **buckets = calloc(len, sizeof(struct tree_node *));

	if (!buckets)
		return;
	for (size_t i = 0; i < t->buckets_len; i++) {
		for (struct tree_node *node = t->buckets[i], *next; node; node = next) {
			next = node->hash_next;
			node->hash_next = buckets[node->hash & (len - 1)];
			buckets[node->hash & (len - 1)] = node;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->buckets_len = len;
}

static void link_node(struct tree *t, struct tree_node *parent, struct tree_node *node)
{
	struct tree_node **bucket;

	if (t->len >= t->buckets_len)
		grow_table(t);
	bucket = &t->buckets[node->hash & (t->buckets_len - 1)];
	node->parent = parent;
	node->hash_next = *bucket;
	*bucket = node;
	node->sibling = parent->dir->children;
	parent->dir->children = node;
	t->len++;
}

static void unhash(struct tree *t, struct tree_node *node)
{
	struct tree_node **at = &t->buckets[node->hash & (t->buckets_len - 1)];

	while (*at != node)
		at = &(*at)->hash_next;
	*at = node->hash_next;
	t->len--;
}

/* The node of that name, made when it is not there. */
static struct tree_node *need_node(struct tree *t, struct tree_node *parent, struct slice name)
{
	uint64_t hash = hash_of(t, parent, name);
	struct tree_node *node = lookup(t, parent, name, hash);

	if (node)
		return node;
	node = make_node(t, name);
	if (!node)
		return NULL;
	node->hash = hash;
	link_node(t, parent, node);

	return node;
}

/*
 * All below @top goes. Children are taken off one folder at a time and pushed in front of a
 * list, so that depth costs no stack.
 */
static void drop_children(struct tree *t, struct tree_node *top)
{
	struct tree_node *list = top->dir->children;

	while (list) {
		struct tree_node *node = list;

		list = node->sibling;
		unhash(t, node);
		if (node->inode)
			node->inode->nlink--;
		if (node->dir && node->dir->children) {
			struct tree_node *last = node->dir->children;

			while (last->sibling)
				last = last->sibling;
			last->sibling = list;
			list = node->dir->children;
		}
	}
	top->dir = NULL;
	top->parent->dir->subdirs--;
}

/* ---- paths ---- */

static int refuse(struct err *err, const char *why)
{
	return err_setk(err, ERR_USAGE, EINVAL, "%s", why);
}

/* The next name of a path; skips empty ones and ".". False at the end. */
static bool next_name(struct slice *rest, struct slice *ret_name)
{
	while (slice_next(rest, '/', ret_name))
		if (ret_name->len > 0 && !slice_eq(*ret_name, "."))
			return true;

	return false;
}

static int check_name(struct slice name, struct err *err)
{
	if (slice_eq(name, ".."))
		return refuse(err, "'..' could lead out of the root");
	if (name.len > TREE_MAX_NAME_BYTES)
		return refuse(err, "a name is longer than 255 bytes");

	return 0;
}

/* @node must be a folder to go through; one of which nothing is known becomes one. */
static int need_dir(struct tree *t, struct tree_node *node, struct err *err)
{
	if (node->inode)
		return refuse(err, S_ISLNK(node->inode->mode)
					   ? "it leads through a symbolic link of this layer"
					   : "it leads through something that is no folder");
	if (node->dir)
		return 0;
	node->dir = make_dir(t);
	if (!node->dir)
		return out_of_memory(err);
	node->parent->dir->subdirs++;

	return 0;
}

int tree_place(struct tree *t, const char *path, struct tree_node **ret_parent,
	       struct slice *ret_name, struct err *err)
{
	struct slice rest = slice_of(path), name, next;
	struct tree_node *node = t->root;
	bool more;
	int r;

	if (path[0] == '/')
		return refuse(err, "the name is absolute");
	*ret_name = (struct slice){ 0 };
	more = next_name(&rest, &name);
	for (size_t depth = 1; more; depth++) {
		r = check_name(name, err);
		if (r < 0)
			return r;
		if (depth > TREE_MAX_DEPTH)
			return err_setk(err, ERR_USAGE, E2BIG, "deeper than %d levels",
					TREE_MAX_DEPTH);
		more = next_name(&rest, &next);
		if (!more) {
			*ret_name = name;
			break;
		}
		node = need_node(t, node, name);
		if (!node)
			return out_of_memory(err);
		r = need_dir(t, node, err);
		if (r < 0)
			return r;
		name = next;
	}
	*ret_parent = node;

	return 0;
}

int tree_link_target(struct tree *t, const char *path, struct tree_inode **ret, struct err *err)
{
	struct slice rest = slice_of(path), name;
	struct tree_node *node = t->root;

	if (path[0] == '/')
		return refuse(err, "the target of the hard link is absolute");
	while (next_name(&rest, &name)) {
		int r = check_name(name, err);

		if (r < 0)
			return r;
		if (node->inode)
			return refuse(err,
				      "the target of the hard link leads through a link or a file");
		node = node->dir ? tree_find(t, node, name) : NULL;
		if (!node || (!node->dir && !node->inode))
			return err_setk(err, ERR_USAGE, ENOENT,
					"the target of the hard link is not there");
	}
	if (!node->inode)
		return refuse(err, "the target of the hard link is a folder");
	*ret = node->inode;

	return 0;
}

/* ---- changes ---- */

/* Copies the attributes of a folder, which are needed when the archive has long gone by. */
static int copy_attr(struct tree *t, struct tree_attr *to, const struct tree_attr *from)
{
	struct tar_xattr *xattrs = NULL;

	if (from->xattrs_len > 0) {
		xattrs = arena_take(t, from->xattrs_len * sizeof(*xattrs));
		if (!xattrs)
			return -ENOMEM;
	}
	for (size_t i = 0; i < from->xattrs_len; i++) {
		struct slice name = from->xattrs[i].name, value = from->xattrs[i].value;
		char *text = arena_take(t, name.len + value.len);

		if (!text)
			return -ENOMEM;
		memcpy(text, name.at, name.len);
		if (value.len > 0)
			memcpy(text + name.len, value.at, value.len);
		xattrs[i].name = (struct slice){ text, name.len };
		xattrs[i].value = (struct slice){ text + name.len, value.len };
	}
	*to = *from;
	to->xattrs = xattrs;

	return 0;
}

int tree_put_dir(struct tree *t, struct tree_node *parent, struct slice name,
		 const struct tree_attr *attr, struct err *err)
{
	struct tree_node *node = name.len > 0 ? need_node(t, parent, name) : t->root;

	if (!node)
		return out_of_memory(err);
	if (node->inode) {
		/* What was no folder had hidden what is below. */
		node->whiteout = true;
		node->inode->nlink--;
		node->inode = NULL;
	}
	if (!node->dir) {
		node->dir = make_dir(t);
		if (!node->dir)
			return out_of_memory(err);
		parent->dir->subdirs++;
	}
	node->dir->named = true;

	return copy_attr(t, &node->dir->attr, attr) < 0 ? out_of_memory(err) : 0;
}

int tree_put_inode(struct tree *t, struct tree_node *parent, struct slice name,
		   struct tree_inode *inode, struct err *err)
{
	struct tree_node *node = need_node(t, parent, name);

	if (!node)
		return out_of_memory(err);
	/* First, since the inode may be the one that is there. */
	inode->nlink++;
	if (node->dir)
		drop_children(t, node);
	if (node->inode)
		node->inode->nlink--;
	node->inode = inode;

	return 0;
}

struct tree_inode *tree_make_inode(struct tree *t, uint64_t nid, uint32_t mode)
{
	struct inode_block *block = t->inodes_last;
	struct tree_inode *inode;

	if (!block || block->len == INODES_PER_BLOCK) {
		block = calloc(1, sizeof(*block));
		if (!block)
			return NULL;
		if (t->inodes_last)
			t->inodes_last->next = block;
		else
			t->inodes_first = block;
		t->inodes_last = block;
	}
	inode = &block->items[block->len++];
	*inode = (struct tree_inode){ .nid = nid, .mode = mode };

	return inode;
}

struct tree_inode *tree_make_below(struct tree *t, const char *path)
{
	size_t len = strlen(path);
	char *below = arena_take(t, len + 1);
	struct tree_inode *inode = below ? tree_make_inode(t, 0, S_IFREG) : NULL;

	if (!inode)
		return NULL;
	memcpy(below, path, len);
	inode->below = below;

	return inode;
}

int tree_each_inode(struct tree *t, int (*fn)(void *ctx, struct tree_inode *inode, struct err *err),
		    void *ctx, struct err *err)
{
	int r = 0;

	for (struct inode_block *block = t->inodes_first; r == 0 && block; block = block->next)
		for (size_t i = 0; r == 0 && i < block->len; i++)
			r = fn(ctx, &block->items[i], err);

	return r;
}

void tree_clear(struct tree *t, struct tree_node *node)
{
	if (node->dir)
		drop_children(t, node);
	if (node->inode)
		node->inode->nlink--;
	node->inode = NULL;
}

int tree_whiteout(struct tree *t, struct tree_node *parent, struct slice name, struct err *err)
{
	struct tree_node *node = need_node(t, parent, name);

	if (!node)
		return out_of_memory(err);
	node->whiteout = true;

	return 0;
}
