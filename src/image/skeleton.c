/* SPDX-License-Identifier: Apache-2.0
 *
 * skeleton.c - what a layer's archive holds beside the data of its files
 */
#include "image/skeleton.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/fd.h"
#include "base/strbuf.h"

#define MAGIC "hull-skeleton-1\n"
#define MAGIC_BYTES (sizeof(MAGIC) - 1)
#define LEVEL 1 /* headers are mostly zeroes: the fastest level makes them small */
#define RAW_MAX_BYTES ((size_t)(64 * KIB))
#define COPY_BYTES ((size_t)(256 * KIB))

/* @raw_len bytes of the archive follow; then come @data_len bytes at @data_at of the layer. */
struct record {
	uint64_t raw_len, data_at, data_len; /* little-endian */
};

struct skeleton {
	int fd;
	ZSTD_CCtx *zstd;
	struct strbuf raw;
	uint64_t data_at, data_len;
	uint8_t out[64 * KIB];
};

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

static int pack(struct skeleton *sk, const void *buf, size_t len, ZSTD_EndDirective how,
		struct err *err)
{
	ZSTD_inBuffer in = { .src = buf, .size = len };
	size_t left;

	do {
		ZSTD_outBuffer out = { .dst = sk->out, .size = sizeof(sk->out) };
		int r;

		left = ZSTD_compressStream2(sk->zstd, &out, &in, how);
		if (ZSTD_isError(left))
			return err_set(err, EIO, "writing the skeleton: %s",
				       ZSTD_getErrorName(left));
		r = fd_write_all(sk->fd, sk->out, out.pos);
		if (r < 0)
			return err_wrap(err, r, "writing the skeleton");
	} while (how == ZSTD_e_end ? left > 0 : in.pos < in.size);

	return 0;
}

struct skeleton *skeleton_new(int fd, struct err *err)
{
	struct skeleton *sk = calloc(1, sizeof(*sk));

	if (sk) {
		sk->fd = fd;
		sk->raw = (struct strbuf)STRBUF_INIT(RAW_MAX_BYTES);
		sk->zstd = ZSTD_createCCtx();
	}
	if (!sk || !sk->zstd ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(sk->zstd, ZSTD_c_compressionLevel, LEVEL))) {
		skeleton_free(sk);
		out_of_memory(err);
		return NULL;
	}
	if (pack(sk, MAGIC, MAGIC_BYTES, ZSTD_e_continue, err) < 0) {
		skeleton_free(sk);
		return NULL;
	}

	return sk;
}

void skeleton_free(struct skeleton *sk)
{
	if (!sk)
		return;
	ZSTD_freeCCtx(sk->zstd);
	strbuf_done(&sk->raw);
	free(sk);
}

static int put_record(struct skeleton *sk, struct err *err)
{
	struct record record = { .raw_len = htole64(sk->raw.len),
				 .data_at = htole64(sk->data_at),
				 .data_len = htole64(sk->data_len) };
	int r;

	if (sk->raw.len == 0 && sk->data_len == 0)
		return 0;
	r = pack(sk, &record, sizeof(record), ZSTD_e_continue, err);
	if (r == 0)
		r = pack(sk, strbuf_get(&sk->raw), sk->raw.len, ZSTD_e_continue, err);
	strbuf_reset(&sk->raw);
	sk->data_len = 0;

	return r;
}

int skeleton_raw(struct skeleton *sk, const void *buf, size_t len, struct err *err)
{
	const char *from = buf;

	while (len > 0) {
		size_t take;
		int r = 0;

		/* Data ends a record, and so does a full buffer. */
		if (sk->data_len > 0 || sk->raw.len == RAW_MAX_BYTES)
			r = put_record(sk, err);
		if (r < 0)
			return r;
		take = MIN(len, RAW_MAX_BYTES - sk->raw.len);
		if (strbuf_add(&sk->raw, from, take) < 0)
			return out_of_memory(err);
		from += take;
		len -= take;
	}

	return 0;
}

int skeleton_data(struct skeleton *sk, uint64_t at, uint64_t len, struct err *err)
{
	if (sk->data_len > 0 && sk->data_at + sk->data_len != at) {
		int r = put_record(sk, err);

		if (r < 0)
			return r;
	}
	if (sk->data_len == 0)
		sk->data_at = at;
	sk->data_len += len;

	return 0;
}

int skeleton_finish(struct skeleton *sk, struct err *err)
{
	int r = put_record(sk, err);

	return r < 0 ? r : pack(sk, NULL, 0, ZSTD_e_end, err);
}

/* ---- the way back ---- */

struct reader {
	int fd;
	off_t at;
	ZSTD_DCtx *zstd;
	ZSTD_inBuffer in;
	uint8_t *packed, *copy; /* COPY_BYTES each */
	bool ended;
};

static void reader_done(struct reader *rd)
{
	ZSTD_freeDCtx(rd->zstd);
	free(rd->packed);
	free(rd->copy);
}
DEFINE_AUTO_DONE(reader)

static int damaged(struct err *err)
{
	return err_set(err, EBADMSG, "the layer's skeleton is damaged");
}

