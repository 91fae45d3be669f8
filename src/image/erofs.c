/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs.c - inodes and data of an EROFS file; see erofs.h for how it is laid out
 */
#include "image/erofs.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/erofs_priv.h"

#define MAX_CHUNKS (1U << 20) /* of one file: 4 GiB in single blocks, and larger chunks beyond */
/* The label of a layer with traits: this and a letter for each, in the order of their bits. */
#define LABEL "hull-"
#define LABEL_LETTERS "oilrs"
#define MAX_CHUNK_BITS (EROFS_BLOCK_BITS + 31)

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

struct erofs *erofs_new(int fd, uint64_t max_bytes, erofs_placed_fn *placed, void *ctx,
			struct err *err)
{
	struct erofs *e = calloc(1, sizeof(*e));

	if (e) {
		e->placed = placed;
		e->ctx = ctx;
		e->xattrs = (struct strbuf)STRBUF_INIT(MAX_XATTR_AREA_BYTES);
		e->head = erofs_sink_alloc(EROFS_BLOCK_BYTES);
	}
	if (!e || !e->head) {
		erofs_free(e);
		out_of_memory(err);
		return NULL;
	}
	/* The first block is zeroes until the end. */
	if (erofs_sink_init(&e->sink, fd, max_bytes, err) < 0 ||
	    erofs_sink_add(&e->sink, NULL, EROFS_BLOCK_BYTES, err) < 0) {
		erofs_free(e);
		return NULL;
	}

	return e;
}

void erofs_free(struct erofs *e)
{
	if (!e)
		return;
	erofs_sink_done(&e->sink);
	strbuf_done(&e->xattrs);
	free(e->segment.bytes);
	free(e->head);
	free(e->file.chunks);
	free(e);
}

static int placed(struct erofs *e, uint64_t at, uint64_t len, struct err *err)
{
	return e->placed && len > 0 ? e->placed(e->ctx, at, len, err) : 0;
}

/* ---- files ---- */

static int begin_chunks(struct open_file *f, struct err *err)
{
	f->layout = EROFS_CHUNKS;
	f->chunk_bits = EROFS_BLOCK_BITS;
	while (f->chunk_bits < MAX_CHUNK_BITS && f->size_bytes >> f->chunk_bits >= MAX_CHUNKS)
		f->chunk_bits++;
	if (f->size_bytes >> f->chunk_bits >= MAX_CHUNKS)
		return err_setk(err, ERR_USAGE, EFBIG, "sparse file is larger than EROFS can hold");
	f->chunks_len = (size_t)((f->size_bytes + (1ULL << f->chunk_bits) - 1) >> f->chunk_bits);
	free(f->chunks);
	f->chunks = malloc(f->chunks_len * sizeof(*f->chunks) + 1);
	if (!f->chunks)
		return out_of_memory(err);
	for (size_t i = 0; i < f->chunks_len; i++)
		f->chunks[i] = to_le32(EROFS_HOLE);
	f->written_bytes = 0;

	return 0;
}

int erofs_file_begin(struct erofs *e, const struct tree_attr *attr, uint64_t size_bytes,
		     bool sparse, struct err *err)
{
	struct open_file *f = &e->file;
	size_t tail_len = (size_t)(size_bytes & (EROFS_BLOCK_BYTES - 1));
	int r = erofs_xattrs_encode(&e->xattrs, attr, false, err);

	if (r < 0)
		return r;
	f->attr = *attr;
	f->attr.xattrs = NULL;
	f->attr.xattrs_len = 0;
	f->size_bytes = size_bytes;
	f->tail_len = 0;
	f->data_at = erofs_sink_at(&e->sink);
	f->whole_bytes = size_bytes;
	f->layout = EROFS_PLAIN;
	if (sparse)
		return begin_chunks(f, err);
	if (tail_len > 0 && size_bytes < INLINE_MAX_FILE_BYTES &&
	    erofs_tail_fits(e->xattrs.len, tail_len)) {
		f->layout = EROFS_INLINE;
		f->whole_bytes = size_bytes - tail_len;
	}

	return 0;
}

/* Zeroes up to the end of the chunk, or of the file, that was written last. */
static int end_chunk(struct erofs *e, struct err *err)
{
	struct open_file *f = &e->file;
	uint64_t chunk_bytes = 1ULL << f->chunk_bits;
	uint64_t end_bytes = (f->written_bytes + chunk_bytes - 1) & ~(chunk_bytes - 1);
	int r = erofs_sink_add(&e->sink, NULL, MIN(end_bytes, f->size_bytes) - f->written_bytes,
			       err);

	f->written_bytes = end_bytes;

	return r < 0 ? r : erofs_sink_pad(&e->sink, err);
}

