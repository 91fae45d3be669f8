/* SPDX-License-Identifier: Apache-2.0
 *
 * test_vsock.c - connections from and to the guest: data, credit, ends, and guests that cheat
 */
#include "check.h"
#include "vmm/lying_guest.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_vsock.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/virtio/vsock.h"
#include "vmmproto/vmmproto.h"

#define RECEIVE 0
#define TRANSMIT 1
#define CID 42
#define HEAD sizeof(struct virtio_vsock_hdr)
#define ROOM 262144

struct fixture {
	struct lying_guest g;
	struct virtio_vsock *vsock;
	int starter_fd;	  /* our end */
	uint64_t out, in; /* pages for packets */
	const struct virtio_vsock_hdr *got;
	const char *data; /* behind @got */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct virtio_vsock_options options = { .guest_cid = CID };
	int fds[2];

	assert_non_null(f);
	lying_guest_init(&f->g);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	f->starter_fd = fds[0];
	options.starter_fd = fds[1];
	assert_int_equal(virtio_vsock_new(&f->g.env, &options, &f->vsock, NULL), 0);
	lying_guest_find(&f->g);
	guest_start(&f->g, VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX));
	f->out = guest_alloc(&f->g, 128 * KIB);
	f->in = guest_alloc(&f->g, 128 * KIB);
	*state = f;

	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_vsock_free(f->vsock);
	fd_close(f->starter_fd);
	lying_guest_done(&f->g);
	free(f);

	return 0;
}

/* A packet of the guest. @len is what the header says; there are @bytes of data. */
static void send_raw(struct fixture *f, struct virtio_vsock_hdr head, const void *data,
		     size_t bytes)
{
	struct guest_buf bufs[] = { { .gpa = f->out, .bytes = HEAD },
				    { .gpa = f->out + 4096, .bytes = (uint32_t)bytes } };

	memcpy(guest_at(&f->g, f->out), &head, sizeof(head));
	if (bytes > 0)
		memcpy(guest_at(&f->g, f->out + 4096), data, bytes);
	assert_int_equal(guest_request(&f->g, TRANSMIT, bufs, bytes ? 2 : 1), 0);
}

static struct virtio_vsock_hdr packet(uint32_t port, uint32_t host_port, uint16_t op, size_t len)
{
	return (struct virtio_vsock_hdr){ .src_cid = htole64(CID),
					  .dst_cid = htole64(2),
					  .src_port = htole32(port),
					  .dst_port = htole32(host_port),
					  .len = htole32((uint32_t)len),
					  .type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
					  .op = htole16(op),
					  .buf_alloc = htole32(ROOM) };
}

static void send_op(struct fixture *f, uint32_t port, uint32_t host_port, uint16_t op)
{
	send_raw(f, packet(port, host_port, op, 0), NULL, 0);
}

/* The next packet for the guest must be this. Returns the length of its data. */
static uint32_t expect(struct fixture *f, uint32_t port, uint16_t op)
{
	struct guest_buf buf = { .gpa = f->in, .bytes = 4096, .writable = true };
	uint32_t bytes = guest_request(&f->g, RECEIVE, &buf, 1);

	f->got = guest_at(&f->g, f->in);
	f->data = (const char *)(f->got + 1);
	assert_int_equal(le64toh(f->got->src_cid), 2);
	assert_int_equal(le64toh(f->got->dst_cid), CID);
	assert_int_equal(le32toh(f->got->dst_port), port);
	assert_int_equal(le16toh(f->got->op), op);
	assert_int_equal(bytes, HEAD + le32toh(f->got->len));

	return le32toh(f->got->len);
}

/* A packet of the starter, with @fd unless that is -1. */
static void tell(struct fixture *f, const struct vmmproto_vsock_msg *msg, int fd)
{
	assert_int_equal(fd_send(f->starter_fd, msg, sizeof(*msg), &fd, fd >= 0), sizeof(*msg));
	lying_guest_run(&f->g);
}

/* The starter must be told this about the connection of the token. Returns the error. */
static uint32_t hear_answer(struct fixture *f, uint32_t token)
{
	struct vmmproto_vsock_msg msg;

	assert_int_equal(recv(f->starter_fd, &msg, sizeof(msg), MSG_DONTWAIT), sizeof(msg));
	assert_int_equal(msg.kind, VMMPROTO_VSOCK_ANSWER);
	assert_int_equal(msg.token, token);

	return msg.error;
}

/* The starter must be asked for port 80. Returns the token. */
static uint32_t hear_question(struct fixture *f)
{
	struct vmmproto_vsock_msg msg;

	assert_int_equal(recv(f->starter_fd, &msg, sizeof(msg), MSG_DONTWAIT), sizeof(msg));
	assert_int_equal(msg.kind, VMMPROTO_VSOCK_CONNECT);
	assert_int_equal(msg.port, 80);

	return msg.token;
}

