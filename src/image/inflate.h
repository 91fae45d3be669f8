/* SPDX-License-Identifier: Apache-2.0
 *
 * inflate.h - one decompressor for every format that layers, archives and kernels come in
 *
 * Both buffers are the caller's, so that output can go straight to where it is needed. Members
 * that follow one another (gzip, zstd, xz) decompress to one stream; zeroes behind the last one
 * are padding, anything else there is an error.
 */
#ifndef IMAGE_INFLATE_H
#define IMAGE_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macro.h"

enum inflate_format {
	INFLATE_NONE = 0, /* bytes pass as they are */
	INFLATE_GZIP,
	INFLATE_ZSTD,
	INFLATE_XZ,
	INFLATE_LZ4, /* the legacy frame of Linux kernels */
};

#define INFLATE_HEAD_BYTES 6 /* that inflate_detect() wants to see */

/* The format by its first bytes; INFLATE_NONE when they are none we know. */
enum inflate_format inflate_detect(const void *head, size_t len);

/* "gzip", "zstd" ...; "none". */
const char *inflate_name(enum inflate_format format);

/* Where to read and write; inflate_run() advances all four. */
struct inflate_io {
	const uint8_t *in;
	size_t in_bytes;
	uint8_t *out;
	size_t out_bytes;
};

struct inflate;

/**
 * inflate_new() - Make a decompressor
 * @format:	what comes in
 * @err:	filled in on failure, may be NULL
 *
 * All memory it will ever need is allocated here, but for INFLATE_XZ, which takes up to
 * INFLATE_MAX_XZ_BYTES as its input asks for.
 *
 * Return: the decompressor, released by inflate_free(), or NULL without memory.
 */
struct inflate *inflate_new(enum inflate_format format, struct err *err);
void inflate_free(struct inflate *inf);
DEFINE_AUTO_PTR(inflate)

#define INFLATE_MAX_XZ_BYTES (128 * MIB)
#define INFLATE_MAX_ZSTD_WINDOW_LOG 27 /* 128 MiB, what zstd -19 --long asks for */

/**
 * inflate_run() - Decompress until the input is used up or the output is full
 * @inf:	decompressor
 * @io:		buffers
 * @err:	filled in on failure, may be NULL
 *
 * Output may be left in the decompressor while @io->out_bytes is 0 on return: call again with
 * room, also without input.
 *
 * Return: 0, or -EBADMSG when the input is corrupt.
 */
int inflate_run(struct inflate *inf, struct inflate_io *io, struct err *err);

/* True when the input that was seen so far could end here; else it is truncated. */
bool inflate_is_whole(const struct inflate *inf);

#endif
