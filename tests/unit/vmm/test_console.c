/* SPDX-License-Identifier: Apache-2.0
 *
 * test_console.c - streams through the console: handshake, back-pressure both ways, no memory
 */
#include "check.h"
#include "vmm/lying_guest.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "vmm/virtio/console.h"

#define TURNS_MAX 1000000 /* by then nothing will come any more */
#define CONTROL_IN 2
#define CONTROL_OUT 3
#define AGENT_IN 4
#define AGENT_OUT 5
#define FEATURES \
	(VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) | VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT))

#define SLACK_PAGES 64 /* of the guest's, of the stack */

/* What time it is for the device; 0: it passes. A test that is slow sees no lulls of its own. */
static int64_t frozen_ns;

/* In place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (frozen_ns == 0 || id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = frozen_ns / NS_PER_SEC;
	ts->tv_nsec = frozen_ns % NS_PER_SEC;

	return 0;
}

struct fixture {
	struct lying_guest g;
	struct virtio_console *console;
	int stream_fd;	/* our end of port 1, "agent" */
	int printed_fd; /* what port 0, a terminal without input, prints */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct virtio_console_port_config ports[2] = { { .in_fd = -1, .console = true },
						       { .name = "agent" } };
	int stream[2], out[2];

	assert_non_null(f);
	lying_guest_init(&f->g);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, stream),
			 0);
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	f->stream_fd = stream[0];
	f->printed_fd = out[0];
	ports[0].out_fd = out[1];
	ports[1].in_fd = ports[1].out_fd = stream[1];
	assert_int_equal(virtio_console_new(&f->g.env, ports, 2, &f->console, NULL), 0);
	lying_guest_find(&f->g);
	guest_start(&f->g, FEATURES);
	*state = f;

	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	frozen_ns = 0;
	virtio_console_free(f->console);
	fd_close(f->stream_fd);
	fd_close(f->printed_fd);
	lying_guest_done(&f->g);
	free(f);

	return 0;
}

static void tell(struct lying_guest *g, uint32_t id, uint16_t event, uint16_t value)
{
	struct virtio_console_control message = { .id = htole32(id),
						  .event = htole16(event),
						  .value = htole16(value) };
	struct guest_buf buf = { .gpa = guest_alloc(g, sizeof(message)), .bytes = sizeof(message) };

	memcpy(guest_at(g, buf.gpa), &message, sizeof(message));
	assert_int_equal(guest_request(g, CONTROL_OUT, &buf, 1), 0);
}

/* The next message of the device, and what follows its header. */
static void expect(struct lying_guest *g, uint32_t id, uint16_t event, uint16_t value,
		   const char *body, size_t body_len)
{
	struct guest_buf buf = { .gpa = guest_alloc(g, 64), .bytes = 64, .writable = true };
	const struct virtio_console_control *message = guest_at(g, buf.gpa);
	uint32_t bytes = guest_request(g, CONTROL_IN, &buf, 1);

	assert_int_equal(le32toh(message->id), id);
	assert_int_equal(le16toh(message->event), event);
	assert_int_equal(le16toh(message->value), value);
	assert_int_equal(bytes, sizeof(*message) + body_len);
	assert_memory_equal(message + 1, body, body_len);
}

/* Memory of this process, in pages. */
static size_t resident_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long total = 0, resident = 0;
	char line[128] = "";

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	(void)fclose(file);
	for (const char *at = line; *at >= '0' && *at <= '9'; at++)
		total = total * 10 + (unsigned long)(*at - '0');
	for (const char *at = strchr(line, ' ') + 1; *at >= '0' && *at <= '9'; at++)
		resident = resident * 10 + (unsigned long)(*at - '0');
	assert_true(resident > 0 && resident <= total);

	return resident;
}