/* The guest connects to port 80 of the host. Returns the host's end. */
static int connect_out(struct fixture *f, uint32_t port)
{
	struct vmmproto_vsock_msg msg = { .kind = VMMPROTO_VSOCK_ANSWER };
	int fds[2];

	send_op(f, port, 80, VIRTIO_VSOCK_OP_REQUEST);
	msg.token = hear_question(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	tell(f, &msg, fds[1]);
	fd_close(fds[1]);
	assert_int_equal(expect(f, port, VIRTIO_VSOCK_OP_RESPONSE), 0);

	return fds[0];
}

#define TOKEN 4711

/* The starter wants port 22 of the guest. Returns the host's end; the guest has been asked. */
static int ask_guest(struct fixture *f, uint32_t *ret_host_port)
{
	const struct vmmproto_vsock_msg msg = { .kind = VMMPROTO_VSOCK_CONNECT,
						.token = TOKEN,
						.port = 22 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	assert_int_equal(write(fds[0], "hello", 5), 5);
	tell(f, &msg, fds[1]);
	fd_close(fds[1]);
	assert_int_equal(expect(f, 22, VIRTIO_VSOCK_OP_REQUEST), 0);
	*ret_host_port = le32toh(f->got->src_port);

	return fds[0];
}

/* A program of the host connects to port 22 of the guest. Returns its end. */
static int connect_in(struct fixture *f, uint32_t *ret_host_port)
{
	int fd = ask_guest(f, ret_host_port);

	send_op(f, 22, *ret_host_port, VIRTIO_VSOCK_OP_RESPONSE);
	assert_int_equal(hear_answer(f, TOKEN), 0);
	assert_int_equal(expect(f, 22, VIRTIO_VSOCK_OP_RW), 5);
	assert_memory_equal(f->data, "hello", 5);

	return fd;
}

static void test_guest_connects(void **state)
{
	struct fixture *f = *state;
	int fd = connect_out(f, 1000);
	char bytes[16];

	send_raw(f, packet(1000, 80, VIRTIO_VSOCK_OP_RW, 4), "ping", 4);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "ping", 4);
	assert_int_equal(write(fd, "pong", 4), 4);
	assert_int_equal(expect(f, 1000, VIRTIO_VSOCK_OP_RW), 4);
	assert_memory_equal(f->data, "pong", 4);
	assert_int_equal(le32toh(f->got->fwd_cnt), 4);
	/* The host is done; then the guest is. */
	fd_close(fd);
	assert_int_equal(expect(f, 1000, VIRTIO_VSOCK_OP_SHUTDOWN), 0);
	send_raw(f,
		 (struct virtio_vsock_hdr){ .src_cid = htole64(CID),
					    .dst_cid = htole64(2),
					    .src_port = htole32(1000),
					    .dst_port = htole32(80),
					    .type = htole16(1),
					    .op = htole16(VIRTIO_VSOCK_OP_SHUTDOWN),
					    .flags = htole32(3) },
		 NULL, 0);
	assert_int_equal(expect(f, 1000, VIRTIO_VSOCK_OP_RST), 0);
	assert_int_equal(virtio_vsock_connections(f->vsock), 0);
}

static void test_host_connects(void **state)
{
	struct fixture *f = *state;
	uint32_t host_port;
	int fd = connect_in(f, &host_port);
	char bytes[16];

	send_raw(f, packet(22, host_port, VIRTIO_VSOCK_OP_RW, 3), "yes", 3);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), 3);
	send_op(f, 22, host_port, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), 0);
	assert_int_equal(virtio_vsock_connections(f->vsock), 0);
	fd_close(fd);
}

