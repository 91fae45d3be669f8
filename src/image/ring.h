/* SPDX-License-Identifier: Apache-2.0
 *
 * ring.h - a few buffers between one thread that fills them and one that reads them
 */
#ifndef IMAGE_RING_H
#define IMAGE_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define RING_SLOTS 8
#define RING_SLOT_BYTES (256 * KIB)

/**
 * struct ring - all members are its own
 * @lock:	guards @head, @tail and @ended
 * @moved:	signalled when one of them changes
 * @head:	slots filled so far
 * @tail:	slots read so far
 */
struct ring {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	uint64_t head, tail;
	bool ended;
	size_t len[RING_SLOTS];
	uint8_t *slots;
};

/* 0 or -ENOMEM. No thread may use it when it is done away with. */
int ring_init(struct ring *r);
void ring_done(struct ring *r);

/* A slot to fill, RING_SLOT_BYTES long; waits until there is one. */
uint8_t *ring_reserve(struct ring *r);
/* The slot that was reserved holds @len bytes now. It may still be read by who filled it. */
void ring_publish(struct ring *r, size_t len);
/* Nothing more will come. */
void ring_end(struct ring *r);

/* The oldest slot that is filled; waits. NULL at the end. */
const uint8_t *ring_peek(struct ring *r, size_t *ret_len);
/* It was read. */
void ring_release(struct ring *r);

#endif
