/* SPDX-License-Identifier: Apache-2.0
 *
 * test_crash.c - killed at any point of importing and removing, nothing leaks and nothing lies
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "store/internal.h"

static const unsigned ONE[] = { 1, 2 }, TWO[] = { 2, 3 };

static void import_two(struct fixture *f)
{
	(void)fixture_add_image(f, TWO, 2, "two", NULL);
}

static void remove_one(struct fixture *f)
{
	struct strv untagged = { 0 }, deleted = { 0 };

	(void)store_image_remove(f->store, "one", true, &untagged, &deleted, &f->err);
}

static void test_import(void **state)
{
	static const char *const points[] = {
		"layer-intended", "layer-skeleton-linked", "layer-linked",
		"layer-recorded", "image-intended",	   "content-link",
		"content-linked", "image-documents",	   "image-rows",
	};
	struct fixture *f = *state;

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", NULL));
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		auto_done(store_image) image = { 0 };

		fixture_kill_at(f, points[i], import_two);
		/* Opening as a writer was the repair. */
		assert_int_equal(store_image_find(f->store, "two", &image, NULL), -ENOENT);
		assert_int_equal(fixture_count_files(f, "layers"), 4);
		assert_int_equal(fixture_count_files(f, "content"), 2);
		fixture_assert_clean(f);
		assert_ok(f, store_image_find(f->store, "one", &image, &f->err));
	}
	assert_ok(f, fixture_add_image(f, TWO, 2, "two", NULL));
	fixture_assert_clean(f);
}

static void test_import_committed(void **state)
{
	struct fixture *f = *state;
	auto_done(store_image) image = { 0 };

	fixture_kill_at(f, "image-added", import_two);
	assert_ok(f, store_image_find(f->store, "two", &image, &f->err));
	assert_int_equal(fixture_count_files(f, "layers"), 4);
	fixture_assert_clean(f);
}

static void test_remove(void **state)
{
	static const char *const points[] = { "image-remove-rows", "image-removed", "reclaim-layer",
					      "reclaim-removed" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		auto_done(store_image) image = { 0 };
		bool before_commit = i == 0;

		assert_ok(f, fixture_add_image(f, ONE, 2, "one", NULL));
		fixture_kill_at(f, points[i], remove_one);
		assert_int_equal(store_image_find(f->store, "one", &image, NULL),
				 before_commit ? 0 : -ENOENT);
		assert_int_equal(fixture_count_files(f, "layers"), before_commit ? 4 : 0);
		assert_int_equal(fixture_count_files(f, "content"), before_commit ? 2 : 0);
		fixture_assert_clean(f);
	}
}

/* Layer 1 as an older Hull has left it: another name, and other bytes. */
static void make_old(struct fixture *f)
{
	char digest[STORE_DIGEST_BYTES];
	auto_free char *from = NULL, *to = NULL;

	fixture_digest(1, digest);
	from = mem_printf("%s/layers/%.2s/%s.v2.erofs", f->root, digest + 7, digest + 7);
	to = mem_printf("%s/layers/%.2s/%s.v1.erofs", f->root, digest + 7, digest + 7);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(truncate(to, 8192), 0);
	assert_ok(f, db_run(f->store->db, &f->err,
			    "UPDATE layers SET size_bytes=8192 WHERE diff_id=?", "t", digest));
}

static int open_first(struct fixture *f)
{
	char digest[STORE_DIGEST_BYTES];

	fixture_digest(1, digest);

	return store_layer_open(f->store, digest, &f->err);
}

static void ignore(void *ctx, const char *what, bool mended)
{
	(void)ctx;
	(void)what;
	(void)mended;
}

static void import_one(struct fixture *f)
{
	(void)fixture_add_image(f, ONE, 2, "one", NULL);
}

