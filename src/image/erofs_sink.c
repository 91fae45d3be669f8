/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs_sink.c - a file that grows at its end, with gaps that are filled in later
 */
#include "image/erofs_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "image/erofs_format.h"

void *erofs_sink_alloc(size_t len)
{
	void *mem = aligned_alloc(EROFS_BLOCK_BYTES, len);

	return mem ? memset(mem, 0, len) : NULL;
}

/* Where the filesystem refuses, writes go through the cache. */
static void set_direct(struct erofs_sink *s, bool on)
{
	int flags = fcntl(s->fd, F_GETFL);
	int want = on ? flags | O_DIRECT : flags & ~O_DIRECT;

	s->direct = flags >= 0 && fcntl(s->fd, F_SETFL, want) == 0 && on;
}

int erofs_sink_init(struct erofs_sink *s, int fd, uint64_t max_bytes, struct err *err)
{
	*s = (struct erofs_sink){ .fd = fd, .max_bytes = max_bytes };
	s->piece = erofs_sink_alloc(SINK_PIECE_BYTES);
	if (!s->piece)
		return err_set(err, ENOMEM, "out of memory");
	set_direct(s, true);

	return 0;
}

void erofs_sink_done(struct erofs_sink *s)
{
	if (!s)
		return;
	free(s->piece);
	s->piece = NULL;
}

static int write_at(struct erofs_sink *s, uint64_t at, const void *buf, size_t len, struct err *err)
{
	const uint8_t *from = buf;

	while (len > 0) {
		ssize_t n = pwrite(s->fd, from, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EINVAL && s->direct) {
			set_direct(s, false);
			continue;
		}
		if (n < 0)
			return err_sys(err, "writing the layer");
		from += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}

	return 0;
}

static int write_piece(struct erofs_sink *s, struct err *err)
{
	int r = write_at(s, s->piece_at, s->piece, s->piece_used, err);

	s->piece_at += s->piece_used;
	s->piece_used = 0;

	return r;
}

int erofs_sink_add(struct erofs_sink *s, const void *buf, uint64_t len, struct err *err)
{
	const uint8_t *from = buf;

	if (len > s->max_bytes - erofs_sink_at(s))
		return err_setk(err, ERR_USAGE, EFBIG, "layer is larger than %llu bytes",
				(unsigned long long)s->max_bytes);
	while (len > 0) {
		size_t take = (size_t)MIN(len, (uint64_t)(SINK_PIECE_BYTES - s->piece_used));

		if (from) {
			memcpy(s->piece + s->piece_used, from, take);
			from += take;
		} else {
			memset(s->piece + s->piece_used, 0, take);
		}
		s->piece_used += take;
		len -= take;
		if (s->piece_used == SINK_PIECE_BYTES) {
			int r = write_piece(s, err);

			if (r < 0)
				return r;
		}
	}

	return 0;
}

int erofs_sink_pad(struct erofs_sink *s, struct err *err)
{
	return erofs_sink_add(s, NULL, -erofs_sink_at(s) & (EROFS_BLOCK_BYTES - 1), err);
}

int erofs_sink_put(struct erofs_sink *s, uint64_t at, const void *buf, size_t len, struct err *err)
{
	size_t on_disk = 0;

	/* The part that is behind us is in the file, the rest still in memory. */
	if (at < s->piece_at)
		on_disk = (size_t)MIN((uint64_t)len, s->piece_at - at);
	if (on_disk < len)
		memcpy(s->piece + (at + on_disk - s->piece_at), (const uint8_t *)buf + on_disk,
		       len - on_disk);

	return write_at(s, at, buf, on_disk, err);
}

int erofs_sink_patch(struct erofs_sink *s, uint64_t at, const void *buf, size_t len,
		     struct err *err)
{
	if (s->direct)
		set_direct(s, false);

	return write_at(s, at, buf, len, err);
}

int erofs_sink_flush(struct erofs_sink *s, struct err *err)
{
	return s->piece_used > 0 ? write_piece(s, err) : 0;
}
