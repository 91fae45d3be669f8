/* SPDX-License-Identifier: Apache-2.0
 *
 * ring.c - a few buffers between one thread that fills them and one that reads them
 */
#include "image/ring.h"

#include <errno.h>

int ring_init(struct ring *r)
{
	*r = (struct ring){ .slots = malloc(RING_SLOTS * RING_SLOT_BYTES) };
	if (!r->slots)
		return -ENOMEM;
	/* Neither can fail with default attributes. */
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_cond_init(&r->moved, NULL);

	return 0;
}

void ring_done(struct ring *r)
{
	if (!r->slots)
		return;
	(void)pthread_cond_destroy(&r->moved);
	(void)pthread_mutex_destroy(&r->lock);
	free(r->slots);
	r->slots = NULL;
}

uint8_t *ring_reserve(struct ring *r)
{
	uint64_t head;

	pthread_mutex_lock(&r->lock);
	while (r->head - r->tail == RING_SLOTS)
		pthread_cond_wait(&r->moved, &r->lock);
	head = r->head;
	pthread_mutex_unlock(&r->lock);

	return r->slots + head % RING_SLOTS * RING_SLOT_BYTES;
}

void ring_publish(struct ring *r, size_t len)
{
	pthread_mutex_lock(&r->lock);
	r->len[r->head++ % RING_SLOTS] = len;
	pthread_cond_signal(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

void ring_end(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	pthread_cond_signal(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

const uint8_t *ring_peek(struct ring *r, size_t *ret_len)
{
	const uint8_t *slot = NULL;

	pthread_mutex_lock(&r->lock);
	while (r->head == r->tail && !r->ended)
		pthread_cond_wait(&r->moved, &r->lock);
	if (r->head != r->tail) {
		slot = r->slots + r->tail % RING_SLOTS * RING_SLOT_BYTES;
		*ret_len = r->len[r->tail % RING_SLOTS];
	}
	pthread_mutex_unlock(&r->lock);

	return slot;
}

void ring_release(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->tail++;
	pthread_cond_signal(&r->moved);
	pthread_mutex_unlock(&r->lock);
}
