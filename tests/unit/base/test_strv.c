/* SPDX-License-Identifier: Apache-2.0
 *
 * test_strv.c - lists of strings against a plain array; environments
 */
#include "base/strv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

static void check_invariants(const struct strv *v)
{
	char *const *argv = strv_argv(v);
	size_t len = 0;

	while (argv[len])
		len++;
	assert_int_equal(len, v->len);
	if (v->items)
		assert_null(v->items[v->len]);
}

static void test_model(void **state)
{
	static char model[300][16];

	(void)state;
	srand(7);
	for (int round = 0; round < 50; round++) {
		auto_done(strv) v = { 0 };
		size_t len = (size_t)rand() % 300;

		check_invariants(&v);
		for (size_t i = 0; i < len; i++) {
			(void)snprintf(model[i], sizeof(model[i]), "%d", rand());
			if (rand() % 2)
				assert_int_equal(strv_add(&v, model[i]), 0);
			else
				assert_int_equal(strv_give(&v, strdup(model[i])), 0);
			check_invariants(&v);
		}
		for (size_t i = 0; i < len; i++)
			assert_string_equal(v.items[i], model[i]);
	}
}

static void test_add_all(void **state)
{
	auto_done(strv) a = { 0 };
	auto_done(strv) b = { 0 };

	(void)state;
	assert_int_equal(strv_add_all(&a, &b), 0);
	assert_int_equal(a.len, 0);
	assert_int_equal(strv_add(&b, "x"), 0);
	assert_int_equal(strv_add(&b, ""), 0);
	assert_int_equal(strv_add_all(&a, &b), 0);
	assert_int_equal(strv_add_all(&a, &b), 0);
	assert_int_equal(a.len, 4);
	assert_string_equal(a.items[2], "x");
	assert_string_equal(a.items[3], "");
	assert_true(a.items[0] != b.items[0]);
	assert_int_equal(strv_give(&a, NULL), -ENOMEM);
	assert_int_equal(a.len, 4);
	strv_done(&a);
	strv_done(&a);
	strv_done(NULL);
}

static void test_env(void **state)
{
	auto_done(strv) v = { 0 };

	(void)state;
	assert_null(strv_env_find(&v, "A"));
	assert_int_equal(strv_env_set(&v, "A=1"), 0);
	assert_int_equal(strv_env_set(&v, "AB=2"), 0);
	assert_int_equal(strv_env_set(&v, "A=3=4"), 0);
	assert_int_equal(strv_env_set(&v, "EMPTY="), 0);
	assert_int_equal(v.len, 3);
	assert_string_equal(strv_env_find(&v, "A"), "3=4");
	assert_string_equal(strv_env_find(&v, "AB"), "2");
	assert_string_equal(strv_env_find(&v, "EMPTY"), "");
	assert_null(strv_env_find(&v, "B"));
	assert_null(strv_env_find(&v, "EMPT"));
	/* Of several entries the last one counts, as for a shell. */
	assert_int_equal(strv_add(&v, "A=last"), 0);
	assert_string_equal(strv_env_find(&v, "A"), "last");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_add_all),
		cmocka_unit_test(test_env),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
