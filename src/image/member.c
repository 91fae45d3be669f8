/* SPDX-License-Identifier: Apache-2.0
 *
 * member.c - what a member of a layer's archive does to the layer's names
 */
#include "image/member.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define WHITEOUT ".wh."
#define WHITEOUT_BYTES (sizeof(WHITEOUT) - 1)
#define OPAQUE ".wh..wh..opq"
#define AUFS ".wh..wh." /* bookkeeping of aufs, which nothing reads any more */

static uint32_t type_bits(enum tar_type type)
{
	switch (type) {
	case TAR_SYMLINK:
		return S_IFLNK;
	case TAR_CHAR:
		return S_IFCHR;
	case TAR_BLOCK:
		return S_IFBLK;
	case TAR_DIR:
		return S_IFDIR;
	case TAR_FIFO:
		return S_IFIFO;
	case TAR_FILE:
	case TAR_HARDLINK:
		break;
	}

	return S_IFREG;
}

static bool has_prefix(struct slice name, const char *prefix)
{
	return name.len >= strlen(prefix) && memcmp(name.at, prefix, strlen(prefix)) == 0;
}

static int whiteout(struct tree *t, struct tree_node *parent, struct slice name, struct err *err)
{
	if (slice_eq(name, OPAQUE)) {
		parent->dir->opaque = true;
		return 0;
	}
	if (has_prefix(name, AUFS))
		return 0;
	name.at += WHITEOUT_BYTES;
	name.len -= WHITEOUT_BYTES;
	if (name.len == 0 || slice_eq(name, ".") || slice_eq(name, ".."))
		return err_setk(err, ERR_USAGE, EINVAL, "a whiteout of no name");

	return tree_whiteout(t, parent, name, err);
}

static int hard_link(struct tree *t, struct tree_node *parent, struct slice name,
		     const char *target, struct err *err)
{
	struct tree_inode *inode;
	struct err why = ERR_INIT;
	int r = tree_link_target(t, target, &inode, &why);

	/* Then a layer below has it, or none: the layer's file does not depend on them. */
	if (r == -ENOENT) {
		inode = tree_make_below(t, target);
		if (!inode)
			return err_set(err, ENOMEM, "out of memory");
		return tree_put_inode(t, parent, name, inode, err);
	}
	if (r < 0 && err)
		*err = why;
	if (r < 0)
		return err_wrap(err, r, "hard link to \"%.80s%s\"", target,
				strlen(target) > 80 ? "..." : "");

	return tree_put_inode(t, parent, name, inode, err);
}

/* Everything that has an inode of its own and is no folder. */
static int new_inode(struct tree *t, struct tree_node *parent, struct slice name, uint32_t mode,
		     struct tree_inode **ret, struct err *err)
{
	struct tree_inode *inode = tree_make_inode(t, 0, mode);
	int r = inode ? tree_put_inode(t, parent, name, inode, err)
		      : err_set(err, ENOMEM, "out of memory");

	if (r == 0)
		*ret = inode;

	return r;
}

static int add_entry(struct tree *t, const struct tar_entry *entry, const struct tree_attr *attr,
		     struct tree_inode **ret_inode, struct err *err)
{
	struct tree_node *parent;
	struct slice name;
	int r = tree_place(t, entry->name, &parent, &name, err);

	if (r < 0)
		return r;
	if (name.len == 0 && entry->type != TAR_DIR)
		return err_setk(err, ERR_USAGE, EINVAL, "the root is not a folder");
	if (has_prefix(name, WHITEOUT))
		return whiteout(t, parent, name, err);
	if (entry->type == TAR_DIR)
		return tree_put_dir(t, parent, name, attr, err);
	if (entry->type == TAR_HARDLINK)
		return hard_link(t, parent, name, entry->link, err);

	return new_inode(t, parent, name, attr->mode, ret_inode, err);
}

int member_add(struct tree *t, const struct tar_entry *entry, struct tree_attr *ret_attr,
	       struct tree_inode **ret_inode, struct err *err)
{
	/* Linux has no other mode for symbolic links, whatever a member says. */
	uint32_t mode = entry->type == TAR_SYMLINK ? 0777 : entry->mode & 07777;
	int r;

	*ret_attr = (struct tree_attr){
		.mode = type_bits(entry->type) | mode,
		.uid = entry->uid,
		.gid = entry->gid,
		.mtime_s = entry->mtime_s,
		.mtime_ns = entry->mtime_ns,
		.xattrs = entry->xattrs,
		.xattrs_len = entry->xattrs_len,
	};
	*ret_inode = NULL;
	if (strncmp(entry->name, AUFS, strlen(AUFS)) == 0 && !strstr(entry->name, OPAQUE))
		return 0;
	r = add_entry(t, entry, ret_attr, ret_inode, err);

	return r < 0 ? err_wrap(err, r, "archive member \"%.80s%s\"", entry->name,
				strlen(entry->name) > 80 ? "..." : "")
		     : 0;
}
