/* SPDX-License-Identifier: Apache-2.0
 *
 * test_proto.c - frames: whole, in pieces, with descriptors, and as random bytes
 */
#include "monitor/proto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static void pair(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			 0);
}

static size_t count_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;

	return n;
}

static void test_frame(void **state)
{
	struct proto_proc sent = { .proc = 1, .a = 2, .b = 3 }, got;
	struct proto_reader in = { 0 };
	struct slice rest;
	int ends[2], fds[3] = { 0, 1, 2 };
	struct proto_msg msg = {
		.type = PROTO_RESIZE, .body = &sent, .len = sizeof(sent), .fds = fds, .fds_len = 3
	};
	size_t before;

	(void)state;
	pair(ends);
	before = count_fds();
	assert_int_equal(proto_read(&in, ends[1]), -EAGAIN);
	assert_int_equal(proto_send(ends[0], &msg, 0), 0);
	assert_int_equal(proto_read(&in, ends[1]), 1);
	assert_int_equal(in.header.type, PROTO_RESIZE);
	assert_int_equal(in.fds_len, 3);
	assert_int_equal(proto_get(&in, &got, sizeof(got), &rest), 0);
	assert_memory_equal(&got, &sent, sizeof(got));
	assert_int_equal(rest.len, 0);
	assert_int_equal(count_fds(), before + 3);
	close(proto_take_fd(&in, 1));
	assert_int_equal(proto_take_fd(&in, 1), -1);
	assert_int_equal(proto_take_fd(&in, 3), -1);
	proto_reader_done(&in);
	assert_int_equal(count_fds(), before);
	close(ends[0]);
	assert_int_equal(proto_read(&in, ends[1]), -EPIPE);
	close(ends[1]);
}

/* A frame that arrives byte by byte is the same frame. */
static void test_pieces(void **state)
{
	struct proto_reader in = { 0 };
	const char text[] = "a document";
	int ends[2], wire[2];
	struct proto_msg msg = { .type = PROTO_UPDATE, .body = text, .len = sizeof(text) };
	char frame[256];
	ssize_t n;

	(void)state;
	pair(ends);
	pair(wire);
	assert_int_equal(proto_send(ends[0], &msg, 0), 0);
	n = read(ends[1], frame, sizeof(frame));
	assert_int_equal(n, sizeof(struct proto_header) + sizeof(text));
	for (ssize_t i = 0; i < n; i++) {
		assert_int_equal(proto_read(&in, wire[1]), -EAGAIN);
		assert_int_equal(write(wire[0], frame + i, 1), 1);
	}
	assert_int_equal(proto_read(&in, wire[1]), 1);
	assert_string_equal(in.body, text);
	proto_reader_done(&in);
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(wire[i]);
	}
}

static void test_limits(void **state)
{
	struct proto_header header = { .magic = PROTO_MAGIC, .type = PROTO_WAIT };
	struct proto_header bad[3] = { header, header, header };
	struct proto_reader in = { 0 };
	static char big[1 << 20];
	struct proto_msg msg = { .type = PROTO_UPDATE, .body = big, .len = sizeof(big) };
	int ends[2];

	(void)state;
	bad[0].magic++;
	bad[1].len = PROTO_MAX_BYTES + 1;
	bad[2].fds_len = 1; /* which do not come */
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		pair(ends);
		assert_int_equal(write(ends[0], &bad[i], sizeof(bad[i])), sizeof(bad[i]));
		assert_int_equal(proto_read(&in, ends[1]), -EPROTO);
		proto_reader_done(&in);
		close(ends[0]);
		close(ends[1]);
	}
	/* A reader that does not read is not waited for. */
	pair(ends);
	assert_int_equal(proto_send(ends[0], &msg, 0), -EAGAIN);
	close(ends[1]);
	assert_int_equal(proto_send(ends[0], &msg, 0), -EPIPE);
	msg.len = PROTO_MAX_BYTES + 1;
	assert_int_equal(proto_send(ends[0], &msg, 0), -EMSGSIZE);
	close(ends[0]);
}

