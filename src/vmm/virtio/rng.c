/* SPDX-License-Identifier: Apache-2.0
 *
 * rng.c - virtio entropy device (virtio 1.2, section 5.4)
 *
 * It has no state of its own. What one chain gets is capped, which the specification allows, so
 * that a guest cannot buy much of the event loop with one notification.
 */
#include "vmm/virtio/rng.h"

#include <errno.h>

#include "base/macro.h"
#include "base/rand.h"

#define QUEUE_SIZE 8
#define CHAIN_MAX_BYTES \
	256 /* a call to getrandom(2) gives so many without a signal's interruption */
#define PCI_CLASS_OTHER 0x00ff00

struct virtio_rng {
	struct virtio_device dev; /* first, so that the device is the source */
};

const struct confine_list virtio_rng_calls = CONFINE_LIST(CONFINE_ALLOW(SYS_getrandom));

static enum virtio_verdict fill(struct virtio_device *dev, unsigned queue,
				struct virtq_chain *chain)
{
	uint8_t bytes[CHAIN_MAX_BYTES];
	size_t len = MIN(chain->writable_bytes, sizeof(bytes));

	if (len == 0) {
		virtq_break(&dev->queues[queue], "nothing to fill with random bytes");
		return VIRTIO_LATER;
	}
	rand_bytes(bytes, len);
	(void)virtq_chain_write(chain, bytes, len);

	return VIRTIO_DONE;
}

static bool kick(struct virtio_device *dev, unsigned queue)
{
	return virtio_drain(dev, queue, fill);
}

static const struct virtio_ops ops = { .kick = kick };

int virtio_rng_new(const struct virtio_env *env, struct virtio_rng **ret, struct err *err)
{
	static const uint16_t sizes[] = { QUEUE_SIZE };
	static const struct virtio_spec spec = {
		.name = "rng",
		.ops = &ops,
		.type = VIRTIO_ID_RNG,
		.class_code = PCI_CLASS_OTHER,
		.queue_sizes = sizes,
		.queues_len = ARRAY_SIZE(sizes),
	};
	struct virtio_rng *rng = calloc(1, sizeof(*rng));
	int r;

	if (!rng)
		return err_set(err, ENOMEM, "rng: no memory");
	r = virtio_init(&rng->dev, &spec, env, err);
	if (r < 0) {
		virtio_rng_free(rng);
		return r;
	}
	*ret = rng;

	return 0;
}

void virtio_rng_free(struct virtio_rng *rng)
{
	if (!rng)
		return;
	virtio_done(&rng->dev);
	free(rng);
}

struct virtio_device *virtio_rng_device(struct virtio_rng *rng)
{
	return &rng->dev;
}
