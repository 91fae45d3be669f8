/* SPDX-License-Identifier: Apache-2.0
 *
 * pmem.c - virtio persistent memory (virtio 1.2, section 5.19)
 *
 * The file cannot be written through the mapping, so a flush has nothing to do and succeeds.
 */
#include "vmm/virtio/pmem.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_pmem.h>

#include "base/macro.h"

#define QUEUE_SIZE 64
#define PCI_CLASS_OTHER 0x00ff00

struct virtio_pmem {
	struct virtio_device dev; /* first, so that the device is the memory */
	struct virtio_pmem_config config;
};

static enum virtio_verdict answer(struct virtio_device *dev, unsigned queue,
				  struct virtq_chain *chain)
{
	struct virtio_pmem_req request;
	struct virtio_pmem_resp response = { .ret = 0 };

	if (virtq_chain_read(chain, &request, sizeof(request)) < sizeof(request) ||
	    chain->writable_bytes < sizeof(response)) {
		virtq_break(&dev->queues[queue], "flush without request or place for an answer");
		return VIRTIO_LATER;
	}
	if (le32toh(request.type) != VIRTIO_PMEM_REQ_TYPE_FLUSH)
		response.ret = htole32((uint32_t)-EINVAL);
	(void)virtq_chain_write(chain, &response, sizeof(response));

	return VIRTIO_DONE;
}

static bool kick(struct virtio_device *dev, unsigned queue)
{
	return virtio_drain(dev, queue, answer);
}

static const struct virtio_ops ops = { .kick = kick };

int virtio_pmem_new(const struct virtio_env *env, struct gpa gpa, uint64_t bytes,
		    struct virtio_pmem **ret, struct err *err)
{
	static const uint16_t sizes[] = { QUEUE_SIZE };
	struct virtio_pmem *pmem;
	struct virtio_spec spec = {
		.name = "pmem",
		.ops = &ops,
		.type = VIRTIO_ID_PMEM,
		.class_code = PCI_CLASS_OTHER,
		.queue_sizes = sizes,
		.queues_len = ARRAY_SIZE(sizes),
		.config_bytes = sizeof(pmem->config),
	};
	uint64_t end;
	int r;

	if (bytes == 0 || add_overflows(gpa.v, bytes, &end) || gpa.v % MEMORY_HUGE_BYTES ||
	    bytes % MEMORY_HUGE_BYTES)
		return err_set(err, EINVAL, "pmem: misplaced");
	pmem = calloc(1, sizeof(*pmem));
	if (!pmem)
		return err_set(err, ENOMEM, "pmem: no memory");
	pmem->config =
		(struct virtio_pmem_config){ .start = htole64(gpa.v), .size = htole64(bytes) };
	spec.config = &pmem->config;
	r = virtio_init(&pmem->dev, &spec, env, err);
	if (r < 0) {
		virtio_pmem_free(pmem);
		return r;
	}
	*ret = pmem;

	return 0;
}

void virtio_pmem_free(struct virtio_pmem *pmem)
{
	if (!pmem)
		return;
	virtio_done(&pmem->dev);
	free(pmem);
}

struct virtio_device *virtio_pmem_device(struct virtio_pmem *pmem)
{
	return &pmem->dev;
}
