/* SPDX-License-Identifier: Apache-2.0
 *
 * balloon.c - virtio balloon (virtio 1.2, section 5.5)
 *
 * Pages that are given back come back as zeroes when the guest touches them again: nothing has to
 * be done to deflate. What one notification can cost is bounded by a limit on the pages of a chain
 * and on the chains at a time.
 *
 * The chain in which the guest sends its figures stays in the ring until new ones are wanted; it
 * is read where it lies, and popped to be given back.
 */
#include "vmm/virtio/balloon.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <sys/mman.h>

#include "base/macro.h"

#define QUEUE_SIZE 128
#define PAGE_BYTES (4 * KIB)
#define PFNS_MAX 1024 /* of a chain; Linux sends 256 */
#define CHAINS_AT_A_TIME 8
#define PCI_CLASS_OTHER 0x00ff00

struct virtio_balloon {
	struct virtio_device dev; /* first, so that the device is the balloon */
	struct virtio_balloon_config config;
};

enum queue {
	INFLATE,
	DEFLATE,
	REPORT, /* where it was agreed on */
	QUEUES,
};

const struct confine_list virtio_balloon_calls =
	CONFINE_LIST(CONFINE_ALLOW_IF(SYS_madvise, 2, MADV_REMOVE),
		     CONFINE_ALLOW_IF(SYS_madvise, 2, MADV_DONTNEED));

static struct virtio_balloon *balloon_of(struct virtio_device *dev)
{
	return (struct virtio_balloon *)dev;
}

/* Pages in runs: neighbours, in either direction, go back with one call. */
static int discard_pfns(struct virtio_device *dev, const __le32 *pfns, size_t len)
{
	size_t i = 0;

	while (i < len) {
		uint64_t first = le32toh(pfns[i]), last = first;
		int r;

		for (i++; i < len; i++) {
			uint64_t next = le32toh(pfns[i]);

			if (next == last + 1)
				last = next;
			else if (next + 1 == first)
				first = next;
			else
				break;
		}
		r = memory_discard(dev->env.memory, GPA(first * PAGE_BYTES),
				   (last - first + 1) * PAGE_BYTES);
		if (r == -EFAULT)
			return r;
	}

	return 0;
}

static enum virtio_verdict inflate(struct virtio_device *dev, unsigned queue,
				   struct virtq_chain *chain)
{
	__le32 pfns[PFNS_MAX];
	size_t bytes = chain->readable_bytes;
	struct virtq *q = &dev->queues[queue];

	if (bytes > sizeof(pfns) || bytes % sizeof(pfns[0])) {
		virtq_break(q, "balloon with too many or half pages");
		return VIRTIO_LATER;
	}
	(void)virtq_chain_read(chain, pfns, bytes);
	if (discard_pfns(dev, pfns, bytes / sizeof(pfns[0])) < 0) {
		virtq_break(q, "balloon page outside of memory");
		return VIRTIO_LATER;
	}

	return VIRTIO_DONE;
}

static enum virtio_verdict deflate(struct virtio_device *dev UNUSED, unsigned queue UNUSED,
				   struct virtq_chain *chain UNUSED)
{
	return VIRTIO_DONE;
}

/* The guest address of a buffer, which lies in one region. */
static uint64_t address_of(const struct memory *memory, const unsigned char *at)
{
	for (size_t i = 0; i < memory->regions_len; i++) {
		const struct memory_region *region = &memory->regions[i];

		if (at >= region->host && (size_t)(at - region->host) < region->bytes)
			return region->start + (size_t)(at - region->host);
	}

	return UINT64_MAX;
}

static enum virtio_verdict report(struct virtio_device *dev, unsigned queue UNUSED,
				  struct virtq_chain *chain)
{
	const struct memory *memory = dev->env.memory;

	for (unsigned i = 0; i < chain->writable_len; i++) {
		const struct iovec *range = &chain->writable[i];
		uint64_t start = address_of(memory, range->iov_base);
		uint64_t first = (start + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
		uint64_t end = (start + range->iov_len) / PAGE_BYTES * PAGE_BYTES;

		if (start != UINT64_MAX && first < end)
			(void)memory_discard(memory, GPA(first), end - first);
	}

	return VIRTIO_DONE;
}

static bool kick(struct virtio_device *dev, unsigned queue)
{
	if (queue == INFLATE)
		return virtio_drain(dev, queue, inflate);
	if (queue == DEFLATE)
		return virtio_drain(dev, queue, deflate);

	return virtio_has(dev, VIRTIO_BALLOON_F_REPORTING) && virtio_drain(dev, queue, report);
}

static bool reset(struct virtio_device *dev)
{
	balloon_of(dev)->config.actual = 0;

	return true;
}

static const struct virtio_ops ops = {
	.kick = kick,
	.reset = reset,
};

int virtio_balloon_new(const struct virtio_env *env, struct virtio_balloon **ret, struct err *err)
{
	static const uint16_t sizes[QUEUES] = { QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE };
	struct virtio_balloon *balloon = calloc(1, sizeof(*balloon));
	struct virtio_spec spec = {
		.name = "balloon",
		.ops = &ops,
		.type = VIRTIO_ID_BALLOON,
		.class_code = PCI_CLASS_OTHER,
		.features = VIRTIO_FEATURE(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
			    VIRTIO_FEATURE(VIRTIO_BALLOON_F_REPORTING),
		.queue_sizes = sizes,
		.queues_len = QUEUES,
		.vectors = VIRTIO_SHARED_VECTORS,
		/* What follows is for features that are not offered. */
		.config_bytes = offsetof(struct virtio_balloon_config, free_page_hint_cmd_id),
		.config_writable = offsetof(struct virtio_balloon_config, actual),
		.config_writable_bytes = sizeof(balloon->config.actual),
		.budget = CHAINS_AT_A_TIME,
	};
	int r;

	if (!balloon)
		return err_set(err, ENOMEM, "balloon: no memory");
	spec.config = &balloon->config;
	r = virtio_init(&balloon->dev, &spec, env, err);
	if (r < 0) {
		virtio_balloon_free(balloon);
		return r;
	}
	*ret = balloon;

	return 0;
}

void virtio_balloon_free(struct virtio_balloon *balloon)
{
	if (!balloon)
		return;
	virtio_done(&balloon->dev);
	free(balloon);
}

void virtio_balloon_set_target(struct virtio_balloon *balloon, uint64_t bytes)
{
	balloon->config.num_pages =
		htole32((uint32_t)MIN(bytes / PAGE_BYTES, (uint64_t)UINT32_MAX));
	virtio_config_changed(&balloon->dev);
}

struct virtio_device *virtio_balloon_device(struct virtio_balloon *balloon)
{
	return &balloon->dev;
}

void virtio_balloon_save(const struct virtio_balloon *balloon, struct virtio_balloon_state *ret)
{
	*ret = (struct virtio_balloon_state){
		.target_pages = le32toh(balloon->config.num_pages),
		.held_pages = le32toh(balloon->config.actual),
	};
}

void virtio_balloon_load(struct virtio_balloon *balloon, const struct virtio_balloon_state *state)
{
	balloon->config.num_pages = htole32(state->target_pages);
	balloon->config.actual = htole32(state->held_pages);
}
