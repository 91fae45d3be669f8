/* SPDX-License-Identifier: Apache-2.0
 *
 * test_system.c - usage equals du(1); check finds what was broken and repair mends it
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/strbuf.h"

static const unsigned ONE[] = { 1, 2 };

struct findings {
	struct strbuf text;
	unsigned mended, left;
};

static void collect(void *ctx, const char *what, bool mended)
{
	struct findings *found = ctx;

	(void)strbuf_addf(&found->text, "%s\n", what);
	found->mended += mended;
	found->left += !mended;
}

/* Check, then compare: @left findings stay, @mended are mended, and one of them says @text. */
static void expect(struct fixture *f, bool repair, unsigned left, unsigned mended, const char *text)
{
	struct findings found = { .text = STRBUF_INIT(64 * KIB) };
	int r = store_check(f->store, repair, collect, &found, &f->err);

	assert_ok(f, r);
	if ((unsigned)r != left || found.left != left || found.mended != mended ||
	    !strstr(strbuf_get(&found.text), text))
		fail_msg("expected %u left, %u mended, '%s'; got %d, %u, %s", left, mended, text, r,
			 found.mended, strbuf_get(&found.text));
	strbuf_done(&found.text);
}

static void test_usage_is_du(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) c = { 0 };
	struct store_usage usage;
	auto_free char *command = mem_printf("du -s -B1 %s > %s/du", f->root, f->dir);
	auto_free char *path = mem_printf("%s/du", f->dir);
	auto_free char *text = NULL;
	char id[STORE_DIGEST_BYTES];
	struct slice rest, first;
	uint64_t du_bytes = 0;
	int fd;

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", id));
	fixture_container(&c, 1, "web", id);
	assert_ok(f, store_container_add(f->store, &c, NULL, 0, &f->err));
	fd = store_rw_open(f->store, c.id, &f->err);
	assert_ok(f, fd);
	assert_int_equal(mkdirat(fd, "deep", 0700), 0);
	assert_int_equal(close(openat(fd, "a", O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(linkat(fd, "a", fd, "deep/b", 0), 0);
	assert_int_equal(linkat(fd, "a", fd, "deep/c", 0), 0);
	assert_int_equal(symlinkat("/usr", fd, "usr"), 0);
	{
		auto_free char *data = mem_calloc(1, 100000);
		auto_close int file = openat(fd, "a", O_WRONLY);

		memset(data, 'x', 100000);
		assert_int_equal(fd_write_all(file, data, 100000), 0);
		assert_int_equal(fsync(file), 0);
	}
	/* What waits to be written may take more blocks once it is: the database's log does. */
	assert_int_equal(syncfs(fd), 0);
	close(fd);
	assert_ok(f, store_usage(f->store, &usage, &f->err));
	assert_int_equal(fixture_shell(command), 0);
	assert_int_equal(fd_read_file(AT_FDCWD, path, 4096, &text, NULL, NULL), 0);
	rest = slice_of(text);
	assert_true(slice_next(&rest, '\t', &first));
	assert_int_equal(parse_slice_u64(first, 0, UINT64_MAX, &du_bytes), 0);
	assert_int_equal(usage.total_bytes, du_bytes);
	assert_int_equal(usage.layers_bytes + usage.rw_bytes + usage.volumes_bytes +
				 usage.other_bytes,
			 du_bytes);
	assert_int_equal(usage.images, 1);
	assert_int_equal(usage.images_active, 1);
	assert_int_equal(usage.containers, 1);
	assert_int_equal(usage.containers_active, 0);
	assert_int_equal(usage.layers_reclaimable_bytes, 0);
	assert_true(usage.rw_reclaimable_bytes >= 100000);
	assert_ok(f, store_container_remove(f->store, c.id, &f->err));
	assert_ok(f, store_usage(f->store, &usage, &f->err));
	assert_true(usage.layers_reclaimable_bytes >= 4 * 4096);
}

static void damage(struct fixture *f, const char *what, off_t at, const char *bytes)
{
	auto_free char *path = NULL;
	char digest[STORE_DIGEST_BYTES];
	auto_close int fd = -1;

	fixture_digest(1, digest);
	path = mem_printf("%s/layers/%.2s/%s.%s", f->root, digest + 7, digest + 7, what);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, strlen(bytes), at), (ssize_t)strlen(bytes));
}

