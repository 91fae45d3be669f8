/* SPDX-License-Identifier: Apache-2.0
 *
 * virtio.c - a stream of operations of a driver and of the host's side
 *
 * An operation is a byte that says which, followed by its arguments. Most of them are half honest:
 * a driver that is wrong in all it does gets no further than the first check. At the end the
 * device is reset, and must work.
 *
 * Memory that changes between reads is an operation as well, and one that can be repeated: it
 * says at which of the device's next loads from guest memory what is to be there instead. The
 * compiler calls __sanitizer_cov_load*() before each load of the device code (trace-loads);
 * memcpy(3) of data is not among them, so reads of a chain count by themselves.
 */
#include "check.h"
#include "virtio.h"

#include <endian.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_vsock.h>

#include "base/macro.h"
#include "fuzz.h"
#include "input.h"
#include "vmm/victims.h"

#define OPERATIONS_MAX 400
#define CHANGES_MAX 8
#define BUFS_MAX 6
#define HEAD_LONG 31	      /* stands for the longest header there is */
#define SCRATCH_GPA (4 * MIB) /* where most buffers are */

/*
 * What another processor of the guest is about to store. Loads of the device's thread alone count:
 * a back end has one of its own, which would be another clock each time.
 */
static _Thread_local struct change {
	unsigned loads; /* before it does */
	uint8_t *at;	/* NULL: nothing */
	uint8_t bytes[8];
	unsigned len;
} changes[CHANGES_MAX];
static const uint8_t *ram; /* of the guest at hand, or NULL */

static void before_load(void)
{
	for (size_t i = 0; i < CHANGES_MAX; i++) {
		struct change *c = &changes[i];

		if (!c->at || c->loads-- > 0)
			continue;
		memcpy(c->at, c->bytes, c->len);
		c->at = NULL;
	}
}

