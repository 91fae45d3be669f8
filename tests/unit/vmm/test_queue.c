/* SPDX-License-Identifier: Apache-2.0
 *
 * test_queue.c - virtqueues against a model: each chain once, in order, and no event lost
 */
#include "check.h"
#include "vmm/virtio/queue.h"

#include <linux/virtio_config.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/macro.h"
#include "vmm/memory.h"

#define SIZE 16
#define DESC_GPA 0x10000
#define AVAIL_GPA 0x20000
#define USED_GPA 0x30000
#define TABLE_GPA 0x40000 /* indirect tables, one page for each head */
#define DATA_GPA 0x100000
#define OPERATIONS 200000
#define CONCURRENT 200000 /* chains */

struct fixture {
	struct memory memory;
	struct virtq q;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	const uint16_t *avail_event; /* behind the used ring */
	uint64_t random;
	/* The driver: heads that are free, and what it knows of the used ring. */
	uint16_t idle[SIZE], idle_len, used_seen;
	uint32_t pending[SIZE]; /* number of the request that a head stands for */
	uint32_t offered, finished;
	/* The device: requests it has taken and not pushed, oldest first. */
	struct {
		uint16_t head;
		uint32_t number;
	} taken[SIZE];
	unsigned taken_len;
	uint32_t next_number;
	bool asleep, interrupted; /* device waits for a notification; driver has been told */
};

static uint64_t draw(struct fixture *f, uint64_t below)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;

	return f->random % below;
}

static void start(struct fixture *f, uint64_t features, uint16_t first_index)
{
	*f = (struct fixture){ .random = 88172645463325252ULL + features };
	assert_int_equal(memory_init(&f->memory, 64 * MIB, MEMORY_SHARED, -1, NULL), 0);
	virtq_init(&f->q, SIZE);
	f->q.state.desc_gpa = DESC_GPA;
	f->q.state.avail_gpa = AVAIL_GPA;
	f->q.state.used_gpa = USED_GPA;
	f->desc = memory_at(&f->memory, GPA(DESC_GPA), 4096);
	f->avail = memory_at(&f->memory, GPA(AVAIL_GPA), 4096);
	f->used = memory_at(&f->memory, GPA(USED_GPA), 4096);
	f->avail_event = memory_at(&f->memory, GPA(USED_GPA + 4 + 8 * SIZE), 2);
	/* As after a long life, so that indices wrap around. */
	f->avail->idx = f->used->idx = f->used_seen = first_index;
	f->q.state.avail_next = f->q.state.used_next = first_index;
	assert_int_equal(virtq_start(&f->q, &f->memory, features), 0);
	for (uint16_t i = 0; i < SIZE; i++)
		f->idle[f->idle_len++] = i;
	f->asleep = true;
	assert_false(virtq_unmute(&f->q));
}

/* The driver offers a request, directly or by a table of its own, and notifies if it must. */
static void offer(struct fixture *f)
{
	uint16_t head, old = f->avail->idx;
	uint64_t data;
	struct vring_desc *desc;
	bool notify;

	if (f->idle_len == 0)
		return;
	head = f->idle[--f->idle_len];
	data = DATA_GPA + 4096ULL * head;
	f->pending[head] = f->offered++;
	memcpy(memory_at(&f->memory, GPA(data), 4), &f->pending[head], 4);
	desc = &f->desc[head];
	if (f->q.indirect && draw(f, 2)) {
		uint64_t table = TABLE_GPA + 4096ULL * head;

		*desc = (struct vring_desc){ .addr = table,
					     .len = 32,
					     .flags = VRING_DESC_F_INDIRECT };
		desc = memory_at(&f->memory, GPA(table), 32);
		desc[0] = (struct vring_desc){
			.addr = data, .len = 4, .flags = VRING_DESC_F_NEXT, .next = 1
		};
		desc[1] = (struct vring_desc){ .addr = data + 8,
					       .len = 64,
					       .flags = VRING_DESC_F_WRITE };
	} else {
		*desc = (struct vring_desc){ .addr = data, .len = 4 };
	}
	f->avail->ring[old % SIZE] = head;
	f->avail->idx = (uint16_t)(old + 1);
	/* The driver's half of the agreement on events. */
	notify = f->q.event_index ? vring_need_event(*f->avail_event, f->avail->idx, old)
				  : !(f->used->flags & VRING_USED_F_NO_NOTIFY);
	if (notify)
		f->asleep = false;
	/* Nobody may sleep with work at hand. */
	assert_false(f->asleep);
}

