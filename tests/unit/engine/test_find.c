/* SPDX-License-Identifier: Apache-2.0
 *
 * test_find.c - what a command sees of a container while another one changes it
 */
#include "check.h"
#include "engine/fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sha256.h"

/* What another command does that has the container's lock, when this one asks for it; or NULL. */
static void (*holder)(struct fixture *f);
static struct fixture *holders;

/* In place of the C library's. */
int flock(int fd, int operation)
{
	if (!holder || !(operation & LOCK_NB))
		return (int)syscall(SYS_flock, fd, operation);
	holder(holders);
	errno = EWOULDBLOCK;

	return -1;
}

static void add_container(struct fixture *f)
{
	auto_done(store_image) image = {
		.config = mem_strdup("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}"),
		.manifest = mem_strdup("{}"),
	};
	auto_done(engine_config) config = { 0 };
	auto_done(store_container) row = {
		.id = mem_strdup(f->id),
		.name = mem_strdup("web"),
		.image_ref = mem_strdup("one"),
		.level = mem_strdup("container"),
		.started = true,
	};

	image.config_len = strlen(image.config);
	image.manifest_len = strlen(image.manifest);
	sha256_digest(image.config, image.config_len, image.id);
	sha256_digest(image.manifest, image.manifest_len, image.manifest_digest);
	row.image_id = mem_strdup(image.id);
	assert_int_equal(engine_config_encode(&config, &row.config, &f->err), 0);
	assert_int_equal(store_image_add(f->e->store, &image, &f->err), 0);
	assert_int_equal(store_container_add(f->e->store, &row, NULL, 0, &f->err), 0);
}

static int set_up(void **state)
{
	int r = fixture_set_up(state);

	holders = *state;
	if (r == 0)
		add_container(holders);

	return r;
}

static int tear_down(void **state)
{
	holder = NULL;

	return fixture_tear_down(state);
}

static void record_its_end(struct fixture *f)
{
	auto_done(store_container) row = { 0 };

	assert_int_equal(store_container_find(f->e->store, f->id, &row, &f->err), 0);
	row.ended = row.oom = true;
	row.exit_status = 137;
	assert_int_equal(store_container_update(f->e->store, &row, &f->err), 0);
}

static void remove_it(struct fixture *f)
{
	assert_int_equal(store_container_remove(f->e->store, f->id, &f->err), 0);
}

static void just_hold(struct fixture *f)
{
	(void)f;
}

/* The row was read before its end was recorded, the run directory after it was cleared. */
static void test_end_recorded_meanwhile(void **state)
{
	struct fixture *f = *state;
	auto_done(engine_container) c = { 0 };

	holder = record_its_end;
	assert_int_equal(engine_find(f->e, "web", &c, &f->err), 0);
	assert_int_equal(c.state.status, ENGINE_EXITED);
	assert_int_equal(c.state.exit_status, 137);
	assert_true(c.state.oom);
}

static void test_removed_meanwhile(void **state)
{
	struct fixture *f = *state;
	auto_done(engine_container) c = { 0 };

	holder = remove_it;
	assert_int_equal(engine_find(f->e, "web", &c, &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_NOT_FOUND);
}

/* Nothing of it is there yet: it is just being started. */
static void test_started_meanwhile(void **state)
{
	struct fixture *f = *state;
	auto_done(engine_container) c = { 0 };

	holder = just_hold;
	assert_int_equal(engine_find(f->e, "web", &c, &f->err), 0);
	assert_int_equal(c.state.status, ENGINE_CREATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_end_recorded_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_removed_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_started_meanwhile, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
