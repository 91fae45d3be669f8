/* SPDX-License-Identifier: Apache-2.0
 *
 * queue.c - split virtqueues: every byte of the driver is loaded once, then checked
 *
 * Loads and stores that race with the guest are atomic, so that the compiler neither repeats
 * nor splits them. Order: the available index is loaded with acquire before the entries that it
 * publishes, the used index is stored with release after the entries; a full fence stands
 * between publishing an index and looking at the other side's wish for events.
 */
#include "vmm/virtio/queue.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "base/log.h"
#include "base/macro.h"
#include "vmm/memory.h"

#define load16(ptr) le16toh(__atomic_load_n((ptr), __ATOMIC_RELAXED))
#define store16(ptr, value) __atomic_store_n((ptr), htole16(value), __ATOMIC_RELAXED)

void virtq_init(struct virtq *q, uint16_t size_max)
{
	*q = (struct virtq){
		.size_max = size_max,
		.state = { .size = size_max, .vector = VIRTIO_MSI_NO_VECTOR },
	};
}

void virtq_break(struct virtq *q, const char *why)
{
	if (q->broken)
		return;
	q->broken = why;
	log_debug("virtqueue broken: %s", why);
}

static void *ring_at(struct virtq *q, uint64_t gpa, size_t bytes, size_t align)
{
	return gpa % align ? NULL : memory_at(q->memory, GPA(gpa), bytes);
}

int virtq_start(struct virtq *q, const struct memory *memory, uint64_t features)
{
	const struct virtq_state *s = &q->state;
	size_t n = s->size;

	q->memory = memory;
	q->event_index = features & 1ULL << VIRTIO_RING_F_EVENT_IDX;
	q->indirect = features & 1ULL << VIRTIO_RING_F_INDIRECT_DESC;
	/* Both rings end with the other side's event index. */
	q->avail = ring_at(q, s->avail_gpa, sizeof(*q->avail) + (n + 1) * sizeof(__le16),
			   VRING_AVAIL_ALIGN_SIZE);
	q->used = ring_at(q, s->used_gpa,
			  sizeof(*q->used) + n * sizeof(struct vring_used_elem) + sizeof(__le16),
			  VRING_USED_ALIGN_SIZE);
	q->desc = ring_at(q, s->desc_gpa, n * sizeof(struct vring_desc), VRING_DESC_ALIGN_SIZE);
	if (n == 0 || n > q->size_max || (n & (n - 1)) || !q->desc || !q->avail || !q->used) {
		virtq_stop(q);
		virtq_break(q, "ring misplaced");
		return -EINVAL;
	}

	return 0;
}

void virtq_stop(struct virtq *q)
{
	q->desc = NULL;
	q->avail = NULL;
	q->used = NULL;
}

static uint16_t avail_index(const struct virtq *q)
{
	return le16toh(__atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE));
}

bool virtq_has_news(struct virtq *q)
{
	uint16_t index = avail_index(q);
	bool news = index != q->noticed;

	q->noticed = index;

	return news;
}

/* A copy of one descriptor; the driver may change the original between the two loads. */
static struct vring_desc load_desc(const struct vring_desc *desc)
{
	const uint64_t *words = (const void *)desc;
	uint64_t copy[2] = { __atomic_load_n(&words[0], __ATOMIC_RELAXED),
			     __atomic_load_n(&words[1], __ATOMIC_RELAXED) };
	struct vring_desc d;

	_Static_assert(sizeof(d) == sizeof(copy), "descriptors are two words");
	memcpy(&d, copy, sizeof(d));

	return (struct vring_desc){
		.addr = le64toh(d.addr),
		.len = le32toh(d.len),
		.flags = le16toh(d.flags),
		.next = le16toh(d.next),
	};
}

/* An iovec cannot say that its buffer is only read from. */
static void *source_at(const struct memory *memory, uint64_t gpa, uint32_t bytes)
{
	union {
		const void *in;
		void *out;
	} at = { .in = memory_source_at(memory, GPA(gpa), bytes) };

	return at.out;
}

