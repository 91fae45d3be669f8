/* SPDX-License-Identifier: Apache-2.0
 *
 * planner.c - from the bytes of a layer's archive to an EROFS file and a skeleton
 */
#include "image/planner.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "image/erofs.h"
#include "image/skeleton.h"
#include "image/tree.h"
#include "wire/tar.h"

#define WHITEOUT ".wh."
#define WHITEOUT_BYTES (sizeof(WHITEOUT) - 1)
#define OPAQUE ".wh..wh..opq"
#define AUFS ".wh..wh." /* bookkeeping of aufs, which nothing reads any more */

struct planner {
	struct tree *tree;
	struct erofs *erofs;
	struct skeleton *skeleton;
	struct tar_reader *reader;
	uint64_t entries;
	struct tree_inode *file; /* whose data comes next; NULL: it goes to the skeleton */
};

static int on_entry(void *ctx, const struct tar_entry *entry, struct err *err);
static int on_data(void *ctx, uint64_t offset_bytes, const void *buf, size_t len, struct err *err);
static int on_end(void *ctx, struct err *err);
static int on_raw(void *ctx, const void *buf, size_t len, struct err *err);
static int on_placed(void *ctx, uint64_t at, uint64_t len, struct err *err);

static const struct tar_reader_ops reader_ops = { on_entry, on_data, on_end, on_raw };

struct planner *planner_new(int layer_fd, int skeleton_fd, const uint8_t seed[16], struct err *err)
{
	struct planner *p = calloc(1, sizeof(*p));

	if (!p) {
		err_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	p->tree = tree_new(seed);
	p->reader = tar_reader_new(&reader_ops, p);
	p->skeleton = skeleton_new(skeleton_fd, err);
	p->erofs = erofs_new(layer_fd, PLANNER_MAX_FILE_BYTES, on_placed, p, err);
	if (!p->tree || !p->reader)
		err_set(err, ENOMEM, "out of memory");
	if (!p->tree || !p->reader || !p->skeleton || !p->erofs) {
		planner_free(p);
		return NULL;
	}

	return p;
}

void planner_free(struct planner *p)
{
	if (!p)
		return;
	tar_reader_free(p->reader);
	skeleton_free(p->skeleton);
	erofs_free(p->erofs);
	tree_free(p->tree);
	free(p);
}

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

static int whiteout(struct planner *p, struct tree_node *parent, struct slice name, struct err *err)
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

	return tree_whiteout(p->tree, parent, name, err);
}

static int hard_link(struct planner *p, struct tree_node *parent, struct slice name,
		     const char *target, struct err *err)
{
	struct tree_inode *inode;
	int r = tree_link_target(p->tree, target, &inode, err);

	if (r < 0)
		return err_wrap(err, r, "hard link to \"%.80s%s\"", target,
				strlen(target) > 80 ? "..." : "");

	return tree_put_inode(p->tree, parent, name, inode, err);
}

/* Everything that has an inode of its own and is no folder. */
static int new_inode(struct planner *p, struct tree_node *parent, struct slice name,
		     const struct tar_entry *entry, const struct tree_attr *attr, struct err *err)
{
	struct tree_inode *inode = tree_make_inode(p->tree, 0, attr->mode);
	int r;

	if (!inode)
		return err_set(err, ENOMEM, "out of memory");
	r = tree_put_inode(p->tree, parent, name, inode, err);
	if (r < 0)
		return r;
	switch (entry->type) {
	case TAR_FILE:
		p->file = inode;
		return erofs_file_begin(p->erofs, attr, entry->size_bytes, entry->sparse, err);
	case TAR_SYMLINK:
		return erofs_symlink(p->erofs, attr, entry->link, &inode->nid, err);
	default:
		return erofs_special(p->erofs, attr, entry->dev_major, entry->dev_minor,
				     &inode->nid, err);
	}
}

static int add_entry(struct planner *p, const struct tar_entry *entry, struct err *err)
{
	/* Linux has no other mode for symbolic links, whatever a member says. */
	uint32_t mode = entry->type == TAR_SYMLINK ? 0777 : entry->mode & 07777;
	const struct tree_attr attr = {
		.mode = type_bits(entry->type) | mode,
		.uid = entry->uid,
		.gid = entry->gid,
		.mtime_s = entry->mtime_s,
		.mtime_ns = entry->mtime_ns,
		.xattrs = entry->xattrs,
		.xattrs_len = entry->xattrs_len,
	};
	struct tree_node *parent;
	struct slice name;
	int r = tree_place(p->tree, entry->name, &parent, &name, err);

	if (r < 0)
		return r;
	if (name.len == 0 && entry->type != TAR_DIR)
		return err_setk(err, ERR_USAGE, EINVAL, "the root is not a folder");
	if (has_prefix(name, WHITEOUT))
		return whiteout(p, parent, name, err);
	if (entry->type == TAR_DIR)
		return tree_put_dir(p->tree, parent, name, &attr, err);
	if (entry->type == TAR_HARDLINK)
		return hard_link(p, parent, name, entry->link, err);

	return new_inode(p, parent, name, entry, &attr, err);
}

static int on_entry(void *ctx, const struct tar_entry *entry, struct err *err)
{
	struct planner *p = ctx;
	int r;

	p->file = NULL;
	if (++p->entries > PLANNER_MAX_ENTRIES)
		return err_setk(err, ERR_USAGE, E2BIG, "layer has more than %llu entries",
				PLANNER_MAX_ENTRIES);
	if (strncmp(entry->name, AUFS, strlen(AUFS)) == 0 && !strstr(entry->name, OPAQUE))
		return 0;
	r = add_entry(p, entry, err);

	return r < 0 ? err_wrap(err, r, "archive member \"%.80s%s\"", entry->name,
				strlen(entry->name) > 80 ? "..." : "")
		     : 0;
}

static int on_data(void *ctx, uint64_t offset_bytes, const void *buf, size_t len, struct err *err)
{
	struct planner *p = ctx;

	if (!p->file)
		return skeleton_raw(p->skeleton, buf, len, err);

	return erofs_file_data(p->erofs, offset_bytes, buf, len, err);
}

static int on_end(void *ctx, struct err *err)
{
	struct planner *p = ctx;

	return p->file ? erofs_file_end(p->erofs, &p->file->nid, err) : 0;
}

static int on_raw(void *ctx, const void *buf, size_t len, struct err *err)
{
	struct planner *p = ctx;

	return skeleton_raw(p->skeleton, buf, len, err);
}

static int on_placed(void *ctx, uint64_t at, uint64_t len, struct err *err)
{
	struct planner *p = ctx;

	return skeleton_data(p->skeleton, at, len, err);
}

int planner_feed(struct planner *p, const void *buf, size_t len, struct err *err)
{
	return tar_reader_feed(p->reader, buf, len, err);
}

int planner_finish(struct planner *p, struct err *err)
{
	int r = tar_reader_finish(p->reader, err);

	if (r == 0)
		r = erofs_finish(p->erofs, p->tree, err);
	if (r == 0)
		r = skeleton_finish(p->skeleton, err);

	return r;
}

uint64_t planner_entries(const struct planner *p)
{
	return p->entries;
}
