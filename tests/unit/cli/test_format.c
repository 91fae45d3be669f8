/* SPDX-License-Identifier: Apache-2.0
 *
 * test_format.c - tables, ages and sizes as Docker prints them
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "cli/format.h"
#include "wire/json.h"

static const struct format_column columns[] = {
	{ "CONTAINER ID", "ID", false },
	{ "NAMES", "Names", false },
	{ "LABELS", "Labels", true },
	{ NULL, NULL, false },
};

static void assert_rows(const char *format, const char *expected)
{
	static const char one[] = "{\"ID\":\"0123456789ab\",\"Names\":\"a\",\"Labels\":\"x=1\"}";
	static const char two[] = "{\"ID\":\"ff\",\"Names\":\"\\u00e9t\\u00e9 long\","
				  "\"Labels\":\"\"}";
	auto_json *rows = json_array();
	json_t *row = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(json_parse(one, strlen(one), "one", &row, NULL), 0);
	json_array_append_new(rows, row);
	row = NULL;
	assert_int_equal(json_parse(two, strlen(two), "two", &row, NULL), 0);
	json_array_append_new(rows, row);
	assert_int_equal(format_rows(out, format, columns, rows, NULL), 0);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void test_rows(void **state)
{
	(void)state;
	assert_rows(NULL,
		    "CONTAINER ID   NAMES\n0123456789ab   a\nff             \xc3\xa9t\xc3\xa9 "
		    "long\n");
	assert_rows("table {{.Names}}\\t{{.Labels}}",
		    "NAMES      LABELS\na          x=1\n\xc3\xa9t\xc3\xa9 long   \n");
	assert_rows("{{.ID}}\\t{{.Names}}", "0123456789ab\ta\nff\t\xc3\xa9t\xc3\xa9 long\n");
	assert_rows("json",
		    "{\"ID\":\"0123456789ab\",\"Names\":\"a\",\"Labels\":\"x=1\"}\n"
		    "{\"ID\":\"ff\",\"Names\":\"\xc3\xa9t\xc3\xa9 long\",\"Labels\":\"\"}\n");
}

static void test_empty(void **state)
{
	auto_json *rows = json_array();
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(format_rows(out, "table", columns, rows, NULL), 0);
	assert_int_equal(format_rows(out, "{{.ID}}", columns, rows, NULL), 0);
	fclose(out);
	assert_string_equal(text, "CONTAINER ID   NAMES\n");
	free(text);
}

static void test_age(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "Less than a second" }, { 1, "1 second" },		 { 59, "59 seconds" },
		{ 60, "About a minute" },    { 150, "2 minutes" },	 { 3600, "About an hour" },
		{ 7200, "2 hours" },	     { 49 * 3600, "2 days" },	 { 15 * 86400, "2 weeks" },
		{ 70 * 86400, "2 months" },  { 800 * 86400, "2 years" },
	};
	char buf[FORMAT_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(format_age(cases[i].seconds * NS_PER_SEC, buf), cases[i].text);
}

static void test_bytes(void **state)
{
	char buf[FORMAT_TEXT_BYTES];

	(void)state;
	assert_string_equal(format_bytes(0, buf), "0B");
	assert_string_equal(format_bytes(999, buf), "999B");
	assert_string_equal(format_bytes(1236000, buf), "1.236MB");
	assert_string_equal(format_bytes_iec(2048, buf), "2KiB");
	assert_string_equal(format_bytes_iec(7969178, buf), "7.6MiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
