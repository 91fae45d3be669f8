/* SPDX-License-Identifier: Apache-2.0
 *
 * device.c - the life of a virtio device, whatever its kind (virtio 1.2, section 3)
 */
#include "vmm/virtio/device.h"

#include <errno.h>
#include <linux/virtio_pci.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macro.h"

#define STATUS_BY_DRIVER                                                                      \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
	 VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

#define ISR_QUEUE 0x1 /* the header has only the other bit */

const struct confine_list virtio_calls =
	CONFINE_LIST(CONFINE_ALLOW(SYS_read), CONFINE_ALLOW(SYS_write));

static bool has_status(const struct virtio_device *dev, uint8_t bits)
{
	return (dev->state.status & bits) == bits;
}

bool virtio_running(const struct virtio_device *dev)
{
	return has_status(dev, VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !has_status(dev, VIRTIO_CONFIG_S_NEEDS_RESET) && !dev->state.resetting &&
	       !dev->paused && pci_is_master(dev->fn);
}

bool virtio_has(const struct virtio_device *dev, unsigned bit)
{
	return dev->state.driver_features & VIRTIO_FEATURE(bit);
}

static void needs_reset(struct virtio_device *dev, const char *why)
{
	if (has_status(dev, VIRTIO_CONFIG_S_NEEDS_RESET))
		return;
	/* Once: how often it does so is up to the guest, how long the log is, is not. */
	if (dev->faults++ == 0)
		log_warn("device=%s needs a reset: %s", dev->spec.name, why);
	dev->state.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	/* The specification asks for the interrupt only once the driver is ready for it. */
	if (has_status(dev, VIRTIO_CONFIG_S_DRIVER_OK))
		virtio_config_changed(dev);
}

void virtio_check(struct virtio_device *dev)
{
	for (unsigned i = 0; i < dev->spec.queues_len; i++)
		if (dev->queues[i].broken)
			needs_reset(dev, dev->queues[i].broken);
}

void virtio_interrupt(struct virtio_device *dev, unsigned queue)
{
	uint16_t vector = dev->queues[queue].state.vector;

	dev->state.isr |= ISR_QUEUE;
	if (vector != VIRTIO_MSI_NO_VECTOR)
		pci_raise(dev->fn, vector);
}

void virtio_signal(struct virtio_device *dev, unsigned queue)
{
	if (virtq_wants_interrupt(&dev->queues[queue]))
		virtio_interrupt(dev, queue);
}

void virtio_config_changed(struct virtio_device *dev)
{
	dev->state.config_generation++;
	dev->state.isr |= VIRTIO_PCI_ISR_CONFIG;
	if (dev->state.config_vector != VIRTIO_MSI_NO_VECTOR)
		pci_raise(dev->fn, dev->state.config_vector);
}

void virtio_ring(struct virtio_device *dev, unsigned queue)
{
	dev->rung |= 1ULL << queue;
	fd_raise(dev->spec.direct ? dev->direct_bells[queue] : dev->bell.fd);
}

static void on_bell(void *ctx, uint32_t events UNUSED)
{
	struct virtio_device *dev = ctx;
	uint64_t count, rung = dev->rung;

	(void)!read(dev->bell.fd, &count, sizeof(count));
	dev->rung = 0;
	for (unsigned i = 0; i < dev->spec.queues_len && virtio_running(dev); i++) {
		struct virtq *q = &dev->queues[i];

		if (!virtq_running(q) || (!virtq_has_news(q) && !(rung & 1ULL << i)))
			continue;
		if (dev->spec.ops->kick(dev, i))
			virtio_ring(dev, i);
	}
	virtio_check(dev);
}

bool virtio_drain(struct virtio_device *dev, unsigned queue,
		  enum virtio_verdict (*handle)(struct virtio_device *dev, unsigned queue,
						struct virtq_chain *chain))
{
	struct virtq *q = &dev->queues[queue];
	struct virtq_chain chain;
	unsigned budget = dev->spec.budget ? dev->spec.budget : VIRTIO_BUDGET;
	bool more = true;

	virtq_mute(q);
	/* A look that finds nothing counts as well: the driver may feign chains that are gone
	 * again. */
	for (; more && budget > 0; budget--) {
		if (!virtq_pop(q, &chain)) {
			more = virtq_unmute(q);
			continue;
		}
		if (handle(dev, queue, &chain) == VIRTIO_LATER) {
			virtq_unpop(q);
			break;
		}
		virtq_push(q, chain.head, chain.written_bytes);
	}
	virtio_signal(dev, queue);

	return more && budget == 0;
}

static void forget_driver(struct virtio_device *dev)
{
	dev->state = (struct virtio_state){
		/* A driver that read half of the configuration must see that it was reset. */
		.config_generation = (uint8_t)(dev->state.config_generation + 1),
		.config_vector = VIRTIO_MSI_NO_VECTOR,
	};
	for (unsigned i = 0; i < dev->spec.queues_len; i++)
		virtq_init(&dev->queues[i], dev->queues[i].size_max);
}

void virtio_reset_done(struct virtio_device *dev)
{
	if (dev->state.resetting)
		forget_driver(dev);
}

static void reset(struct virtio_device *dev)
{
	dev->state.resetting = true;
	/* Nothing of the old driver's is touched from here on, but by requests in flight. */
	for (unsigned i = 0; i < dev->spec.queues_len; i++)
		virtq_stop(&dev->queues[i]);
	if (!dev->spec.ops->reset || dev->spec.ops->reset(dev))
		virtio_reset_done(dev);
}

static int start_queues(struct virtio_device *dev)
{
	for (unsigned i = 0; i < dev->spec.queues_len; i++) {
		struct virtq *q = &dev->queues[i];

		if (q->state.enabled && virtq_start(q, dev->env.memory, dev->state.driver_features))
			return -EINVAL;
	}

	return 0;
}

static void ring_all(struct virtio_device *dev)
{
	if (dev->spec.direct)
		return;
	dev->rung = UINT64_MAX;
	fd_raise(dev->bell.fd);
}

static int run(struct virtio_device *dev)
{
	int r = start_queues(dev);

	if (r == 0 && dev->spec.ops->activate)
		r = dev->spec.ops->activate(dev);
	/* Chains may be there from before; a driver need not notify for those. */
	if (r == 0)
		ring_all(dev);

	return r;
}

void virtio_changed(struct virtio_device *dev)
{
	if (dev->spec.ops->changed)
		dev->spec.ops->changed(dev);
	/* Bells that rang meanwhile were not listened to. */
	if (virtio_running(dev))
		ring_all(dev);
}

void virtio_pause(struct virtio_device *dev, bool paused)
{
	dev->paused = paused;
	virtio_changed(dev);
}

void virtio_set_status(struct virtio_device *dev, uint8_t status)
{
	uint8_t fresh = (uint8_t)(status & STATUS_BY_DRIVER & ~dev->state.status);

	if (dev->state.resetting)
		return;
	if (status == 0) {
		reset(dev);
		return;
	}
	/* Features that were not offered are refused by leaving FEATURES_OK clear. */
	if ((fresh & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    ((dev->state.driver_features & ~(dev->spec.features | VIRTIO_QUEUE_FEATURES)) ||
	     !virtio_has(dev, VIRTIO_F_VERSION_1)))
		fresh &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	dev->state.status |= (uint8_t)(fresh & ~VIRTIO_CONFIG_S_DRIVER_OK);
	if (!(fresh & VIRTIO_CONFIG_S_DRIVER_OK) || !has_status(dev, VIRTIO_CONFIG_S_FEATURES_OK) ||
	    has_status(dev, VIRTIO_CONFIG_S_NEEDS_RESET))
		return;
	dev->state.status |= VIRTIO_CONFIG_S_DRIVER_OK;
	if (run(dev) < 0)
		needs_reset(dev, "it cannot be started");
}

static int new_bell(const struct virtio_device *dev, struct err *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? err_sys(err, "%s: make an eventfd", dev->spec.name) : fd;
}

static int make_direct_bells(struct virtio_device *dev, struct err *err)
{
	unsigned len = dev->spec.queues_len;

	dev->direct_bells = malloc(len * sizeof(*dev->direct_bells));
	if (!dev->direct_bells)
		return err_set(err, ENOMEM, "%s: no memory", dev->spec.name);
	for (unsigned i = 0; i < len; i++)
		dev->direct_bells[i] = -1;
	for (unsigned i = 0; i < len; i++) {
		dev->direct_bells[i] = new_bell(dev, err);
		if (dev->direct_bells[i] < 0)
			return dev->direct_bells[i];
	}

	return 0;
}

static int make_bell(struct virtio_device *dev, struct err *err)
{
	int r = dev->bell.fd = new_bell(dev, err);

	if (r < 0)
		return r;
	r = loop_add(dev->env.loop, &dev->bell, EPOLLIN);

	return r < 0 ? err_set(err, -r, "%s: watch its doorbell", dev->spec.name) : 0;
}

int virtio_init(struct virtio_device *dev, const struct virtio_spec *spec,
		const struct virtio_env *env, struct err *err)
{
	int r;

	*dev = (struct virtio_device){
		.spec = *spec,
		.env = *env,
		.queues = calloc(spec->queues_len, sizeof(*dev->queues)),
		.bell = { .fd = -1, .fn = on_bell, .ctx = dev },
	};
	if (!dev->queues)
		return err_set(err, ENOMEM, "%s: no memory", spec->name);
	dev->spec.queue_sizes = NULL; /* the queues know */
	if (dev->spec.vectors == 0)
		dev->spec.vectors = spec->queues_len + 1;
	for (unsigned i = 0; i < spec->queues_len; i++)
		dev->queues[i].size_max = spec->queue_sizes[i];
	forget_driver(dev);
	r = spec->direct ? make_direct_bells(dev, err) : make_bell(dev, err);
	if (r < 0)
		return r;
	r = virtio_pci_init(dev, err);

	return r < 0 ? err_wrap(err, r, "%s", spec->name) : 0;
}

static void drop_bell(const struct virtio_device *dev, int fd)
{
	if (dev->fn && fd >= 0)
		pci_remove_doorbell(dev->fn, fd);
	fd_close(fd);
}

void virtio_done(struct virtio_device *dev)
{
	if (dev->bell.fn) { /* else it has never been made */
		loop_del(dev->env.loop, &dev->bell);
		drop_bell(dev, dev->bell.fd);
	}
	for (unsigned i = 0; dev->direct_bells && i < dev->spec.queues_len; i++)
		drop_bell(dev, dev->direct_bells[i]);
	free(dev->direct_bells);
	free(dev->queues);
	*dev = (struct virtio_device){ .fn = NULL };
}

void virtio_save(const struct virtio_device *dev, struct virtio_saved *ret)
{
	*ret = (struct virtio_saved){ .state = dev->state };
	for (unsigned i = 0; i < dev->spec.queues_len; i++)
		ret->queues[i] = dev->queues[i].state;
	pci_save(dev->fn, &ret->pci);
}

int virtio_load(struct virtio_device *dev, const struct virtio_saved *saved, struct err *err)
{
	int r = pci_load(dev->fn, &saved->pci, err);

	if (r < 0)
		return r;
	if (saved->state.resetting ||
	    (saved->state.driver_features & ~(dev->spec.features | VIRTIO_QUEUE_FEATURES)))
		return err_set(err, EINVAL, "%s: state is of another device", dev->spec.name);
	dev->state = saved->state;
	for (unsigned i = 0; i < dev->spec.queues_len; i++)
		dev->queues[i].state = saved->queues[i];
	if (!has_status(dev, VIRTIO_CONFIG_S_DRIVER_OK) ||
	    has_status(dev, VIRTIO_CONFIG_S_NEEDS_RESET))
		return 0;
	r = run(dev);

	return r < 0 ? err_set(err, -r, "%s: queues cannot be started", dev->spec.name) : 0;
}