/* Append the buffer of @d to @chain. NULL or why the driver may not do so. */
static const char *add_buffer(struct virtq *q, struct virtq_chain *chain,
			      const struct vring_desc *d)
{
	bool writable = d->flags & VRING_DESC_F_WRITE;
	struct iovec *iov = &chain->iov[chain->readable_len + chain->writable_len];

	if (!writable && chain->writable)
		return "readable buffer after a writable one";
	if (writable && !chain->writable)
		chain->writable = iov;
	if (d->len == 0)
		return NULL;
	iov->iov_base = writable ? memory_at(q->memory, GPA(d->addr), d->len)
				 : source_at(q->memory, d->addr, d->len);
	iov->iov_len = d->len;
	if (!iov->iov_base)
		return "buffer outside of memory";
	if (chain->readable_bytes + chain->writable_bytes + d->len > UINT32_MAX)
		return "chain of 4 GiB";
	if (writable) {
		chain->writable_len++;
		chain->writable_bytes += d->len;
	} else {
		chain->readable_len++;
		chain->readable_bytes += d->len;
	}

	return NULL;
}

/* The table that @d points to. NULL or why the driver may not have it. */
static const char *enter_indirect(struct virtq *q, const struct vring_desc *d,
				  const struct vring_desc **ret_table, size_t *ret_len)
{
	if (!q->indirect)
		return "indirect descriptor was not negotiated";
	if (d->flags & VRING_DESC_F_NEXT)
		return "indirect descriptor with a next one";
	if (d->len == 0 || d->len % sizeof(*d))
		return "indirect table of odd size";
	/* Descriptors need not be aligned in memory, but ours are loaded as words. */
	if (d->addr % sizeof(uint64_t))
		return "indirect table misaligned";
	*ret_len = d->len / sizeof(*d);
	*ret_table = memory_at(q->memory, GPA(d->addr), d->len);

	return *ret_table ? NULL : "indirect table outside of memory";
}

static const char *walk(struct virtq *q, struct virtq_chain *chain)
{
	const struct vring_desc *table = q->desc;
	size_t table_len = q->state.size, index = chain->head;
	bool inside = false;

	/* A chain is at most as long as the queue: that ends every loop. */
	for (unsigned steps = 0; steps < q->state.size;) {
		struct vring_desc d;
		const char *why;

		if (index >= table_len)
			return "descriptor index out of range";
		d = load_desc(&table[index]);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (inside)
				return "indirect descriptor in an indirect table";
			why = enter_indirect(q, &d, &table, &table_len);
			if (why)
				return why;
			inside = true;
			index = 0;
			continue;
		}
		why = add_buffer(q, chain, &d);
		if (why)
			return why;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return NULL;
		index = d.next;
		steps++;
	}

	return "chain longer than the queue";
}

bool virtq_pop(struct virtq *q, struct virtq_chain *chain)
{
	struct virtq_state *s = &q->state;
	const char *why;
	uint16_t waiting;

	if (!virtq_running(q))
		return false;
	waiting = (uint16_t)(avail_index(q) - s->avail_next);
	if (waiting == 0)
		return false;
	if (waiting > s->size) {
		virtq_break(q, "available index jumped");
		return false;
	}

	chain->head = load16(&q->avail->ring[s->avail_next % s->size]);
	chain->readable = chain->iov;
	chain->writable = NULL;
	chain->readable_len = chain->writable_len = 0;
	chain->readable_bytes = chain->writable_bytes = 0;
	chain->written_bytes = 0;
	why = walk(q, chain);
	if (why) {
		virtq_break(q, why);
		return false;
	}
	if (!chain->writable)
		chain->writable = chain->iov + chain->readable_len;
	s->avail_next++;

	return true;
}

void virtq_unpop(struct virtq *q)
{
	q->state.avail_next--;
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t written_bytes)
{
	struct virtq_state *s = &q->state;
	struct vring_used_elem *elem;

	if (!virtq_running(q))
		return;
	elem = &q->used->ring[s->used_next % s->size];
	elem->id = htole32(head);
	elem->len = htole32(written_bytes);
	s->used_next++;
	__atomic_store_n(&q->used->idx, htole16(s->used_next), __ATOMIC_RELEASE);
}

