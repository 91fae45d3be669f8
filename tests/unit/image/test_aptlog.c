/* SPDX-License-Identifier: Apache-2.0
 *
 * test_aptlog.c - what users are told when mmdebstrap fails, and which apt sources it is given
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image/aptlog.h"
#include "image/aptsources.h"

static const char no_suite[] =
	"I: using /tmp/mmdebstrap.nHrKfTgjoG as tempdir\n"
	"I: running apt-get update...\n"
	"Ign:1 http://deb.example.org/debian nosuch InRelease\n"
	"Err:2 http://deb.example.org/debian nosuch Release\n"
	"  404  Not Found [IP: 203.0.113.80 80]\n"
	"Reading package lists...\n"
	"E: The repository 'http://deb.example.org/debian nosuch Release' does not have a Release "
	"file.\n"
	"E: apt-get update --error-on=any failed\n"
	"E: mmdebstrap failed to run\n";

static const char no_network[] =
	"I: running apt-get update...\n"
	"Err:1 http://127.0.0.1:9/debian bookworm InRelease\n"
	"  Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)\n"
	"E: mmdebstrap failed to run\n";

static const char no_package[] = "I: installing remaining packages inside the chroot...\n"
				 "E: Unable to locate package nosuch\n"
				 "E: setup failed: E: apt-get --yes install failed\n"
				 "E: mmdebstrap failed to run\n";

static int explain(const char *text, size_t piece, struct aptlog *log, char *buf, size_t buf_bytes)
{
	struct err err = ERR_INIT;
	int r;

	memset(log, 0, sizeof(*log));
	for (size_t at = 0; at < strlen(text); at += piece)
		aptlog_feed(log, text + at, MIN(piece, strlen(text) - at));
	r = aptlog_explain(log, "nosuch", &err);
	if (r < 0)
		err_text(&err, buf, buf_bytes);

	return r;
}

static void reasons(void **state)
{
	struct aptlog log;
	char text[1000];

	(void)state;
	/* Also when it comes in pieces. */
	for (size_t piece = 1; piece < 600; piece += 37) {
		assert_int_equal(explain(no_suite, piece, &log, text, sizeof(text)), -ENOENT);
		assert_string_equal(text, "no suite nosuch in the archive: 404  Not Found [IP: "
					  "203.0.113.80 80]");
		assert_string_equal(log.stage, "running apt-get update");
		assert_int_equal(explain(no_network, piece, &log, text, sizeof(text)),
				 -ENETUNREACH);
		assert_non_null(strstr(text, "Connection refused"));
		assert_int_equal(explain(no_package, piece, &log, text, sizeof(text)), -ENOENT);
		assert_string_equal(text, "Unable to locate package nosuch");
	}
	assert_int_equal(explain("E: mmdebstrap failed to run\n", 9, &log, text, sizeof(text)),
			 -EIO);
	assert_string_equal(text, "mmdebstrap failed to run");
	assert_int_equal(explain("I: success\n", 9, &log, text, sizeof(text)), 0);
}

/* Who answers for the archive shall not write to the terminal of the user. */
static void escapes(void **state)
{
	struct aptlog log;
	char text[1000], line[2000];

	(void)state;
	assert_int_equal(explain("E: \033]0;x\007 odd\n", 3, &log, text, sizeof(text)), -EIO);
	assert_string_equal(text, " ]0;x  odd");
	memset(line, 'x', sizeof(line));
	memcpy(line, "E: ", 3);
	line[sizeof(line) - 2] = '\n';
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(explain(line, 100, &log, text, sizeof(text)), -EIO);
	assert_true(strlen(text) < APTLOG_LINE_BYTES);
}

static void sources(void **state)
{
	(void)state;
	assert_true(
		aptsources_is_debian("deb http://x/debian bookworm main contrib\n", "bookworm"));
	assert_true(aptsources_is_debian("deb http://x/s bookworm-security main", "bookworm"));
	assert_true(aptsources_is_debian("URIs: http://x\nSuites: a bookworm\nComponents: main\n",
					 "bookworm"));
	assert_false(aptsources_is_debian("# deb http://x/debian bookworm main\n", "bookworm"));
	assert_false(aptsources_is_debian("deb http://x/linux bookworm stable\n", "bookworm"));
	assert_false(aptsources_is_debian("deb http://x/db bookworm-pgdg main\n", "bookworm"));
	assert_false(aptsources_is_debian("deb http://x/debian trixie main\n", "bookworm"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons),
		cmocka_unit_test(escapes),
		cmocka_unit_test(sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
