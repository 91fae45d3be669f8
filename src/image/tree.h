/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.h - the names of a layer, built up as its archive streams by
 *
 * Members of a layer come in any order: a folder after its files, the same name twice, a file in
 * place of a folder, a whiteout before or after what it stands beside. The tree holds the state
 * that the members seen so far add up to. It knows nothing of the format that it will be
 * written in: an inode that is no folder is a number to it.
 *
 * Names are refused that no honest layer holds and that have been used against others: absolute
 * ones, "..", and those that lead through a link or a file.
 *
 * Whiteouts follow the OCI image specification 1.1, layer.md: ".wh.NAME" hides NAME of the layers
 * below, never of its own layer; ".wh..wh..opq" hides all that its folder holds below.
 */
#ifndef IMAGE_TREE_H
#define IMAGE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/tar.h"

#define TREE_MAX_DEPTH 1000
#define TREE_MAX_NAME_BYTES 255

/* What all kinds of inodes have. @mode holds the type, too. */
struct tree_attr {
	uint32_t mode;
	uint32_t uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	const struct tar_xattr *xattrs;
	size_t xattrs_len;
};

/* True for what a folder gets that no member names: 0755, root's. Times do not count. */
bool tree_attr_is_made_up(const struct tree_attr *attr);

/* An inode that is no folder; names of the tree that are hard links share one. */
struct tree_inode {
	uint64_t nid;
	uint32_t nlink; /* names that have it */
	uint32_t mode;
	const char *below;	 /* path of a file that only a layer below has, else NULL */
	struct tree_inode *twin; /* in another tree, for who merges them */
	bool copied;		 /* likewise */
};

struct tree_node;

struct tree_dir {
	struct tree_attr attr;
	struct tree_node *children; /* in no order */
	uint32_t subdirs;
	bool opaque;
	bool named;   /* by a member of its own, so that @attr is what the archive says */
	uint64_t nid; /* for who writes the tree */
};

/* A name. Has an inode, or a dir, or neither: then it is a whiteout. */
struct tree_node {
	struct tree_node *parent;
	struct tree_node *sibling; /* in the parent's children */
	struct tree_node *hash_next;
	struct tree_inode *inode;
	struct tree_dir *dir;
	uint64_t hash;
	bool whiteout; /* hides this name below, whatever it is in this layer */
	uint8_t name_len;
	char name[];
};

struct tree;

/* NULL without memory. @seed keeps hash collisions from being planned. */
struct tree *tree_new(const uint8_t seed[16]);
void tree_free(struct tree *t);
DEFINE_AUTO_PTR(tree)

/* The root; it has a dir. */
struct tree_node *tree_root(struct tree *t);

/* Names in the tree, the root and whiteouts among them. */
size_t tree_len(const struct tree *t);

/**
 * tree_place() - Find the folder that a path's last name is in
 * @t:		tree
 * @path:	path of a member, relative
 * @ret_parent:	the folder; made 0755 root when nothing was known of it, and likewise those above
 * @ret_name:	last name, part of @path; empty when @path is the root itself
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -EINVAL for a refused path, -E2BIG beyond a limit, or -ENOMEM.
 */
int tree_place(struct tree *t, const char *path, struct tree_node **ret_parent,
	       struct slice *ret_name, struct err *err);

/* What has this name in the folder, or NULL. */
struct tree_node *tree_find(const struct tree *t, const struct tree_node *parent,
			    struct slice name);

/**
 * tree_put_dir() - Make a folder, or give one its attributes; replaces what is no folder
 * @t:		tree
 * @parent:	as from tree_place()
 * @name:	empty for the root itself
 * @attr:	copied, with all it points to
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or -ENOMEM.
 */
int tree_put_dir(struct tree *t, struct tree_node *parent, struct slice name,
		 const struct tree_attr *attr, struct err *err);

/* Give a name an inode that is no folder; what had the name goes, a folder with all in it. */
int tree_put_inode(struct tree *t, struct tree_node *parent, struct slice name,
		   struct tree_inode *inode, struct err *err);

/* A new inode without names; the tree owns it. NULL without memory. */
struct tree_inode *tree_make_inode(struct tree *t, uint64_t nid, uint32_t mode);

/* A new inode for a file of a layer below, whose path is copied. NULL without memory. */
struct tree_inode *tree_make_below(struct tree *t, const char *path);

/* Call @fn for every inode that was made, oldest first, until it answers negative. */
int tree_each_inode(struct tree *t, int (*fn)(void *ctx, struct tree_inode *inode, struct err *err),
		    void *ctx, struct err *err);

/* Take from a name what it has, a folder with all in it: a whiteout stays. Not for the root. */
void tree_clear(struct tree *t, struct tree_node *node);

/**
 * tree_link_target() - Find the inode that a hard link names
 * @t:		tree
 * @path:	target of the link, as the member has it
 * @ret:	the inode
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -ENOENT when the tree does not hold it, -EINVAL for a refused path.
 */
int tree_link_target(struct tree *t, const char *path, struct tree_inode **ret, struct err *err);

/* Hide what layers below have under this name. */
int tree_whiteout(struct tree *t, struct tree_node *parent, struct slice name, struct err *err);

#endif
