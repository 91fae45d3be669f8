/* SPDX-License-Identifier: Apache-2.0
 *
 * block_request.c - the requests of a disk: many at a time, each in one or more steps
 *
 * Theory of operation
 *
 * A request is a header (read once), data and a status byte. Each chain that is taken occupies a
 * struct request until it is pushed; there are as many as the queue has entries, so the guest
 * decides nothing about memory. A request takes one or more steps, each an operation of
 * blockio.h: a short read or write continues where it ended, a discard or write-zeroes goes
 * through its segments, and zeroes that the file system cannot make cheaply are written.
 *
 * Durability: a write is done when it is in the host's page cache and a flush makes all writes
 * that were done before it durable. A driver that did not negotiate flushes gets writes that are
 * durable one by one.
 *
 * A reset waits: while a request is in flight the kernel may still write into guest memory.
 */
#include "vmm/virtio/block_priv.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"

#define RETRY_NS NS_PER_MS /* of what the host had no memory for */

static bool in_range(const struct virtio_block *block, uint64_t sector, uint64_t bytes)
{
	uint64_t at;

	return !mul_overflows(sector, BLOCK_SECTOR_BYTES, &at) && at <= block->capacity_bytes &&
	       bytes <= block->capacity_bytes - at;
}

/* Give @req back to the driver. */
static void finish(struct virtio_block *block, struct block_request *req, uint8_t status)
{
	__atomic_store_n(req->status, status, __ATOMIC_RELAXED);
	virtq_push(&block->dev.queues[0], req->chain.head, req->chain.written_bytes + 1);
	block->idle[block->idle_len++] = (uint16_t)(req - block->requests);
}

static void begin(struct virtio_block *block, const struct block_request *req, struct blockio_op op)
{
	op.tag = (unsigned)(req - block->requests);
	blockio_begin(&block->io, &op);
}

/* Write zeroes from where the segment at hand has come to. */
static void begin_zeroes(struct virtio_block *block, struct block_request *req, uint64_t left_bytes)
{
	unsigned n = 0;

	/* The chain's buffers are used up by now: its array serves. */
	while (left_bytes > 0 && n < ARRAY_SIZE(req->chain.iov)) {
		size_t bytes = MIN(left_bytes, BLOCK_ZEROES_BYTES);

		req->chain.iov[n++] = (struct iovec){ block->zeroes, bytes };
		left_bytes -= bytes;
	}
	begin(block, req,
	      (struct blockio_op){
		      .kind = BLOCKIO_WRITE,
		      .iov = req->chain.iov,
		      .iov_len = n,
		      .offset = req->offset + req->segment_done_bytes,
		      .durable = !virtio_has(&block->dev, VIRTIO_BLK_F_FLUSH),
	      });
}

