/* SPDX-License-Identifier: Apache-2.0
 *
 * test_container.c - names and id ranges are unique, also under concurrency
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static const unsigned SEED[] = { 1 };

static void add(struct fixture *f, struct store_container *c, unsigned seed, const char *name,
		const char *image_id)
{
	fixture_container(c, seed, name, image_id);
	assert_ok(f, store_container_add(f->store, c, NULL, 0, &f->err));
}

static void test_find(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) web = { 0 };
	auto_done(store_container) db = { 0 };
	char id[STORE_DIGEST_BYTES], prefix[16];

	assert_ok(f, fixture_add_image(f, SEED, 1, "one", id));
	add(f, &web, 1, "web", id);
	add(f, &db, 2, "db", id);
	fixture_reopen(f);
	(void)snprintf(prefix, sizeof(prefix), "%.12s", web.id);
	const char *const refs[] = { web.id, "web", "/web", prefix };

	for (size_t i = 0; i < ARRAY_SIZE(refs); i++) {
		auto_done(store_container) c = { 0 };

		assert_ok(f, store_container_find(f->store, refs[i], &c, &f->err));
		assert_string_equal(c.id, web.id);
		assert_string_equal(c.name, "web");
		assert_string_equal(c.config, "{}");
		assert_int_equal(c.uid_base, web.uid_base);
		assert_null(c.error);
		assert_false(c.started);
	}
	assert_int_equal(store_container_find(f->store, "nobody", &web, &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_NOT_FOUND);
	assert_int_equal(store_container_find(f->store, "", &web, &f->err), -ENOENT);
}

static void test_ambiguous(void **state)
{
	struct fixture *f = *state;
	struct store_container c = { 0 };
	char id[STORE_DIGEST_BYTES];

	assert_ok(f, fixture_add_image(f, SEED, 1, "one", id));
	for (unsigned i = 0; i < 17; i++) {
		auto_done(store_container) one = { 0 };
		auto_free char *name = mem_printf("n%u", i);

		fixture_container(&one, i, name, id);
		one.id[0] = 'a';
		assert_ok(f, store_container_add(f->store, &one, NULL, 0, &f->err));
	}
	assert_int_equal(store_container_find(f->store, "a", &c, &f->err), -ENOTUNIQ);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
}

static void test_name_taken(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) web = { 0 };
	auto_done(store_container) other = { 0 };
	char id[STORE_DIGEST_BYTES], text[800];

	assert_ok(f, fixture_add_image(f, SEED, 1, "one", id));
	add(f, &web, 1, "web", id);
	fixture_container(&other, 2, "web", id);
	assert_int_equal(store_container_add(f->store, &other, NULL, 0, &f->err), -EEXIST);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err_text(&f->err, text, sizeof(text)), web.id));
	free(other.name);
	other.name = mem_strdup("db");
	assert_ok(f, store_container_add(f->store, &other, NULL, 0, &f->err));
	/* Renaming meets the same rule. */
	free(other.name);
	other.name = mem_strdup("web");
	assert_int_equal(store_container_update(f->store, &other, &f->err), -EEXIST);
}

static void test_update(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) c = { 0 };
	auto_done(store_container) again = { 0 };
	char id[STORE_DIGEST_BYTES];

	assert_ok(f, fixture_add_image(f, SEED, 1, "one", id));
	add(f, &c, 1, "web", id);
	c.started = c.ended = c.oom = true;
	c.exit_status = 137;
	c.error = mem_strdup("monitor lost");
	c.restarts = 3;
	c.finished_wall_ns = 5;
	assert_ok(f, store_container_update(f->store, &c, &f->err));
	assert_ok(f, store_container_find(f->store, "web", &again, &f->err));
	assert_true(again.started && again.ended && again.oom);
	assert_int_equal(again.exit_status, 137);
	assert_string_equal(again.error, "monitor lost");
	assert_int_equal(again.restarts, 3);
	assert_int_equal(again.finished_wall_ns, 5);
	assert_ok(f, store_container_remove(f->store, c.id, &f->err));
	assert_int_equal(store_container_update(f->store, &c, &f->err), -ENOENT);
}

static void test_image_must_exist(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) c = { 0 };
	char id[STORE_DIGEST_BYTES];

	fixture_digest(4, id);
	fixture_container(&c, 1, "web", id);
	assert_int_equal(store_container_add(f->store, &c, NULL, 0, &f->err), -ENOENT);
}

