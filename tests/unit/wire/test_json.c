/* SPDX-License-Identifier: Apache-2.0
 *
 * test_json.c - what is refused, what getters leave alone, text that is not UTF-8
 */
#include "wire/json.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "check.h"

static json_t *parse(const char *text)
{
	json_t *json = NULL;
	struct err err = ERR_INIT;
	char why[1024];

	if (json_parse(text, strlen(text), "test", &json, &err) < 0)
		fail_msg("%s: %s", text, err_text(&err, why, sizeof(why)));

	return json;
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"null",
		"[]",
		"1",
		"\"text\"",
		"{",
		"{}}",
		"{} {}",
		"{\"a\":1,\"a\":2}",
		"{\"a\":{\"b\":1,\"b\":1}}",
		"{\"a\":01}",
		"{\"a\":1,}",
		"{'a':1}",
		"{\"a\":NaN}",
		"{\"a\":99999999999999999999}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\\ud800\"}",
		"\xef\xbb\xbf{}",
	};
	json_t *json = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;

		if (json_parse(bad[i], strlen(bad[i]), "test", &json, &err) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
		assert_null(json);
		assert_int_equal(err.kind, ERR_USAGE);
	}
}

/* Deep and large documents end in an error, not in a crash. */
static void test_limits(void **state)
{
	auto_free char *deep = mem_calloc(300001, 1);
	json_t *json = NULL;

	(void)state;
	memcpy(deep, "{\"a\":", 5);
	memset(deep + 5, '[', 299995);
	assert_int_equal(json_parse(deep, 300000, "test", &json, NULL), -EINVAL);
	assert_int_equal(json_parse(deep, JSON_MAX_BYTES + 1, "test", &json, NULL), -EFBIG);
	assert_null(json);
}

static void test_getters(void **state)
{
	auto_json *json = parse("{\"t\":\"text\",\"b\":true,\"n\":-5,\"u\":4294967296,\"z\":null,"
				"\"nul\":\"a\\u0000b\",\"v\":[\"x\",\"y\"],\"o\":{\"i\":1},"
				"\"mixed\":[\"x\",1],\"real\":1.5}");
	const char *text = "old";
	auto_free char *copy = strdup("old");
	auto_done(strv) v = { 0 };
	const json_t *inner = NULL;
	bool flag = false;
	int64_t i64 = 77;
	uint32_t u32 = 77;
	uint64_t u64 = 77;

	(void)state;
	assert_int_equal(json_get_text(json, "t", &text, NULL), 0);
	assert_string_equal(text, "text");
	assert_int_equal(json_get_strdup(json, "t", &copy, NULL), 0);
	assert_string_equal(copy, "text");
	assert_int_equal(json_get_bool(json, "b", &flag, NULL), 0);
	assert_true(flag);
	assert_int_equal(json_get_i64(json, "n", -5, 0, &i64, NULL), 0);
	assert_int_equal(i64, -5);
	assert_int_equal(json_get_u64(json, "u", &u64, NULL), 0);
	assert_true(u64 == 4294967296ULL);
	assert_int_equal(json_get_strv(json, "v", &v, NULL), 0);
	assert_int_equal(json_get_strv(json, "v", &v, NULL), 0);
	assert_int_equal(v.len, 4);
	assert_int_equal(json_get_object(json, "o", &inner, NULL), 0);
	assert_int_equal(json_get_i64(inner, "i", 0, 9, &i64, NULL), 0);
	assert_int_equal(i64, 1);

	/* Absent and null leave the value alone. */
	assert_int_equal(json_get_text(json, "none", &text, NULL), 0);
	assert_int_equal(json_get_text(json, "z", &text, NULL), 0);
	assert_string_equal(text, "text");
	assert_int_equal(json_get_u32(json, "z", &u32, NULL), 0);
	assert_int_equal(u32, 77);

	/* Another type, or beyond the range, is an error that names the member. */
	assert_int_equal(json_get_text(json, "n", &text, NULL), -EINVAL);
	assert_int_equal(json_get_text(json, "nul", &text, NULL), -EINVAL);
	assert_int_equal(json_get_strdup(json, "b", &copy, NULL), -EINVAL);
	assert_int_equal(json_get_bool(json, "n", &flag, NULL), -EINVAL);
	assert_int_equal(json_get_i64(json, "n", -4, 0, &i64, NULL), -EINVAL);
	assert_int_equal(json_get_i64(json, "real", 0, 9, &i64, NULL), -EINVAL);
	assert_int_equal(json_get_u32(json, "u", &u32, NULL), -EINVAL);
	assert_int_equal(u32, 77);
	assert_int_equal(json_get_u64(json, "n", &u64, NULL), -EINVAL);
	assert_int_equal(json_get_strv(json, "mixed", &v, NULL), -EINVAL);
	assert_int_equal(json_get_array(json, "o", &inner, NULL), -EINVAL);
	assert_int_equal(json_get_object(json, "v", &inner, NULL), -EINVAL);
	assert_string_equal(copy, "text");
}