/* Data that lies in one chunk. */
static int chunk_data(struct erofs *e, uint64_t offset_bytes, const void *buf, size_t len,
		      struct err *err)
{
	struct open_file *f = &e->file;
	size_t chunk = (size_t)(offset_bytes >> f->chunk_bits);
	uint64_t start_bytes = (uint64_t)chunk << f->chunk_bits;
	int r = 0;

	if (f->chunks[chunk].raw == to_le32(EROFS_HOLE).raw) {
		r = end_chunk(e, err);
		if (r < 0)
			return r;
		f->chunks[chunk] = to_le32((uint32_t)(erofs_sink_at(&e->sink) >> EROFS_BLOCK_BITS));
		f->written_bytes = start_bytes;
	}
	r = erofs_sink_add(&e->sink, NULL, offset_bytes - f->written_bytes, err);
	if (r == 0)
		r = placed(e, erofs_sink_at(&e->sink), len, err);
	if (r == 0)
		r = erofs_sink_add(&e->sink, buf, len, err);
	f->written_bytes = offset_bytes + len;

	return r;
}

int erofs_file_data(struct erofs *e, uint64_t offset_bytes, const void *buf, size_t len,
		    struct err *err)
{
	struct open_file *f = &e->file;
	const uint8_t *from = buf;
	size_t whole;
	int r;

	if (f->layout != EROFS_CHUNKS) {
		whole = offset_bytes >= f->whole_bytes
				? 0
				: (size_t)MIN((uint64_t)len, f->whole_bytes - offset_bytes);
		r = erofs_sink_add(&e->sink, from, whole, err);
		if (r < 0)
			return r;
		memcpy(f->tail + f->tail_len, from + whole, len - whole);
		f->tail_len += len - whole;
		return 0;
	}
	while (len > 0) {
		uint64_t chunk_bytes = 1ULL << f->chunk_bits;
		size_t take = (size_t)MIN((uint64_t)len,
					  chunk_bytes - (offset_bytes & (chunk_bytes - 1)));

		r = chunk_data(e, offset_bytes, from, take, err);
		if (r < 0)
			return r;
		offset_bytes += take;
		from += take;
		len -= take;
	}

	return 0;
}

static int end_sparse(struct erofs *e, uint64_t *ret_nid, struct err *err)
{
	struct open_file *f = &e->file;
	struct inode_info info = { .size_bytes = f->size_bytes,
				   .layout = EROFS_CHUNKS,
				   .block = f->chunk_bits - EROFS_BLOCK_BITS,
				   .nlink = 1,
				   .tail = f->chunks,
				   .tail_len = f->chunks_len * sizeof(*f->chunks) };
	uint64_t map_at;
	int r = end_chunk(e, err);

	if (r == 0)
		r = erofs_inode_put(e, &f->attr, &info, ret_nid, &map_at, err);
	free(f->chunks);
	f->chunks = NULL;
	e->feature_incompat |= EROFS_INCOMPAT_CHUNKED_FILE;

	return r;
}

static int end_whole(struct erofs *e, uint64_t *ret_nid, uint64_t *ret_tail_at, struct err *err)
{
	struct open_file *f = &e->file;
	struct inode_info info = { .size_bytes = f->size_bytes,
				   .layout = f->layout,
				   .block = (uint32_t)(f->data_at >> EROFS_BLOCK_BITS),
				   .nlink = 1,
				   .tail = f->tail,
				   .tail_len = f->tail_len,
				   .tail_in_block = true };
	int r = erofs_sink_pad(&e->sink, err);

	return r < 0 ? r : erofs_inode_put(e, &f->attr, &info, ret_nid, ret_tail_at, err);
}

int erofs_file_end(struct erofs *e, uint64_t *ret_nid, struct err *err)
{
	struct open_file *f = &e->file;
	uint64_t tail_at;
	int r;

	if (f->layout == EROFS_CHUNKS)
		return end_sparse(e, ret_nid, err);
	r = end_whole(e, ret_nid, &tail_at, err);
	if (r == 0)
		r = placed(e, f->data_at, f->whole_bytes, err);
	if (r == 0)
		r = placed(e, tail_at, f->tail_len, err);

	return r;
}

