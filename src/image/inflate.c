/* SPDX-License-Identifier: Apache-2.0
 *
 * inflate.c - gzip by ISA-L, zstd, xz and LZ4 behind one function
 */
#include "image/inflate.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zstd.h>

/* Blocks of the legacy LZ4 frame hold up to this much; kernels use it throughout. */
#define LZ4_BLOCK_BYTES (8 * MIB)
#define LZ4_MAGIC 0x184c2102U

enum phase {
	BETWEEN, /* at the start, or behind a member */
	WITHIN,
	PADDING, /* only zeroes may follow */
};

struct lz4_state {
	uint8_t *packed, *plain;
	size_t packed_len, packed_want;
	size_t plain_at, plain_len;
};

struct inflate {
	enum inflate_format format;
	enum phase phase;
	struct inflate_state gzip;
	ZSTD_DCtx *zstd;
	lzma_stream xz;
	struct lz4_state lz4;
};

static const struct {
	enum inflate_format format;
	const char *name, *magic;
	size_t magic_len;
} formats[] = {
	{ INFLATE_GZIP, "gzip", "\x1f\x8b", 2 },
	{ INFLATE_ZSTD, "zstd", "\x28\xb5\x2f\xfd", 4 },
	{ INFLATE_XZ, "xz",
	  "\xfd"
	  "7zXZ\0",
	  6 },
	{ INFLATE_LZ4, "lz4", "\x02\x21\x4c\x18", 4 },
};

enum inflate_format inflate_detect(const void *head, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (len >= formats[i].magic_len &&
		    memcmp(head, formats[i].magic, formats[i].magic_len) == 0)
			return formats[i].format;

	return INFLATE_NONE;
}

const char *inflate_name(enum inflate_format format)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (formats[i].format == format)
			return formats[i].name;

	return "none";
}

static bool set_up(struct inflate *inf)
{
	switch (inf->format) {
	case INFLATE_GZIP:
		isal_inflate_init(&inf->gzip);
		inf->gzip.crc_flag = ISAL_GZIP;
		return true;
	case INFLATE_ZSTD:
		inf->zstd = ZSTD_createDCtx();
		return inf->zstd &&
		       !ZSTD_isError(ZSTD_DCtx_setParameter(inf->zstd, ZSTD_d_windowLogMax,
							    INFLATE_MAX_ZSTD_WINDOW_LOG));
	case INFLATE_XZ:
		inf->xz = (lzma_stream)LZMA_STREAM_INIT;
		return lzma_stream_decoder(&inf->xz, INFLATE_MAX_XZ_BYTES, 0) == LZMA_OK;
	case INFLATE_LZ4:
		inf->lz4.packed = malloc(LZ4_COMPRESSBOUND(LZ4_BLOCK_BYTES) + sizeof(uint32_t));
		inf->lz4.plain = malloc(LZ4_BLOCK_BYTES);
		inf->lz4.packed_want = sizeof(uint32_t);
		return inf->lz4.packed && inf->lz4.plain;
	case INFLATE_NONE:
		break;
	}

	return true;
}

struct inflate *inflate_new(enum inflate_format format, struct err *err)
{
	struct inflate *inf = calloc(1, sizeof(*inf));

	if (inf)
		inf->format = format;
	if (!inf || !set_up(inf)) {
		inflate_free(inf);
		err_set(err, ENOMEM, "out of memory");
		return NULL;
	}

	return inf;
}

void inflate_free(struct inflate *inf)
{
	if (!inf)
		return;
	ZSTD_freeDCtx(inf->zstd);
	if (inf->format == INFLATE_XZ)
		lzma_end(&inf->xz);
	free(inf->lz4.packed);
	free(inf->lz4.plain);
	free(inf);
}

static int corrupt(const struct inflate *inf, struct err *err, const char *why)
{
	return err_setk(err, ERR_USAGE, EBADMSG, "corrupt %s data: %s", inflate_name(inf->format),
			why);
}

static void advance(struct inflate_io *io, size_t in_bytes, size_t out_bytes)
{
	io->in += in_bytes;
	io->in_bytes -= in_bytes;
	io->out += out_bytes;
	io->out_bytes -= out_bytes;
}

static int run_none(struct inflate_io *io)
{
	size_t len = MIN(io->in_bytes, io->out_bytes);

	if (len > 0)
		memcpy(io->out, io->in, len);
	advance(io, len, len);

	return 0;
}

/* ISA-L counts in 32 bits, and does not write through its input pointer. */
static int run_gzip(struct inflate *inf, struct inflate_io *io, struct err *err)
{
	struct inflate_state *s = &inf->gzip;
	uint32_t in_bytes = (uint32_t)MIN(io->in_bytes, (size_t)GIB);
	uint32_t out_bytes = (uint32_t)MIN(io->out_bytes, (size_t)GIB);
	int r;

	s->next_in = (uint8_t *)(uintptr_t)io->in;
	s->avail_in = in_bytes;
	s->next_out = io->out;
	s->avail_out = out_bytes;
	r = isal_inflate(s);
	if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT)
		return corrupt(inf, err,
			       r == ISAL_INCORRECT_CHECKSUM ? "wrong checksum" : "bad block");
	advance(io, in_bytes - s->avail_in, out_bytes - s->avail_out);
	if (s->block_state == ISAL_BLOCK_FINISH) {
		isal_inflate_reset(s);
		s->crc_flag = ISAL_GZIP;
		inf->phase = BETWEEN;
	}

	return 0;
}

