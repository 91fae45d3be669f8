/* SPDX-License-Identifier: Apache-2.0
 *
 * test_strbuf.c - the invariants of strbuf.h, checked
 */
#include "base/strbuf.h"

#include <errno.h>
#include <string.h>

#include "check.h"

static void check_invariants(const struct strbuf *sb)
{
	assert_true(sb->len <= sb->max_bytes);
	if (sb->text) {
		assert_true(sb->room > sb->len);
		assert_int_equal(sb->text[sb->len], '\0');
	}
}

static void test_ceiling(void **state)
{
	auto_done(strbuf) sb = STRBUF_INIT(5);

	(void)state;
	assert_string_equal(strbuf_get(&sb), "");
	assert_int_equal(strbuf_adds(&sb, "12345"), 0);
	check_invariants(&sb);
	assert_int_equal(strbuf_addc(&sb, '6'), -ENOSPC);
	check_invariants(&sb);
	assert_string_equal(strbuf_get(&sb), "12345");
	assert_null(strbuf_take(&sb));
	strbuf_reset(&sb);
	assert_int_equal(strbuf_addf(&sb, "%d", 42), 0);
	assert_string_equal(strbuf_get(&sb), "42");
}

/* Random appends and consumes against a plain array. */
static void test_model(void **state)
{
	auto_done(strbuf) sb = STRBUF_INIT(300);
	char model[301] = "";
	size_t len = 0;

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		char piece[40];
		size_t n = (size_t)rand() % sizeof(piece);

		if (rand() % 3 == 0) {
			n = MIN(n, len);
			strbuf_consume(&sb, n);
			memmove(model, model + n, len - n);
			len -= n;
		} else {
			memset(piece, 'a' + rand() % 26, n);
			if (strbuf_add(&sb, piece, n) == 0) {
				memcpy(model + len, piece, n);
				len += n;
			} else {
				assert_true(len + n > 300);
				sb.failed = false;
			}
		}
		check_invariants(&sb);
		assert_int_equal(sb.len, len);
		assert_memory_equal(strbuf_get(&sb), model, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