static void take(struct fixture *f)
{
	struct virtq_chain chain;
	uint32_t number;

	if (f->asleep)
		return;
	virtq_mute(&f->q);
	if (!virtq_pop(&f->q, &chain)) {
		assert_null(f->q.broken);
		f->asleep = !virtq_unmute(&f->q);
		return;
	}
	if (draw(f, 8) == 0) { /* changes its mind */
		virtq_unpop(&f->q);
		return;
	}
	assert_int_equal(virtq_chain_read(&chain, &number, sizeof(number)), sizeof(number));
	assert_int_equal(chain.readable_len, 0);
	assert_int_equal(number, f->next_number++);
	f->taken[f->taken_len].head = chain.head;
	f->taken[f->taken_len++].number = number;
}

static void push(struct fixture *f)
{
	unsigned n;

	if (f->taken_len == 0)
		return;
	n = (unsigned)draw(f, f->taken_len); /* in any order */
	virtq_push(&f->q, f->taken[n].head, f->taken[n].number % 64);
	f->taken[n] = f->taken[--f->taken_len];
	if (draw(f, 2) == 0)
		return;
	if (virtq_wants_interrupt(&f->q))
		f->interrupted = true;
}

/* The driver looks at the used ring because it was told to, and says when it wants to be again. */
static void collect(struct fixture *f)
{
	if (!f->interrupted)
		return;
	f->interrupted = false;
	while (f->used_seen != f->used->idx) {
		const struct vring_used_elem *elem = &f->used->ring[f->used_seen++ % SIZE];

		assert_in_range(elem->id, 0, SIZE - 1);
		assert_int_equal(elem->len, f->pending[elem->id] % 64);
		f->idle[f->idle_len++] = (uint16_t)elem->id;
		f->finished++;
	}
	f->avail->ring[SIZE] = f->used_seen;
}

static void run(uint64_t features, uint16_t first_index)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	start(f, features, first_index);
	f->avail->ring[SIZE] = first_index;
	for (unsigned i = 0; i < OPERATIONS; i++) {
		static void (*const steps[])(struct fixture *) = { offer, take, push, collect };

		steps[draw(f, ARRAY_SIZE(steps))](f);
	}
	/* Let everything come to its end: nothing is lost, nothing came twice. */
	for (unsigned i = 0; i < 1000; i++) {
		take(f);
		push(f);
		if (virtq_wants_interrupt(&f->q))
			f->interrupted = true;
		collect(f);
	}
	assert_true(f->offered > OPERATIONS / 20);
	assert_int_equal(f->finished, f->offered);
	assert_int_equal(f->idle_len, SIZE);
	assert_int_equal(f->q.state.used_next, f->used->idx);
	virtq_stop(&f->q);
	memory_done(&f->memory);
	free(f);
}

static void test_flags(void **state UNUSED)
{
	run(0, 0);
}

static void test_event_index(void **state UNUSED)
{
	run(1ULL << VIRTIO_RING_F_EVENT_IDX, 0);
}

static void test_indirect_and_wrap(void **state UNUSED)
{
	run(1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_RING_F_INDIRECT_DESC, 65000);
}

/* A driver on another processor, which says so only when it is asked to. */

struct driver {
	struct fixture *f;
	int bell_fd;
};

