/* SPDX-License-Identifier: Apache-2.0
 *
 * block.h - virtio disk on a raw file or block device
 *
 * The format is raw, always: what a guest writes into its disk is never looked at.
 */
#ifndef VMM_VIRTIO_BLOCK_H
#define VMM_VIRTIO_BLOCK_H

#include "vmm/virtio/device.h"

#define VIRTIO_BLOCK_SERIAL_MAX 20

/**
 * struct virtio_block_options - a disk
 * @fd:		open for reading, and for writing unless @readonly; given
 * @serial:	by which the guest finds it, at most VIRTIO_BLOCK_SERIAL_MAX bytes; NULL: none
 * @readonly:	the guest cannot write; many machines may share the file
 * @no_ring:	do without io_uring
 */
struct virtio_block_options {
	int fd;
	const char *serial;
	bool readonly;
	bool no_ring;
};

struct virtio_block;

/**
 * virtio_block_new() - Make a disk; the file's size, rounded down to sectors, is its capacity
 * @env:	where it lives
 * @options:	see there
 * @ret:	the device
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno; the descriptor is taken also on failure.
 */
int virtio_block_new(const struct virtio_env *env, const struct virtio_block_options *options,
		     struct virtio_block **ret, struct err *err);

/* Wait for the requests in flight, then let go of the file. */
void virtio_block_free(struct virtio_block *block);

/* What the machine plugs in; it lives as long as @block. */
struct virtio_device *virtio_block_device(struct virtio_block *block);

/* Requests in flight; with the device paused it comes to 0 by itself, and then it may be saved. */
unsigned virtio_block_in_flight(const struct virtio_block *block);

/* Figures since the machine was made. */
struct virtio_block_stats {
	uint64_t reads, writes, flushes, discards;
	uint64_t read_bytes, written_bytes;
};

/* Copy the figures. */
void virtio_block_get_stats(const struct virtio_block *block, struct virtio_block_stats *ret);

/* What the thread of the event loop calls for this disk. */
const struct confine_list *virtio_block_calls(const struct virtio_block *block);

#endif
