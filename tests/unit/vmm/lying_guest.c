/* SPDX-License-Identifier: Apache-2.0
 *
 * lying_guest.c - a virtio driver in the test process
 */
#include "check.h"
#include "vmm/lying_guest.h"

#include <endian.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "vmm/layout.h"

#define COMMON(g, field) ((g)->common + (uint32_t)offsetof(struct virtio_pci_common_cfg, field))
#define WAIT_NS (60 * NS_PER_SEC) /* a busy machine is none that hangs */
#define GUARD_BYTES 4096
#define MESSAGE_ADDRESS 0xfee00000
#define MESSAGE_DATA 0x40 /* of the first vector; the others follow */
#define TURNS_MAX 1000000 /* of the loop: a device that has not come to rest by then never will */

/* Whoever leaves guest memory ends the process; a page that is somebody else's is left alone. */
static void guard(struct lying_guest *g, unsigned char *at)
{
	void *map = mmap(at, GUARD_BYTES, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (map != MAP_FAILED)
		g->guards[g->guards_len++] = map;
}

static void guard_memory(struct lying_guest *g)
{
	for (size_t i = 0; i < g->memory.regions_len; i++) {
		guard(g, g->memory.regions[i].host - GUARD_BYTES);
		guard(g, g->memory.regions[i].host + g->memory.regions[i].bytes);
	}
}

/* A file behind RAM, which is read like it. */
static void add_file(struct lying_guest *g)
{
	const struct memory_region *file;
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, LYING_GUEST_FILE_BYTES), 0);
	assert_int_equal(memory_add_file(&g->memory, fd, &file, NULL), 0);
	assert_int_equal(close(fd), 0);
	g->file_gpa = file->start;
}

static void on_send(void *ctx, uint64_t address, uint32_t data)
{
	struct lying_guest *g = ctx;

	if (address == MESSAGE_ADDRESS && data - MESSAGE_DATA < 64)
		g->interrupts |= 1ULL << (data - MESSAGE_DATA);
}

void lying_guest_init(struct lying_guest *g)
{
	*g = (struct lying_guest){ .next_gpa = MIB };
	assert_int_equal(memory_init(&g->memory, LYING_GUEST_BYTES, MEMORY_SHARED, -1, NULL), 0);
	guard_memory(g);
	add_file(g);
	assert_int_equal(irq_router_init(&g->router, -1, NULL), 0);
	g->router.on_send = on_send;
	g->router.ctx = g;
	pci_bus_init(&g->bus, &g->router);
	assert_int_equal(loop_init(&g->loop, NULL), 0);
	g->env = (struct virtio_env){ .loop = &g->loop, .bus = &g->bus, .memory = &g->memory };
}

void lying_guest_done(struct lying_guest *g)
{
	pci_bus_done(&g->bus);
	irq_router_done(&g->router);
	loop_done(&g->loop);
	memory_done(&g->memory);
	for (unsigned i = 0; i < g->guards_len; i++)
		(void)munmap(g->guards[i], GUARD_BYTES);
}

void lying_guest_new_bus(struct lying_guest *g)
{
	pci_bus_done(&g->bus);
	pci_bus_init(&g->bus, &g->router);
}

uint32_t guest_pci_read(struct lying_guest *g, uint32_t offset, unsigned bytes)
{
	uint32_t value = 0;

	assert_true(pci_bus_read(&g->bus, g->ecam + offset, &value, bytes));

	return le32toh(value);
}

void guest_pci_write(struct lying_guest *g, uint32_t offset, unsigned bytes, uint32_t value)
{
	value = htole32(value);
	assert_true(pci_bus_write(&g->bus, g->ecam + offset, &value, bytes));
}

uint64_t guest_read(struct lying_guest *g, uint32_t offset, unsigned bytes)
{
	uint64_t value = 0;

	assert_true(pci_bus_read(&g->bus, g->bar + offset, &value, bytes));

	return le64toh(value);
}

void guest_write(struct lying_guest *g, uint32_t offset, unsigned bytes, uint64_t value)
{
	value = htole64(value);
	assert_true(pci_bus_write(&g->bus, g->bar + offset, &value, bytes));
}