static void open_agent(struct lying_guest *g)
{
	tell(g, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

/* As Linux does it. */
static void test_handshake(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;

	tell(g, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	expect(g, 0, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
	expect(g, 1, VIRTIO_CONSOLE_PORT_ADD, 1, "", 0);
	tell(g, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	expect(g, 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, "", 0);
	expect(g, 0, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	tell(g, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	expect(g, 1, VIRTIO_CONSOLE_PORT_NAME, 1, "agent", 5);
	expect(g, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "", 0);
	/* Nobody asks for ports that are not there. */
	tell(g, 2, VIRTIO_CONSOLE_PORT_READY, 1);
	tell(g, UINT32_MAX, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_false(guest_status(g) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void test_host_closes(void **state)
{
	struct fixture *f = *state;
	struct guest_buf buf;

	open_agent(&f->g);
	buf = (struct guest_buf){ .gpa = guest_alloc(&f->g, 16), .bytes = 16, .writable = true };
	(void)guest_add(&f->g, AGENT_IN, &buf, 1);
	guest_notify(&f->g, AGENT_IN);
	lying_guest_run(&f->g);
	f->stream_fd = fd_close(f->stream_fd);
	lying_guest_run(&f->g);
	expect(&f->g, 1, VIRTIO_CONSOLE_PORT_OPEN, 0, "", 0);
	/* What the guest still sends goes nowhere, and does not stop it. */
	buf.writable = false;
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(guest_request(&f->g, AGENT_OUT, &buf, 1), 0);
}

/* Bytes for a guest that gives no buffers wait with their sender. */
static void test_host_floods(void **state)
{
	struct fixture *f = *state;
	char bytes[4096] = { 0 };
	size_t sent = 0, before;
	ssize_t n;

	open_agent(&f->g);
	before = resident_pages();
	for (unsigned i = 0; i < 10000; i++) {
		n = write(f->stream_fd, bytes, sizeof(bytes));
		sent += n > 0 ? (size_t)n : 0;
		lying_guest_run(&f->g);
	}
	assert_true(sent < 4 * MIB);
	assert_true(resident_pages() <= before + SLACK_PAGES);
}

/* 1 GiB through a socket into a guest that reads slowly: all of it arrives, nothing is kept. */
static void test_one_gibibyte_of_input(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	struct guest_buf buf;
	static char bytes[64 * KIB];
	uint64_t sent = 0, got = 0, sum_sent = 0, sum_got = 0;
	size_t before;

	open_agent(g);
	buf = (struct guest_buf){ .bytes = 64 * KIB, .writable = true };
	buf.gpa = guest_alloc(g, buf.bytes);
	before = resident_pages();
	for (unsigned turn = 0; got < 1 * GIB; turn++) {
		uint32_t head, used;

		assert_true(turn < TURNS_MAX);

		if (sent < 1 * GIB) {
			ssize_t n;

			memset(bytes, (int)(sent / sizeof(bytes)), 64);
			n = write(f->stream_fd, bytes, MIN(sizeof(bytes), 1 * GIB - sent));
			if (n > 0) {
				sent += (uint64_t)n;
				sum_sent += (uint8_t)bytes[0];
			}
		}
		(void)guest_add(g, AGENT_IN, &buf, 1);
		guest_notify(g, AGENT_IN);
		lying_guest_run(g);
		while (guest_used(g, AGENT_IN, &head, &used)) {
			assert_in_range(used, 1, buf.bytes);
			got += used;
			sum_got++;
		}
	}
	assert_int_equal(got, sent);
	assert_true(sum_sent > 0 && sum_got >= 1 * GIB / buf.bytes);
	assert_true(resident_pages() <= before + SLACK_PAGES);
}

/* A host that does not read makes the guest wait, and loses nothing. */
static void flood(struct fixture *f, unsigned chains, uint32_t chain_bytes)
{
	struct lying_guest *g = &f->g;
	uint32_t head, used, produced = 0, consumed = 0;
	struct guest_buf buf = { .gpa = 16 * MIB, .bytes = chain_bytes };
	unsigned done = 0;
	uint32_t words[1000];

	open_agent(g);
	for (unsigned i = 0; i < chains; i++, buf.gpa += buf.bytes) {
		uint32_t *at = guest_at(g, buf.gpa);

		for (unsigned word = 0; word < buf.bytes / sizeof(*at); word++)
			at[word] = produced++;
		(void)guest_add(g, AGENT_OUT, &buf, 1);
	}
	guest_kick(g, AGENT_OUT);
	/* Make room bit by bit, in pieces that end in the middle of buffers. */
	while (consumed < produced) {
		ssize_t n;

		lying_guest_run(g);
		n = read(f->stream_fd, words, sizeof(words));
		assert_true(n > 0 && n % 4 == 0);
		for (ssize_t i = 0; i < n / 4; i++)
			assert_int_equal(words[i], consumed++);
	}
	lying_guest_run(g);
	while (guest_used(g, AGENT_OUT, &head, &used))
		done++;
	assert_int_equal(done, chains);
	assert_int_equal(read(f->stream_fd, words, sizeof(words)), -1);
	assert_int_equal(errno, EAGAIN);
}

/* Chains of which a socket does not hold one, and chains of which it holds some. */
static void test_guest_floods(void **state)
{
	flood(*state, 8, 1 * MIB);
	flood(*state, 60, 20000);
}

/* The chain that was out in part is another one when the device comes back to it. */
static void test_chain_changes_while_it_waits(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	struct guest_buf buf = { .bytes = 16 * MIB };
	char bytes[64 * KIB];

	open_agent(g);
	buf.gpa = 16 * MIB;
	(void)guest_add(g, AGENT_OUT, &buf, 1);
	guest_notify(g, AGENT_OUT);
	lying_guest_run(g);
	guest_desc(g, AGENT_OUT, 0, (struct vring_desc){ .addr = MIB, .len = 16 });
	while (read(f->stream_fd, bytes, sizeof(bytes)) > 0)
		lying_guest_run(g);
	assert_false(guest_status(g) & VIRTIO_CONFIG_S_NEEDS_RESET);
	buf = (struct guest_buf){ .gpa = guest_alloc(g, 8), .bytes = 8 };
	memcpy(guest_at(g, buf.gpa), "in order", 8);
	(void)guest_add(g, AGENT_OUT, &buf, 1);
	guest_notify(g, AGENT_OUT);
	lying_guest_run(g);
	assert_int_equal(read(f->stream_fd, bytes, sizeof(bytes)), 8);
	assert_memory_equal(bytes, "in order", 8);
}

/* More than a lull passes. */
static void let_time_pass(struct lying_guest *g)
{
	frozen_ns += 2 * NS_PER_MS;
	guest_wait(g, guest_deadline());
}

#define CHUNK_BYTES (32 * KIB) /* Linux sends no more by one chain */
#define STREAM_BYTES (256 * KIB)

/* Would the driver tell of one more chain? */
static bool is_told(struct lying_guest *g)
{
	const struct guest_queue *q = &g->queues[AGENT_OUT];
	__le16 event;

	memcpy(&event, &q->used->ring[q->size], sizeof(event));

	return event == q->avail->idx;
}

/* All bytes that have arrived; what a driver gets back is taken as well. */
static size_t arrived(struct fixture *f)
{
	static char bytes[64 * KIB];
	uint32_t head, used;
	size_t sum = 0;
	ssize_t n;

	while ((n = read(f->stream_fd, bytes, sizeof(bytes))) > 0)
		sum += (size_t)n;
	while (guest_used(&f->g, AGENT_OUT, &head, &used))
		;

	return sum;
}

static void send_chunk(struct lying_guest *g)
{
	struct guest_buf buf = { .gpa = 16 * MIB, .bytes = CHUNK_BYTES };

	(void)guest_add(g, AGENT_OUT, &buf, 1);
	guest_kick(g, AGENT_OUT);
	lying_guest_run(g);
}

/* Chunk by chunk, and each arrives, until @bytes have. */
static void send_stream(struct fixture *f, size_t bytes)
{
	for (size_t sent = 0; sent < bytes;) {
		send_chunk(&f->g);
		sent += arrived(f);
	}
}

/* A driver that sends much need not tell of every chain, and nothing of it stays behind. */
static void test_stream(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;

	frozen_ns = clock_now_ns();
	open_agent(g);
	send_stream(f, STREAM_BYTES - CHUNK_BYTES);
	assert_true(is_told(g));
	send_stream(f, CHUNK_BYTES);
	assert_false(is_told(g));
	for (unsigned i = 0; i < 3; i++) {
		send_chunk(g);
		assert_int_equal(arrived(f), 0);
	}
	send_chunk(g);
	assert_int_equal(arrived(f), 4 * CHUNK_BYTES);
	assert_false(is_told(g));

	/* It pauses: time finds what is there, and it is no stream any more. */
	send_chunk(g);
	assert_int_equal(arrived(f), 0);
	let_time_pass(g);
	assert_int_equal(arrived(f), CHUNK_BYTES);
	assert_true(is_told(g));
	send_stream(f, 2 * STREAM_BYTES - 2 * CHUNK_BYTES); /* with that one */
	assert_true(is_told(g));
	send_stream(f, CHUNK_BYTES);
	assert_false(is_told(g));

	/* It pauses with nothing left: that was a stream. */
	let_time_pass(g);
	assert_true(is_told(g));
	send_stream(f, 2 * STREAM_BYTES);
	assert_false(is_told(g));
}

static void test_stream_stands_still(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	struct virtio_device *dev = virtio_console_device(f->console);

	frozen_ns = clock_now_ns();
	open_agent(g);
	send_stream(f, STREAM_BYTES);
	send_chunk(g);
	virtio_pause(dev, true);
	let_time_pass(g);
	assert_int_equal(arrived(f), 0);
	virtio_pause(dev, false);
	lying_guest_run(g);
	assert_int_equal(arrived(f), CHUNK_BYTES);
	assert_true(is_told(g));

	/* A driver that starts anew meanwhile is told as one that has sent nothing. */
	send_stream(f, STREAM_BYTES);
	assert_false(is_told(g));
	guest_start(g, FEATURES);
	open_agent(g);
	send_stream(f, CHUNK_BYTES);
	assert_true(is_told(g));
}

/* What a full socket keeps back is no pause. */
static void test_stream_waits_for_its_reader(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	size_t sum = 0;

	frozen_ns = clock_now_ns();
	open_agent(g);
	send_stream(f, STREAM_BYTES);
	for (unsigned i = 0; i < 14; i++)
		send_chunk(g);
	let_time_pass(g);
	while (sum < 14 * CHUNK_BYTES) {
		sum += arrived(f);
		lying_guest_run(g);
	}
	assert_false(is_told(g));
}

/* A driver without event indices is told once for all: it may notify. */
static void test_stream_without_event_indices(void **state)
{
	struct fixture *f = *state;

	guest_start(&f->g, VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT));
	open_agent(&f->g);
	send_stream(f, 2 * STREAM_BYTES);
	for (unsigned i = 0; i < 4; i++) {
		send_chunk(&f->g);
		assert_int_equal(arrived(f), CHUNK_BYTES);
	}
}

/* A driver that knows one port: no control queues, the port is always open. */
static void test_without_multiport(void **state)
{
	struct fixture *f = *state;
	struct guest_buf buf;
	char bytes[16];

	guest_start(&f->g, 0);
	buf = (struct guest_buf){ .gpa = guest_alloc(&f->g, 5), .bytes = 5 };
	memcpy(guest_at(&f->g, buf.gpa), "hello", 5);
	assert_int_equal(guest_request(&f->g, 1, &buf, 1), 0);
	assert_int_equal(read(f->printed_fd, bytes, sizeof(bytes)), 5);
	assert_memory_equal(bytes, "hello", 5);
}

static void test_paused(void **state)
{
	struct fixture *f = *state;
	struct virtio_device *dev = virtio_console_device(f->console);
	struct guest_buf buf;
	uint32_t head, used;

	open_agent(&f->g);
	buf = (struct guest_buf){ .gpa = guest_alloc(&f->g, 16), .bytes = 16, .writable = true };
	(void)guest_add(&f->g, AGENT_IN, &buf, 1);
	guest_notify(&f->g, AGENT_IN);
	lying_guest_run(&f->g);
	virtio_pause(dev, true);
	assert_int_equal(write(f->stream_fd, "x", 1), 1);
	lying_guest_run(&f->g);
	assert_false(guest_used(&f->g, AGENT_IN, &head, &used));
	virtio_pause(dev, false);
	assert_true(guest_wait_used(&f->g, AGENT_IN, &head, &used));
	assert_int_equal(used, 1);
}

/*
 * Saved with a chain of which half is out and a message that the guest has not been told, loaded
 * into another device on the same memory: the stream goes on at the very byte.
 */
static void test_save_load(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	struct virtio_saved *saved = calloc(1, sizeof(*saved));
	struct virtio_console_state kind;
	struct virtio_console_port_config ports[2] = {
		{ .in_fd = -1, .out_fd = -1, .console = true }, { .name = "agent" }
	};
	struct guest_buf buf = { .bytes = 8 * MIB };
	size_t got = 0;
	uint32_t head, used;
	int stream[2];
	uint8_t *at;

	assert_non_null(saved);
	open_agent(g);
	tell(g, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	buf.gpa = guest_alloc(g, buf.bytes);
	at = guest_at(g, buf.gpa);
	for (size_t i = 0; i < buf.bytes; i++)
		at[i] = (uint8_t)(i * 7 + i / 251);
	(void)guest_add(g, AGENT_OUT, &buf, 1);
	guest_kick(g, AGENT_OUT);
	lying_guest_run(g);
	virtio_pause(virtio_console_device(f->console), true);
	virtio_console_save(f->console, &kind);
	virtio_save(virtio_console_device(f->console), saved);
	virtio_console_free(f->console);
	for (;;) {
		static uint8_t bytes[65536];
		ssize_t n = read(f->stream_fd, bytes, sizeof(bytes));

		if (n <= 0)
			break;
		assert_memory_equal(bytes, at + got, n);
		got += (size_t)n;
	}
	assert_int_equal(kind.ports[1].sent_bytes, got);
	assert_in_range(got, 1, buf.bytes - 1);
	fd_close(f->stream_fd);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, stream),
			 0);
	f->stream_fd = stream[0];
	ports[1].in_fd = ports[1].out_fd = stream[1];
	lying_guest_new_bus(g);
	assert_int_equal(virtio_console_new(&g->env, ports, 2, &f->console, NULL), 0);
	virtio_console_load(f->console, &kind);
	assert_int_equal(virtio_load(virtio_console_device(f->console), saved, NULL), 0);
	expect(g, 1, VIRTIO_CONSOLE_PORT_NAME, 1, "agent", 5);
	for (unsigned turn = 0; got < buf.bytes; turn++) {
		static uint8_t bytes[65536];
		ssize_t n = read(f->stream_fd, bytes, sizeof(bytes));

		assert_true(turn < TURNS_MAX);
		lying_guest_run(g);
		if (n < 0 && errno == EAGAIN)
			continue;
		assert_true(n > 0);
		assert_memory_equal(bytes, at + got, n);
		got += (size_t)n;
	}
	assert_true(guest_used(g, AGENT_OUT, &head, &used));
	free(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_handshake, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_floods, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_gibibyte_of_input, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_floods, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chain_changes_while_it_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_stands_still, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_waits_for_its_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream_without_event_indices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_multiport, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_save_load, setup, teardown),
	};

	(void)signal(SIGPIPE, SIG_IGN);

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
