/* SPDX-License-Identifier: Apache-2.0
 *
 * test_jail.c - what a jailed child is given, and what it says when it cannot be
 */
#include "image/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"

#define FDS 8

struct given {
	int fds[FDS];
};

static int setup(void **state)
{
	static struct given given;

	for (int i = 0; i < FDS; i++) {
		char byte = (char)('a' + i);

		given.fds[i] = memfd_create("given", MFD_CLOEXEC);
		if (given.fds[i] < 0 || pwrite(given.fds[i], &byte, 1, 0) != 1)
			return -1;
	}
	*state = &given;

	return 0;
}

static int teardown(void **state)
{
	struct given *given = *state;

	for (int i = 0; i < FDS; i++)
		fd_close(given->fds[i]);

	return 0;
}

/* In the child: each descriptor is where it belongs, the one that was not there is not. */
static int look(void *ctx, const int *fds, struct err *err)
{
	(void)ctx;
	for (int i = 0; i < FDS; i++) {
		char byte = 0;

		if (i == 2 ? fds[i] >= 0
			   : fds[i] != 3 + i || pread(fds[i], &byte, 1, 0) != 1 || byte != 'a' + i)
			return err_set(err, EBADF, "descriptor %d", i);
	}

	return 7;
}

static int run(const struct given *given, struct err *err)
{
	struct given some = *given;

	some.fds[2] = -1;

	return jail_run(
		&(struct jail_job){
			.run = look, .fds = some.fds, .fds_len = FDS, .file_max_bytes = 1 },
		err);
}

static void test_descriptors(void **state)
{
	assert_int_equal(run(*state, NULL), 7);
}

/* Too few for the child to sort them: it says so, instead of going on without. */
static void test_no_descriptors(void **state)
{
	struct rlimit limit, low;
	struct err err = ERR_INIT;
	char text[400];
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	/* Enough for the pipe, not for copies beyond it. */
	low.rlim_cur = (rlim_t)fd + 4;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(run(*state, &err), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_non_null(strstr(err_text(&err, text, sizeof(text)), "keeping descriptors"));
	fd_close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
