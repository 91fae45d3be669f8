/* SPDX-License-Identifier: Apache-2.0
 *
 * test_streams.c - detach keys, and what a command that stayed with a workload ends with
 */
#include "check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "cli/streams.h"

static void test_detach_keys(void **state)
{
	static const struct {
		const char *text, *bytes;
		int result;
	} cases[] = {
		{ "ctrl-p,ctrl-q", "\x10\x11", 2 },
		{ "a,b,ctrl-[", "ab\x1b", 3 },
		{ "ctrl-@", "\0", 1 },
		{ "", "", 0 },
		{ "ctrl-P", NULL, -EINVAL },
		{ "ctrl-", NULL, -EINVAL },
		{ "ab", NULL, -EINVAL },
		{ "a,,b", NULL, -EINVAL },
		{ "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p", "abcdefghijklmnop", 16 },
		{ "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", NULL, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char keys[DETACH_KEYS_MAX];
		struct err err = ERR_INIT;
		int r = cli_detach_keys(cases[i].text, keys, &err);

		if (r != cases[i].result)
			fail_msg("'%s': %d", cases[i].text, r);
		if (r < 0)
			assert_int_equal(err.kind, ERR_USAGE);
		else
			assert_memory_equal(keys, cases[i].bytes, (size_t)r);
	}
}

static void test_init(void **state)
{
	const struct streams_args args = { .sig_proxy = true, .detach_keys = "ctrl-a" };
	struct cli_streams attached;

	(void)state;
	assert_int_equal(cli_streams_init(&attached, &args, NULL), 0);
	assert_int_equal(attached.streams.stdin_fd, -1);
	assert_int_equal(attached.streams.stdout_fd, STDOUT_FILENO);
	assert_int_equal(attached.streams.detach_keys_len, 1);
	assert_int_equal(attached.streams.detach_keys[0], 1);
	assert_true(attached.streams.forward_signals);
}

static void test_status(void **state)
{
	const struct engine_end ended = { .exit_status = 3 };
	const struct engine_end detached = { .detached = true, .exit_status = 3 };

	(void)state;
	assert_int_equal(cli_streams_status(0, &ended), 3);
	assert_int_equal(cli_streams_status(0, &detached), 0);
	assert_int_equal(cli_streams_status(-ENOENT, &ended), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detach_keys),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
