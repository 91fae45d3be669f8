/* SPDX-License-Identifier: Apache-2.0
 *
 * back_end.c - a vhost-user back end in a thread
 */
#include "check.h"
#include "vmm/back_end.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/memory.h"
#include "vmm/virtio/queue.h"

#define QUEUES 2
#define PROTOCOL_FEATURES (1ULL << 30)
#define FEATURES                                                        \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX | \
	 1ULL << VIRTIO_RING_F_INDIRECT_DESC | PROTOCOL_FEATURES)

struct served {
	struct virtq q;
	bool enabled;
	int kick_fd, call_fd;
};

struct back_end {
	pthread_t thread;
	int fd;
	uint64_t features;
	struct memory memory;
	uint64_t front[MEMORY_REGIONS_MAX]; /* where the front end has the regions */
	struct served queues[QUEUES];
};

struct message {
	uint32_t request, flags, bytes;
	uint64_t words[16];
} __attribute__((packed));

static uint64_t gpa_of(const struct back_end *b, uint64_t front)
{
	for (size_t i = 0; i < b->memory.regions_len; i++)
		if (front >= b->front[i] && front - b->front[i] < b->memory.regions[i].bytes)
			return b->memory.regions[i].start + (front - b->front[i]);

	return UINT64_MAX;
}

static void forget_memory(struct back_end *b)
{
	for (size_t i = 0; i < b->memory.regions_len; i++)
		(void)munmap(b->memory.regions[i].host, b->memory.regions[i].bytes);
	b->memory.regions_len = 0;
}

static void set_memory(struct back_end *b, const struct message *m, const int *fds, size_t fds_len)
{
	size_t len = (uint32_t)m->words[0];

	forget_memory(b);
	for (size_t i = 0; i < len && i < fds_len && i < MEMORY_REGIONS_MAX; i++) {
		uint64_t words[4];
		void *at;

		memcpy(words, &m->words[1 + 4 * i], sizeof(words));
		at = mmap(NULL, words[1], PROT_READ | PROT_WRITE, MAP_SHARED, fds[i],
			  (off_t)words[3]);

		if (at == MAP_FAILED)
			abort();
		b->front[i] = words[2];
		b->memory.regions[b->memory.regions_len++] =
			(struct memory_region){ .start = words[0], .bytes = words[1], .host = at };
	}
}

static void reply(struct back_end *b, struct message *m, uint32_t bytes)
{
	m->flags = 1 | 4;
	m->bytes = bytes;
	(void)!send(b->fd, m, 12 + bytes, MSG_NOSIGNAL);
}

static void stop(struct back_end *b, struct message *m, struct served *s)
{
	virtq_stop(&s->q);
	s->kick_fd = fd_close(s->kick_fd);
	s->call_fd = fd_close(s->call_fd);
	m->words[0] = (uint32_t)m->words[0] | (uint64_t)s->q.state.avail_next << 32;
	reply(b, m, 8);
}

static void serve_message(struct back_end *b, struct message *m, int *fds, size_t fds_len)
{
	struct served *s = &b->queues[m->words[0] % 256 % QUEUES];
	uint32_t value = (uint32_t)(m->words[0] >> 32);

	switch (m->request) {
	case 1:
		m->words[0] = FEATURES;
		reply(b, m, 8);
		break;
	case 2:
		b->features = m->words[0];
		break;
	case 5:
		set_memory(b, m, fds, fds_len);
		break;
	case 8:
		virtq_init(&s->q, VIRTQ_SIZE_MAX);
		s->q.state.size = (uint16_t)value;
		break;
	case 9:
		s->q.state.desc_gpa = gpa_of(b, m->words[1]);
		s->q.state.used_gpa = gpa_of(b, m->words[2]);
		s->q.state.avail_gpa = gpa_of(b, m->words[3]);
		break;
	case 10:
		s->q.state.avail_next = s->q.state.used_next = (uint16_t)value;
		break;
	case 11:
		stop(b, m, s);
		break;
	case 12:
		s->kick_fd = take_fd(fds[0]);
		break;
	case 13:
		s->call_fd = m->words[0] & 0x100 ? -1 : take_fd(fds[0]);
		break;
	case 15:
		m->words[0] = 0;
		reply(b, m, 8);
		break;
	case 18:
		if (virtq_start(&s->q, &b->memory, b->features) < 0)
			abort();
		break;
	default:
		break;
	}
}

static void serve_queue(struct served *s)
{
	struct virtq_chain chain;
	uint64_t count = 1;
	char bytes[256];

	(void)!read(s->kick_fd, &count, sizeof(count));
	do {
		while (virtq_pop(&s->q, &chain)) {
			size_t n = virtq_chain_read(&chain, bytes, sizeof(bytes));

			(void)virtq_chain_write(&chain, bytes, n);
			virtq_push(&s->q, chain.head, chain.written_bytes);
		}
	} while (virtq_unmute(&s->q));
	count = 1;
	if (virtq_wants_interrupt(&s->q) && s->call_fd >= 0)
		(void)!write(s->call_fd, &count, sizeof(count));
}

/* One message. False at the end of the connection. */
static bool receive(struct back_end *b)
{
	struct message m = { 0 };
	int fds[8];
	size_t fds_len = 0;

	if (fd_recv(b->fd, &m, 12, fds, ARRAY_SIZE(fds), &fds_len) != 12)
		return false;
	if (m.bytes > sizeof(m.words) || fd_read_all(b->fd, m.words, m.bytes) != (ssize_t)m.bytes)
		return false;
	serve_message(b, &m, fds, fds_len);
	for (size_t i = 0; i < fds_len; i++)
		fd_close(fds[i]);

	return true;
}

static void *run(void *ctx)
{
	struct back_end *b = ctx;
	bool connected = true;

	while (connected) {
		struct pollfd polled[1 + QUEUES] = { { .fd = b->fd, .events = POLLIN } };

		for (unsigned i = 0; i < QUEUES; i++)
			polled[1 + i] =
				(struct pollfd){ .fd = b->queues[i].kick_fd, .events = POLLIN };
		(void)poll(polled, ARRAY_SIZE(polled), -1);
		for (unsigned i = 0; i < QUEUES; i++)
			if (polled[1 + i].revents)
				serve_queue(&b->queues[i]);
		if (polled[0].revents)
			connected = receive(b);
	}
	for (unsigned i = 0; i < QUEUES; i++) {
		fd_close(b->queues[i].kick_fd);
		fd_close(b->queues[i].call_fd);
	}
	forget_memory(b);
	fd_close(b->fd);

	return NULL;
}

struct back_end *back_end_start(int *ret_fd)
{
	struct back_end *b = calloc(1, sizeof(*b));
	int fds[2];

	assert_non_null(b);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	b->fd = fds[0];
	for (unsigned i = 0; i < QUEUES; i++)
		b->queues[i].kick_fd = b->queues[i].call_fd = -1;
	assert_int_equal(pthread_create(&b->thread, NULL, run, b), 0);
	*ret_fd = fds[1];

	return b;
}

void back_end_crash(struct back_end *b)
{
	(void)shutdown(b->fd, SHUT_RDWR);
}

void back_end_join(struct back_end *b)
{
	assert_int_equal(pthread_join(b->thread, NULL), 0);
	free(b);
}
