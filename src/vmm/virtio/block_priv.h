/* SPDX-License-Identifier: Apache-2.0
 *
 * block_priv.h - a disk's insides, for block.c and block_request.c
 */
#ifndef VMM_VIRTIO_BLOCK_PRIV_H
#define VMM_VIRTIO_BLOCK_PRIV_H

#include <linux/virtio_blk.h>

#include "vmm/virtio/block.h"
#include "vmm/virtio/blockio.h"

#define BLOCK_QUEUE_SIZE 128
#define BLOCK_SECTOR_BYTES 512ULL
#define BLOCK_SEGMENTS_MAX 16 /* of a discard or write-zeroes request */
/* A longer one keeps a worker of the kernel busy for too long. */
#define BLOCK_SEGMENT_MAX_SECTORS (1 * GIB / BLOCK_SECTOR_BYTES)
#define BLOCK_ZEROES_BYTES (64 * KIB)

struct block_request {
	struct virtq_chain chain; /* what is left of its data */
	uint8_t *status;
	uint32_t type;	 /* VIRTIO_BLK_T_* */
	uint64_t offset; /* in the file, of the next step */
	struct virtio_blk_discard_write_zeroes segments[BLOCK_SEGMENTS_MAX];
	unsigned segments_len, segment; /* the one at hand */
	uint64_t segment_done_bytes;
	bool write_zeroes; /* the file system cannot make them */
};

struct virtio_block {
	struct virtio_device dev; /* first, so that the device is the disk */
	struct virtio_blk_config config;
	int fd;
	bool readonly;
	uint64_t capacity_bytes;
	char serial[VIRTIO_BLOCK_SERIAL_MAX];
	struct blockio io;
	struct loop_source done;
	struct loop_timer retry;	/* of what the host had no memory for */
	struct block_request *requests; /* BLOCK_QUEUE_SIZE of them */
	uint16_t idle[BLOCK_QUEUE_SIZE];
	unsigned idle_len;
	char *zeroes;
	struct virtio_block_stats stats;
};

/* The driver added chains: struct virtio_ops. */
bool block_kick(struct virtio_device *dev, unsigned queue);

/* Operations on the file are done: of the event loop. */
void block_on_done(void *ctx, uint32_t events);
/* It may take now what it did not take before: of a timer. */
void block_retry(void *ctx);

#endif
