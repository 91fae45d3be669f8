/* SPDX-License-Identifier: Apache-2.0
 *
 * test_image.c - images come, are found by every name, and go with all that was theirs
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static const unsigned ONE[] = { 1, 2 }, TWO[] = { 2, 3 };

static void test_add_and_find(void **state)
{
	struct fixture *f = *state;
	static const char *const refs[] = { "one", "one:latest", "docker.io/library/one",
					    "docker.io/library/one:latest" };
	char id[STORE_DIGEST_BYTES], prefix[STORE_DIGEST_BYTES];

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", id));
	fixture_reopen(f);
	for (size_t i = 0; i < ARRAY_SIZE(refs); i++) {
		auto_done(store_image) image = { 0 };

		assert_ok(f, store_image_find(f->store, refs[i], &image, &f->err));
		assert_string_equal(image.id, id);
		assert_int_equal(image.names.len, 1);
		assert_string_equal(image.names.items[0], "one:latest");
		assert_int_equal(image.layers_len, 2);
		assert_int_equal(image.layers[0].tar_bytes, 10240);
		assert_true(image.size_bytes >= 8192);
		assert_non_null(strstr(image.config, "\"salt\":\"one\""));
		assert_int_equal(strlen(image.config), image.config_len);
		assert_int_equal(image.created_wall_ns, 1767323045000000000LL);
	}
	for (size_t len = 1; len <= 64; len += 21) {
		auto_done(store_image) image = { 0 };

		(void)snprintf(prefix, sizeof(prefix), "%.*s", (int)len, id + 7);
		assert_ok(f, store_image_find(f->store, prefix, &image, &f->err));
		assert_string_equal(image.id, id);
	}
	{
		auto_done(store_image) by_digest = { 0 };
		auto_done(store_image) again = { 0 };
		auto_free char *ref = NULL;

		assert_ok(f, store_image_find(f->store, id, &by_digest, &f->err));
		ref = mem_printf("one@%s", by_digest.manifest_digest);
		assert_ok(f, store_image_find(f->store, ref, &again, &f->err));
		assert_string_equal(again.id, id);
	}
}

static void test_not_found(void **state)
{
	struct fixture *f = *state;
	struct store_image image = { 0 };

	assert_int_equal(store_image_find(f->store, "nothing", &image, &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_NOT_FOUND);
	assert_true(f->err.hint[0] != '\0');
	assert_int_equal(store_image_find(f->store, "Upper/Case", &image, &f->err), -EINVAL);
	assert_int_equal(f->err.kind, ERR_USAGE);
	assert_int_equal(store_image_find(f->store, "", &image, &f->err), -EINVAL);
}

static void test_documents_must_fit(void **state)
{
	struct fixture *f = *state;
	auto_done(store_image) image = { 0 };

	assert_ok(f, fixture_add_layer(f, 1));
	assert_ok(f, fixture_add_layer(f, 2));
	fixture_image(&image, ONE, 2, "one", "one");
	image.config[image.config_len - 1] = ' ';
	assert_int_equal(store_image_add(f->store, &image, &f->err), -EINVAL);
	image.config[image.config_len - 1] = '}';
	image.layers_len = 1;
	assert_int_equal(store_image_add(f->store, &image, &f->err), -EINVAL);
	image.layers_len = 2;
	fixture_digest(9, image.layers[1].diff_id);
	assert_int_equal(store_image_add(f->store, &image, &f->err), -EINVAL);
	assert_int_equal(store_image_find(f->store, "one", &image, NULL), -ENOENT);
	fixture_reopen(f);
	assert_int_equal(fixture_count_files(f, "layers"), 0);
	assert_int_equal(fixture_count_files(f, "content"), 0);
}

static void test_layer_never_ingested(void **state)
{
	struct fixture *f = *state;
	auto_done(store_image) image = { 0 };

	fixture_image(&image, ONE, 2, "one", "one");
	assert_int_equal(store_image_add(f->store, &image, &f->err), -ENOENT);
	fixture_reopen(f);
	fixture_assert_clean(f);
}

static void test_shared_layer_stays(void **state)
{
	struct fixture *f = *state;
	auto_done(strv) untagged = { 0 };
	auto_done(strv) deleted = { 0 };
	auto_done(store_image) two = { 0 };
	char one_id[STORE_DIGEST_BYTES], layer[STORE_DIGEST_BYTES];

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", one_id));
	assert_ok(f, fixture_add_image(f, TWO, 2, "two", NULL));
	assert_int_equal(fixture_count_files(f, "layers"), 6);
	fixture_reopen(f);
	assert_ok(f, store_image_remove(f->store, "one", false, &untagged, &deleted, &f->err));
	assert_int_equal(untagged.len, 1);
	assert_string_equal(untagged.items[0], "one:latest");
	assert_int_equal(deleted.len, 2);
	assert_string_equal(deleted.items[0], one_id);
	fixture_digest(1, layer);
	assert_string_equal(deleted.items[1], layer);
	assert_int_equal(fixture_count_files(f, "layers"), 4);
	assert_int_equal(fixture_count_files(f, "content"), 2);
	assert_ok(f, store_image_find(f->store, "two", &two, &f->err));
	fixture_assert_clean(f);
}

static void test_tags(void **state)
{
	struct fixture *f = *state;
	auto_done(strv) untagged = { 0 };
	auto_done(strv) deleted = { 0 };
	auto_done(store_image) image = { 0 };
	char one_id[STORE_DIGEST_BYTES], two_id[STORE_DIGEST_BYTES];

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", one_id));
	assert_ok(f, fixture_add_image(f, TWO, 2, "two", two_id));
	assert_ok(f, store_image_tag(f->store, "one", "localhost:5000/x/y:1", &f->err));
	assert_int_equal(store_image_tag(f->store, "one", "Bad", &f->err), -EINVAL);
	/* By id, two names are in the way; by name, the name goes and the image stays. */
	assert_int_equal(store_image_remove(f->store, one_id, false, &untagged, &deleted, &f->err),
			 -EBUSY);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	assert_ok(f, store_image_remove(f->store, "one", false, &untagged, &deleted, &f->err));
	assert_int_equal(deleted.len, 0);
	/* A name that is given again leaves its image without one. */
	assert_ok(f, store_image_tag(f->store, "two", "localhost:5000/x/y:1", &f->err));
	assert_ok(f, store_image_find(f->store, one_id, &image, &f->err));
	assert_int_equal(image.names.len, 0);
	assert_ok(f, store_image_remove(f->store, two_id, true, &untagged, &deleted, &f->err));
	assert_int_equal(untagged.len, 3);
	fixture_assert_clean(f);
}