/* The other end was closed, with what nobody has read. */
static void expect_reset(int fd)
{
	char byte;

	assert_int_equal(read(fd, &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	fd_close(fd);
}

/* The guest has nothing on that port, or is reset before it says so. */
static void test_guest_refuses(void **state)
{
	struct fixture *f = *state;
	uint32_t host_port;
	int fd = ask_guest(f, &host_port);

	send_op(f, 22, host_port, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(hear_answer(f, TOKEN), ECONNREFUSED);
	expect_reset(fd);
	fd = ask_guest(f, &host_port);
	guest_reset(&f->g);
	assert_int_equal(hear_answer(f, TOKEN), ECONNREFUSED);
	expect_reset(fd);
	assert_int_equal(virtio_vsock_connections(f->vsock), 0);
}

/* No stream, a stream that nobody asked for, a machine without a driver. */
static void test_starter_errs(void **state)
{
	struct fixture *f = *state;
	struct vmmproto_vsock_msg msg = { .kind = VMMPROTO_VSOCK_CONNECT, .token = 1, .port = 22 };
	int fds[2];
	char byte;

	tell(f, &msg, -1);
	assert_int_equal(hear_answer(f, 1), EBADF);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	msg.kind = VMMPROTO_VSOCK_ANSWER;
	tell(f, &msg, fds[1]);
	guest_reset(&f->g);
	msg.kind = VMMPROTO_VSOCK_CONNECT;
	tell(f, &msg, fds[1]);
	assert_int_equal(hear_answer(f, 1), ECONNREFUSED);
	fd_close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 0); /* no copy is left over there */
	fd_close(fds[0]);
	assert_int_equal(virtio_vsock_connections(f->vsock), 0);
	/* What is no message ends the conversation, not the machine. */
	assert_int_equal(write(f->starter_fd, "x", 1), 1);
	lying_guest_run(&f->g);
	assert_int_equal(read(f->starter_fd, &byte, 1), 0);
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	struct vmmproto_vsock_msg msg = { .kind = VMMPROTO_VSOCK_ANSWER, .error = ECONNREFUSED };
	struct virtio_vsock_hdr head = packet(7, 80, VIRTIO_VSOCK_OP_REQUEST, 0);

	send_op(f, 5, 80, VIRTIO_VSOCK_OP_RW); /* no such connection */
	expect(f, 5, VIRTIO_VSOCK_OP_RST);
	send_op(f, 6, 80, VIRTIO_VSOCK_OP_REQUEST); /* the starter says no */
	msg.token = hear_question(f);
	tell(f, &msg, -1);
	expect(f, 6, VIRTIO_VSOCK_OP_RST);
	head.type = htole16(2); /* packets are not offered */
	send_raw(f, head, NULL, 0);
	expect(f, 7, VIRTIO_VSOCK_OP_RST);
	send_op(f, 8, 80, VIRTIO_VSOCK_OP_REQUEST); /* the starter goes away */
	f->starter_fd = fd_close(f->starter_fd);
	expect(f, 8, VIRTIO_VSOCK_OP_RST);
	send_op(f, 9, 80, VIRTIO_VSOCK_OP_REQUEST);
	expect(f, 9, VIRTIO_VSOCK_OP_RST);
	/* Packets of somebody else are not even refused. */
	head = packet(10, 80, VIRTIO_VSOCK_OP_RW, 0);
	head.src_cid = htole64(CID + 1);
	send_raw(f, head, NULL, 0);
	send_op(f, 11, 80, VIRTIO_VSOCK_OP_RW);
	expect(f, 11, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(virtio_vsock_connections(f->vsock), 0);
}

/* A length that is not that of the data; more than there is room for. */
static void test_guest_cheats(void **state)
{
	struct fixture *f = *state;
	static char bytes[65536];
	int fd = connect_out(f, 1);

	send_raw(f, packet(1, 80, VIRTIO_VSOCK_OP_RW, 100), "short", 5);
	expect(f, 1, VIRTIO_VSOCK_OP_RST);
	fd_close(fd);
	fd = connect_out(f, 2);
	send_raw(f, packet(2, 80, VIRTIO_VSOCK_OP_RW, UINT32_MAX), "short", 5);
	expect(f, 2, VIRTIO_VSOCK_OP_RST);
	fd_close(fd);
	/* Nobody reads: what the socket holds, then 64 KiB of ours, then it is over. */
	fd = connect_out(f, 3);
	for (unsigned i = 0; i < 1000 && virtio_vsock_connections(f->vsock) > 0; i++) {
		struct guest_buf buf = { .gpa = f->in, .bytes = 4096, .writable = true };
		uint32_t head, used;

		send_raw(f, packet(3, 80, VIRTIO_VSOCK_OP_RW, 32768), bytes, 32768);
		(void)guest_add(&f->g, RECEIVE, &buf, 1);
		guest_kick(&f->g, RECEIVE);
		lying_guest_run(&f->g);
		while (guest_used(&f->g, RECEIVE, &head, &used))
			f->got = guest_at(&f->g, f->in);
	}
	assert_int_equal(virtio_vsock_connections(f->vsock), 0);
	assert_int_equal(le16toh(f->got->op), VIRTIO_VSOCK_OP_RST);
	fd_close(fd);
}

/* The guest's room is respected, and more of it lets more through. */
static void test_credit(void **state)
{
	struct fixture *f = *state;
	struct virtio_vsock_hdr head = packet(4, 80, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	char bytes[100] = { 0 };
	int fd = connect_out(f, 4);
	struct guest_buf buf = { .gpa = f->in, .bytes = 4096, .writable = true };
	uint32_t used_head, used;

	head.buf_alloc = htole32(10);
	send_raw(f, head, NULL, 0);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(expect(f, 4, VIRTIO_VSOCK_OP_RW), 10);
	(void)guest_add(&f->g, RECEIVE, &buf, 1);
	guest_kick(&f->g, RECEIVE);
	lying_guest_run(&f->g);
	assert_false(guest_used(&f->g, RECEIVE, &used_head, &used));
	head.fwd_cnt = htole32(7);
	send_raw(f, head, NULL, 0);
	assert_true(guest_used(&f->g, RECEIVE, &used_head, &used));
	assert_int_equal(used, HEAD + 7);
	head.op = htole16(VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	send_raw(f, head, NULL, 0);
	assert_int_equal(expect(f, 4, VIRTIO_VSOCK_OP_CREDIT_UPDATE), 0);
	assert_int_equal(le32toh(f->got->buf_alloc), 65536);
	fd_close(fd);
}

/* It sends and never reads: nothing grows, and all is answered once it does read. */
static void test_flood(void **state)
{
	struct fixture *f = *state;
	struct guest_buf buf = { .gpa = f->out, .bytes = HEAD };
	uint32_t head, used;
	unsigned taken = 0, refused = 0;

	for (unsigned i = 0; i < 120; i++) {
		const struct virtio_vsock_hdr packet_head = packet(i, 99, VIRTIO_VSOCK_OP_RW, 0);

		buf.gpa = f->out + 64ULL * i;
		memcpy(guest_at(&f->g, buf.gpa), &packet_head, HEAD);
		(void)guest_add(&f->g, TRANSMIT, &buf, 1);
	}
	guest_kick(&f->g, TRANSMIT);
	lying_guest_run(&f->g);
	while (guest_used(&f->g, TRANSMIT, &head, &used))
		taken++;
	assert_int_equal(taken, 64);
	buf = (struct guest_buf){ .gpa = f->in, .bytes = 4096, .writable = true };
	for (; refused < 120; refused++)
		(void)guest_request(&f->g, RECEIVE, &buf, 1);
	lying_guest_run(&f->g);
	while (guest_used(&f->g, TRANSMIT, &head, &used))
		taken++;
	assert_int_equal(taken, 120);
}

static void test_too_many(void **state)
{
	struct fixture *f = *state;

	for (uint32_t port = 0; port < 128; port++)
		send_op(f, port, 80, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(virtio_vsock_connections(f->vsock), 128);
	send_op(f, 128, 80, VIRTIO_VSOCK_OP_REQUEST);
	expect(f, 128, VIRTIO_VSOCK_OP_RST);
	/* A reset of the device ends them all. */
	guest_reset(&f->g);
	assert_int_equal(virtio_vsock_connections(f->vsock), 0);
}

/*
 * Saved with a connection, loaded into another device on the same memory: the guest is told that
 * its connections are gone, and makes new ones.
 */
static void test_save_load(void **state)
{
	struct fixture *f = *state;
	struct guest_buf buf = { .bytes = sizeof(struct virtio_vsock_event), .writable = true };
	struct virtio_vsock_options options = { .guest_cid = CID };
	struct virtio_saved *saved = calloc(1, sizeof(*saved));
	struct virtio_vsock_state kind;
	int fd = connect_out(f, 1000), fds[2];
	uint32_t head, used;

	assert_non_null(saved);
	buf.gpa = guest_alloc(&f->g, 4096);
	(void)guest_add(&f->g, 2, &buf, 1);
	guest_kick(&f->g, 2);
	lying_guest_run(&f->g);
	assert_false(guest_used(&f->g, 2, &head, &used));
	virtio_pause(virtio_vsock_device(f->vsock), true);
	virtio_vsock_save(f->vsock, &kind);
	virtio_save(virtio_vsock_device(f->vsock), saved);
	virtio_vsock_free(f->vsock);
	fd_close(f->starter_fd);
	fd_close(fd);

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	f->starter_fd = fds[0];
	options.starter_fd = fds[1];
	lying_guest_new_bus(&f->g);
	assert_int_equal(virtio_vsock_new(&f->g.env, &options, &f->vsock, NULL), 0);
	virtio_vsock_load(f->vsock, &kind);
	assert_int_equal(virtio_load(virtio_vsock_device(f->vsock), saved, NULL), 0);
	lying_guest_run(&f->g);
	assert_true(guest_used(&f->g, 2, &head, &used));
	assert_int_equal(used, buf.bytes);
	assert_int_equal(*(uint32_t *)guest_at(&f->g, buf.gpa),
			 htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET));
	fd_close(connect_out(f, 1001));
	free(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_guest_connects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_connects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_starter_errs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_save_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_cheats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_credit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
	};

	(void)signal(SIGPIPE, SIG_IGN);

	return cmocka_run_group_tests_name("vsock", tests, NULL, NULL);
}