/* ---- the rest ---- */

int erofs_symlink(struct erofs *e, const struct tree_attr *attr, const char *target,
		  uint64_t *ret_nid, struct err *err)
{
	size_t len = strlen(target);
	uint64_t tail_at;
	int r;

	if (len > EROFS_MAX_LINK_BYTES)
		return err_setk(err, ERR_USAGE, E2BIG,
				"target of a symbolic link is longer than %d bytes",
				EROFS_MAX_LINK_BYTES);
	r = erofs_file_begin(e, attr, len, false, err);
	if (r == 0)
		r = erofs_file_data(e, 0, target, len, err);
	/* A target is not data of the archive, so nobody is told where it is. */
	return r < 0 ? r : end_whole(e, ret_nid, &tail_at, err);
}

/* Inodes were written with one link; those with other counts are few. */
static int fix_nlink(void *ctx, struct tree_inode *inode, struct err *err)
{
	struct erofs *e = ctx;
	struct le32 nlink = to_le32(inode->nlink);

	if (inode->below && inode->nlink > 0)
		e->traits |= EROFS_LINKS_BELOW;
	if (inode->nlink <= 1 || inode->below)
		return 0;

	return erofs_sink_patch(&e->sink,
				inode->nid * EROFS_SLOT_BYTES + offsetof(struct erofs_inode, nlink),
				&nlink, sizeof(nlink), err);
}

static void fill_label(const struct erofs *e, uint8_t *label)
{
	size_t at = strlen(LABEL);

	if (e->traits == 0)
		return;
	memcpy(label, LABEL, strlen(LABEL));
	for (size_t i = 0; i < strlen(LABEL_LETTERS); i++)
		if (e->traits & 1U << i)
			label[at++] = (uint8_t)LABEL_LETTERS[i];
}

static void fill_super(struct erofs *e)
{
	struct erofs_super *super = (struct erofs_super *)(e->head + EROFS_SUPER_AT);
	size_t root_at = EROFS_SUPER_AT + sizeof(*super);
	uint32_t sum;

	*super = (struct erofs_super){
		.magic = to_le32(EROFS_MAGIC),
		.feature_compat = to_le32(EROFS_COMPAT_CHECKSUM | EROFS_COMPAT_MTIME),
		.block_bits = EROFS_BLOCK_BITS,
		.root_nid = to_le16((uint16_t)(root_at / EROFS_SLOT_BYTES)),
		.inodes = to_le64(e->inodes),
		.blocks = to_le32((uint32_t)(erofs_sink_at(&e->sink) >> EROFS_BLOCK_BITS)),
		.feature_incompat = to_le32(e->feature_incompat),
	};
	fill_label(e, super->volume_name);
	sum = crc32_iscsi(e->head + EROFS_SUPER_AT, EROFS_BLOCK_BYTES - EROFS_SUPER_AT, ~0U);
	super->checksum = to_le32(sum);
}

int erofs_finish(struct erofs *e, struct tree *tree, struct err *err)
{
	int r = erofs_dirs_write(e, tree, err);

	if (r == 0)
		r = erofs_meta_flush(e, err);
	if (r == 0)
		r = erofs_sink_flush(&e->sink, err);
	if (r < 0)
		return r;
	r = tree_each_inode(tree, fix_nlink, e, err);
	fill_super(e);

	return r < 0 ? r : erofs_sink_patch(&e->sink, 0, e->head, EROFS_BLOCK_BYTES, err);
}

int erofs_get_traits(int fd, struct err *err)
{
	struct erofs_super super;
	ssize_t n = pread(fd, &super, sizeof(super), EROFS_SUPER_AT);
	int traits = 0;

	if (n < 0)
		return err_sys(err, "reading the superblock");
	if (n != (ssize_t)sizeof(super) || super.magic.raw != to_le32(EROFS_MAGIC).raw)
		return err_set(err, EUCLEAN, "its file has no superblock");
	if (memcmp(super.volume_name, LABEL, strlen(LABEL)) != 0)
		return 0;
	for (size_t i = 0; i < strlen(LABEL_LETTERS); i++)
		if (memchr(super.volume_name + strlen(LABEL), LABEL_LETTERS[i],
			   sizeof(super.volume_name) - strlen(LABEL)))
			traits |= 1 << i;

	return traits;
}
