/* SPDX-License-Identifier: Apache-2.0
 *
 * test_volume.c - volumes are made, found, kept while used, and removed with their content
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static const unsigned SEED[] = { 1 };

static void test_make_and_find(void **state)
{
	struct fixture *f = *state;
	auto_done(strv) labels = { 0 };
	auto_done(store_volume) made = { 0 };
	auto_done(store_volume) found = { 0 };
	auto_done(store_volumes) list = { 0 };
	bool is_new = false;

	assert_int_equal(strv_add(&labels, "a=b=c"), 0);
	assert_ok(f, store_volume_make(f->store, "data", &labels, &made, &is_new, &f->err));
	assert_true(is_new);
	assert_int_equal(access(made.path, F_OK), 0);
	fixture_reopen(f);
	store_volume_done(&made);
	assert_ok(f, store_volume_make(f->store, "data", NULL, &made, &is_new, &f->err));
	assert_false(is_new);
	assert_ok(f, store_volume_find(f->store, "data", &found, &f->err));
	assert_int_equal(found.labels.len, 1);
	assert_string_equal(found.labels.items[0], "a=b=c");
	assert_false(found.anonymous);
	store_volume_done(&found);
	assert_ok(f, store_volume_make(f->store, NULL, NULL, &found, &is_new, &f->err));
	assert_true(found.anonymous);
	assert_int_equal(strlen(found.name), 64);
	assert_ok(f, store_volume_list(f->store, &list, &f->err));
	assert_int_equal(list.len, 2);
}

static void test_bad_names(void **state)
{
	static const char *const names[] = { "",    "a",   "..",  "../x", "a/b",
					     "-ab", ".ab", "a b", "a\n" };
	struct fixture *f = *state;
	struct store_volume v = { 0 };
	bool is_new;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(store_volume_make(f->store, names[i], NULL, &v, &is_new, &f->err),
				 -EINVAL);
		assert_int_equal(f->err.kind, ERR_USAGE);
	}
	assert_int_equal(store_volume_find(f->store, "nothing", &v, &f->err), -ENOENT);
	assert_int_equal(store_volume_remove(f->store, "nothing", &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_NOT_FOUND);
}

static void test_used(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) c = { 0 };
	auto_done(store_volume) v = { 0 };
	auto_done(strv) users = { 0 };
	char id[STORE_DIGEST_BYTES];
	bool is_new;

	assert_ok(f, fixture_add_image(f, SEED, 1, "one", id));
	fixture_container(&c, 1, "web", id);
	assert_ok(f, store_container_add(f->store, &c, NULL, 0, &f->err));
	assert_ok(f, store_volume_make(f->store, "data", NULL, &v, &is_new, &f->err));
	assert_ok(f, store_volume_use(f->store, "data", c.id, &f->err));
	assert_ok(f, store_volume_use(f->store, "data", c.id, &f->err));
	assert_int_equal(store_volume_use(f->store, "nothing", c.id, &f->err), -ENOENT);
	assert_ok(f, store_volume_users(f->store, "data", &users, &f->err));
	assert_int_equal(users.len, 1);
	assert_int_equal(store_volume_remove(f->store, "data", &f->err), -EBUSY);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	/* The container takes its claim along. */
	assert_ok(f, store_container_remove(f->store, c.id, &f->err));
	assert_ok(f, store_volume_remove(f->store, "data", &f->err));
	assert_int_equal(access(v.path, F_OK), -1);
	fixture_assert_clean(f);
}

/* A container and the volumes that it uses are there together or not at all. */
static void test_added_with_container(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) c = { 0 }, again = { 0 };
	auto_done(store_volume) own = { 0 }, named = { 0 };
	const struct store_use uses[] = { { "own", true }, { "data", false }, { "data", false } };
	const struct store_use late = { "late", false }, wrong = { "a/b", false };
	char id[STORE_DIGEST_BYTES];

	assert_ok(f, fixture_add_image(f, SEED, 1, "one", id));
	fixture_container(&c, 1, "web", id);
	fixture_container(&again, 2, "web", id);
	assert_ok(f, store_container_add(f->store, &c, uses, 3, &f->err));
	assert_ok(f, store_volume_find(f->store, "own", &own, &f->err));
	assert_ok(f, store_volume_find(f->store, "data", &named, &f->err));
	assert_true(own.anonymous && !named.anonymous);
	assert_int_equal(access(own.path, F_OK), 0);
	assert_int_equal(store_volume_remove(f->store, "data", NULL), -EBUSY);
	/* Its name is taken, so no volume appears either. */
	assert_int_equal(store_container_add(f->store, &again, &late, 1, NULL), -EEXIST);
	assert_int_equal(store_container_add(f->store, &again, &wrong, 1, NULL), -EINVAL);
	assert_int_equal(store_volume_remove(f->store, "late", NULL), -ENOENT);
	assert_ok(f, store_container_remove_with_volumes(f->store, c.id, &f->err));
	assert_int_equal(access(own.path, F_OK), -1);
	assert_ok(f, store_volume_remove(f->store, "data", &f->err));
	fixture_assert_clean(f);
}