static void test_error_names_member(void **state)
{
	auto_json *json = parse("{\"port\":\"x\"}");
	struct err err = ERR_INIT;
	char text[256];
	int64_t value;

	(void)state;
	assert_int_equal(json_get_i64(json, "port", 0, 1, &value, &err), -EINVAL);
	assert_non_null(strstr(err_text(&err, text, sizeof(text)), "'port'"));
	assert_int_equal(err.kind, ERR_USAGE);
}

static void check_set(const char *value, const char *want)
{
	auto_json *json = json_object();
	auto_free char *text = NULL;

	assert_int_equal(json_set_text(json, "k", value), 0);
	text = json_text(json);
	assert_string_equal(text, want);
}

static void test_set_text(void **state)
{
	(void)state;
	check_set("plain", "{\"k\":\"plain\"}");
	check_set("", "{\"k\":\"\"}");
	check_set(NULL, "{}");
	check_set("line\nend", "{\"k\":\"line\\nend\"}");
	check_set("caf\xc3\xa9", "{\"k\":\"caf\xc3\xa9\"}");
	check_set("\xff", "{\"k\":\"\xef\xbf\xbd\"}");
	check_set("a\xff\xfe"
		  "b",
		  "{\"k\":\"a\xef\xbf\xbd\xef\xbf\xbd"
		  "b\"}");
	/* Cut short, overlong, surrogate: each byte is replaced. */
	check_set("x\xe2\x82", "{\"k\":\"x\xef\xbf\xbd\xef\xbf\xbd\"}");
	check_set("\xc0\xaf", "{\"k\":\"\xef\xbf\xbd\xef\xbf\xbd\"}");
	check_set("\xed\xa0\x80"
		  "y",
		  "{\"k\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		  "y\"}");
}

static void test_round_trip(void **state)
{
	auto_json *json = json_object(), *back = NULL;
	auto_free char *text = NULL;
	auto_done(strv) in = { 0 };
	auto_done(strv) out = { 0 };
	int64_t number = 0;
	bool flag = false;

	(void)state;
	assert_int_equal(strv_add(&in, "a"), 0);
	assert_int_equal(strv_add(&in, ""), 0);
	assert_int_equal(json_set_strv(json, "v", &in), 0);
	assert_int_equal(json_set_i64(json, "n", INT64_MIN), 0);
	assert_int_equal(json_set_bool(json, "b", true), 0);
	text = json_text(json);
	assert_string_equal(text, "{\"v\":[\"a\",\"\"],\"n\":-9223372036854775808,\"b\":true}");
	back = parse(text);
	assert_int_equal(json_get_strv(back, "v", &out, NULL), 0);
	assert_int_equal(out.len, 2);
	assert_int_equal(json_get_i64(back, "n", INT64_MIN, 0, &number, NULL), 0);
	assert_true(number == INT64_MIN);
	assert_int_equal(json_get_bool(back, "b", &flag, NULL), 0);
	assert_true(flag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),	 cmocka_unit_test(test_limits),
		cmocka_unit_test(test_getters),	 cmocka_unit_test(test_error_names_member),
		cmocka_unit_test(test_set_text), cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