static void test_damaged_layer(void **state)
{
	struct fixture *f = *state;

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", NULL));
	fixture_assert_clean(f);
	damage(f, "v2.erofs", 1024, "xxxx");
	expect(f, false, 1, 0, "superblock: import one:latest again");
	expect(f, true, 1, 0, "superblock");
	expect(f, false, 1, 0, "not in the store");
	/* Importing it again is the cure. */
	fixture_reopen(f);
	assert_ok(f, fixture_add_image(f, ONE, 2, "one", NULL));
	fixture_assert_clean(f);
	damage(f, "v2.erofs", 4096, "longer");
	expect(f, false, 1, 0, "is 4102 bytes long, not 4096");
}

static void test_damaged_document(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = NULL;
	char id[STORE_DIGEST_BYTES];
	auto_close int fd = -1;

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", id));
	path = mem_printf("%s/content/sha256/%.2s/%s", f->root, id + 7, id + 7);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1, 3), 1);
	expect(f, true, 1, 0, "is damaged: import it again");
	fixture_reopen(f);
	assert_ok(f, fixture_add_image(f, ONE, 2, "one", id));
	fixture_assert_clean(f);
}

static void test_strays(void **state)
{
	struct fixture *f = *state;
	char name[STORE_DIGEST_BYTES];
	auto_free char *rw = NULL, *run = NULL, *layer = NULL;

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", NULL));
	fixture_digest(77, name);
	rw = mem_printf("%s/rw", f->root);
	assert_int_equal(mkdir(rw, 0700), 0);
	free(rw);
	rw = mem_printf("%s/rw/%s", f->root, name + 7);
	run = mem_printf("%s/%s", f->run_root, name + 7);
	layer = mem_printf("%s/layers/zz", f->root);
	assert_int_equal(mkdir(rw, 0700), 0);
	assert_int_equal(mkdir(run, 0700), 0);
	assert_int_equal(mkdir(layer, 0700), 0);
	free(layer);
	layer = mem_printf("%s/layers/zz/%s.v2.erofs", f->root, name + 7);
	assert_int_equal(close(open(layer, O_WRONLY | O_CREAT, 0600)), 0);
	expect(f, false, 3, 0, "run directory");
	expect(f, false, 3, 0, "belongs to nothing");
	expect(f, true, 0, 3, "belongs to no container");
	fixture_assert_clean(f);
	assert_int_equal(access(rw, F_OK), -1);
	assert_int_equal(access(run, F_OK), -1);
}

static void test_stale_mount(void **state)
{
	struct fixture *f = *state;
	struct store_layer layer;
	int fd;

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", NULL));
	fixture_digest(1, layer.diff_id);
	assert_ok(f, store_layer_mounts(f->store, &layer, 1, 0, &fd, &f->err));
	close(fd);
	expect(f, false, 1, 0, "is mounted for nobody");
	expect(f, true, 0, 1, "is mounted for nobody");
	fixture_assert_clean(f);
}

/* People put the store elsewhere by a symbolic link. */
static void test_linked_root(void **state)
{
	struct fixture *f = *state;
	auto_free char *real = mem_printf("%s/elsewhere", f->dir);
	auto_done(store_image) image = { 0 };

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", NULL));
	store_close(f->store);
	f->store = NULL;
	assert_int_equal(rename(f->root, real), 0);
	assert_int_equal(symlink(real, f->root), 0);
	assert_ok(f, store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err));
	assert_ok(f, store_image_find(f->store, "one", &image, &f->err));
	fixture_assert_clean(f);
}

static void test_newer_format(void **state)
{
	struct fixture *f = *state;
	auto_free char *command =
		mem_printf("printf '\\0\\0\\0\\143' | dd of=%s/db.sqlite bs=1 seek=60 conv=notrunc"
			   " status=none; rm -f %s/db.sqlite-wal %s/db.sqlite-shm",
			   f->root, f->root, f->root);

	store_close(f->store);
	f->store = NULL;
	assert_int_equal(fixture_shell(command), 0);
	assert_int_equal(store_open(f->root, f->run_root, 0, &f->store, &f->err), -EPROTO);
	assert_true(f->err.hint[0] != '\0');
}

static void test_not_a_database(void **state)
{
	struct fixture *f = *state;
	auto_free char *command = mem_printf("head -c 8192 /dev/zero | tr '\\0' x > %s/db.sqlite;"
					     " rm -f %s/db.sqlite-wal %s/db.sqlite-shm",
					     f->root, f->root, f->root);

	store_close(f->store);
	f->store = NULL;
	assert_int_equal(fixture_shell(command), 0);
	assert_int_equal(store_open(f->root, f->run_root, 0, &f->store, &f->err), -EIO);
	assert_true(f->err.hint[0] != '\0');
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_usage_is_du), T(test_damaged_layer),  T(test_damaged_document),
		T(test_strays),	     T(test_stale_mount),    T(test_newer_format),
		T(test_linked_root), T(test_not_a_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