static void find_cap(struct lying_guest *g, uint32_t at)
{
	uint32_t offset = guest_pci_read(g, at + offsetof(struct virtio_pci_cap, offset), 4);

	assert_int_equal(guest_pci_read(g, at + offsetof(struct virtio_pci_cap, bar), 1), 0);
	switch (guest_pci_read(g, at + offsetof(struct virtio_pci_cap, cfg_type), 1)) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		g->common = offset;
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		g->isr = offset;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		g->config = offset;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		g->notify = offset;
		g->notify_multiplier = guest_pci_read(
			g, at + offsetof(struct virtio_pci_notify_cap, notify_off_multiplier), 4);
		break;
	case VIRTIO_PCI_CAP_PCI_CFG:
		g->pci_cfg_cap = at;
		break;
	default:
		break;
	}
}

/* Every vector has a message, so that raising it is seen. */
static void enable_vectors(struct lying_guest *g, uint32_t msix)
{
	uint16_t control = (uint16_t)guest_pci_read(g, msix + PCI_MSIX_FLAGS, 2);
	uint32_t table = guest_pci_read(g, msix + PCI_MSIX_TABLE, 4);
	uint32_t bir = table & PCI_MSIX_TABLE_BIR;
	uint64_t at = guest_pci_read(g, PCI_BASE_ADDRESS_0 + 4 * bir, 4) & ~0xfU;

	at |= (uint64_t)guest_pci_read(g, PCI_BASE_ADDRESS_0 + 4 * bir + 4, 4) << 32;
	at += table & PCI_MSIX_TABLE_OFFSET;
	g->vectors = (control & PCI_MSIX_FLAGS_QSIZE) + 1U;
	for (unsigned i = 0; i < g->vectors; i++) {
		uint32_t entry[4] = { htole32(MESSAGE_ADDRESS), 0, htole32(MESSAGE_DATA + i), 0 };

		for (unsigned word = 0; word < 4; word++)
			assert_true(pci_bus_write(&g->bus,
						  at + i * PCI_MSIX_ENTRY_SIZE + 4ULL * word,
						  &entry[word], 4));
	}
	guest_pci_write(g, msix + PCI_MSIX_FLAGS, 2, control | PCI_MSIX_FLAGS_ENABLE);
}

