/* SPDX-License-Identifier: Apache-2.0
 *
 * test_err.c - the chain of reasons
 */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "check.h"

static void test_chain(void **state)
{
	struct err err = ERR_INIT;
	char text[256];

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&err, "open '%s'", "/x"), -ENOENT);
	assert_int_equal(err_wrap(&err, -ENOENT, "mount %s", "proc"), -ENOENT);
	assert_int_equal(err_wrap(&err, -ENOENT, "start \"web\""), -ENOENT);
	assert_string_equal(err_text(&err, text, sizeof(text)),
			    "start \"web\": mount proc: open '/x': No such file or directory");
	assert_int_equal(err_exit_status(&err), 125);
	err_kind(&err, ERR_NO_COMMAND);
	assert_int_equal(err_exit_status(&err), 127);
}

static void test_overflow_keeps_the_cause(void **state)
{
	struct err err = ERR_INIT;
	char longer[1000], text[2000];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&err, EIO, "cause");
	for (int i = 0; i < 5; i++)
		err_wrap(&err, -EIO, "%s", longer);
	assert_true(err.used <= sizeof(err.frames));
	err_text(&err, text, sizeof(text));
	assert_non_null(strstr(text, "cause"));
	assert_int_equal(err_wrap(NULL, -EIO, "nobody listens"), -EIO);
}

static void test_sanitize(void **state)
{
	struct err err;
	char text[2000];

	(void)state;
	memset(&err, 0xff, sizeof(err));
	err_sanitize(&err);
	assert_true(err.code > 0 && err.code < 4096);
	assert_true(err.used <= sizeof(err.frames));
	err_text(&err, text, sizeof(text));
	assert_int_equal(err_exit_status(&err), 125);
}

/* Nothing that a terminal would obey comes through; letters beyond ASCII do. */
static void test_sanitize_text(void **state)
{
	struct err err = ERR_INIT;
	char text[200];

	(void)state;
	err_set(&err, ENOENT,
		"a\033[31mb\x7f"
		"c\xc2\x9b"
		"31md\r\n caf\xc3\xa9 \xe2\x80\x9c");
	err_hint(&err, "\007ring");
	err_sanitize(&err);
	assert_string_equal(err_text(&err, text, sizeof(text)),
			    "a?[31mb?c\xc2?31md?? caf\xc3\xa9 \xe2\x80\x9c");
	assert_string_equal(err.hint, "?ring");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_overflow_keeps_the_cause),
		cmocka_unit_test(test_sanitize),
		cmocka_unit_test(test_sanitize_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