static void test_texts(void **state)
{
	char bytes[] = { 'a', 'b', '\0', '\0', 'c' };
	struct slice rest = { bytes, sizeof(bytes) };

	(void)state;
	assert_string_equal(proto_next_text(&rest), "ab");
	assert_string_equal(proto_next_text(&rest), "");
	assert_null(proto_next_text(&rest));
	assert_int_equal(rest.len, 1);
}

static void test_reply(void **state)
{
	struct err err = ERR_INIT, got = ERR_INIT;
	struct proto_reader in = { 0 };
	struct proto_reply reply;
	struct slice rest;
	int ends[2];

	(void)state;
	pair(ends);
	err_setk(&err, ERR_NOT_FOUND, ENOENT, "no such thing");
	err_hint(&err, "make it");
	assert_int_equal(proto_send_reply(ends[0], PROTO_EXEC, -ENOENT, 0, &err), 0);
	assert_int_equal(proto_send_reply(ends[0], PROTO_EXEC, 0, 7, NULL), 0);
	assert_int_equal(proto_read(&in, ends[1]), 1);
	assert_int_equal(proto_get_reply(&in, &reply, &rest, &got), -ENOENT);
	assert_int_equal(got.kind, ERR_NOT_FOUND);
	assert_string_equal(got.hint, "make it");
	/* Not NUL-terminated: must be made so. */
	memset(in.body + sizeof(reply), 'x', in.header.len - sizeof(reply));
	(void)proto_get_reply(&in, &reply, &rest, &got);
	assert_true(strnlen(got.hint, sizeof(got.hint)) < sizeof(got.hint));
	proto_reader_done(&in);
	assert_int_equal(proto_read(&in, ends[1]), 1);
	assert_int_equal(proto_get_reply(&in, &reply, &rest, &got), 0);
	assert_int_equal(reply.value, 7);
	proto_reader_done(&in);
	/* A document that is a struct err is no failure. */
	assert_int_equal(proto_send_document(ends[0], PROTO_PROBE, &err, sizeof(err)), 0);
	assert_int_equal(proto_read(&in, ends[1]), 1);
	got = (struct err)ERR_INIT;
	assert_int_equal(proto_get_reply(&in, &reply, &rest, &got), 0);
	assert_int_equal(got.code, 0);
	assert_int_equal(proto_get_err(rest, &got), 0);
	assert_string_equal(got.hint, "make it");
	rest.len--;
	assert_int_equal(proto_get_err(rest, &got), -EPROTO);
	proto_reader_done(&in);
	close(ends[0]);
	close(ends[1]);
}

/* Whatever comes, the reader ends, keeps to its limits, and leaks no descriptor. */
static void test_random(void **state)
{
	size_t before;

	(void)state;
	srand(2);
	before = count_fds();
	for (int round = 0; round < 3000; round++) {
		struct proto_reader in = { 0 };
		char bytes[512];
		int ends[2], fds[2] = { 0, 1 }, r;
		size_t len = 1 + (size_t)rand() % sizeof(bytes);
		struct proto_header header = {
			.magic = PROTO_MAGIC,
			.type = (uint16_t)(rand() % 20),
			.fds_len = (uint16_t)(rand() % 3),
			.len = (uint32_t)(rand() % 600),
		};

		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)rand();
		if (round % 4 && len > sizeof(header))
			memcpy(bytes, &header, sizeof(header));
		pair(ends);
		assert_true(fd_send(ends[0], bytes, len, fds, (size_t)rand() % 3) > 0);
		close(ends[0]);
		while ((r = proto_read(&in, ends[1])) == 1) {
			struct proto_reply reply;
			struct slice rest;
			struct err err = ERR_INIT;

			(void)proto_get_reply(&in, &reply, &rest, &err);
			proto_reader_done(&in);
		}
		assert_true(r == -EPIPE || r == -EPROTO);
		proto_reader_done(&in);
		close(ends[1]);
	}
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame),  cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_texts),
		cmocka_unit_test(test_reply),  cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
