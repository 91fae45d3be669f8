/* SPDX-License-Identifier: Apache-2.0
 *
 * test_parse.c - numbers, sizes, durations and delimited text
 */
#include "base/parse.h"

#include <errno.h>

#include "base/macro.h"
#include "check.h"

static void test_u64(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_int_equal(parse_u64("0", 0, 10, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(parse_u64("18446744073709551615", 0, UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
	value = 7;
	assert_int_equal(parse_u64("18446744073709551616", 0, UINT64_MAX, &value), -ERANGE);
	assert_int_equal(parse_u64("", 0, 10, &value), -EINVAL);
	assert_int_equal(parse_u64("+1", 0, 10, &value), -EINVAL);
	assert_int_equal(parse_u64(" 1", 0, 10, &value), -EINVAL);
	assert_int_equal(parse_u64("1x", 0, 10, &value), -EINVAL);
	assert_int_equal(parse_u64("11", 0, 10, &value), -ERANGE);
	assert_int_equal(parse_u64("1", 2, 10, &value), -ERANGE);
	assert_int_equal(value, 7);
}

static void test_i64(void **state)
{
	int64_t value = 0;

	(void)state;
	assert_int_equal(parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &value), 0);
	assert_true(value == INT64_MIN);
	assert_int_equal(parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &value), -ERANGE);
	assert_int_equal(parse_i64("--1", INT64_MIN, INT64_MAX, &value), -EINVAL);
	assert_int_equal(parse_i64("-", INT64_MIN, INT64_MAX, &value), -EINVAL);
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t bytes;
	} cases[] = {
		{ "0", 0, 0 },
		{ "512", 0, 512 },
		{ "64b", 0, 64 },
		{ "10k", 0, 10240 },
		{ "10KB", 0, 10240 },
		{ "1.5g", 0, 1610612736 },
		{ "2GiB", 0, 2147483648 },
		{ "2gib", 0, 2147483648 },
		{ "1p", 0, 1ULL << 50 },
		{ "16383p", 0, 16383ULL << 50 },
		{ "16384p", -ERANGE, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1.g", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "1gg", -EINVAL, 0 },
		{ "1gi", -EINVAL, 0 },
		{ "1bb", -EINVAL, 0 },
		{ "g", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t bytes = 0;

		assert_int_equal(parse_size(cases[i].text, &bytes), cases[i].r);
		assert_true(bytes == cases[i].bytes);
	}
}

static void test_duration(void **state)
{
	int64_t ns = 0;

	(void)state;
	assert_int_equal(parse_duration("10", &ns), 0);
	assert_true(ns == 10000000000LL);
	assert_int_equal(parse_duration("1h30m", &ns), 0);
	assert_true(ns == 5400000000000LL);
	assert_int_equal(parse_duration("1.5s", &ns), 0);
	assert_true(ns == 1500000000LL);
	assert_int_equal(parse_duration("300ms", &ns), 0);
	assert_true(ns == 300000000LL);
	assert_int_equal(parse_duration("", &ns), -EINVAL);
	assert_int_equal(parse_duration("1h30", &ns), -EINVAL);
	assert_int_equal(parse_duration("1y", &ns), -EINVAL);
	assert_int_equal(parse_duration("9999999999h", &ns), -ERANGE);
}

static void test_slice_next(void **state)
{
	struct slice rest = slice_of("a::b:"), part;

	(void)state;
	assert_true(slice_next(&rest, ':', &part));
	assert_true(slice_eq(part, "a"));
	assert_true(slice_next(&rest, ':', &part));
	assert_true(slice_eq(part, ""));
	assert_true(slice_next(&rest, ':', &part));
	assert_true(slice_eq(part, "b"));
	assert_true(slice_next(&rest, ':', &part));
	assert_true(slice_eq(part, ""));
	assert_false(slice_next(&rest, ':', &part));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),	   cmocka_unit_test(test_i64),
		cmocka_unit_test(test_size),	   cmocka_unit_test(test_duration),
		cmocka_unit_test(test_slice_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