static void test_used_by_container(void **state)
{
	struct fixture *f = *state;
	auto_done(strv) untagged = { 0 };
	auto_done(strv) deleted = { 0 };
	auto_done(store_container) c = { 0 };
	char id[STORE_DIGEST_BYTES];

	assert_ok(f, fixture_add_image(f, ONE, 2, "one", id));
	fixture_container(&c, 7, "web", id);
	c.started = true;
	assert_ok(f, store_container_add(f->store, &c, NULL, 0, &f->err));
	assert_int_equal(store_image_remove(f->store, id, true, &untagged, &deleted, &f->err),
			 -EBUSY);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	c.ended = true;
	assert_ok(f, store_container_update(f->store, &c, &f->err));
	assert_int_equal(store_image_remove(f->store, "one", false, &untagged, &deleted, &f->err),
			 -EBUSY);
	assert_ok(f, store_image_remove(f->store, "one", true, &untagged, &deleted, &f->err));
	assert_int_equal(untagged.len, 1);
	assert_int_equal(deleted.len, 0);
	assert_ok(f, store_container_remove(f->store, c.id, &f->err));
	fixture_reopen(f);
	assert_ok(f, store_image_remove(f->store, id, false, &untagged, &deleted, &f->err));
	assert_int_equal(deleted.len, 3);
}

static void test_names(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: malformed */
	} name[] = {
		{ "debian", "debian:latest" },
		{ "debian:bookworm", "debian:bookworm" },
		{ "docker.io/library/debian", "debian:latest" },
		{ "docker.io/x/y", "x/y:latest" },
		{ "localhost:5000/x/y:1", "localhost:5000/x/y:1" },
		{ "localhost:5000/x", "localhost:5000/x:latest" },
		{ "a.b/c__d-e--f.g:T_1", "a.b/c__d-e--f.g:T_1" },
		{ "HOST.example/x", "HOST.example/x:latest" },
		{ "", NULL },
		{ "x:", NULL },
		{ "X", NULL },
		{ "x//y", NULL },
		{ "/x", NULL },
		{ "x/", NULL },
		{ "-x", NULL },
		{ "x-", NULL },
		{ "x..y", NULL },
		{ "x___y", NULL },
		{ "x:-1", NULL },
		{ "x y", NULL },
		{ "x\ny", NULL },
		{ "../x", NULL },
		{ "x@sha256:12", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		auto_free char *out = NULL;
		int r = store_name_normalize(name[i].in, &out, NULL);

		if (r != (name[i].out ? 0 : -EINVAL))
			fail_msg("'%s' gives %d", name[i].in, r);
		if (name[i].out)
			assert_string_equal(out, name[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_add_and_find, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_not_found, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_documents_must_fit, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_layer_never_ingested, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_shared_layer_stays, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_tags, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_used_by_container, fixture_setup,
						fixture_teardown),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
