/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs_meta.c - segments of an EROFS file in which metadata are gathered
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/erofs_priv.h"

int erofs_meta_flush(struct erofs *e, struct err *err)
{
	struct segment *s = &e->segment;

	if (s->used == 0)
		return 0;

	return erofs_sink_put(&e->sink, s->at, s->bytes, s->room, err);
}

int erofs_meta_begin(struct erofs *e, size_t len, struct err *err)
{
	/* Segments grow, so that a layer of a few files stays small. */
	size_t want = MIN(e->segment.room ? e->segment.room * 2 : SEGMENT_MIN_BYTES, SEGMENT_BYTES);
	size_t room = (MAX(len, want) + EROFS_BLOCK_BYTES - 1) & ~(size_t)(EROFS_BLOCK_BYTES - 1);
	int r = erofs_meta_flush(e, err);

	if (r < 0)
		return r;
	if (room != e->segment.room) {
		free(e->segment.bytes);
		e->segment = (struct segment){ .bytes = erofs_sink_alloc(room), .room = room };
		if (!e->segment.bytes)
			return err_set(err, ENOMEM, "out of memory");
	} else {
		memset(e->segment.bytes, 0, room);
	}
	e->segment.at = erofs_sink_at(&e->sink);
	e->segment.used = 0;

	return erofs_sink_add(&e->sink, NULL, room, err);
}

int erofs_meta_alloc(struct erofs *e, size_t len, size_t align, uint8_t **ret, uint64_t *ret_at,
		     struct err *err)
{
	struct segment *s = &e->segment;
	size_t used = (s->used + align - 1) & ~(align - 1);

	if (used + len > s->room) {
		int r = erofs_meta_begin(e, len, err);

		if (r < 0)
			return r;
		used = 0;
	}
	*ret = s->bytes + used;
	*ret_at = s->at + used;
	s->used = used + len;

	return 0;
}
