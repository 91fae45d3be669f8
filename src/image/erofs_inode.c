/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs_inode.c - inodes of an EROFS file, each with what follows it
 */
#include <string.h>
#include <sys/stat.h>

#include "image/erofs_priv.h"

bool erofs_tail_fits(size_t xattrs_len, size_t tail_len)
{
	size_t head = sizeof(struct erofs_inode) + xattrs_len;
	/* The inode starts at a slot, so its tail can start at the start of a block only if the
	 * head is of whole slots; else so much later. */
	size_t first = head & (EROFS_SLOT_BYTES - 1);

	return first + tail_len <= EROFS_BLOCK_BYTES;
}

uint64_t erofs_inode_place(uint64_t at, size_t xattrs_len, size_t tail_len)
{
	size_t head = sizeof(struct erofs_inode) + xattrs_len;
	uint64_t tail_at;

	at = (at + EROFS_SLOT_BYTES - 1) & ~(uint64_t)(EROFS_SLOT_BYTES - 1);
	tail_at = at + head;
	if ((tail_at & (EROFS_BLOCK_BYTES - 1)) + tail_len > EROFS_BLOCK_BYTES) {
		/* So that the tail starts in the next block, as early as slots allow. */
		uint64_t next = (tail_at | (EROFS_BLOCK_BYTES - 1)) + 1;

		at = (next - head + EROFS_SLOT_BYTES - 1) & ~(uint64_t)(EROFS_SLOT_BYTES - 1);
	}

	return at;
}

struct erofs_inode erofs_inode_make(struct erofs *e, const struct tree_attr *attr,
				    const struct inode_info *info, size_t xattrs_len)
{
	size_t units = xattrs_len ? 1 + (xattrs_len - sizeof(struct erofs_xattr_header)) / 4 : 0;

	return (struct erofs_inode){
		.format = to_le16((uint16_t)(EROFS_INODE_EXTENDED | (unsigned)info->layout << 1)),
		.xattr_units = to_le16((uint16_t)units),
		.mode = to_le16((uint16_t)attr->mode),
		.size = to_le64(info->size_bytes),
		.block = to_le32(info->block),
		.ino = to_le32(++e->inodes),
		.uid = to_le32(attr->uid),
		.gid = to_le32(attr->gid),
		.mtime_s = to_le64((uint64_t)attr->mtime_s),
		.mtime_ns = to_le32(attr->mtime_ns),
		.nlink = to_le32(info->nlink),
	};
}

int erofs_inode_put(struct erofs *e, const struct tree_attr *attr, const struct inode_info *info,
		    uint64_t *ret_nid, uint64_t *ret_tail_at, struct err *err)
{
	struct erofs_inode inode = erofs_inode_make(e, attr, info, e->xattrs.len);
	size_t len = sizeof(inode) + e->xattrs.len + info->tail_len;
	size_t in_block = info->tail_in_block ? info->tail_len : 0;
	struct segment *s = &e->segment;
	/* Offsets in the file and in the segment agree modulo a block. */
	uint64_t at = erofs_inode_place(s->at + s->used, e->xattrs.len, in_block);
	uint8_t *room;

	if (at + len > s->at + s->room) {
		/* A block more than asked for, since the tail may have to start further in. */
		int r = erofs_meta_begin(e, len + EROFS_BLOCK_BYTES, err);

		if (r < 0)
			return r;
		at = erofs_inode_place(s->at, e->xattrs.len, in_block);
	}
	room = s->bytes + (at - s->at);
	s->used = at + len - s->at;
	memcpy(room, &inode, sizeof(inode));
	if (e->xattrs.len > 0)
		memcpy(room + sizeof(inode), e->xattrs.text, e->xattrs.len);
	if (info->tail_len > 0)
		memcpy(room + sizeof(inode) + e->xattrs.len, info->tail, info->tail_len);
	*ret_tail_at = at + sizeof(inode) + e->xattrs.len;
	*ret_nid = at / EROFS_SLOT_BYTES;

	return 0;
}

int erofs_special(struct erofs *e, const struct tree_attr *attr, uint32_t dev_major,
		  uint32_t dev_minor, uint64_t *ret_nid, struct err *err)
{
	struct inode_info info = { .layout = EROFS_PLAIN, .nlink = 1 };
	uint64_t tail_at;
	int r = erofs_xattrs_encode(&e->xattrs, attr, false, err);

	if (r < 0)
		return r;
	/* The kernel's new_encode_dev() */
	if (S_ISCHR(attr->mode) || S_ISBLK(attr->mode))
		info.block = (dev_minor & 0xff) | dev_major << 8 | (dev_minor & ~0xffU) << 12;

	return erofs_inode_put(e, attr, &info, ret_nid, &tail_at, err);
}
