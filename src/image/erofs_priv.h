/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs_priv.h - shared by erofs*.c: erofs.c calls erofs_dir.c, both call erofs_inode.c, that calls
 * erofs_xattr.c, and all of them erofs_meta.c and the sink
 */
#ifndef IMAGE_EROFS_PRIV_H
#define IMAGE_EROFS_PRIV_H

#include "base/strbuf.h"
#include "image/erofs.h"
#include "image/erofs_format.h"
#include "image/erofs_sink.h"

#define SEGMENT_BYTES ((size_t)(64 * KIB))
#define SEGMENT_MIN_BYTES ((size_t)(8 * KIB))
#define INLINE_MAX_FILE_BYTES (16 * KIB)
#define MAX_XATTR_AREA_BYTES (256 * KIB) /* what the inode's 16-bit counter can say */

/* Metadata that is gathered in memory; its place in the file is reserved. */
struct segment {
	uint8_t *bytes;
	uint64_t at;
	size_t room, used;
};

/* The file that is being written. */
struct open_file {
	struct tree_attr attr; /* without @xattrs: these are encoded at once */
	uint64_t size_bytes;
	enum erofs_layout layout;
	uint64_t data_at;     /* in the EROFS file, of the whole blocks */
	uint64_t whole_bytes; /* that go there; the rest is the tail */
	uint8_t tail[EROFS_BLOCK_BYTES];
	size_t tail_len;
	/* sparse files */
	unsigned chunk_bits;
	struct le32 *chunks;
	size_t chunks_len;
	uint64_t written_bytes; /* end, in the unpacked file, of what is written of its chunk */
};

struct erofs {
	struct erofs_sink sink;
	struct segment segment;
	uint8_t *head;	      /* the first block */
	struct strbuf xattrs; /* area of the inode that is being written */
	struct open_file file;
	erofs_placed_fn *placed;
	void *ctx;
	uint32_t inodes;
	uint32_t feature_incompat;
	unsigned traits; /* enum erofs_traits */
};

/* What inode_put() needs beside the attributes. */
struct inode_info {
	uint64_t size_bytes;
	enum erofs_layout layout;
	uint32_t block; /* or device number, or chunk bits */
	uint32_t nlink;
	const void *tail; /* what follows the inode and its xattrs */
	size_t tail_len;
	bool tail_in_block; /* it must not cross the end of a block */
};

/* True when a tail of @tail_len can follow an inode and @xattrs_len in one block. */
bool erofs_tail_fits(size_t xattrs_len, size_t tail_len);

/* First offset >= @at for an inode whose tail must stay within a block. */
uint64_t erofs_inode_place(uint64_t at, size_t xattrs_len, size_t tail_len);

/* The inode as it goes to the file. */
struct erofs_inode erofs_inode_make(struct erofs *e, const struct tree_attr *attr,
				    const struct inode_info *info, size_t xattrs_len);

/* Write an inode with the xattrs in @e->xattrs. */
int erofs_inode_put(struct erofs *e, const struct tree_attr *attr, const struct inode_info *info,
		    uint64_t *ret_nid, uint64_t *ret_tail_at, struct err *err);

/* Room for @len bytes of metadata at a multiple of @align; NULL in @ret never. */
int erofs_meta_alloc(struct erofs *e, size_t len, size_t align, uint8_t **ret, uint64_t *ret_at,
		     struct err *err);
int erofs_meta_flush(struct erofs *e, struct err *err);
/* A new segment at the end of the file, which is at the start of a block between two files. */
int erofs_meta_begin(struct erofs *e, size_t len, struct err *err);

/* Encode extended attributes as the area behind an inode into @out; @opaque adds overlay's mark. */
int erofs_xattrs_encode(struct strbuf *out, const struct tree_attr *attr, bool opaque,
			struct err *err);

/* The same for the root, whose room is small: entries are stored apart and referred to. */
int erofs_xattrs_encode_shared(struct erofs *e, struct strbuf *out, const struct tree_attr *attr,
			       bool opaque, struct err *err);

/* Write all folders; the root's inode goes to @e->head. */
int erofs_dirs_write(struct erofs *e, struct tree *tree, struct err *err);

#endif
