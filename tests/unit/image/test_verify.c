/* SPDX-License-Identifier: Apache-2.0
 *
 * test_verify.c - damage to a layer's content or metadata is found; metadata are mended
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "image/unpack.h"
#include "image/verify.h"
#include "store/fixture.h"

#define DATA "the content of a file, long enough to be found again in the layer"

struct findings {
	unsigned left, mended;
};

static void count(void *ctx, const char *what, bool mended)
{
	struct findings *found = ctx;

	(void)what;
	found->left += !mended;
	found->mended += mended;
}

static void expect(struct fixture *f, unsigned left, unsigned mended)
{
	struct findings found = { 0 };

	assert_ok(f, verify_layers(f->store, count, &found, &f->err));
	assert_int_equal(found.left, left);
	assert_int_equal(found.mended, mended);
}

/* A tar of some files, through the same path as an import. @ret_diff_id is what it turned into. */
static void ingest(struct fixture *f, const char *diff_id, char ret_diff_id[UNPACK_DIGEST_BYTES])
{
	auto_free char *tar = mem_printf("%s/layer.tar", f->dir);
	auto_free char *bytes = NULL;
	auto_close int layer_fd = open(f->dir, O_TMPFILE | O_RDWR, 0600);
	auto_close int skeleton_fd = open(f->dir, O_TMPFILE | O_RDWR, 0600);
	struct store_ingest *in = NULL;
	struct unpack_result result;
	struct unpack *u;
	size_t len;

	assert_ok(f, fd_read_file(AT_FDCWD, tar, 16 * MIB, &bytes, &len, &f->err));
	if (diff_id) {
		assert_ok(f, store_ingest_begin(f->store, diff_id, 0, &in, &f->err));
		assert_non_null(in);
	}
	assert_ok(f, unpack_start(
			     &(struct unpack_job){ in ? store_ingest_layer_fd(in) : layer_fd,
						   in ? store_ingest_skeleton_fd(in) : skeleton_fd,
						   0 },
			     &u, &f->err));
	assert_ok(f, unpack_feed(u, bytes, len, &f->err));
	assert_ok(f, unpack_finish(u, &result, &f->err));
	memcpy(ret_diff_id, result.diff_id, UNPACK_DIGEST_BYTES);
	if (in)
		assert_ok(f, store_ingest_commit(in, result.tar_bytes, &f->err));
}

static void add_image(struct fixture *f, const char *diff_id)
{
	struct store_layer layer;
	struct store_image image = { .layers = &layer, .layers_len = 1 };

	(void)snprintf(layer.diff_id, sizeof(layer.diff_id), "%s", diff_id);
	image.config =
		mem_printf("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}", diff_id);
	image.config_len = strlen(image.config);
	image.manifest = mem_strdup("{}");
	image.manifest_len = 2;
	sha256_digest(image.config, image.config_len, image.id);
	sha256_digest(image.manifest, image.manifest_len, image.manifest_digest);
	assert_ok(f, store_image_add(f->store, &image, &f->err));
	free(image.config);
	free(image.manifest);
}

static int setup(void **state)
{
	auto_free char *command = NULL;
	char diff_id[UNPACK_DIGEST_BYTES];
	struct fixture *f;

	if (fixture_setup(state) < 0)
		return -1;
	f = *state;
	command = mem_printf("cd %s && mkdir -p t/sub && printf %%s '" DATA "' > t/sub/file &&"
			     " ln t/sub/file t/link && ln -s sub/file t/symlink &&"
			     " head -c 100000 /dev/zero | tr '\\0' x > t/large &&"
			     " tar -C t -cf layer.tar .",
			     f->dir);
	if (fixture_shell(command) != 0)
		return -1;
	ingest(f, NULL, diff_id);
	ingest(f, diff_id, diff_id);
	add_image(f, diff_id);

	return 0;
}

static int open_layer(struct fixture *f, char ret_diff_id[STORE_DIGEST_BYTES])
{
	auto_done(store_images) list = { 0 };
	auto_free char *path = NULL;
	int fd;

	assert_ok(f, store_image_list(f->store, &list, &f->err));
	assert_int_equal(list.len, 1);
	memcpy(ret_diff_id, list.items[0].layers[0].diff_id, STORE_DIGEST_BYTES);
	path = mem_printf("%s/layers/%.2s/%s.v2.erofs", f->root, ret_diff_id + 7, ret_diff_id + 7);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);

	return fd;
}

static void test_sound(void **state)
{
	expect(*state, 0, 0);
}

static void test_content(void **state)
{
	struct fixture *f = *state;
	auto_free char *bytes = mem_calloc(1, MIB);
	char diff_id[STORE_DIGEST_BYTES];
	auto_close int fd = open_layer(f, diff_id);
	ssize_t len = pread(fd, bytes, MIB, 0);
	const char *at = memmem(bytes, (size_t)len, DATA, strlen(DATA));

	assert_non_null(at);
	assert_int_equal(pwrite(fd, "X", 1, at - bytes), 1);
	expect(f, 1, 0);
	/* Gone, so that nobody runs it, and so that an import can bring it back. */
	assert_int_equal(store_layer_open(f->store, diff_id, NULL), -ENOENT);
	ingest(f, diff_id, diff_id);
	expect(f, 0, 0);
}

static void test_metadata(void **state)
{
	struct fixture *f = *state;
	char diff_id[STORE_DIGEST_BYTES];
	auto_close int fd = open_layer(f, diff_id);
	uint8_t mode[2], other[2] = { 0xff, 0x41 }; /* of the root's inode, at 1152 */

	assert_int_equal(pread(fd, mode, 2, 1152 + 4), 2);
	assert_int_equal(pwrite(fd, other, 2, 1152 + 4), 2);
	expect(f, 0, 1);
	expect(f, 0, 0);
	fd_close(fd);
	fd = open_layer(f, diff_id);
	assert_int_equal(pread(fd, other, 2, 1152 + 4), 2);
	assert_memory_equal(mode, other, 2);
	fixture_assert_clean(f);
}

/* A layer as an older Hull wrote it is made anew, at its new name. */
static void test_old(void **state)
{
	struct fixture *f = *state;
	char diff_id[STORE_DIGEST_BYTES];
	int fd = open_layer(f, diff_id);
	auto_free char *command = mem_printf("cd %s/layers/%.2s && mv %s.v2.erofs %s.v1.erofs",
					     f->root, diff_id + 7, diff_id + 7, diff_id + 7);

	fd_close(fd);
	assert_int_equal(fixture_shell(command), 0);
	assert_true(store_layer_is_old(f->store, diff_id));
	expect(f, 0, 1);
	assert_false(store_layer_is_old(f->store, diff_id));
	expect(f, 0, 0);
	fixture_assert_clean(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sound, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_content, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_metadata, setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_old, setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