static int run_zstd(struct inflate *inf, struct inflate_io *io, struct err *err)
{
	ZSTD_inBuffer in = { .src = io->in, .size = io->in_bytes };
	ZSTD_outBuffer out = { .dst = io->out, .size = io->out_bytes };
	size_t r = ZSTD_decompressStream(inf->zstd, &out, &in);

	if (ZSTD_isError(r))
		return corrupt(inf, err, ZSTD_getErrorName(r));
	advance(io, in.pos, out.pos);
	if (r == 0)
		inf->phase = BETWEEN;

	return 0;
}

static int run_xz(struct inflate *inf, struct inflate_io *io, struct err *err)
{
	lzma_ret r;

	inf->xz.next_in = io->in;
	inf->xz.avail_in = io->in_bytes;
	inf->xz.next_out = io->out;
	inf->xz.avail_out = io->out_bytes;
	r = lzma_code(&inf->xz, LZMA_RUN);
	advance(io, io->in_bytes - inf->xz.avail_in, io->out_bytes - inf->xz.avail_out);
	if (r == LZMA_MEMLIMIT_ERROR)
		return err_setk(err, ERR_USAGE, E2BIG,
				"xz data needs more than %llu bytes of memory",
				INFLATE_MAX_XZ_BYTES);
	if (r == LZMA_STREAM_END) {
		inf->phase = BETWEEN;
		r = lzma_stream_decoder(&inf->xz, INFLATE_MAX_XZ_BYTES, 0);
	}
	if (r != LZMA_OK && r != LZMA_BUF_ERROR)
		return corrupt(inf, err, "bad block");

	return 0;
}

static uint32_t le32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* A size, or a block, or the magic number once more, was gathered. */
static int lz4_gathered(struct inflate *inf, struct err *err)
{
	struct lz4_state *s = &inf->lz4;
	int r;

	if (inf->phase == BETWEEN) {
		/* Sizes follow the magic number until the input ends: there is no end mark. */
		inf->phase = WITHIN;
		s->packed_len = 0;
		return 0;
	}
	if (s->packed_want == sizeof(uint32_t) && s->packed_len == sizeof(uint32_t)) {
		uint32_t len = le32(s->packed);

		s->packed_len = 0;
		if (len == LZ4_MAGIC)
			return 0;
		if (len == 0 || len > (uint32_t)LZ4_COMPRESSBOUND(LZ4_BLOCK_BYTES))
			return corrupt(inf, err, "bad size of a block");
		/* One more, so that a block is never taken for a size. */
		s->packed_want = (size_t)len + sizeof(uint32_t);
		s->packed_len = sizeof(uint32_t);
		return 0;
	}
	r = LZ4_decompress_safe((const char *)s->packed + sizeof(uint32_t), (char *)s->plain,
				(int)(s->packed_want - sizeof(uint32_t)), LZ4_BLOCK_BYTES);
	if (r < 0)
		return corrupt(inf, err, "bad block");
	s->plain_at = 0;
	s->plain_len = (size_t)r;
	s->packed_len = 0;
	s->packed_want = sizeof(uint32_t);

	return 0;
}

static int run_lz4(struct inflate *inf, struct inflate_io *io, struct err *err)
{
	struct lz4_state *s = &inf->lz4;
	size_t len;

	if (s->plain_at < s->plain_len) {
		len = MIN(s->plain_len - s->plain_at, io->out_bytes);
		memcpy(io->out, s->plain + s->plain_at, len);
		s->plain_at += len;
		advance(io, 0, len);
		return 0;
	}
	len = MIN(io->in_bytes, s->packed_want - s->packed_len);
	memcpy(s->packed + s->packed_len, io->in, len);
	s->packed_len += len;
	advance(io, len, 0);

	return s->packed_len == s->packed_want ? lz4_gathered(inf, err) : 0;
}

static int run_once(struct inflate *inf, struct inflate_io *io, struct err *err)
{
	switch (inf->format) {
	case INFLATE_GZIP:
		return run_gzip(inf, io, err);
	case INFLATE_ZSTD:
		return run_zstd(inf, io, err);
	case INFLATE_XZ:
		return run_xz(inf, io, err);
	case INFLATE_LZ4:
		return run_lz4(inf, io, err);
	case INFLATE_NONE:
		break;
	}

	return run_none(io);
}

/* Behind a member: another one begins, or zeroes pad the input. */
static int between(struct inflate *inf, struct inflate_io *io, struct err *err)
{
	bool padding = inf->phase == PADDING || (io->in_bytes > 0 && io->in[0] == '\0');

	if (!padding) {
		if (inf->format != INFLATE_LZ4)
			inf->phase = WITHIN;
		return run_once(inf, io, err);
	}
	inf->phase = PADDING;
	for (; io->in_bytes > 0; advance(io, 1, 0))
		if (io->in[0] != '\0')
			return corrupt(inf, err, "something else follows it");

	return 0;
}

int inflate_run(struct inflate *inf, struct inflate_io *io, struct err *err)
{
	size_t in_bytes, out_bytes;

	do {
		int r;

		in_bytes = io->in_bytes;
		out_bytes = io->out_bytes;
		if (in_bytes == 0 && inf->phase != WITHIN)
			break;
		if (inf->phase == WITHIN || inf->format == INFLATE_NONE)
			r = run_once(inf, io, err);
		else
			r = between(inf, io, err);
		if (r < 0)
			return r;
	} while (io->in_bytes != in_bytes || io->out_bytes != out_bytes);

	return 0;
}

bool inflate_is_whole(const struct inflate *inf)
{
	const struct lz4_state *s = &inf->lz4;

	if (inf->format == INFLATE_NONE)
		return true;
	if (inf->format == INFLATE_LZ4)
		return s->packed_len == 0 && s->packed_want == sizeof(uint32_t) &&
		       s->plain_at == s->plain_len;

	return inf->phase != WITHIN;
}