static void *drive(void *ctx)
{
	struct driver *d = ctx;
	struct fixture *f = d->f;
	uint64_t one = 1;

	for (uint32_t i = 0; i < CONCURRENT; i++) {
		uint16_t index = (uint16_t)i, next = (uint16_t)(index + 1);

		/* Now and then just when the device is about to sleep. */
		for (volatile unsigned spin = i * 7919 % 1024; spin > 0; spin--)
			;
		while ((uint16_t)(index - __atomic_load_n(&f->used->idx, __ATOMIC_ACQUIRE)) >= SIZE)
			(void)sched_yield();
		f->avail->ring[index % SIZE] = index % SIZE;
		__atomic_store_n(&f->avail->idx, next, __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (vring_need_event(__atomic_load_n(f->avail_event, __ATOMIC_RELAXED), next,
				     index))
			assert_int_equal(write(d->bell_fd, &one, sizeof(one)), sizeof(one));
	}

	return NULL;
}

/* No chain may wait for a notification that nobody sends. */
static void test_concurrent(void **state UNUSED)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct driver d = { .f = f, .bell_fd = eventfd(0, EFD_CLOEXEC) };
	struct virtq_chain chain;
	pthread_t thread;
	uint32_t done = 0;

	assert_non_null(f);
	start(f, 1ULL << VIRTIO_RING_F_EVENT_IDX, 0);
	for (uint16_t i = 0; i < SIZE; i++)
		f->desc[i] = (struct vring_desc){ .addr = DATA_GPA, .len = 4 };
	assert_int_equal(pthread_create(&thread, NULL, drive, &d), 0);
	while (done < CONCURRENT) {
		struct pollfd bell = { .fd = d.bell_fd, .events = POLLIN };
		uint64_t count;

		assert_int_equal(poll(&bell, 1, 60000), 1);
		assert_int_equal(read(d.bell_fd, &count, sizeof(count)), sizeof(count));
		do {
			while (virtq_pop(&f->q, &chain)) {
				virtq_push(&f->q, chain.head, 0);
				done++;
			}
		} while (virtq_unmute(&f->q));
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(d.bell_fd);
	memory_done(&f->memory);
	free(f);
}

/* Reading and writing chains in pieces of any size, against the plain bytes. */
/* Chains that nobody has taken yet are old once they have been noticed. */
static void test_news(void **state UNUSED)
{
	struct fixture f;

	start(&f, 0, UINT16_MAX);
	(void)virtq_has_news(&f.q);
	assert_false(virtq_has_news(&f.q));
	for (unsigned i = 0; i < SIZE; i++) {
		offer(&f);
		assert_true(virtq_has_news(&f.q));
		assert_false(virtq_has_news(&f.q));
	}
	memory_done(&f.memory);
}

static void test_chain_bytes(void **state UNUSED)
{
	struct fixture *f = calloc(1, sizeof(*f));
	unsigned char in[64], out[64];

	assert_non_null(f);
	start(f, 0, 0);
	for (unsigned round = 0; round < 1000; round++) {
		unsigned readable = (unsigned)draw(f, 7), writable = (unsigned)draw(f, 7);
		unsigned total = readable + writable, at = 0, put = 0;
		size_t readable_bytes = 0, writable_bytes = 0;
		struct virtq_chain chain;
		unsigned char *data = memory_at(&f->memory, GPA(DATA_GPA), 4096);

		if (total == 0)
			continue;
		for (unsigned i = 0; i < 4096; i++)
			data[i] = (unsigned char)draw(f, 256);
		for (uint16_t i = 0; i < total; i++) {
			uint32_t len = (uint32_t)draw(f, 9);

			f->desc[i] = (struct vring_desc){
				.addr = DATA_GPA + 16ULL * i,
				.len = len,
				.flags = (uint16_t)((i < readable ? 0 : VRING_DESC_F_WRITE) |
						    (i + 1U < total ? VRING_DESC_F_NEXT : 0)),
				.next = (uint16_t)(i + 1),
			};
			*(i < readable ? &readable_bytes : &writable_bytes) += len;
		}
		f->avail->ring[f->avail->idx % SIZE] = 0;
		f->avail->idx++;
		assert_true(virtq_pop(&f->q, &chain));
		assert_int_equal(chain.readable_bytes, readable_bytes);
		assert_int_equal(chain.writable_bytes, writable_bytes);
		while (at < readable_bytes) {
			size_t n = virtq_chain_read(&chain, in + at, draw(f, 6));

			at += (unsigned)n;
			assert_int_equal(chain.readable_bytes, readable_bytes - at);
		}
		assert_int_equal(virtq_chain_read(&chain, out, 1), 0);
		for (unsigned i = 0; i < sizeof(out); i++)
			out[i] = (unsigned char)(round + i);
		while (put < writable_bytes)
			put += (unsigned)virtq_chain_write(&chain, out + put,
							   MIN(draw(f, 6), writable_bytes - put));
		assert_int_equal(virtq_chain_write(&chain, out, 1), 0);
		assert_int_equal(chain.written_bytes, writable_bytes);
		at = put = 0;
		for (unsigned i = 0; i < total; i++)
			for (unsigned byte = 0; byte < f->desc[i].len; byte++)
				if (i < readable)
					assert_int_equal(in[at++], data[16 * i + byte]);
				else
					assert_int_equal(out[put++], data[16 * i + byte]);
		virtq_push(&f->q, 0, chain.written_bytes);
	}
	memory_done(&f->memory);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_event_index),
		cmocka_unit_test(test_indirect_and_wrap),
		cmocka_unit_test(test_concurrent),
		cmocka_unit_test(test_news),
		cmocka_unit_test(test_chain_bytes),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
