/* SPDX-License-Identifier: Apache-2.0
 *
 * test_random_kill.c - killed at random moments of random work, the store stays whole
 *
 * A child imports, removes, tags, mounts, records; it is killed; the next writer must find a
 * store in which check finds nothing. HULL_TEST_LONG means more of it; HULL_TEST_SEED repeats a
 * run.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"

#define KILLS 40
#define KILLS_LONG 1000
#define KILL_MAX_NS (30 * NS_PER_MS)
#define IMAGES 4

static uint64_t from_env(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);
	uint64_t value = fallback;

	if (text)
		(void)parse_u64(text, 0, UINT64_MAX, &value);

	return value;
}

/* xorshift: the same seed does the same. */
static unsigned pick(uint64_t *state, unsigned n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;

	return (unsigned)(*state >> 33) % n;
}

static void work_image(struct fixture *f, uint64_t *state)
{
	unsigned which = pick(state, IMAGES);
	/* Neighbours share a layer. */
	const unsigned seeds[] = { which, which + 1 };
	auto_free char *name = mem_printf("image%u", which);
	struct strv untagged = { 0 }, deleted = { 0 };

	switch (pick(state, 3)) {
	case 0:
		(void)fixture_add_image(f, seeds, 2, name, NULL);
		break;
	case 1:
		(void)store_image_remove(f->store, name, true, &untagged, &deleted, NULL);
		break;
	default:
		(void)store_image_tag(f->store, name, "also:this", NULL);
		break;
	}
	strv_done(&untagged);
	strv_done(&deleted);
}

static void work_container(struct fixture *f, uint64_t *state)
{
	auto_done(store_container) c = { 0 };
	auto_done(store_image) image = { 0 };
	auto_free char *name = mem_printf("image%u", pick(state, IMAGES));
	int fds[2];

	if (store_image_find(f->store, name, &image, NULL) < 0)
		return;
	fixture_container(&c, 100 + pick(state, 1000), "web", image.id);
	c.started = true;
	if (store_container_add(f->store, &c, NULL, 0, NULL) < 0)
		return;
	if (store_layer_mounts(f->store, image.layers, 2, 0, fds, NULL) == 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
	(void)close(store_rw_open(f->store, c.id, NULL));
	(void)store_rw_discard(f->store, c.id, NULL);
	(void)store_rw_reclaim(f->store, NULL);
	(void)store_container_remove(f->store, c.id, NULL);
	(void)store_layer_unmount_unused(f->store, NULL);
}

static void work_volume(struct fixture *f, uint64_t *state)
{
	auto_done(store_volume) v = { 0 };
	bool is_new;

	if (pick(state, 2))
		(void)store_volume_make(f->store, "data", NULL, &v, &is_new, NULL);
	else
		(void)store_volume_remove(f->store, "data", NULL);
}

static void NORETURN work(struct fixture *f, uint64_t state)
{
	for (;;) {
		if (store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err) < 0)
			_exit(1);
		for (unsigned i = pick(&state, 6); i > 0; i--) {
			switch (pick(&state, 4)) {
			case 0:
				work_container(f, &state);
				break;
			case 1:
				work_volume(f, &state);
				break;
			default:
				work_image(f, &state);
				break;
			}
		}
		store_close(f->store);
	}
}

/* What the engine does for containers whose monitor is gone. */
static void reap_all(struct fixture *f)
{
	auto_done(store_containers) list = { 0 };

	assert_ok(f, store_container_list(f->store, &list, &f->err));
	for (size_t i = 0; i < list.len; i++) {
		assert_ok(f, store_rw_discard(f->store, list.items[i].id, &f->err));
		assert_ok(f, store_container_remove(f->store, list.items[i].id, &f->err));
	}
	assert_ok(f, store_layer_unmount_unused(f->store, &f->err));
}

static void test_random_kills(void **state)
{
	struct fixture *f = *state;
	unsigned kills = getenv("HULL_TEST_LONG") ? KILLS_LONG : KILLS;
	uint64_t seed = from_env("HULL_TEST_SEED", (uint64_t)clock_now_ns() | 1);

	print_message("HULL_TEST_SEED=%llu\n", (unsigned long long)seed);
	for (unsigned i = 0; i < kills; i++) {
		struct timespec until = { .tv_nsec = pick(&seed, KILL_MAX_NS) };
		int status;
		pid_t pid;

		store_close(f->store);
		f->store = NULL;
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			work(f, seed);
		(void)nanosleep(&until, NULL);
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_ok(f, store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err));
		reap_all(f);
		fixture_assert_clean(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_kills, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
