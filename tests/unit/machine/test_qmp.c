/* SPDX-License-Identifier: Apache-2.0
 *
 * test_qmp.c - commands to a QEMU that is played by the test
 */
#include "machine/qmp.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define YES "{\"return\": {}}\r\n"
#define EVENT "{\"event\": \"STOP\", \"data\": {}}\r\n"

/* A connection whose other side has said @text already. */
static int play(struct qmp *qmp, const char *text)
{
	int socks[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	qmp_init(qmp, socks[0]);
	assert_int_equal(write(socks[1], text, strlen(text)), strlen(text));

	return socks[1];
}

static void test_agreed(void **state)
{
	struct qmp qmp;
	int fd = play(&qmp, GREETING YES EVENT YES EVENT YES);
	char heard[256] = "";

	(void)state;
	assert_int_equal(qmp_command(&qmp, "stop", NULL, NULL), 0);
	assert_int_equal(qmp_command(&qmp, "balloon", "{\"value\":9}", NULL), 0);
	assert_true(read(fd, heard, sizeof(heard) - 1) > 0);
	assert_string_equal(heard, "{\"execute\":\"qmp_capabilities\"}\n"
				   "{\"execute\":\"stop\"}\n"
				   "{\"execute\":\"balloon\",\"arguments\":{\"value\":9}}\n");
	qmp_done(&qmp);
	fd_close(fd);
}

/* Events are asked for before QEMU speaks; a command then skips the answer to that. */
static void test_events(void **state)
{
	struct qmp qmp;
	int fd = play(&qmp, GREETING YES YES EVENT);
	static const char end[] = "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, "
				  "\"reason\": \"guest-reset\"}}\r\n";
	char heard[256] = "", reason[32];

	(void)state;
	assert_int_equal(qmp_ask_for_events(&qmp), 0);
	assert_int_equal(qmp_command(&qmp, "stop", NULL, NULL), 0);
	assert_true(read(fd, heard, sizeof(heard) - 1) > 0);
	assert_string_equal(heard, "{\"execute\":\"qmp_capabilities\"}\n"
				   "{\"execute\":\"stop\"}\n");
	qmp_shutdown_reason(&qmp, reason, sizeof(reason));
	assert_string_equal(reason, "");
	assert_int_equal(write(fd, end, sizeof(end) - 1), sizeof(end) - 1);
	fd_close(fd);
	qmp_shutdown_reason(&qmp, reason, sizeof(reason));
	assert_string_equal(reason, "guest-reset");
	qmp_done(&qmp);
}

static void test_refused(void **state)
{
	struct qmp qmp;
	int fd =
		play(&qmp, GREETING YES "{\"error\": {\"class\": \"X\", \"desc\": \"not now\"}}\n");
	struct err err = ERR_INIT;
	char text[256];

	(void)state;
	assert_int_equal(qmp_command(&qmp, "stop", NULL, &err), -EIO);
	assert_string_equal(err_text(&err, text, sizeof(text)),
			    "QEMU command 'stop': QEMU said: not now");
	qmp_done(&qmp);
	fd_close(fd);
}

static void test_gone(void **state)
{
	struct qmp qmp;
	int fd = play(&qmp, GREETING YES "{\"return\"");

	(void)state;
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(qmp_command(&qmp, "stop", NULL, NULL), -EPIPE);
	fd_close(fd);
	assert_int_equal(qmp_command(&qmp, "stop", NULL, NULL), -EPIPE);
	qmp_done(&qmp);
}

static void test_not_json(void **state)
{
	struct qmp qmp;
	int fd = play(&qmp, "hello\n");

	(void)state;
	assert_true(qmp_command(&qmp, "stop", NULL, NULL) < 0);
	qmp_done(&qmp);
	fd_close(fd);
}

static void test_endless_line(void **state)
{
	size_t len = QMP_LINE_MAX_BYTES + 4096;
	char *text = malloc(len + 1);
	struct qmp qmp;
	int fd;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', len);
	text[len] = '\0';
	fd = play(&qmp, text);
	assert_int_equal(qmp_command(&qmp, "stop", NULL, NULL), -EPROTO);
	qmp_done(&qmp);
	fd_close(fd);
	free(text);
}

static void *talk(void *ctx)
{
	const int *fd = ctx;

	while (send(*fd, EVENT EVENT, sizeof(EVENT EVENT) - 1, MSG_NOSIGNAL) > 0)
		;

	return NULL;
}

/* Events without an end: neither an answer nor a reason is waited for in them for ever. */
static void test_endless_events(void **state)
{
	struct qmp qmp;
	int fd = play(&qmp, GREETING YES);
	char reason[32];
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, talk, &fd), 0);
	assert_int_equal(qmp_command(&qmp, "stop", NULL, NULL), -EPROTO);
	qmp_shutdown_reason(&qmp, reason, sizeof(reason));
	assert_string_equal(reason, "");
	qmp_done(&qmp);
	assert_int_equal(pthread_join(thread, NULL), 0);
	fd_close(fd);
}

/* An answer that comes after its command was given up is not taken for that of the next. */
static void test_late_answer(void **state)
{
	static const char late[] =
		YES "{\"error\": {\"class\": \"X\", \"desc\": \"not now\"}}\n" YES;
	char text[15 * KIB] = GREETING YES;
	struct qmp qmp;
	int fd;

	(void)state;
	for (size_t len = strlen(text); len < sizeof(text) - 4; len += 3)
		memcpy(text + len, "{}\n", 3);
	fd = play(&qmp, text);
	assert_int_equal(qmp_command(&qmp, "stop", NULL, NULL), -EPROTO);
	assert_int_equal(write(fd, late, sizeof(late) - 1), sizeof(late) - 1);
	assert_int_equal(qmp_command(&qmp, "balloon", "{\"value\":9}", NULL), -EIO);
	assert_int_equal(qmp_command(&qmp, "cont", NULL, NULL), 0);
	qmp_done(&qmp);
	fd_close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agreed),	       cmocka_unit_test(test_events),
		cmocka_unit_test(test_refused),	       cmocka_unit_test(test_gone),
		cmocka_unit_test(test_not_json),       cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_endless_events), cmocka_unit_test(test_late_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