void lying_guest_find(struct lying_guest *g)
{
	uint32_t at;

	g->ecam = LAYOUT_ECAM + (PCI_SLOT_FUNCTIONS << 12); /* the first slot after the bridge */
	assert_int_equal(guest_pci_read(g, PCI_VENDOR_ID, 2), 0x1af4);
	g->bar = guest_pci_read(g, PCI_BASE_ADDRESS_0, 4) & ~0xfU;
	g->bar |= (uint64_t)guest_pci_read(g, PCI_BASE_ADDRESS_1, 4) << 32;
	guest_pci_write(g, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	for (at = guest_pci_read(g, PCI_CAPABILITY_LIST, 1); at;
	     at = guest_pci_read(g, at + PCI_CAP_LIST_NEXT, 1)) {
		uint32_t id = guest_pci_read(g, at, 1);

		if (id == PCI_CAP_ID_VNDR)
			find_cap(g, at);
		else if (id == PCI_CAP_ID_MSIX)
			enable_vectors(g, at);
	}
	assert_true(g->notify && g->isr && g->pci_cfg_cap);
	g->queues_len = (unsigned)guest_read(g, COMMON(g, num_queues), 2);
	assert_in_range(g->queues_len, 1, LYING_GUEST_QUEUES);
}

uint8_t guest_status(struct lying_guest *g)
{
	return (uint8_t)guest_read(g, COMMON(g, device_status), 1);
}

static void set_status(struct lying_guest *g, uint8_t bit)
{
	guest_write(g, COMMON(g, device_status), 1, guest_status(g) | bit);
}

void guest_reset(struct lying_guest *g)
{
	int64_t deadline_ns = guest_deadline();

	guest_write(g, COMMON(g, device_status), 1, 0);
	while (guest_status(g) != 0)
		guest_wait(g, deadline_ns);
}

uint64_t guest_begin(struct lying_guest *g, uint64_t features)
{
	uint64_t offered;

	guest_reset(g);
	g->next_gpa = MIB;
	set_status(g, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	set_status(g, VIRTIO_CONFIG_S_DRIVER);
	guest_write(g, COMMON(g, device_feature_select), 4, 0);
	offered = guest_read(g, COMMON(g, device_feature), 4);
	guest_write(g, COMMON(g, device_feature_select), 4, 1);
	offered |= guest_read(g, COMMON(g, device_feature), 4) << 32;
	features &= offered;
	for (unsigned i = 0; i < 2; i++) {
		guest_write(g, COMMON(g, guest_feature_select), 4, i);
		guest_write(g, COMMON(g, guest_feature), 4, (uint32_t)(features >> 32 * i));
	}
	set_status(g, VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(guest_status(g) & VIRTIO_CONFIG_S_FEATURES_OK);
	g->features = features;

	return features;
}

void guest_setup_queue(struct lying_guest *g, unsigned queue)
{
	struct guest_queue *q = &g->queues[queue];
	uint64_t parts[3];

	guest_write(g, COMMON(g, queue_select), 2, queue);
	*q = (struct guest_queue){ .size = (uint16_t)guest_read(g, COMMON(g, queue_size), 2) };
	assert_true(q->size > 0);
	parts[0] = q->desc_gpa = guest_alloc(g, q->size * sizeof(struct vring_desc));
	parts[1] = q->avail_gpa = guest_alloc(g, 6 + 2ULL * q->size);
	parts[2] = q->used_gpa = guest_alloc(g, 6 + 8ULL * q->size);
	q->desc = guest_at(g, q->desc_gpa);
	q->avail = guest_at(g, q->avail_gpa);
	q->used = guest_at(g, q->used_gpa);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t at = COMMON(g, queue_desc_lo) + 8 * i;

		guest_write(g, at, 4, (uint32_t)parts[i]);
		guest_write(g, at + 4, 4, parts[i] >> 32);
	}
	/* As Linux does: where there is not one for each, all queues share one. */
	guest_write(g, COMMON(g, queue_msix_vector), 2, g->vectors > g->queues_len ? queue + 1 : 1);
	guest_write(g, COMMON(g, queue_enable), 2, 1);
	assert_int_equal(guest_read(g, COMMON(g, queue_enable), 2), 1);
}

void guest_driver_ok(struct lying_guest *g)
{
	guest_write(g, COMMON(g, msix_config), 2, 0);
	set_status(g, VIRTIO_CONFIG_S_DRIVER_OK);
}

static void begin_with_queues(struct lying_guest *g, uint64_t features)
{
	(void)guest_begin(g, features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
	for (unsigned i = 0; i < g->queues_len; i++)
		guest_setup_queue(g, i);
}

void guest_start(struct lying_guest *g, uint64_t features)
{
	begin_with_queues(g, features);
	guest_driver_ok(g);
	lying_guest_run(g);
	for (unsigned i = 0; i < g->vectors; i++)
		(void)guest_interrupted(g, i);
}

uint64_t guest_alloc(struct lying_guest *g, uint64_t bytes)
{
	uint64_t gpa = g->next_gpa;

	g->next_gpa += (bytes + 4 * KIB - 1) / (4 * KIB) * (4 * KIB);
	memset(guest_at(g, gpa), 0, bytes);

	return gpa;
}

void *guest_at(struct lying_guest *g, uint64_t gpa)
{
	void *at = memory_at(&g->memory, GPA(gpa), 1);

	assert_non_null(at);

	return at;
}

void guest_desc(struct lying_guest *g, unsigned queue, uint16_t index, struct vring_desc desc)
{
	g->queues[queue].desc[index] = (struct vring_desc){
		.addr = htole64(desc.addr),
		.len = htole32(desc.len),
		.flags = htole16(desc.flags),
		.next = htole16(desc.next),
	};
}

void guest_offer(struct lying_guest *g, unsigned queue, uint16_t head)
{
	struct guest_queue *q = &g->queues[queue];
	uint16_t index = le16toh(q->avail->idx);

	q->avail->ring[index % q->size] = htole16(head);
	__atomic_store_n(&q->avail->idx, htole16((uint16_t)(index + 1)), __ATOMIC_RELEASE);
}

uint16_t guest_add(struct lying_guest *g, unsigned queue, const struct guest_buf *bufs, size_t len)
{
	struct guest_queue *q = &g->queues[queue];
	uint16_t head = q->next_desc;

	assert_true(len <= q->size);
	for (size_t i = 0; i < len; i++) {
		uint16_t next = (uint16_t)((q->next_desc + 1) % q->size);
		uint16_t flags = bufs[i].writable ? VRING_DESC_F_WRITE : 0;

		if (i + 1 < len)
			flags |= VRING_DESC_F_NEXT;
		guest_desc(g, queue, q->next_desc,
			   (struct vring_desc){ .addr = bufs[i].gpa,
						.len = bufs[i].bytes,
						.flags = flags,
						.next = next });
		q->next_desc = next;
	}
	guest_offer(g, queue, head);

	return head;
}

void guest_offer_early(struct lying_guest *g, unsigned queue, uint32_t bytes)
{
	struct guest_buf buf = { .bytes = bytes };

	begin_with_queues(g, ~0ULL);
	buf.gpa = guest_alloc(g, bytes);
	(void)guest_add(g, queue, &buf, 1);
}

void guest_notify(struct lying_guest *g, unsigned queue)
{
	guest_write(g, g->notify + queue * g->notify_multiplier, 2, queue);
}

void guest_kick(struct lying_guest *g, unsigned queue)
{
	struct guest_queue *q = &g->queues[queue];
	uint16_t index = le16toh(q->avail->idx);
	bool wanted;

	/* A back end in a thread of its own looks for chains after it has asked. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = !(le16toh(q->used->flags) & VRING_USED_F_NO_NOTIFY);
	if (g->features & VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX)) {
		__le16 event;

		memcpy(&event, &q->used->ring[q->size], sizeof(event));
		wanted = vring_need_event(le16toh(event), index, q->kicked);
	}
	q->kicked = index;
	if (wanted)
		guest_notify(g, queue);
}

void lying_guest_run(struct lying_guest *g)
{
	struct pollfd waiting = { .fd = g->loop.epoll_fd, .events = POLLIN };

	for (unsigned i = 0; poll(&waiting, 1, 0) > 0; i++) {
		assert_in_range(i, 0, TURNS_MAX);
		assert_int_equal(loop_once(&g->loop, 0, NULL), 0);
	}
}

int64_t guest_deadline(void)
{
	return clock_now_ns() + WAIT_NS;
}

void guest_wait(struct lying_guest *g, int64_t deadline_ns)
{
	assert_true(clock_now_ns() < deadline_ns);
	/* Timers among it; a back end elsewhere does not wake us. */
	assert_int_equal(loop_once(&g->loop, clock_now_ns() + NS_PER_MS, NULL), 0);
	lying_guest_run(g);
}

bool guest_used(struct lying_guest *g, unsigned queue, uint32_t *ret_head, uint32_t *ret_bytes)
{
	struct guest_queue *q = &g->queues[queue];
	const struct vring_used_elem *elem = &q->used->ring[q->used_seen % q->size];

	if (le16toh(__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE)) == q->used_seen)
		return false;
	q->used_seen++;
	q->avail->ring[q->size] = htole16(q->used_seen); /* tell me of the next one */
	*ret_head = le32toh(elem->id);
	*ret_bytes = le32toh(elem->len);

	return true;
}

bool guest_wait_used(struct lying_guest *g, unsigned queue, uint32_t *ret_head, uint32_t *ret_bytes)
{
	int64_t deadline_ns = guest_deadline();

	while (!guest_used(g, queue, ret_head, ret_bytes)) {
		if (clock_now_ns() >= deadline_ns)
			return false;
		guest_wait(g, deadline_ns);
	}

	return true;
}

uint32_t guest_request(struct lying_guest *g, unsigned queue, const struct guest_buf *bufs,
		       size_t len)
{
	uint16_t head = guest_add(g, queue, bufs, len);
	uint32_t used_head, bytes;

	guest_kick(g, queue);
	assert_true(guest_wait_used(g, queue, &used_head, &bytes));
	assert_int_equal(used_head, head);

	return bytes;
}

bool guest_interrupted(struct lying_guest *g, unsigned vector)
{
	int fd = pci_vector_fd(g->bus.functions[0], vector);
	struct pollfd raised = { .fd = fd, .events = POLLIN };
	uint64_t count, bit = 1ULL << vector, sent = g->interrupts & bit;

	assert_true(vector < g->vectors);
	g->interrupts &= ~bit;
	if (fd < 0)
		return sent;
	if (poll(&raised, 1, 0) <= 0)
		return false;
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));

	return true;
}