/* Called in code that is compiled with trace-loads. The names are the compiler's. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
#define TRACE_LOAD(bytes)                                                      \
	void __sanitizer_cov_load##bytes(const void *at);                      \
	void __sanitizer_cov_load##bytes(const void *at)                       \
	{                                                                      \
		if (ram && (uintptr_t)at - (uintptr_t)ram < LYING_GUEST_BYTES) \
			before_load();                                         \
	}
TRACE_LOAD(1)
TRACE_LOAD(2)
TRACE_LOAD(4)
TRACE_LOAD(8)
TRACE_LOAD(16)

/* In place of virtq_chain_read(), by the linker's --wrap. */
size_t __real_virtq_chain_read(struct virtq_chain *chain, void *buf, size_t len);
size_t __wrap_virtq_chain_read(struct virtq_chain *chain, void *buf, size_t len);
size_t __wrap_virtq_chain_read(struct virtq_chain *chain, void *buf, size_t len)
{
	before_load();

	return __real_virtq_chain_read(chain, buf, len);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static uint8_t byte(struct input *in)
{
	return input_byte(in);
}

static uint32_t number(struct input *in, unsigned bytes)
{
	return (uint32_t)input_number(in, bytes);
}

/* An address: mostly one of the scratch area, else one at an edge. */
static uint64_t address(const struct lying_guest *g, struct input *in)
{
	const uint64_t edges[] = { 0,
				   LYING_GUEST_BYTES - 16,
				   LYING_GUEST_BYTES,
				   UINT64_MAX - 15,
				   MIB,
				   g->file_gpa,
				   g->file_gpa + LYING_GUEST_FILE_BYTES - 16 };
	uint8_t how = byte(in);

	if (how >= 0xf0)
		return edges[how % ARRAY_SIZE(edges)] + byte(in);

	return SCRATCH_GPA + how * 4096ULL;
}

static uint32_t length(struct input *in)
{
	static const uint32_t edges[] = { 0, 1, 512, 4096, 64 * KIB, UINT32_MAX };
	uint8_t how = byte(in);

	return how >= 0xf0 ? edges[how % ARRAY_SIZE(edges)] : how;
}

static unsigned queue_of(const struct lying_guest *g, struct input *in)
{
	return byte(in) % g->queues_len;
}

/* The registers of the transport, where things are, with a few that are not. */
static void access_register(struct lying_guest *g, struct input *in)
{
	static const uint8_t widths[] = { 1, 2, 4, 8 };
	const uint32_t parts[] = { g->common, g->isr, g->config, g->notify };
	uint8_t how = byte(in);
	uint32_t at = parts[how % 4] + byte(in) % 0x60;
	unsigned bytes = widths[how / 4 % 4];

	if (how & 0x80)
		(void)guest_read(g, at, bytes);
	else
		guest_write(g, at, bytes, number(in, bytes < 4 ? bytes : 4));
}

static void access_configuration(struct lying_guest *g, struct input *in)
{
	/* Only the window: BARs that move would only make the driver blind. */
	uint32_t at = g->pci_cfg_cap + VIRTIO_PCI_CAP_BAR + byte(in) % 16;

	if (at % 2)
		guest_pci_write(g, at, 1, byte(in));
	else
		(void)guest_pci_read(g, at, 2);
}

static bool is_set_up(const struct lying_guest *g, unsigned queue)
{
	return g->queues[queue].desc;
}

/* A whole chain, with bytes in its first buffer. */
static void request(struct lying_guest *g, struct input *in)
{
	unsigned queue = queue_of(g, in);
	struct guest_buf bufs[BUFS_MAX];
	uint8_t shape = byte(in);
	size_t len = 1 + shape % BUFS_MAX, head_len = shape / 8;
	uint8_t *head = guest_at(g, SCRATCH_GPA);

	if (head_len == HEAD_LONG)
		head_len = sizeof(struct virtio_vsock_hdr);
	if (!is_set_up(g, queue))
		return;
	for (size_t i = 0; i < head_len; i++)
		head[i] = byte(in);
	for (size_t i = 0; i < len; i++)
		bufs[i] = (struct guest_buf){ .gpa = i ? address(g, in) : SCRATCH_GPA,
					      .bytes = i ? length(in) : (uint32_t)head_len,
					      .writable = i && byte(in) % 2 };
	if (len > g->queues[queue].size)
		return;
	(void)guest_add(g, queue, bufs, len);
	guest_notify(g, queue);
}

static void raw_descriptor(struct lying_guest *g, struct input *in)
{
	unsigned queue = queue_of(g, in);
	struct vring_desc desc;

	if (!is_set_up(g, queue))
		return;
	desc.addr = address(g, in);
	desc.len = length(in);
	desc.flags = byte(in) % 16;
	desc.next = byte(in) % 16;
	guest_desc(g, queue, byte(in) % 8, desc);
	guest_offer(g, queue, byte(in) % 16);
	guest_notify(g, queue);
}

/* The same by a table elsewhere, which may hold anything. */
static void indirect_request(struct lying_guest *g, struct input *in)
{
	unsigned queue = queue_of(g, in);
	uint64_t table = SCRATCH_GPA + 8 * KIB;
	struct vring_desc *inner = guest_at(g, table);
	uint16_t len = 1 + byte(in) % BUFS_MAX;

	if (!is_set_up(g, queue))
		return;
	for (uint16_t i = 0; i < len; i++) {
		uint8_t flags = byte(in);

		inner[i] = (struct vring_desc){
			.addr = htole64(address(g, in)),
			.len = htole32(length(in)),
			.flags = htole16(flags & 0x80
						 ? flags % 16
						 : (flags % 2 * VRING_DESC_F_WRITE) |
							   (i + 1 < len ? VRING_DESC_F_NEXT : 0)),
			.next = htole16(flags & 0x80 ? byte(in) : i + 1),
		};
	}
	guest_desc(g, queue, 0,
		   (struct vring_desc){ .addr = table,
					.len = (uint32_t)(len * sizeof(*inner)),
					.flags = VRING_DESC_F_INDIRECT });
	guest_offer(g, queue, 0);
	guest_notify(g, queue);
}

/* Queues of any size, not all of them; a driver that wants few interrupts. */
static void start_partly(struct lying_guest *g, struct input *in)
{
	uint64_t features = number(in, 4) | (uint64_t)byte(in) << 32;
	uint32_t queues = number(in, 2);
	unsigned log_size = byte(in) % 10;

	(void)guest_begin(g, features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
	for (unsigned i = 0; i < g->queues_len; i++) {
		g->queues[i] = (struct guest_queue){ 0 };
		if (!(queues & 1U << i % 16))
			continue;
		guest_write(g, g->common + offsetof(struct virtio_pci_common_cfg, queue_select), 2,
			    i);
		guest_write(g, g->common + offsetof(struct virtio_pci_common_cfg, queue_size), 2,
			    1U << log_size);
		guest_setup_queue(g, i);
		g->queues[i].avail->ring[g->queues[i].size] = htole16((uint16_t)log_size);
	}
	guest_driver_ok(g);
	lying_guest_run(g);
}

/* A place that the device is about to look at, and what will be there by then. */
static void change_later(struct lying_guest *g, struct input *in)
{
	struct change *c = &changes[byte(in) % CHANGES_MAX];
	unsigned queue = queue_of(g, in);
	const struct guest_queue *q = &g->queues[queue];
	uint8_t where = byte(in);

	c->loads = byte(in) % 64;
	c->len = 1U << byte(in) % 4;
	for (unsigned i = 0; i < c->len; i++)
		c->bytes[i] = byte(in);
	if (!q->desc || where >= 0xc0)
		c->at = guest_at(g, SCRATCH_GPA + where % 0x40 * 8);
	else if (where >= 0x80)
		c->at = (uint8_t *)q->avail + where % 0x20;
	else
		c->at = (uint8_t *)q->desc + where;
}

static void write_memory(struct lying_guest *g, struct input *in)
{
	uint8_t *at = guest_at(g, MIB + number(in, 2) % (48 * KIB));
	size_t len = byte(in) % 32;

	for (size_t i = 0; i < len; i++)
		at[i] = byte(in);
}

/* What the host's side does takes the next bytes. */
static void poke(const struct victim *victim, void *thing, struct input *in)
{
	size_t len = byte(in);

	len = MIN(len, in->left);
	if (victim->poke)
		victim->poke(thing, in->at, len);
	in->at += len;
	in->left -= len;
}

static void step(struct lying_guest *g, const struct victim *victim, void *thing, struct input *in)
{
	switch (byte(in) % 14) {
	case 0:
		access_register(g, in);
		break;
	case 1:
		access_configuration(g, in);
		break;
	case 2:
	case 3:
		request(g, in);
		break;
	case 4:
		raw_descriptor(g, in);
		break;
	case 5:
		write_memory(g, in);
		break;
	case 6:
		lying_guest_run(g);
		break;
	case 7: /* one turn: requests may stay in flight */
		(void)loop_once(&g->loop, 0, NULL);
		break;
	case 8:
		guest_start(g, number(in, 4) | (uint64_t)byte(in) << 32);
		break;
	case 9:
	case 10:
		poke(victim, thing, in);
		break;
	case 11:
		indirect_request(g, in);
		break;
	case 12:
		change_later(g, in);
		break;
	default:
		start_partly(g, in);
		break;
	}
}

int virtio_fuzz(const char *device, const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	const struct victim *victim = NULL;
	struct lying_guest g;
	void *thing;

	for (size_t i = 0; i < victims_len; i++)
		if (strcmp(victims[i].name, device) == 0)
			victim = &victims[i];
	fuzz_assert(victim);
	lying_guest_init(&g);
	thing = victim->make(&g);
	lying_guest_find(&g);
	guest_start(&g, ~0ULL);
	memset(changes, 0, sizeof(changes));
	ram = guest_at(&g, 0);
	for (unsigned i = 0; in.left > 0 && i < OPERATIONS_MAX; i++)
		step(&g, victim, thing, &in);
	ram = NULL;
	memset(changes, 0, sizeof(changes));
	victim->works(&g, thing);
	victim->free(thing);
	lying_guest_done(&g);

	return 0;
}
