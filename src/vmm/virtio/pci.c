/* SPDX-License-Identifier: Apache-2.0
 *
 * pci.c - virtio over PCI, the modern transport alone (virtio 1.2, section 4.1)
 *
 * BAR 0 holds the common registers, the interrupt status, the device's configuration and the
 * doorbell (or one for each queue, see device.h), each on a page of its own. Registers answer to
 * accesses of their own place and width; anything else reads as zero and writes nothing. The
 * registers of a queue take no writes once it is enabled, nor any once the driver is ready.
 */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stddef.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/virtio/device.h"

#define BAR_BYTES (16 * KIB)
#define COMMON_AT 0x0000 /* bar_read() and bar_write() rely on it */
#define ISR_AT 0x1000
#define CONFIG_AT 0x2000
#define NOTIFY_AT 0x3000
#define NOTIFY_BYTES 4
#define CONFIG_MAX_BYTES (NOTIFY_AT - CONFIG_AT)

#define VENDOR_VIRTIO 0x1af4
#define DEVICE_MODERN 0x1040 /* plus the type */
#define SUBSYSTEM 0x1100

#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)
/* A register by place and width, as one number to switch on. */
#define REGISTER(offset, bytes) ((offset) << 4 | (bytes))
#define REG(field) REGISTER(COMMON(field), sizeof(((struct virtio_pci_common_cfg *)NULL)->field))

static struct virtq *selected(struct virtio_device *dev)
{
	unsigned index = dev->state.queue_select;

	return index < dev->spec.queues_len ? &dev->queues[index] : NULL;
}

static uint32_t half(uint64_t value, uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(value >> 32 * select);
}

static void set_half(uint64_t *value, unsigned select, uint32_t part)
{
	if (select > 1)
		return;
	*value &= ~(0xffffffffULL << 32 * select);
	*value |= (uint64_t)part << 32 * select;
}

static uint64_t read_queue(struct virtio_device *dev, uint32_t reg)
{
	const struct virtq *q = selected(dev);
	const struct virtq_state *s;

	if (!q) /* a size of 0 says that there is no such queue */
		return reg == REG(queue_msix_vector) ? VIRTIO_MSI_NO_VECTOR : 0;
	s = &q->state;
	switch (reg) {
	case REG(queue_size):
		return s->size;
	case REG(queue_msix_vector):
		return s->vector;
	case REG(queue_enable):
		return s->enabled;
	case REG(queue_notify_off):
		return dev->state.queue_select;
	case REG(queue_desc_lo):
		return half(s->desc_gpa, 0);
	case REG(queue_desc_hi):
		return half(s->desc_gpa, 1);
	case REG(queue_avail_lo):
		return half(s->avail_gpa, 0);
	case REG(queue_avail_hi):
		return half(s->avail_gpa, 1);
	case REG(queue_used_lo):
		return half(s->used_gpa, 0);
	case REG(queue_used_hi):
		return half(s->used_gpa, 1);
	default:
		return 0;
	}
}

static uint64_t read_common(struct virtio_device *dev, uint32_t reg)
{
	const struct virtio_state *s = &dev->state;

	switch (reg) {
	case REG(device_feature_select):
		return s->device_feature_select;
	case REG(device_feature):
		return half(dev->spec.features | VIRTIO_QUEUE_FEATURES, s->device_feature_select);
	case REG(guest_feature_select):
		return s->driver_feature_select;
	case REG(guest_feature):
		return half(s->driver_features, s->driver_feature_select);
	case REG(msix_config):
		return s->config_vector;
	case REG(num_queues):
		return dev->spec.queues_len;
	case REG(device_status):
		return s->status;
	case REG(config_generation):
		return s->config_generation;
	case REG(queue_select):
		return s->queue_select;
	default:
		return read_queue(dev, reg);
	}
}

