/* SPDX-License-Identifier: Apache-2.0
 *
 * test_base64.c - the vectors of RFC 4648 section 10, random bytes, malformed texts
 */
#include "base/base64.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "check.h"

static void test_vectors(void **state)
{
	static const char *const vectors[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		auto_free char *text = base64_encode(vectors[i][0], strlen(vectors[i][0]));
		auto_free char *bytes = NULL;
		size_t len = 99;

		assert_string_equal(text, vectors[i][1]);
		assert_int_equal(base64_decode(text, strlen(text), &bytes, &len), 0);
		assert_int_equal(len, strlen(vectors[i][0]));
		assert_string_equal(bytes, vectors[i][0]);
	}
}

static void test_random(void **state)
{
	(void)state;
	srand(5);
	for (int i = 0; i < 2000; i++) {
		unsigned char in[300];
		size_t len = (size_t)rand() % sizeof(in), out_len = 0;
		auto_free char *text = NULL, *out = NULL;

		for (size_t k = 0; k < len; k++)
			in[k] = (unsigned char)rand();
		text = base64_encode(in, len);
		assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
					      "wxyz0123456789+/="),
				 strlen(text));
		assert_int_equal(base64_decode(text, strlen(text), &out, &out_len), 0);
		assert_int_equal(out_len, len);
		assert_memory_equal(out, in, len);
	}
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"A",	"AA",	"AAA",	 "====",      "A===",	  "AB==",
		"AAB=", "AA=A", "A\nAA", "AAAA AAAA", "AA==AAAA", "A-_A"
	};
	char *bytes = NULL;
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &bytes, &len), -EINVAL);
		assert_null(bytes);
	}
	assert_int_equal(base64_decode("A\0AA", 4, &bytes, &len), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
