/* SPDX-License-Identifier: Apache-2.0
 *
 * test_sync.c - why the other side failed is heard, however the two ends met
 */
#include "runtime/sync.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"

/* The other side says why it fails and is gone, with a message of ours still unread. */
static int fail_at_the_other_end(struct err *err)
{
	struct sync_msg go = { .kind = SYNC_READY }, why = { .kind = SYNC_FAILED };
	int fds[2];

	assert_int_equal(sync_pair(fds, err), 0);
	assert_int_equal(sync_send(fds[0], &go, NULL, 0, err), 0);
	err_setk(&why.err, ERR_USAGE, EXDEV, "the reason");
	assert_int_equal(sync_send(fds[1], &why, NULL, 0, err), 0);
	fd_close(fds[1]);

	return fds[0];
}

static void check_reason(int r, const struct err *err)
{
	char text[256];

	assert_int_equal(r, -EXDEV);
	assert_int_equal(err->kind, ERR_USAGE);
	assert_string_equal(err_text(err, text, sizeof(text)), "the reason");
}

static void test_receive_after_reset(void **state)
{
	struct err err = ERR_INIT;
	auto_close int fd = fail_at_the_other_end(&err);
	struct sync_msg msg;

	(void)state;
	check_reason(sync_receive(fd, SYNC_READY, &msg, NULL, NULL, &err), &err);
	assert_int_equal(sync_receive(fd, SYNC_READY, &msg, NULL, NULL, &err), -EPIPE);
}

static void test_send_to_one_that_failed(void **state)
{
	struct err err = ERR_INIT;
	auto_close int fd = fail_at_the_other_end(&err);
	struct sync_msg msg = { .kind = SYNC_READY };
	int r = sync_send(fd, &msg, NULL, 0, &err);

	(void)state;
	check_reason(r, &err);
	assert_int_equal(sync_send(fd, &msg, NULL, 0, &err), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receive_after_reset),
		cmocka_unit_test(test_send_to_one_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
