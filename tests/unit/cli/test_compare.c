/* SPDX-License-Identifier: Apache-2.0
 *
 * test_compare.c - a comparison as a table, as JSON, and as a picture
 */
#include "cli/compare_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "check.h"

static const char *value(enum compare_figure figure, int64_t number)
{
	static char text[COMPARE_VALUE_BYTES];

	return compare_value(figure, number, text);
}

static void test_values(void **state)
{
	(void)state;
	assert_string_equal(value(COMPARE_START_NS, 1534000), "1.53 ms");
	assert_string_equal(value(COMPARE_START_NS, 22400000), "22 ms");
	assert_string_equal(value(COMPARE_RUN_CPU_NS, 2440000000), "2.44 s");
	assert_string_equal(value(COMPARE_REST_CPU_PPM, 5800), "0.58 %");
	assert_string_equal(value(COMPARE_CALL_PS, 77711), "78 ns");
	assert_string_equal(value(COMPARE_WRITE_BPS, 950400000), "950 MB/s");
	assert_string_equal(value(COMPARE_REST_BYTES, 2 * 1024 * 1024), "2MiB");
}

/* One row with figures, one that could not be measured. */
static void fill(struct compare_result *result)
{
	*result = (struct compare_result){
		.len = 2,
		.rows = { { .name = "container", .kernel = "6.1", .shared = "kernel" },
			  { .name = "vm", .why = "no <QEMU> & no KVM", .hint = "install it" } },
	};
	for (int64_t i = 1; i <= 3; i++)
		compare_add(&result->rows[0].figures[COMPARE_START_NS], i * 1000000);
}

static char *text_of(void (*fn)(FILE *out, const struct compare_result *result),
		     const struct compare_result *result)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fn(out, result);
	assert_int_equal(fclose(out), 0);

	return text;
}

static void test_table(void **state)
{
	struct compare_result result;
	auto_free char *text = NULL;

	(void)state;
	fill(&result);
	text = text_of(compare_table, &result);
	assert_non_null(strstr(text, "Start to first output         2.00 ms"));
	assert_non_null(strstr(text, "Memory at rest                --"));
	assert_non_null(strstr(text, "Not measured: vm: no <QEMU> & no KVM\n  hint: install it\n"));
	/* A row that was not measured has no column. */
	assert_null(strstr(text, "container           vm"));
}

static void test_json(void **state)
{
	struct compare_result result;
	json_t *json, *row, *start;

	(void)state;
	fill(&result);
	json = compare_json("an image", &result);
	assert_string_equal(json_string_value(json_object_get(json, "image")), "an image");
	row = json_array_get(json_object_get(json, "rows"), 0);
	start = json_object_get(row, "start_ns");
	assert_int_equal(json_integer_value(json_object_get(start, "median")), 2000000);
	assert_int_equal(json_array_size(json_object_get(start, "values")), 3);
	assert_null(json_object_get(row, "rest_bytes"));
	row = json_array_get(json_object_get(json, "rows"), 1);
	assert_false(json_is_true(json_object_get(row, "measured")));
	assert_string_equal(json_string_value(json_object_get(row, "why")), "no <QEMU> & no KVM");
	json_decref(json);
}

static void plot(FILE *out, const struct compare_result *result)
{
	compare_plot(out, "a <b> & \x1b c", result);
}

/* Text of users stays text. */
static void test_plot(void **state)
{
	struct compare_result result;
	auto_free char *text = NULL;

	(void)state;
	fill(&result);
	text = text_of(plot, &result);
	assert_int_equal(strncmp(text, "<svg ", 5), 0);
	assert_non_null(strstr(text, ">a &lt;b> &amp; ? c</text>"));
	assert_non_null(strstr(text, ">2.00 ms</text>"));
	assert_non_null(strstr(text, "not measured: vm: no &lt;QEMU> &amp; no KVM"));
	assert_non_null(strstr(text, "</svg>\n"));
	for (int figure = 0; figure < COMPARE_FIGURES; figure++)
		assert_non_null(compare_heading((enum compare_figure)figure));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_plot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