static void begin_segment(struct virtio_block *block, struct block_request *req)
{
	const struct virtio_blk_discard_write_zeroes *segment = &req->segments[req->segment];
	uint64_t bytes = segment->num_sectors * BLOCK_SECTOR_BYTES;
	bool unmap = req->type == VIRTIO_BLK_T_DISCARD ||
		     (segment->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);

	req->offset = segment->sector * BLOCK_SECTOR_BYTES;
	if (req->write_zeroes) {
		begin_zeroes(block, req, bytes - req->segment_done_bytes);
		return;
	}
	begin(block, req,
	      (struct blockio_op){
		      .kind = BLOCKIO_FALLOCATE,
		      .offset = req->offset,
		      .bytes = bytes,
		      .mode = FALLOC_FL_KEEP_SIZE |
			      (unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
	      });
}

static void begin_data(struct virtio_block *block, struct block_request *req)
{
	bool read = req->type == VIRTIO_BLK_T_IN;

	begin(block, req,
	      (struct blockio_op){
		      .kind = read ? BLOCKIO_READ : BLOCKIO_WRITE,
		      .iov = read ? req->chain.writable : req->chain.readable,
		      .iov_len = read ? req->chain.writable_len : req->chain.readable_len,
		      .offset = req->offset,
		      .durable = !virtio_has(&block->dev, VIRTIO_BLK_F_FLUSH),
	      });
}

/* The segments of a discard or write-zeroes, read once and checked. Returns a status. */
static uint8_t read_segments(struct virtio_block *block, struct block_request *req)
{
	struct virtio_blk_discard_write_zeroes *s = req->segments;
	uint32_t flags = req->type == VIRTIO_BLK_T_DISCARD ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	size_t bytes = req->chain.readable_bytes;

	if (bytes == 0 || bytes % sizeof(*s) || bytes > sizeof(req->segments))
		return VIRTIO_BLK_S_IOERR;
	(void)virtq_chain_read(&req->chain, s, bytes);
	req->segments_len = (unsigned)(bytes / sizeof(*s));
	for (unsigned i = 0; i < req->segments_len; i++) {
		s[i].sector = le64toh(s[i].sector);
		s[i].num_sectors = le32toh(s[i].num_sectors);
		s[i].flags = le32toh(s[i].flags);
		if (s[i].flags & ~flags)
			return VIRTIO_BLK_S_UNSUPP;
		if (s[i].num_sectors == 0 || s[i].num_sectors > BLOCK_SEGMENT_MAX_SECTORS ||
		    !in_range(block, s[i].sector, s[i].num_sectors * BLOCK_SECTOR_BYTES))
			return VIRTIO_BLK_S_IOERR;
	}

	return VIRTIO_BLK_S_OK;
}

static uint8_t start_data(struct virtio_block *block, struct block_request *req, uint64_t sector)
{
	bool read = req->type == VIRTIO_BLK_T_IN;
	size_t bytes = read ? req->chain.writable_bytes : req->chain.readable_bytes;

	if (bytes == 0 || bytes % BLOCK_SECTOR_BYTES || !in_range(block, sector, bytes) ||
	    (!read && block->readonly))
		return VIRTIO_BLK_S_IOERR;
	req->offset = sector * BLOCK_SECTOR_BYTES;
	if (read) {
		block->stats.reads++;
		block->stats.read_bytes += bytes;
	} else {
		block->stats.writes++;
		block->stats.written_bytes += bytes;
	}
	begin_data(block, req);

	return VIRTIO_BLK_S_OK;
}

static uint8_t start_segments(struct virtio_block *block, struct block_request *req)
{
	unsigned feature = req->type == VIRTIO_BLK_T_DISCARD ? VIRTIO_BLK_F_DISCARD
							     : VIRTIO_BLK_F_WRITE_ZEROES;
	uint8_t status;

	if (!virtio_has(&block->dev, feature))
		return VIRTIO_BLK_S_UNSUPP;
	status = read_segments(block, req);
	if (status != VIRTIO_BLK_S_OK)
		return status;
	block->stats.discards++;
	begin_segment(block, req);

	return VIRTIO_BLK_S_OK;
}

/* Begin what the header asks for. True when there is something to wait for. */
static bool start(struct virtio_block *block, struct block_request *req,
		  const struct virtio_blk_outhdr *head, uint8_t *ret_status)
{
	*ret_status = VIRTIO_BLK_S_OK;
	switch (req->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		*ret_status = start_data(block, req, le64toh(head->sector));
		break;
	case VIRTIO_BLK_T_FLUSH:
		block->stats.flushes++;
		if (block->readonly)
			return false;
		begin(block, req, (struct blockio_op){ .kind = BLOCKIO_SYNC });
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		*ret_status = start_segments(block, req);
		break;
	case VIRTIO_BLK_T_GET_ID:
		(void)virtq_chain_write(&req->chain, block->serial, sizeof(block->serial));
		return false;
	default:
		*ret_status = VIRTIO_BLK_S_UNSUPP;
		break;
	}

	return *ret_status == VIRTIO_BLK_S_OK;
}

/* Take one chain. False when there is none, or no more. */
static bool take(struct virtio_block *block, struct virtq *q)
{
	struct block_request *req = &block->requests[block->idle[block->idle_len - 1]];
	struct virtio_blk_outhdr head;
	uint8_t status;

	if (!virtq_pop(q, &req->chain))
		return false;
	if (virtq_chain_read(&req->chain, &head, sizeof(head)) < sizeof(head)) {
		virtq_break(q, "block request without a header");
		return false;
	}
	req->status = virtq_chain_cut_status(&req->chain);
	if (!req->status) {
		virtq_break(q, "block request without a place for its status");
		return false;
	}
	block->idle_len--;
	req->type = le32toh(head.type);
	req->segment = 0;
	req->segment_done_bytes = 0;
	req->write_zeroes = false;
	if (!start(block, req, &head, &status))
		finish(block, req, status);

	return true;
}

static void submit(struct virtio_block *block)
{
	if (!blockio_submit(&block->io))
		loop_timer_arm(block->dev.env.loop, &block->retry, clock_now_ns() + RETRY_NS);
}

void block_retry(void *ctx)
{
	submit(ctx);
}

bool block_kick(struct virtio_device *dev, unsigned queue)
{
	struct virtio_block *block = (struct virtio_block *)dev;
	struct virtq *q = &dev->queues[queue];
	unsigned budget = VIRTIO_BUDGET;
	bool more = true;

	virtq_mute(q);
	/* A driver that offers more chains than the queue has entries waits for some to end. */
	for (; more && budget > 0 && block->idle_len > 0; budget--)
		if (!take(block, q))
			more = virtq_unmute(q);
	submit(block);
	/* Not by the event's way through the loop: the guest would wait for that. */
	if (blockio_has_done(&block->io))
		block_on_done(block, 0);
	virtio_signal(dev, queue);

	return more && budget == 0;
}

/* Go on with a read or write of which @bytes have been done. True while it is not done. */
static bool continue_data(struct virtio_block *block, struct block_request *req, size_t bytes)
{
	struct virtq_chain *chain = &req->chain;

	req->offset += bytes;
	if (req->type == VIRTIO_BLK_T_IN)
		virtq_chain_filled(chain, bytes);
	else
		virtq_chain_skip(chain, bytes);
	if (chain->readable_len == 0 && chain->writable_len == 0)
		return false;
	begin_data(block, req);

	return true;
}

static bool continue_segments(struct virtio_block *block, struct block_request *req, size_t bytes)
{
	const struct virtio_blk_discard_write_zeroes *segment = &req->segments[req->segment];

	req->segment_done_bytes += bytes;
	if (!req->write_zeroes ||
	    req->segment_done_bytes >= segment->num_sectors * BLOCK_SECTOR_BYTES) {
		req->segment++;
		req->segment_done_bytes = 0;
	}
	if (req->segment >= req->segments_len)
		return false;
	begin_segment(block, req);

	return true;
}

/* A step of @req ended. True when another one has begun; else its status. */
static bool next_step(struct virtio_block *block, struct block_request *req, int result,
		      uint8_t *ret_status)
{
	bool data = req->type == VIRTIO_BLK_T_IN || req->type == VIRTIO_BLK_T_OUT;

	*ret_status = VIRTIO_BLK_S_IOERR;
	if (block->dev.state.resetting)
		return false;
	if (result == -EOPNOTSUPP && req->type == VIRTIO_BLK_T_WRITE_ZEROES && !req->write_zeroes) {
		req->write_zeroes = true;
		begin_segment(block, req);
		return true;
	}
	/* Nothing at all: somebody has cut the file short. */
	if (result < 0 || (result == 0 && (data || req->write_zeroes)))
		return false;
	*ret_status = VIRTIO_BLK_S_OK;
	if (data)
		return continue_data(block, req, (size_t)result);

	return req->type != VIRTIO_BLK_T_FLUSH && continue_segments(block, req, (size_t)result);
}

void block_on_done(void *ctx, uint32_t events UNUSED)
{
	struct virtio_block *block = ctx;
	struct blockio_done done;

	while (blockio_reap(&block->io, &done)) {
		struct block_request *req = &block->requests[done.tag];
		uint8_t status;

		if (!next_step(block, req, done.result, &status))
			finish(block, req, status);
	}
	submit(block);
	virtio_signal(&block->dev, 0);
	if (block->io.in_flight == 0)
		virtio_reset_done(&block->dev);
	/* Where no request was idle, chains were neither taken nor asked for. */
	if (virtio_running(&block->dev) && block->idle_len > 0 &&
	    virtq_unmute(&block->dev.queues[0]))
		virtio_ring(&block->dev, 0);
	virtio_check(&block->dev);
}