/* A layer of an older format is used, counted and removed, and an import takes its place. */
static void test_older_layer(void **state)
{
	struct fixture *f = *state;
	struct strv untagged = { 0 }, deleted = { 0 };
	auto_close int fd = -1;

	import_one(f);
	make_old(f);
	fixture_assert_clean(f);
	fd = open_first(f);
	assert_ok(f, fd);
	fixture_reopen(f); /* without the leases of the import */
	assert_ok(f, store_image_remove(f->store, "one", true, &untagged, &deleted, &f->err));
	strv_done(&untagged);
	strv_done(&deleted);
	assert_int_equal(fixture_count_files(f, "layers"), 0);

	import_one(f);
	make_old(f);
	import_one(f);
	assert_int_equal(fixture_count_files(f, "layers"), 4);
	fixture_assert_clean(f);
}

/* Killed at any point of that, the layer is still there, and the next import does it. */
static void test_older_layer_killed(void **state)
{
	static const char *const points[] = { "layer-intended", "layer-skeleton-linked",
					      "layer-linked", "layer-recorded" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		auto_close int fd = -1;

		import_one(f);
		make_old(f);
		fixture_kill_at(f, points[i], import_one);
		fd = open_first(f);
		assert_ok(f, fd);
		assert_ok(f, fixture_add_image(f, ONE, 2, "one", NULL));
		assert_ok(f, store_check(f->store, true, ignore, NULL, &f->err));
		assert_int_equal(fixture_count_files(f, "layers"), 4);
		fixture_assert_clean(f);
	}
}

/* What another process has ingested and not yet named is not garbage. */
static void test_lease(void **state)
{
	struct fixture *f = *state;
	auto_done(store_image) image = { 0 };
	int ready[2], go[2], status;
	char byte = 0;
	pid_t pid;

	store_close(f->store);
	f->store = NULL;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		auto_done(store_image) two = { 0 };

		if (store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err) ||
		    fixture_add_layer(f, 2) || fixture_add_layer(f, 3) ||
		    write(ready[1], "x", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		fixture_image(&two, TWO, 2, "two", "two");
		_exit(store_image_add(f->store, &two, &f->err) == 0 ? 0 : 2);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_ok(f, store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err));
	assert_int_equal(fixture_count_files(f, "layers"), 4);
	/* A second ingest of the same digest finds it done. */
	assert_ok(f, fixture_add_layer(f, 2));
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_ok(f, store_image_find(f->store, "two", &image, &f->err));
}

/* Two processes ingest the same layers; both images are whole. */
static void test_same_layers_at_once(void **state)
{
	struct fixture *f = *state;
	pid_t pids[6];

	store_close(f->store);
	f->store = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			auto_free char *name = mem_printf("image%u", i);

			_exit(store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err) ||
			      fixture_add_image(f, ONE, 2, name, NULL));
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_ok(f, store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err));
	assert_int_equal(fixture_count_files(f, "layers"), 4);
	fixture_assert_clean(f);
}

/* A power cut may leave files whose rows never reached the disk: the first writer after a boot. */
static void test_after_boot(void **state)
{
	struct fixture *f = *state;
	auto_free char *scanned = mem_printf("%s/scanned", f->run_root);
	static const char *const paths[] = { "layers/xx", "content/sha256/xx" };

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", NULL));
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		auto_free char *dir = mem_printf("%s/%s", f->root, paths[i]);
		auto_free char *file = mem_printf("%s/stray", dir);

		assert_int_equal(mkdir(dir, 0700), 0);
		assert_int_equal(close(open(file, O_WRONLY | O_CREAT, 0600)), 0);
	}
	fixture_reopen(f);
	assert_int_equal(fixture_count_files(f, "layers"), 5);
	assert_int_equal(unlink(scanned), 0);
	fixture_reopen(f);
	assert_int_equal(fixture_count_files(f, "layers"), 4);
	assert_int_equal(fixture_count_files(f, "content"), 2);
	fixture_assert_clean(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_import),	     T(test_import_committed),	  T(test_remove),
		T(test_lease),	     T(test_same_layers_at_once), T(test_after_boot),
		T(test_older_layer), T(test_older_layer_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