static uint16_t vector_or_none(const struct virtio_device *dev, uint64_t value)
{
	return value < dev->spec.vectors ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

static void write_queue(struct virtio_device *dev, uint32_t reg, uint32_t value)
{
	struct virtq *q = selected(dev);
	struct virtq_state *s;

	if (!q || q->state.enabled || (dev->state.status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	s = &q->state;
	switch (reg) {
	case REG(queue_size):
		if (value > 0 && value <= q->size_max && !(value & (value - 1)))
			s->size = (uint16_t)value;
		break;
	case REG(queue_msix_vector):
		s->vector = vector_or_none(dev, value);
		break;
	case REG(queue_enable):
		s->enabled = value == 1;
		break;
	case REG(queue_desc_lo):
		set_half(&s->desc_gpa, 0, value);
		break;
	case REG(queue_desc_hi):
		set_half(&s->desc_gpa, 1, value);
		break;
	case REG(queue_avail_lo):
		set_half(&s->avail_gpa, 0, value);
		break;
	case REG(queue_avail_hi):
		set_half(&s->avail_gpa, 1, value);
		break;
	case REG(queue_used_lo):
		set_half(&s->used_gpa, 0, value);
		break;
	case REG(queue_used_hi):
		set_half(&s->used_gpa, 1, value);
		break;
	default:
		break;
	}
}

static void write_common(struct virtio_device *dev, uint32_t reg, uint32_t value)
{
	struct virtio_state *s = &dev->state;

	/* While requests in flight hold the reset up, there is no driver to listen to. */
	if (s->resetting)
		return;
	switch (reg) {
	case REG(device_feature_select):
		s->device_feature_select = value;
		break;
	case REG(guest_feature_select):
		s->driver_feature_select = value;
		break;
	case REG(guest_feature):
		if (!(s->status & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&s->driver_features, s->driver_feature_select, value);
		break;
	case REG(msix_config):
		s->config_vector = vector_or_none(dev, value);
		break;
	case REG(device_status):
		virtio_set_status(dev, (uint8_t)value);
		break;
	case REG(queue_select):
		s->queue_select = (uint16_t)value;
		break;
	default:
		write_queue(dev, reg, value);
	}
}

static uint64_t read_config(const struct virtio_device *dev, size_t offset, unsigned bytes)
{
	uint64_t value = 0;

	if (offset < dev->spec.config_bytes)
		memcpy(&value, (const uint8_t *)dev->spec.config + offset,
		       MIN((size_t)bytes, dev->spec.config_bytes - offset));

	return le64toh(value);
}

static void write_config(struct virtio_device *dev, size_t offset, unsigned bytes, uint64_t value)
{
	size_t first = dev->spec.config_writable, len = dev->spec.config_writable_bytes;

	if (dev->state.resetting || offset < first || bytes > len || offset - first > len - bytes)
		return;
	value = htole64(value);
	memcpy((uint8_t *)dev->spec.config + offset, &value, bytes);
}

static uint64_t bar_read(void *ctx, uint32_t offset, unsigned bytes)
{
	struct virtio_device *dev = ctx;
	uint8_t isr = dev->state.isr;

	if (offset < ISR_AT)
		return read_common(dev, REGISTER(offset, bytes));
	if (offset >= CONFIG_AT && offset < NOTIFY_AT)
		return read_config(dev, offset - CONFIG_AT, bytes);
	if (offset != ISR_AT)
		return 0;
	dev->state.isr = 0; /* reading acknowledges */

	return isr;
}

/* How many doorbells there are, one behind the other. */
static unsigned bells(const struct virtio_device *dev)
{
	return dev->spec.direct ? dev->spec.queues_len : 1;
}

/* The eventfd of the doorbell at @offset, or -1. */
static int bell_at(const struct virtio_device *dev, uint32_t offset)
{
	if (offset % NOTIFY_BYTES != 0 || offset / NOTIFY_BYTES >= bells(dev))
		return -1;

	return dev->spec.direct ? dev->direct_bells[offset / NOTIFY_BYTES] : dev->bell.fd;
}

static void bar_write(void *ctx, uint32_t offset, unsigned bytes, uint64_t value)
{
	struct virtio_device *dev = ctx;

	if (offset >= NOTIFY_AT) {
		/* Only where KVM does not watch the doorbell itself. */
		int fd = bell_at(dev, offset - NOTIFY_AT);

		if (fd >= 0)
			fd_raise(fd);
	} else if (offset >= CONFIG_AT) {
		write_config(dev, offset - CONFIG_AT, bytes, value);
	} else if (offset < ISR_AT) {
		write_common(dev, REGISTER(offset, bytes), (uint32_t)value);
	}
}

/* The access that the driver described in the capability. False when there is none such. */
static bool window(const struct virtio_device *dev, uint32_t *ret_offset, unsigned *ret_bytes)
{
	struct virtio_pci_cfg_cap cap;
	uint32_t offset, bytes;

	memcpy(&cap, pci_config(dev->fn) + dev->pci_cfg_cap, sizeof(cap));
	offset = le32toh(cap.cap.offset);
	bytes = le32toh(cap.cap.length);
	if (cap.cap.bar != 0 || (bytes != 1 && bytes != 2 && bytes != 4) || offset % bytes ||
	    offset >= BAR_BYTES)
		return false;
	*ret_offset = offset;
	*ret_bytes = bytes;

	return true;
}

static bool touches_window(const struct virtio_device *dev, uint32_t offset, unsigned bytes)
{
	uint32_t at =
		dev->pci_cfg_cap + (uint32_t)offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);

	return offset < at + 4 && at < offset + bytes;
}

static void config_read(void *ctx, uint32_t offset, unsigned bytes)
{
	struct virtio_device *dev = ctx;
	uint32_t at, value;
	unsigned width;

	if (!touches_window(dev, offset, bytes) || !window(dev, &at, &width))
		return;
	value = htole32((uint32_t)bar_read(dev, at, width));
	memcpy(pci_config(dev->fn) + dev->pci_cfg_cap +
		       offsetof(struct virtio_pci_cfg_cap, pci_cfg_data),
	       &value, width);
}

static void config_write(void *ctx, uint32_t offset, unsigned bytes)
{
	struct virtio_device *dev = ctx;
	uint32_t at, value = 0;
	unsigned width;

	if (offset <= PCI_COMMAND && offset + bytes > PCI_COMMAND)
		virtio_changed(dev);
	if (!touches_window(dev, offset, bytes) || !window(dev, &at, &width))
		return;
	memcpy(&value,
	       pci_config(dev->fn) + dev->pci_cfg_cap +
		       offsetof(struct virtio_pci_cfg_cap, pci_cfg_data),
	       width);
	bar_write(dev, at, width, le32toh(value));
}

/* A capability of @bytes that begins with a struct virtio_pci_cap; so does @writable. */
static int add_cap(struct virtio_device *dev, const void *cap, size_t bytes, const void *writable)
{
	const size_t skip = offsetof(struct virtio_pci_cap, cap_len);

	return pci_add_capability(dev->fn, PCI_CAP_ID_VNDR, (const uint8_t *)cap + skip,
				  (unsigned)(bytes - skip),
				  writable ? (const uint8_t *)writable + skip : NULL);
}

static struct virtio_pci_cap part(uint8_t type, size_t cap_bytes, uint32_t offset, size_t bytes)
{
	return (struct virtio_pci_cap){
		.cap_len = (uint8_t)cap_bytes,
		.cfg_type = type,
		.offset = htole32(offset),
		.length = htole32((uint32_t)bytes),
	};
}

static int add_caps(struct virtio_device *dev)
{
	const size_t plain = sizeof(struct virtio_pci_cap);
	struct virtio_pci_cap common = part(VIRTIO_PCI_CAP_COMMON_CFG, plain, COMMON_AT,
					    sizeof(struct virtio_pci_common_cfg));
	struct virtio_pci_cap isr = part(VIRTIO_PCI_CAP_ISR_CFG, plain, ISR_AT, 1);
	struct virtio_pci_cap config =
		part(VIRTIO_PCI_CAP_DEVICE_CFG, plain, CONFIG_AT, dev->spec.config_bytes);
	struct virtio_pci_notify_cap notify = {
		.cap = part(VIRTIO_PCI_CAP_NOTIFY_CFG, sizeof(notify), NOTIFY_AT,
			    (size_t)bells(dev) * NOTIFY_BYTES),
		.notify_off_multiplier = htole32(dev->spec.direct ? NOTIFY_BYTES : 0),
	};
	struct virtio_pci_cfg_cap cfg = { .cap = part(VIRTIO_PCI_CAP_PCI_CFG, sizeof(cfg), 0, 0) };
	struct virtio_pci_cfg_cap cfg_writable = {
		.cap = { .bar = 0xff, .offset = 0xffffffff, .length = 0xffffffff },
		.pci_cfg_data = { 0xff, 0xff, 0xff, 0xff },
	};
	int r;

	r = add_cap(dev, &common, sizeof(common), NULL);
	if (r >= 0)
		r = add_cap(dev, &isr, sizeof(isr), NULL);
	if (r >= 0 && dev->spec.config_bytes > 0)
		r = add_cap(dev, &config, sizeof(config), NULL);
	if (r >= 0)
		r = add_cap(dev, &notify, sizeof(notify), NULL);
	if (r >= 0)
		r = add_cap(dev, &cfg, sizeof(cfg), &cfg_writable);
	if (r < 0)
		return r;
	dev->pci_cfg_cap = (unsigned)r;

	return 0;
}

static const struct pci_ops ops = {
	.read = bar_read,
	.write = bar_write,
	.config_read = config_read,
	.config_write = config_write,
};

int virtio_pci_init(struct virtio_device *dev, struct err *err)
{
	const struct pci_spec spec = {
		.vendor = VENDOR_VIRTIO,
		.device = (uint16_t)(DEVICE_MODERN + dev->spec.type),
		.subsystem_vendor = VENDOR_VIRTIO,
		.subsystem = SUBSYSTEM,
		.class_code = dev->spec.class_code,
		.revision = 1,
		.registers_bytes = BAR_BYTES,
		.vectors = dev->spec.vectors,
		.vector_fds = dev->spec.direct,
		.ops = &ops,
		.ctx = dev,
	};
	int r;

	if (dev->spec.config_bytes > CONFIG_MAX_BYTES)
		return err_set(err, EINVAL, "configuration too large");
	r = pci_bus_add(dev->env.bus, &spec, &dev->fn, err);
	if (r < 0)
		return r;
	r = add_caps(dev);
	for (uint32_t at = 0; r == 0 && at < bells(dev) * NOTIFY_BYTES; at += NOTIFY_BYTES)
		r = pci_add_doorbell(dev->fn, NOTIFY_AT + at, bell_at(dev, at));

	return r < 0 ? err_set(err, -r, "make a PCI function") : 0;
}