/* Where the driver says at which used index it wants an interrupt. */
static __le16 *used_event(const struct virtq *q)
{
	return &q->avail->ring[q->state.size];
}

/* Where the device says at which available index it wants a notification. */
static __le16 *avail_event(const struct virtq *q)
{
	return (void *)&q->used->ring[q->state.size];
}

bool virtq_wants_interrupt(struct virtq *q)
{
	struct virtq_state *s = &q->state;
	uint16_t old = s->signalled;
	bool valid = s->signalled_valid;

	if (!virtq_running(q) || (valid && old == s->used_next))
		return false;
	s->signalled = s->used_next;
	s->signalled_valid = true;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_index)
		return !(load16(&q->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);

	return !valid || vring_need_event(load16(used_event(q)), s->used_next, old);
}

void virtq_mute(struct virtq *q)
{
	/* With event indices the driver is quiet until avail_event moves. */
	if (virtq_running(q) && !q->event_index)
		store16(&q->used->flags, VRING_USED_F_NO_NOTIFY);
}

/* Ask for a notification of chain @wanted. True when there are more than up to @seen by now. */
static bool ask_for(struct virtq *q, uint16_t wanted, uint16_t seen)
{
	if (!virtq_running(q))
		return false;
	if (q->event_index)
		store16(avail_event(q), wanted);
	else
		store16(&q->used->flags, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);

	return avail_index(q) != seen;
}

bool virtq_unmute_beyond(struct virtq *q, uint16_t seen)
{
	return ask_for(q, seen, seen);
}

bool virtq_unmute_after(struct virtq *q, uint16_t count)
{
	uint16_t next = q->state.avail_next;

	return ask_for(q, (uint16_t)(next + count - 1), next);
}

bool virtq_unmute(struct virtq *q)
{
	return virtq_unmute_beyond(q, q->state.avail_next);
}

/* Move @len bytes, at most all, off the front of @iov; to or from @buf unless that is NULL. */
static size_t consume(struct iovec **iov, unsigned *iov_len, uint8_t *buf, bool to_buf, size_t len)
{
	size_t done = 0;

	while (done<len && * iov_len> 0) {
		size_t n = MIN((*iov)->iov_len, len - done);

		if (buf && to_buf)
			memcpy(buf + done, (*iov)->iov_base, n);
		else if (buf)
			memcpy((*iov)->iov_base, buf + done, n);
		done += n;
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
		if ((*iov)->iov_len == 0) {
			(*iov)++;
			(*iov_len)--;
		}
	}

	return done;
}

size_t virtq_chain_read(struct virtq_chain *chain, void *buf, size_t len)
{
	size_t n = consume(&chain->readable, &chain->readable_len, buf, true, len);

	chain->readable_bytes -= n;

	return n;
}

void virtq_chain_skip(struct virtq_chain *chain, size_t len)
{
	chain->readable_bytes -= consume(&chain->readable, &chain->readable_len, NULL, true, len);
}

static size_t fill(struct virtq_chain *chain, uint8_t *buf, size_t len)
{
	size_t n = consume(&chain->writable, &chain->writable_len, buf, false, len);

	chain->writable_bytes -= n;
	chain->written_bytes += (uint32_t)n;

	return n;
}

size_t virtq_chain_write(struct virtq_chain *chain, const void *buf, size_t len)
{
	union {
		const void *in;
		uint8_t *out;
	} bytes = { .in = buf }; /* only read from */

	return fill(chain, bytes.out, len);
}

void virtq_chain_filled(struct virtq_chain *chain, size_t len)
{
	(void)fill(chain, NULL, len);
}

uint8_t *virtq_chain_cut_status(struct virtq_chain *chain)
{
	struct iovec *last;

	if (chain->writable_len == 0)
		return NULL;
	last = &chain->writable[chain->writable_len - 1];
	last->iov_len--;
	chain->writable_bytes--;
	if (last->iov_len == 0)
		chain->writable_len--;

	return (uint8_t *)last->iov_base + last->iov_len;
}
