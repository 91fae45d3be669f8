/* SPDX-License-Identifier: Apache-2.0
 *
 * queue.h - split virtqueues as the device sees them (virtio 1.2, section 2.7)
 *
 * The rings lie in guest memory, which a hostile driver changes whenever it likes. Each index
 * and each descriptor is therefore loaded once, into memory of ours, and checked there; what
 * comes out is a chain of host buffers that were inside guest memory as a whole. A driver that
 * breaks the rules finds its queue broken: it gives no more chains until the device is reset.
 *
 * Not thread-safe: the lock of the device covers its queues.
 */
#ifndef VMM_VIRTIO_QUEUE_H
#define VMM_VIRTIO_QUEUE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct memory;

#define VIRTQ_SIZE_MAX 256 /* entries; also the longest chain, as the specification has it */

/**
 * struct virtq_state - what the driver set up and how far the device is: all a snapshot needs
 * @size:	entries in use, a power of two
 * @vector:	MSI-X vector, or VIRTIO_MSI_NO_VECTOR
 * @enabled:	the driver wants this queue
 * @desc_gpa:	descriptor table
 * @avail_gpa:	available ring, which the driver fills
 * @used_gpa:	used ring, which the device fills
 * @avail_next:	next entry of the available ring to take
 * @used_next:	next entry of the used ring to fill
 * @signalled:	value of @used_next at the last decision on an interrupt
 * @signalled_valid: @signalled has been set since the queue started
 */
struct virtq_state {
	uint16_t size;
	uint16_t vector;
	bool enabled;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t avail_next, used_next;
	uint16_t signalled;
	bool signalled_valid;
};

/**
 * struct virtq - one queue
 * @state:	see there
 * @size_max:	entries that the device offers
 * @memory:	borrowed
 * @event_index: VIRTIO_F_RING_EVENT_IDX was negotiated
 * @indirect:	VIRTIO_F_RING_INDIRECT_DESC was negotiated
 * @desc:	host address of the descriptor table; NULL unless the queue runs
 * @avail:	of the available ring
 * @used:	of the used ring
 * @noticed:	the driver's index when virtq_has_news() was last called
 * @broken:	what the driver did wrong, or NULL
 */
struct virtq {
	struct virtq_state state;
	uint16_t size_max;
	const struct memory *memory;
	bool event_index, indirect;
	const struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t noticed;
	const char *broken;
};

/**
 * struct virtq_chain - one request: buffers to read, then buffers to write
 * @head:	its name in the rings
 * @readable:	buffers that the driver filled
 * @readable_len: their number
 * @readable_bytes: and sum
 * @writable:	buffers for the device to fill
 * @writable_len: their number
 * @writable_bytes: and sum; with @written_bytes at most 4 GiB - 1
 * @written_bytes: put into the writable buffers so far
 * @iov:	storage; buffers of no bytes are left out
 */
struct virtq_chain {
	uint16_t head;
	struct iovec *readable;
	unsigned readable_len;
	size_t readable_bytes;
	struct iovec *writable;
	unsigned writable_len;
	size_t writable_bytes;
	uint32_t written_bytes;
	struct iovec iov[VIRTQ_SIZE_MAX];
};

/* Back to what it is after a reset; @size_max is a power of two. */
void virtq_init(struct virtq *q, uint16_t size_max);

/**
 * virtq_start() - Find the rings in guest memory
 * @q:		queue whose state the driver has set up, or that was loaded
 * @memory:	borrowed until virtq_stop()
 * @features:	negotiated ones
 *
 * Return: 0, or -EINVAL when a ring is misaligned or not inside memory; @q is then broken.
 */
int virtq_start(struct virtq *q, const struct memory *memory, uint64_t features);

/* Let go of guest memory; the state stays. */
void virtq_stop(struct virtq *q);

/* May chains be taken and given back? */
static inline bool virtq_running(const struct virtq *q)
{
	return q->desc && !q->broken;
}

/* Has the driver added chains since the last call? @q runs. */
bool virtq_has_news(struct virtq *q);

/**
 * virtq_pop() - Take the next chain
 * @q:		queue
 * @chain:	filled in
 *
 * Return: false when there is none, or when the driver broke the rules (@q is then broken).
 */
bool virtq_pop(struct virtq *q, struct virtq_chain *chain);

/* Give back the chain that was taken last, as if it had never been taken. */
void virtq_unpop(struct virtq *q);

/**
 * virtq_push() - Give a chain back to the driver; nothing when @q does not run any more
 * @q:		queue
 * @head:	of the chain
 * @written_bytes: at the start of its writable buffers
 */
void virtq_push(struct virtq *q, uint16_t head, uint32_t written_bytes);

/* Must the driver be interrupted for what was pushed since the last call? */
bool virtq_wants_interrupt(struct virtq *q);

/* Ask the driver not to notify while the device looks at the queue anyway. */
void virtq_mute(struct virtq *q);

/* Ask for notifications again. True when chains came meanwhile: look once more. */
bool virtq_unmute(struct virtq *q);

/**
 * virtq_unmute_beyond() - Ask for a notification of more chains than are not enough
 * @q:		queue, whose chains up to @seen were given back by virtq_unpop()
 * @seen:	state.avail_next before that
 *
 * Return: true when there are more by now.
 */
bool virtq_unmute_beyond(struct virtq *q, uint16_t seen);

/**
 * virtq_unmute_after() - As virtq_unmute(), but a driver with event indices is quiet until @count
 * more are there
 * @q:		queue
 * @count:	1 or more; when fewer come, nobody tells
 *
 * Return: true when chains came meanwhile.
 */
bool virtq_unmute_after(struct virtq *q, uint16_t count);

/* Record that the driver broke the rules; @why is a literal. */
void virtq_break(struct virtq *q, const char *why);

/* Move bytes out of the front of the readable buffers. Returns how many there were. */
size_t virtq_chain_read(struct virtq_chain *chain, void *buf, size_t len);

/* Move bytes into the front of the writable buffers. Returns how many there was room for. */
size_t virtq_chain_write(struct virtq_chain *chain, const void *buf, size_t len);

/* Skip @len bytes at the front of the readable buffers, at most all. */
void virtq_chain_skip(struct virtq_chain *chain, size_t len);

/* Count @len bytes, at most all, as put into the front of the writable buffers by readv(2). */
void virtq_chain_filled(struct virtq_chain *chain, size_t len);

/* Cut the last writable byte off, for a status. NULL when there is none. */
uint8_t *virtq_chain_cut_status(struct virtq_chain *chain);

#endif
