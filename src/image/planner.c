/* SPDX-License-Identifier: Apache-2.0
 *
 * planner.c - from the bytes of a layer's archive to an EROFS file and a skeleton
 */
#include "image/planner.h"

#include <errno.h>
#include <string.h>

#include "image/erofs.h"
#include "image/member.h"
#include "image/skeleton.h"
#include "image/tree.h"
#include "wire/tar.h"

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

static int write_inode(struct planner *p, struct tree_inode *inode, const struct tar_entry *entry,
		       const struct tree_attr *attr, struct err *err)
{
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

static int on_entry(void *ctx, const struct tar_entry *entry, struct err *err)
{
	struct planner *p = ctx;
	struct tree_inode *inode = NULL;
	struct tree_attr attr;
	int r;

	p->file = NULL;
	if (++p->entries > PLANNER_MAX_ENTRIES)
		return err_setk(err, ERR_USAGE, E2BIG, "layer has more than %llu entries",
				PLANNER_MAX_ENTRIES);
	r = member_add(p->tree, entry, &attr, &inode, err);
	if (r < 0 || !inode)
		return r;
	r = write_inode(p, inode, entry, &attr, err);

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