static void test_ranges(void **state)
{
	struct fixture *f = *state;
	struct store_container c[3] = { 0 };
	auto_done(store_container) full = { 0 };
	char id[STORE_DIGEST_BYTES];

	assert_ok(f, fixture_add_image(f, SEED, 1, "one", id));
	(void)setenv("HULL_ID_POOL", "1879048192-1879244799", 1); /* three ranges */
	for (unsigned i = 0; i < 3; i++) {
		auto_free char *name = mem_printf("n%u", i);

		add(f, &c[i], i, name, id);
		assert_int_equal(c[i].uid_base, 1879048192 + 65536 * i);
	}
	fixture_container(&full, 9, "full", id);
	assert_int_equal(store_container_add(f->store, &full, NULL, 0, &f->err), -ENOSPC);
	/* The range of one that went is the next one's. */
	assert_ok(f, store_container_remove(f->store, c[1].id, &f->err));
	assert_ok(f, store_container_add(f->store, &full, NULL, 0, &f->err));
	assert_int_equal(full.uid_base, c[1].uid_base);
	(void)setenv("HULL_ID_POOL", "12-", 1);
	assert_int_equal(store_container_add(f->store, &full, NULL, 0, &f->err), -EINVAL);
	(void)unsetenv("HULL_ID_POOL");
	for (unsigned i = 0; i < 3; i++)
		store_container_done(&c[i]);
}

/* Eight processes add ten containers each; every range and every name is someone's alone. */
static void test_concurrent(void **state)
{
	struct fixture *f = *state;
	auto_done(store_containers) list = { 0 };
	char id[STORE_DIGEST_BYTES];
	pid_t pids[8];
	unsigned bad = 0;

	assert_ok(f, fixture_add_image(f, SEED, 1, "one", id));
	store_close(f->store);
	f->store = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] != 0)
			continue;
		for (unsigned n = 0; n < 10; n++) {
			auto_done(store_container) c = { 0 };
			auto_free char *name = mem_printf("n%u-%u", i, n);

			fixture_container(&c, i * 100 + n, name, id);
			if (store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err) ||
			    store_container_add(f->store, &c, NULL, 0, &f->err))
				_exit(1);
			store_close(f->store);
		}
		_exit(0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_ok(f, store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err));
	assert_ok(f, store_container_list(f->store, &list, &f->err));
	assert_int_equal(list.len, 80);
	for (size_t i = 0; i < list.len; i++)
		for (size_t j = 0; j < i; j++)
			bad += list.items[i].uid_base == list.items[j].uid_base;
	assert_int_equal(bad, 0);
	/* Newest first. */
	for (size_t i = 1; i < list.len; i++)
		assert_true(list.items[i - 1].created_wall_ns >= list.items[i].created_wall_ns);
}

static void test_writable_layer(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) c = { 0 };
	char id[STORE_DIGEST_BYTES], aside[80], layer[80];
	uint64_t empty_bytes = 0, bytes = 0;
	int fd;

	assert_ok(f, fixture_add_image(f, SEED, 1, "one", id));
	add(f, &c, 1, "web", id);
	assert_ok(f, store_rw_usage(f->store, c.id, &bytes, &f->err));
	assert_int_equal(bytes, 0);
	fd = store_rw_open(f->store, c.id, &f->err);
	assert_ok(f, fd);
	assert_ok(f, store_rw_usage(f->store, c.id, &empty_bytes, &f->err));
	assert_int_equal(mkdirat(fd, "upper", 0755), 0);
	assert_int_equal(symlinkat("/etc/passwd", fd, "upper/link"), 0);
	close(fd);
	fd = store_rw_open(f->store, c.id, &f->err);
	assert_ok(f, fd);
	assert_int_equal(faccessat(fd, "upper/link", F_OK, AT_SYMLINK_NOFOLLOW), 0);
	close(fd);
	assert_ok(f, store_rw_usage(f->store, c.id, &bytes, &f->err));
	assert_true(bytes > empty_bytes);
	assert_ok(f, store_rw_discard(f->store, c.id, &f->err));
	assert_ok(f, store_rw_usage(f->store, c.id, &bytes, &f->err));
	assert_int_equal(bytes, 0);
	(void)snprintf(aside, sizeof(aside), "removed/%s", c.id);
	(void)snprintf(layer, sizeof(layer), "rw/%s", c.id);
	assert_true(fixture_exists(f, aside));
	assert_ok(f, store_rw_discard(f->store, c.id, &f->err));
	/* It may be made again, and go again, before the first one has been removed. */
	fd = store_rw_open(f->store, c.id, &f->err);
	assert_ok(f, fd);
	assert_int_equal(mkdirat(fd, "upper", 0755), 0);
	close(fd);
	assert_ok(f, store_rw_discard(f->store, c.id, &f->err));
	assert_false(fixture_exists(f, layer));
	/* The next writer finishes what a killed one began. */
	fixture_reopen(f);
	assert_false(fixture_exists(f, aside));
	assert_ok(f, store_rw_reclaim(f->store, &f->err));
	assert_int_equal(store_rw_open(f->store, "../../etc", &f->err), -EINVAL);
	assert_int_equal(store_rw_discard(f->store, "..", &f->err), -EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_find),	    T(test_ambiguous),	      T(test_name_taken),
		T(test_update),	    T(test_image_must_exist), T(test_ranges),
		T(test_concurrent), T(test_writable_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
