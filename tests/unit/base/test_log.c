/* SPDX-License-Identifier: Apache-2.0
 *
 * test_log.c - levels, the form of a line, lines that are too long
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"

static char text[8192];

/* What the last calls logged. */
static const char *logged(int fd)
{
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';

	return text;
}

static void test_log(void **state)
{
	char big[4096];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	log_set_fd(fds[1]);
	assert_int_equal(log_set_level("loud"), -EINVAL);
	assert_int_equal(log_get_level(), LOG_WARN);

	log_error("number=%d", 1);
	assert_string_equal(logged(fds[0]), "hull: error: number=1\n");
	log_info("quiet");
	log_debug("quiet");
	assert_string_equal(logged(fds[0]), "");
	assert_int_equal(log_set_level("debug"), 0);
	log_set_program("hull-test");
	log_debug("%s", "loud");
	assert_string_equal(logged(fds[0]), "hull-test: debug: loud\n");

	/* Cut, but still one whole line. */
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_warn("%s", big);
	assert_true(strlen(logged(fds[0])) < sizeof(big));
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);

	/* errno is the caller's, before and after: %m works. */
	errno = EACCES;
	log_error("%m");
	assert_int_equal(errno, EACCES);
	assert_string_equal(logged(fds[0]), "hull-test: error: Permission denied\n");
	log_set_fd(STDERR_FILENO);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