/* Its own anonymous volumes go with a container; named ones, and those of others too, stay. */
static void test_removed_with_container(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) c = { 0 }, other = { 0 };
	auto_done(store_volume) own = { 0 }, shared = { 0 }, named = { 0 };
	char id[STORE_DIGEST_BYTES];
	bool is_new;

	assert_ok(f, fixture_add_image(f, SEED, 1, "one", id));
	fixture_container(&c, 1, "web", id);
	fixture_container(&other, 2, "db", id);
	assert_ok(f, store_container_add(f->store, &c, NULL, 0, &f->err));
	assert_ok(f, store_container_add(f->store, &other, NULL, 0, &f->err));
	assert_ok(f, store_volume_make(f->store, NULL, NULL, &own, &is_new, &f->err));
	assert_ok(f, store_volume_make(f->store, NULL, NULL, &shared, &is_new, &f->err));
	assert_ok(f, store_volume_make(f->store, "data", NULL, &named, &is_new, &f->err));
	assert_ok(f, store_volume_use(f->store, own.name, c.id, &f->err));
	assert_ok(f, store_volume_use(f->store, shared.name, c.id, &f->err));
	assert_ok(f, store_volume_use(f->store, shared.name, other.id, &f->err));
	assert_ok(f, store_volume_use(f->store, "data", c.id, &f->err));
	assert_ok(f, store_container_remove_with_volumes(f->store, c.id, &f->err));
	assert_int_equal(access(own.path, F_OK), -1);
	assert_int_equal(access(shared.path, F_OK), 0);
	assert_int_equal(access(named.path, F_OK), 0);
	assert_ok(f, store_container_remove_with_volumes(f->store, other.id, &f->err));
	assert_int_equal(access(shared.path, F_OK), -1);
	fixture_assert_clean(f);
}

/* A crash between the row and the directory is mended by whoever asks next. */
static void make_data(struct fixture *f)
{
	auto_done(store_volume) v = { 0 };
	bool is_new;

	(void)store_volume_make(f->store, "data", NULL, &v, &is_new, &f->err);
}

static void remove_data(struct fixture *f)
{
	(void)store_volume_remove(f->store, "data", &f->err);
}

static void test_killed(void **state)
{
	struct fixture *f = *state;
	auto_done(store_volume) v = { 0 };
	auto_free char *file = NULL;

	fixture_kill_at(f, "volume-recorded", make_data);
	assert_ok(f, store_volume_find(f->store, "data", &v, &f->err));
	assert_int_equal(access(v.path, F_OK), 0);
	file = mem_printf("%s/file", v.path);
	assert_int_equal(close(open(file, O_WRONLY | O_CREAT, 0600)), 0);

	fixture_kill_at(f, "volume-removed", remove_data);
	assert_false(fixture_exists(f, "volumes/data"));
	fixture_assert_clean(f);
}

/* People's data outlive a database that forgot them. */
static void test_adopted(void **state)
{
	struct fixture *f = *state;
	auto_done(store_volume) v = { 0 };
	auto_free char *file = NULL, *db = NULL, *wal = NULL, *scanned = NULL;

	make_data(f);
	assert_ok(f, store_volume_find(f->store, "data", &v, &f->err));
	file = mem_printf("%s/file", v.path);
	assert_int_equal(close(open(file, O_WRONLY | O_CREAT, 0600)), 0);
	db = mem_printf("%s/db.sqlite", f->root);
	wal = mem_printf("%s/db.sqlite-wal", f->root);
	scanned = mem_printf("%s/scanned", f->run_root);
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(unlink(db), 0);
	assert_int_equal(unlink(wal), 0);
	assert_int_equal(unlink(scanned), 0); /* as after a boot */
	assert_ok(f, store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err));
	store_volume_done(&v);
	assert_ok(f, store_volume_find(f->store, "data", &v, &f->err));
	assert_int_equal(access(file, F_OK), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_make_and_find),		T(test_bad_names), T(test_used),
		T(test_added_with_container),	T(test_killed),	   T(test_adopted),
		T(test_removed_with_container), T(test_killed),	   T(test_adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
