/* SPDX-License-Identifier: Apache-2.0
 *
 * test_conn.c - two ends of a connection: bytes arrive whole, nobody holds up anybody, lies end it
 */
#include "agentproto/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/rand.h"
#include "check.h"

struct end {
	struct agentproto_conn conn;
	struct agentproto_events events;
	int messages, lost, stream_ends;
	uint32_t last_seq;
};

struct pair {
	struct loop loop;
	struct end host, agent;
};

static void on_message(void *ctx, const struct agentproto_msg *msg)
{
	struct end *end = ctx;

	end->messages++;
	end->last_seq = msg->seq;
}

static void on_stream_done(void *ctx, uint32_t proc)
{
	struct end *end = ctx;

	(void)proc;
	end->stream_ends++;
}

static void on_lost(void *ctx, const struct err *why)
{
	struct end *end = ctx;

	assert_true(why->code > 0);
	end->lost++;
}

static void end_init(struct end *end, struct loop *loop, int fd, enum agentproto_side side)
{
	end->events = (struct agentproto_events){ on_message, on_stream_done, on_lost, end };
	assert_int_equal(agentproto_conn_init(&end->conn, loop, fd, side, &end->events), 0);
}

static void pair_init(struct pair *p)
{
	int socks[2];

	(void)signal(SIGPIPE, SIG_IGN);
	*p = (struct pair){ 0 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	assert_int_equal(loop_init(&p->loop, NULL), 0);
	end_init(&p->host, &p->loop, socks[0], AGENTPROTO_HOST);
	end_init(&p->agent, &p->loop, socks[1], AGENTPROTO_AGENT);
}

static void pair_done(struct pair *p)
{
	agentproto_conn_done(&p->host.conn);
	agentproto_conn_done(&p->agent.conn);
	loop_done(&p->loop);
}

/* Run until nothing happens any more. */
static void settle(struct pair *p)
{
	struct pollfd pfd = { .fd = p->loop.epoll_fd, .events = POLLIN };

	while (poll(&pfd, 1, 0) > 0)
		assert_int_equal(loop_once(&p->loop, 0, NULL), 0);
}

/* A pipe of which one end is relayed; the test has the other, non-blocking. */
static int relay_pipe(struct end *end, uint32_t proc, uint8_t stream, enum agentproto_relay relay)
{
	int fds[2], theirs = relay == AGENTPROTO_SEND ? 0 : 1;

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(agentproto_relay_fd(&end->conn, proc, stream, relay, fds[theirs]), 0);

	return fds[!theirs];
}

/* A stream from the agent's process to the host's reader. */
static void make_output(struct pair *p, uint32_t proc, int *ret_in_fd, int *ret_out_fd)
{
	*ret_in_fd = relay_pipe(&p->agent, proc, AGENTPROTO_STDOUT, AGENTPROTO_SEND);
	*ret_out_fd = relay_pipe(&p->host, proc, AGENTPROTO_STDOUT, AGENTPROTO_RECEIVE);
	agentproto_relay_start(&p->agent.conn, proc);
}

static size_t fill(struct pair *p, int fd)
{
	static const char zeros[4096];
	size_t total = 0;
	ssize_t n;

	do {
		while ((n = write(fd, zeros, sizeof(zeros))) > 0)
			total += (size_t)n;
		settle(p);
		n = write(fd, zeros, sizeof(zeros));
		total += n > 0 ? (size_t)n : 0;
	} while (n > 0);

	return total;
}

static void test_requests_and_answers(void **state)
{
	struct agentproto_msg msg = { .type = AGENTPROTO_START, .seq = 42 };
	struct pair p;

	(void)state;
	pair_init(&p);
	assert_int_equal(agentproto_conn_send(&p.host.conn, &msg), 0);
	settle(&p);
	assert_int_equal(p.agent.messages, 1);
	assert_int_equal(p.agent.last_seq, 42);
	msg.type = AGENTPROTO_REPLY;
	assert_int_equal(agentproto_conn_send(&p.agent.conn, &msg), 0);
	settle(&p);
	assert_int_equal(p.host.messages, 1);
	pair_done(&p);
}

/* Streams with random pieces in random order arrive as they were written, then end. */
static void test_random_streams(void **state)
{
	enum {
		STREAMS = 8,
		BYTES = 600000
	};
	static unsigned char data[BYTES], got[STREAMS][BYTES + 1];
	size_t sent[STREAMS] = { 0 }, received[STREAMS] = { 0 };
	int in_fds[STREAMS], out_fds[STREAMS], open_streams = STREAMS;
	struct pair p;

	(void)state;
	pair_init(&p);
	rand_bytes(data, sizeof(data));
	for (int i = 0; i < STREAMS; i++)
		make_output(&p, (uint32_t)i, &in_fds[i], &out_fds[i]);
	while (open_streams > 0) {
		unsigned pick[3];
		size_t i, len;
		ssize_t n;

		rand_bytes(pick, sizeof(pick));
		i = pick[0] % STREAMS;
		len = MIN(pick[1] % 50000, BYTES - sent[i]);
		if (in_fds[i] >= 0 && (n = write(in_fds[i], data + sent[i], len)) > 0)
			sent[i] += (size_t)n;
		if (in_fds[i] >= 0 && sent[i] == BYTES)
			in_fds[i] = fd_close(in_fds[i]);
		settle(&p);
		i = pick[2] % STREAMS;
		if (out_fds[i] < 0)
			continue;
		n = read(out_fds[i], got[i] + received[i],
			 MIN(pick[1] % 70000 + 1, BYTES - received[i] + 1));
		if (n > 0)
			received[i] += (size_t)n;
		if (n == 0) {
			out_fds[i] = fd_close(out_fds[i]);
			open_streams--;
		}
	}
	for (int i = 0; i < STREAMS; i++) {
		assert_int_equal(received[i], BYTES);
		assert_memory_equal(got[i], data, BYTES);
	}
	assert_int_equal(p.host.stream_ends, STREAMS);
	assert_int_equal(p.agent.stream_ends, STREAMS);
	pair_done(&p);
}

/* Nobody reads the first stream: what is on the way is bounded, and the second one flows. */
static void test_stalled_reader_harms_nobody(void **state)
{
	int stalled_in, stalled_out, in_fd, out_fd;
	struct pair p;
	char byte = 'x';

	(void)state;
	pair_init(&p);
	make_output(&p, 1, &stalled_in, &stalled_out);
	make_output(&p, 2, &in_fd, &out_fd);
	/* One window, and what fits into the two pipes. */
	assert_in_range(fill(&p, stalled_in), AGENTPROTO_WINDOW_BYTES,
			AGENTPROTO_WINDOW_BYTES + 2 * 64 * KIB + 8192);
	assert_int_equal(write(in_fd, &byte, 1), 1);
	settle(&p);
	assert_int_equal(read(out_fd, &byte, 1), 1);
	fd_close(stalled_in);
	fd_close(stalled_out);
	fd_close(in_fd);
	fd_close(out_fd);
	pair_done(&p);
}

/* The reader leaves: the writer learns it by its own broken pipe. */
static void test_closed_reader(void **state)
{
	int in_fd, out_fd;
	struct pair p;

	(void)state;
	pair_init(&p);
	make_output(&p, 1, &in_fd, &out_fd);
	fd_close(out_fd);
	assert_int_equal(write(in_fd, "x", 1), 1);
	settle(&p);
	assert_int_equal(write(in_fd, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(p.host.lost, 0);
	fd_close(in_fd);
	pair_done(&p);
}

/* Someone else holds the pipe open; draining takes what is in it and ends. */
static void test_drain(void **state)
{
	static const char text[] = "last words";
	char buf[64];
	int in_fd, out_fd;
	struct pair p;

	(void)state;
	pair_init(&p);
	make_output(&p, 1, &in_fd, &out_fd);
	assert_int_equal(write(in_fd, text, sizeof(text)), sizeof(text));
	assert_false(agentproto_relay_idle(&p.agent.conn, 1, AGENTPROTO_SEND));
	agentproto_relay_drain(&p.agent.conn, 1);
	assert_true(agentproto_relay_idle(&p.agent.conn, 1, AGENTPROTO_SEND));
	settle(&p);
	assert_int_equal(read(out_fd, buf, sizeof(buf)), sizeof(text));
	assert_string_equal(buf, text);
	assert_int_equal(read(out_fd, buf, sizeof(buf)), 0);
	fd_close(in_fd);
	fd_close(out_fd);
	pair_done(&p);
}

/* Bytes read before the peer knows the process would be lost: senders wait to be started. */
static void test_sender_waits_for_start(void **state)
{
	struct pair p;
	char byte = 'x';
	int in_fd, out_fd;

	(void)state;
	pair_init(&p);
	in_fd = relay_pipe(&p.host, 1, AGENTPROTO_STDIN, AGENTPROTO_SEND);
	assert_int_equal(write(in_fd, &byte, 1), 1);
	settle(&p);
	out_fd = relay_pipe(&p.agent, 1, AGENTPROTO_STDIN, AGENTPROTO_RECEIVE);
	settle(&p);
	assert_int_equal(read(out_fd, &byte, 1), -1);
	agentproto_relay_start(&p.host.conn, 1);
	settle(&p);
	assert_int_equal(read(out_fd, &byte, 1), 1);
	fd_close(in_fd);
	fd_close(out_fd);
	pair_done(&p);
}

/* The connection goes: what had come is still passed on, then the stream ends. */
static void test_loss_keeps_what_came(void **state)
{
	size_t total = 0;
	char buf[65536];
	int in_fd, out_fd;
	struct pair p;
	ssize_t n;

	(void)state;
	pair_init(&p);
	make_output(&p, 1, &in_fd, &out_fd);
	(void)fill(&p, in_fd);
	agentproto_conn_done(&p.agent.conn);
	settle(&p);
	assert_int_equal(p.host.lost, 1);
	assert_int_equal(agentproto_conn_send(&p.host.conn,
					      &(struct agentproto_msg){ .type = AGENTPROTO_START }),
			 -EPIPE);
	while ((n = read(out_fd, buf, sizeof(buf))) != 0) {
		total += n > 0 ? (size_t)n : 0;
		settle(&p);
	}
	assert_true(total >= AGENTPROTO_WINDOW_BYTES);
	assert_true(agentproto_relay_idle(&p.host.conn, 1, AGENTPROTO_RECEIVE));
	fd_close(in_fd);
	fd_close(out_fd);
	pair_done(&p);
}

/* ---- a peer that lies ---- */

struct liar {
	struct loop loop;
	struct end host;
	int fd;
};

static void liar_init(struct liar *l)
{
	int socks[2];

	*l = (struct liar){ 0 };
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	assert_int_equal(loop_init(&l->loop, NULL), 0);
	end_init(&l->host, &l->loop, socks[0], AGENTPROTO_HOST);
	l->fd = socks[1];
}

static void liar_done(struct liar *l)
{
	agentproto_conn_done(&l->host.conn);
	loop_done(&l->loop);
	fd_close(l->fd);
}

static void liar_says(struct liar *l, const struct agentproto_msg *msg)
{
	struct strbuf sb = STRBUF_INIT(128 * KIB);
	struct pollfd pfd = { .fd = l->loop.epoll_fd, .events = POLLIN };

	assert_int_equal(agentproto_encode(msg, &sb), 0);
	(void)!write(l->fd, sb.text, sb.len);
	strbuf_done(&sb);
	while (poll(&pfd, 1, 0) > 0)
		assert_int_equal(loop_once(&l->loop, 0, NULL), 0);
}

static void test_more_than_its_credit(void **state)
{
	static char data[AGENTPROTO_DATA_MAX_BYTES];
	struct agentproto_msg msg = { .type = AGENTPROTO_DATA,
				      .proc = 1,
				      .stream = AGENTPROTO_STDOUT,
				      .body = { data, sizeof(data) } };
	struct liar l;
	int out_fd, frames = 0;

	(void)state;
	liar_init(&l);
	out_fd = relay_pipe(&l.host, 1, AGENTPROTO_STDOUT, AGENTPROTO_RECEIVE);
	while (!l.host.lost && frames < 100) {
		liar_says(&l, &msg);
		frames++;
	}
	assert_in_range(frames, AGENTPROTO_WINDOW_BYTES / sizeof(data),
			AGENTPROTO_WINDOW_BYTES / sizeof(data) + 4);
	fd_close(out_fd);
	liar_done(&l);
}

static void test_credit_it_never_had(void **state)
{
	struct agentproto_msg msg = { .type = AGENTPROTO_CREDIT, .proc = 1, .value = 1 };
	struct liar l;
	int in_fd;

	(void)state;
	liar_init(&l);
	in_fd = relay_pipe(&l.host, 1, AGENTPROTO_STDIN, AGENTPROTO_SEND);
	liar_says(&l, &msg);
	assert_int_equal(l.host.lost, 1);
	fd_close(in_fd);
	liar_done(&l);
}

static void test_data_after_the_end(void **state)
{
	struct agentproto_msg msg = { .type = AGENTPROTO_END, .proc = 1, .stream = 1 };
	struct liar l;
	int out_fd;

	(void)state;
	liar_init(&l);
	out_fd = relay_pipe(&l.host, 1, AGENTPROTO_STDOUT, AGENTPROTO_RECEIVE);
	liar_says(&l, &msg);
	msg = (struct agentproto_msg){
		.type = AGENTPROTO_DATA, .proc = 1, .stream = 1, .body = slice_of("x")
	};
	liar_says(&l, &msg);
	/* The stream is over; a byte for one that is not there is passed over. */
	assert_int_equal(l.host.lost, 0);
	fd_close(out_fd);
	liar_done(&l);
}

static void test_garbage(void **state)
{
	struct pollfd pfd;
	struct liar l;

	(void)state;
	for (int round = 0; round < 200; round++) {
		unsigned char noise[300];

		liar_init(&l);
		rand_bytes(noise, sizeof(noise));
		noise[0] = noise[0] % 64;
		noise[1] = noise[2] = noise[3] = 0;
		assert_int_equal(write(l.fd, noise, sizeof(noise)), sizeof(noise));
		l.fd = fd_close(l.fd);
		pfd = (struct pollfd){ .fd = l.loop.epoll_fd, .events = POLLIN };
		while (poll(&pfd, 1, 0) > 0)
			assert_int_equal(loop_once(&l.loop, 0, NULL), 0);
		assert_int_equal(l.host.lost, 1);
		liar_done(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_and_answers),
		cmocka_unit_test(test_random_streams),
		cmocka_unit_test(test_stalled_reader_harms_nobody),
		cmocka_unit_test(test_closed_reader),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_sender_waits_for_start),
		cmocka_unit_test(test_loss_keeps_what_came),
		cmocka_unit_test(test_more_than_its_credit),
		cmocka_unit_test(test_credit_it_never_had),
		cmocka_unit_test(test_data_after_the_end),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
