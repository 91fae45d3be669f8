/* SPDX-License-Identifier: Apache-2.0
 *
 * test_clock.c - times as text and back
 */
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/macro.h"
#include "check.h"

static void test_known(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000000Z" },
		{ 1, "1970-01-01T00:00:00.000000001Z" },
		{ -1, "1969-12-31T23:59:59.999999999Z" },
		{ 951782400 * NS_PER_SEC, "2000-02-29T00:00:00.000000000Z" },
		{ 1795653600 * NS_PER_SEC + 123456789, "2026-11-26T00:40:00.123456789Z" },
	};
	char buf[CLOCK_RFC3339_BYTES];
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(clock_rfc3339(cases[i].ns, buf), cases[i].text);
		assert_int_equal(clock_parse_rfc3339(cases[i].text, &ns), 0);
		assert_true(ns == cases[i].ns);
	}
}

static void test_forms(void **state)
{
	static const char *const same[] = {
		"2026-11-26T00:40:00Z",
		"2026-11-26t00:40:00z",
		"2026-11-26 00:40:00Z",
		"2026-11-26T00:40:00.0Z",
		"2026-11-26T01:40:00+01:00",
		"2026-11-25T19:10:00-05:30",
		"2026-11-26T00:40:00.0000000009Z", /* finer than a nanosecond */
	};
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		assert_int_equal(clock_parse_rfc3339(same[i], &ns), 0);
		assert_true(ns == 1795653600 * NS_PER_SEC);
	}
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-11-26",
		"2026-11-26T00:40:00",
		"2026-13-01T00:00:00Z",
		"9999-12-31T23:59:59Z", /* more nanoseconds than there are */
		"2026-00-01T00:00:00Z",
		"2026-01-32T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z",
		"2026-1-1T00:00:00Z",
		"2026-01-01T00:00:00Zx",
		"2026-01-01T00:00:00+0100",
		" 2026-01-01T00:00:00Z",
		"2026-01-01X00:00:00Z",
	};
	int64_t ns = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (clock_parse_rfc3339(bad[i], &ns) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
		assert_int_equal(ns, 42);
	}
}

static void test_round_trip(void **state)
{
	(void)state;
	srand(6);
	for (int i = 0; i < 20000; i++) {
		char buf[CLOCK_RFC3339_BYTES];
		/* 1678 to 2262, what 64 bits of nanoseconds hold. */
		int64_t ns = (int64_t)((uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^
				       (uint64_t)rand()),
			back = 0;

		if (i % 2)
			ns = -ns;
		clock_rfc3339(ns, buf);
		assert_int_equal(strlen(buf), 30);
		assert_int_equal(clock_parse_rfc3339(buf, &back), 0);
		assert_true(back == ns);
	}
}

static void test_poll(void **state)
{
	int64_t now = clock_now_ns();

	(void)state;
	assert_int_equal(clock_poll_ms(-1), -1);
	assert_int_equal(clock_poll_ms(0), 0);
	assert_int_equal(clock_poll_ms(now - 1), 0);
	/* Never early: a part of a millisecond is rounded up. */
	assert_true(clock_poll_ms(clock_now_ns() + NS_PER_SEC * 3600) > 3590000);
	assert_int_equal(clock_poll_ms(INT64_MAX), INT_MAX);
	assert_true(clock_now_ns() >= now);
	assert_true(clock_wall_ns() > 1600000000 * NS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),	  cmocka_unit_test(test_forms),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_poll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