/* The next bytes of the unpacked stream; fewer than @len only at its end. */
static ssize_t unpack(struct reader *rd, void *buf, size_t len, struct err *err)
{
	ZSTD_outBuffer out = { .dst = buf, .size = len };

	while (out.pos < out.size && !rd->ended) {
		size_t r;

		if (rd->in.pos == rd->in.size) {
			ssize_t n = pread(rd->fd, rd->packed, COPY_BYTES, rd->at);

			if (n < 0)
				return err_sys(err, "reading the layer's skeleton");
			if (n == 0)
				return damaged(err);
			rd->at += n;
			rd->in = (ZSTD_inBuffer){ .src = rd->packed, .size = (size_t)n };
		}
		r = ZSTD_decompressStream(rd->zstd, &out, &rd->in);
		if (ZSTD_isError(r))
			return damaged(err);
		rd->ended = r == 0;
	}

	return (ssize_t)out.pos;
}

static int copy_raw(struct reader *rd, uint64_t len, tar_write_fn *write, void *ctx,
		    struct err *err)
{
	while (len > 0) {
		size_t take = (size_t)MIN(len, (uint64_t)COPY_BYTES);
		ssize_t n = unpack(rd, rd->copy, take, err);
		int r;

		if (n < 0)
			return (int)n;
		if ((size_t)n < take)
			return damaged(err);
		r = write(ctx, rd->copy, take, err);
		if (r < 0)
			return r;
		len -= take;
	}

	return 0;
}

static int copy_data(struct reader *rd, int layer_fd, const struct record *record,
		     tar_write_fn *write, void *ctx, struct err *err)
{
	uint64_t at = le64toh(record->data_at), len = le64toh(record->data_len);

	if (at > INT64_MAX || len > INT64_MAX - at)
		return damaged(err);
	while (len > 0) {
		ssize_t n = pread(layer_fd, rd->copy, (size_t)MIN(len, (uint64_t)COPY_BYTES),
				  (off_t)at);
		int r;

		if (n < 0)
			return err_sys(err, "reading the layer");
		if (n == 0)
			return damaged(err);
		r = write(ctx, rd->copy, (size_t)n, err);
		if (r < 0)
			return r;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}

	return 0;
}

static int reader_init(struct reader *rd, int fd, struct err *err)
{
	char magic[MAGIC_BYTES];
	ssize_t n;

	*rd = (struct reader){ .fd = fd,
			       .zstd = ZSTD_createDCtx(),
			       .packed = malloc(COPY_BYTES),
			       .copy = malloc(COPY_BYTES) };
	if (!rd->zstd || !rd->packed || !rd->copy)
		return out_of_memory(err);
	n = unpack(rd, magic, sizeof(magic), err);
	if (n < 0)
		return (int)n;

	return (size_t)n < sizeof(magic) || memcmp(magic, MAGIC, sizeof(magic)) != 0 ? damaged(err)
										     : 0;
}

/* 1: there is one more record, 0: that was the last, or a negative errno. */
static int next_record(struct reader *rd, struct record *ret, struct err *err)
{
	ssize_t n = unpack(rd, ret, sizeof(*ret), err);

	if (n <= 0)
		return (int)n;

	return (size_t)n < sizeof(*ret) ? damaged(err) : 1;
}

int skeleton_rebuild(int skeleton_fd, int layer_fd, tar_write_fn *write, void *ctx, struct err *err)
{
	auto_done(reader) rd = { .fd = -1 };
	struct record record;
	int r = reader_init(&rd, skeleton_fd, err);

	while (r == 0 && (r = next_record(&rd, &record, err)) == 1) {
		r = copy_raw(&rd, le64toh(record.raw_len), write, ctx, err);
		if (r == 0)
			r = copy_data(&rd, layer_fd, &record, write, ctx, err);
	}

	return r;
}

/* A reader that is told what to leave out: data of files, and the padding behind it. */
struct walk {
	struct tar_reader *reader;
	int layer_fd;
	const bool *wanted;
	uint64_t left_out_bytes;
};

static int walk_raw(void *ctx, const void *buf, size_t len, struct err *err)
{
	struct walk *w = ctx;
	const uint8_t *from = buf;
	size_t out = (size_t)MIN((uint64_t)len, w->left_out_bytes);
	int r = 0;

	w->left_out_bytes -= out;
	if (len > out)
		r = tar_reader_feed(w->reader, from + out, len - out, err);

	return r;
}

static int walk_data(struct walk *w, struct reader *rd, const struct record *record,
		     struct err *err)
{
	uint64_t len = le64toh(record->data_len);

	if (len > 0 && w->left_out_bytes == 0 && *w->wanted)
		return copy_data(rd, w->layer_fd, record, walk_raw, w, err);
	if (len > 0 && w->left_out_bytes == 0)
		w->left_out_bytes = tar_reader_skip(w->reader);
	if (w->left_out_bytes < len)
		return damaged(err);
	w->left_out_bytes -= len;

	return 0;
}

int skeleton_walk(int skeleton_fd, int layer_fd, const bool *wanted, struct tar_reader *reader,
		  struct err *err)
{
	static const bool nothing;
	auto_done(reader) rd = { .fd = -1 };
	struct walk w = { reader, layer_fd, wanted ? wanted : &nothing, 0 };
	struct record record;
	int r = reader_init(&rd, skeleton_fd, err);

	while (r == 0 && (r = next_record(&rd, &record, err)) == 1) {
		r = copy_raw(&rd, le64toh(record.raw_len), walk_raw, &w, err);
		if (r == 0)
			r = walk_data(&w, &rd, &record, err);
	}

	return r < 0 ? r : tar_reader_finish(reader, err);
}
