/* SPDX-License-Identifier: Apache-2.0
 *
 * test_filter.c - which filters are taken, and what they match
 */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "engine/filter.h"

static const char *const KEYS[] = { "name", "label", "label!", "dangling", "until", NULL };

/* One list of filters; the caller releases it. */
static struct strv filters(const char *first, const char *second)
{
	struct strv v = { 0 };

	assert_int_equal(strv_add(&v, first), 0);
	if (second)
		assert_int_equal(strv_add(&v, second), 0);

	return v;
}

static void test_keys(void **state)
{
	static const struct {
		const char *filter;
		int r;
	} cases[] = {
		{ "name=x", 0 },     { "label=a=b", 0 },     { "label!=a", 0 },
		{ "name", -EINVAL }, { "names=x", -EINVAL }, { "nam=x", -EINVAL },
		{ "", -EINVAL },     { "=x", -EINVAL },	     { "before=x", -EINVAL },
	};

	(void)state;
	assert_int_equal(filter_check(NULL, KEYS, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_done(strv) v = filters(cases[i].filter, NULL);
		struct err err = ERR_INIT;

		assert_int_equal(filter_check(&v, KEYS, &err), cases[i].r);
		if (cases[i].r < 0) {
			assert_int_equal(err.kind, ERR_USAGE);
			assert_non_null(strstr(err.hint, "dangling"));
		}
	}
}

static void test_keep(void **state)
{
	static const char *const some[] = { "label", NULL };
	auto_done(strv) v = filters("label!=a", "label=b"), kept = { 0 };

	(void)state;
	assert_int_equal(filter_keep(&v, some, &kept), 0);
	assert_int_equal(kept.len, 1);
	assert_string_equal(kept.items[0], "label=b");
	assert_int_equal(filter_keep(NULL, some, &kept), 0);
	assert_int_equal(kept.len, 1);
}

static void test_labels(void **state)
{
	static const struct {
		const char *first, *second;
		bool match;
	} cases[] = {
		{ "label=a", NULL, true },	 { "label=a=1", NULL, true },
		{ "label=a=2", NULL, false },	 { "label=ab", NULL, false },
		{ "label=b", NULL, true },	 { "label=a", "label=b", true },
		{ "label=a", "label=c", false }, { "label!=c", NULL, true },
		{ "label!=a", NULL, false },	 { "label!=a=2", NULL, true },
		{ "name=anything", NULL, true },
	};
	auto_done(strv) labels = { 0 };

	(void)state;
	assert_int_equal(strv_add(&labels, "a=1"), 0);
	assert_int_equal(strv_add(&labels, "b"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_done(strv) v = filters(cases[i].first, cases[i].second);

		if (filter_labels(&v, &labels) != cases[i].match)
			fail_msg("%s", cases[i].first);
	}
}

static bool same(const void *thing, const char *value)
{
	return strcmp(thing, value) == 0;
}

static void test_values_are_alternatives(void **state)
{
	auto_done(strv) v = filters("name=x", "name=y");

	(void)state;
	assert_true(filter_match(&v, "name", same, "x"));
	assert_true(filter_match(&v, "name", same, "y"));
	assert_false(filter_match(&v, "name", same, "z"));
	assert_true(filter_match(&v, "label", same, "z"));
	assert_true(filter_match(NULL, "name", same, "z"));
}

static void test_bool_and_time(void **state)
{
	auto_done(strv) good = filters("dangling=true", "until=1h");
	auto_done(strv) date = filters("until=2026-01-02T03:04:05Z", NULL);
	auto_done(strv) bad = filters("dangling=maybe", "until=then");
	int64_t wall_ns = 0;
	bool dangling = false;

	(void)state;
	assert_int_equal(filter_bool(&good, "dangling", &dangling, NULL), 0);
	assert_true(dangling);
	assert_int_equal(filter_time(&good, "until", &wall_ns, NULL), 0);
	assert_true(wall_ns <= clock_wall_ns() - 3600 * NS_PER_SEC);
	assert_int_equal(filter_time(&date, "until", &wall_ns, NULL), 0);
	assert_int_equal(wall_ns, 1767323045 * NS_PER_SEC);
	assert_int_equal(filter_bool(&bad, "dangling", &dangling, NULL), -EINVAL);
	assert_int_equal(filter_time(&bad, "until", &wall_ns, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_values_are_alternatives),
		cmocka_unit_test(test_bool_and_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
