/* SPDX-License-Identifier: Apache-2.0
 *
 * test_inflate.c - every format, in pieces of any size, joined, cut off and damaged
 */
#include "image/inflate.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zstd.h>

#include "base/strbuf.h"
#include "check.h"

#define PLAIN_BYTES 300000

static uint8_t plain[PLAIN_BYTES];

/* Compresses, but not to nothing. */
static void make_plain(void)
{
	uint32_t random = 1;

	for (size_t i = 0; i < sizeof(plain); i++) {
		random = random * 1664525 + 1013904223;
		plain[i] = (uint8_t)(i % 50 < 40 ? 'a' + i % 7 : random >> 24);
	}
}

static void add_gzip(struct strbuf *to, const uint8_t *from, size_t len)
{
	uint8_t *out = malloc(2 * PLAIN_BYTES);
	struct isal_zstream stream;

	isal_deflate_stateless_init(&stream);
	stream.gzip_flag = IGZIP_GZIP;
	stream.end_of_stream = 1;
	stream.next_in = (uint8_t *)(uintptr_t)from;
	stream.avail_in = (uint32_t)len;
	stream.next_out = out;
	stream.avail_out = 2 * PLAIN_BYTES;
	assert_int_equal(isal_deflate_stateless(&stream), COMP_OK);
	strbuf_add(to, out, stream.total_out);
	free(out);
}

static void add_zstd(struct strbuf *to, const uint8_t *from, size_t len)
{
	char *out = malloc(2 * PLAIN_BYTES);

	strbuf_add(to, out, ZSTD_compress(out, 2 * PLAIN_BYTES, from, len, 3));
	free(out);
}

static void add_xz(struct strbuf *to, const uint8_t *from, size_t len)
{
	uint8_t *out = malloc(2 * PLAIN_BYTES);
	size_t out_len = 0;

	assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, from, len, out,
						 &out_len, 2 * PLAIN_BYTES),
			 LZMA_OK);
	strbuf_add(to, out, out_len);
	free(out);
}

static void add_lz4(struct strbuf *to, const uint8_t *from, size_t len)
{
	char *out = malloc(2 * PLAIN_BYTES);
	uint32_t out_len =
		(uint32_t)LZ4_compress_default((const char *)from, out, (int)len, 2 * PLAIN_BYTES);

	/* The magic number, then blocks: here two, and the magic again as kernels may have it. */
	strbuf_add(to, "\x02\x21\x4c\x18", 4);
	strbuf_add(to, &out_len, sizeof(out_len));
	strbuf_add(to, out, out_len);
	free(out);
}

static void add_none(struct strbuf *to, const uint8_t *from, size_t len)
{
	strbuf_add(to, from, len);
}

static const struct {
	enum inflate_format format;
	void (*add)(struct strbuf *to, const uint8_t *from, size_t len);
} formats[] = {
	{ INFLATE_NONE, add_none }, { INFLATE_GZIP, add_gzip }, { INFLATE_ZSTD, add_zstd },
	{ INFLATE_XZ, add_xz },	    { INFLATE_LZ4, add_lz4 },
};

/* Decompress @from in pieces of @in_step into pieces of @out_step. */
static int run(enum inflate_format format, const struct strbuf *from, size_t in_step,
	       size_t out_step, struct strbuf *to)
{
	auto_ptr(inflate) *inf = inflate_new(format, NULL);
	auto_free uint8_t *piece = malloc(out_step);

	for (size_t at = 0; at < from->len; at += in_step) {
		struct inflate_io io = { .in = (const uint8_t *)from->text + at,
					 .in_bytes = MIN(in_step, from->len - at) };

		do {
			int r;

			io.out = piece;
			io.out_bytes = out_step;
			r = inflate_run(inf, &io, NULL);
			if (r < 0)
				return r;
			strbuf_add(to, piece, out_step - io.out_bytes);
		} while (io.out_bytes == 0);
		assert_int_equal(io.in_bytes, 0);
	}

	return inflate_is_whole(inf) ? 0 : -ENODATA;
}

static void test_pieces(void **state)
{
	static const size_t steps[][2] = {
		{ 1000000, 1000000 }, { 1000, 777 }, { 77, 100000 }, { 4096, 4096 }, { 1, 300000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		auto_done(strbuf) packed = STRBUF_INIT(4 * MIB);

		/* Two members, the second of them short. */
		formats[i].add(&packed, plain, sizeof(plain) - 10);
		formats[i].add(&packed, plain + sizeof(plain) - 10, 10);
		if (formats[i].format != INFLATE_NONE)
			assert_int_equal(inflate_detect(packed.text, packed.len),
					 formats[i].format);
		for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
			auto_done(strbuf) got = STRBUF_INIT(4 * MIB);

			assert_int_equal(
				run(formats[i].format, &packed, steps[k][0], steps[k][1], &got), 0);
			assert_int_equal(got.len, sizeof(plain));
			assert_memory_equal(got.text, plain, sizeof(plain));
		}
	}
}

static void test_ends(void **state)
{
	(void)state;
	for (size_t i = 1; i < ARRAY_SIZE(formats); i++) {
		auto_done(strbuf) packed = STRBUF_INIT(4 * MIB);
		auto_done(strbuf) got = STRBUF_INIT(8 * MIB);

		formats[i].add(&packed, plain, 5000);
		for (size_t len = 5; len < packed.len; len += 7) {
			struct strbuf cut = { .text = packed.text, .len = len };

			strbuf_reset(&got);
			assert_int_equal(run(formats[i].format, &cut, 1000, 100000, &got),
					 -ENODATA);
		}
		if (formats[i].format == INFLATE_LZ4)
			continue; /* its frame has no end */
		strbuf_add(&packed, "\0\0\0\0\0\0", 6);
		strbuf_reset(&got);
		assert_int_equal(run(formats[i].format, &packed, 1000, 100000, &got), 0);
		assert_int_equal(got.len, 5000);
		strbuf_add(&packed, "x", 1);
		assert_int_equal(run(formats[i].format, &packed, 1000, 100000, &got), -EBADMSG);
	}
}

/* Checksums tell, where a format has them; nothing breaks where it has not. */
static void test_damage(void **state)
{
	uint32_t random = 3;

	(void)state;
	for (size_t i = 1; i < ARRAY_SIZE(formats); i++) {
		auto_done(strbuf) packed = STRBUF_INIT(4 * MIB);

		formats[i].add(&packed, plain, 20000);
		for (int round = 0; round < 300; round++) {
			auto_done(strbuf) bad = STRBUF_INIT(4 * MIB);
			auto_done(strbuf) got = STRBUF_INIT(64 * MIB);

			strbuf_add(&bad, packed.text, packed.len);
			random = random * 1664525 + 1013904223;
			bad.text[(random >> 8) % bad.len] ^= (char)(1 + random % 255);
			if (run(formats[i].format, &bad, 500, 5000, &got) == 0 &&
			    formats[i].format == INFLATE_GZIP)
				assert_memory_equal(got.text, plain, 20000);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_damage),
	};

	make_plain();

	return cmocka_run_group_tests(tests, NULL, NULL);
}
