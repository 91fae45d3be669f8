/* SPDX-License-Identifier: Apache-2.0
 *
 * test_mounts.c - layers are mounted once, handed out as clones, and gone when unused
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"

#define EROFS_MAGIC 0xe0f5e1e2L
#define MOUNTINFO_MAX_BYTES (1024 * 1024)

static const unsigned SEEDS[] = { 1, 2, 3 };

static dev_t dev_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);

	return st.st_dev;
}

static void get(struct fixture *f, struct store_layer *layers, int fds[3])
{
	struct statfs fs;

	for (unsigned i = 0; i < 3; i++)
		fixture_digest(SEEDS[i], layers[i].diff_id);
	assert_ok(f, store_layer_mounts(f->store, layers, 3, 0, fds, &f->err));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fstatfs(fds[i], &fs), 0);
		assert_int_equal(fs.f_type, EROFS_MAGIC);
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
	}
}

static void put(int fds[3])
{
	for (unsigned i = 0; i < 3; i++)
		fds[i] = fd_close(fds[i]);
}

/* Lines of our mount table that name the fixture. */
static unsigned count_mounts(struct fixture *f)
{
	auto_free char *text = NULL;
	struct slice rest, line;
	unsigned count = 0;

	assert_int_equal(fd_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX_BYTES, &text,
				      NULL, NULL),
			 0);
	rest = slice_of(text);
	while (slice_next(&rest, '\n', &line))
		count += memmem(line.at, line.len, f->dir, strlen(f->dir)) != NULL;

	return count;
}

static void test_shared(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) c = { 0 };
	struct store_layer layers[3];
	char id[STORE_DIGEST_BYTES];
	int first[3], second[3];

	assert_ok(f, fixture_add_image(f, SEEDS, 3, "one", id));
	fixture_container(&c, 7, "web", id);
	c.started = true;
	assert_ok(f, store_container_add(f->store, &c, NULL, 0, &f->err));

	get(f, layers, first);
	get(f, layers, second);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(dev_of(first[i]), dev_of(second[i]));
	assert_int_not_equal(dev_of(first[0]), dev_of(first[1]));
	/* The tmpfs and the pin; no layer. */
	assert_int_equal(count_mounts(f), 2);

	assert_ok(f, store_layer_unmount_unused(f->store, &f->err));
	assert_int_equal(count_mounts(f), 2);
	fixture_assert_clean(f);
	c.ended = true;
	assert_ok(f, store_container_update(f->store, &c, &f->err));
	assert_ok(f, store_layer_unmount_unused(f->store, &f->err));
	assert_int_equal(count_mounts(f), 0);
	/* Clones outlive the namespace. */
	assert_true(faccessat(first[0], ".", F_OK, 0) == 0);
	put(first);
	put(second);
	get(f, layers, first);
	put(first);
	assert_ok(f, store_layer_unmount_unused(f->store, &f->err));
	assert_int_equal(count_mounts(f), 0);
}

static void test_partly_unused(void **state)
{
	struct fixture *f = *state;
	auto_done(store_container) c = { 0 };
	struct store_layer layers[3];
	char id[STORE_DIGEST_BYTES], path[400];
	int fds[3], again[3];

	assert_ok(f, fixture_add_image(f, SEEDS, 3, "all", NULL));
	assert_ok(f, fixture_add_image(f, SEEDS, 1, "one", id));
	fixture_container(&c, 7, "web", id);
	c.started = true;
	assert_ok(f, store_container_add(f->store, &c, NULL, 0, &f->err));
	get(f, layers, fds);
	assert_ok(f, store_layer_unmount_unused(f->store, &f->err));
	assert_int_equal(count_mounts(f), 2);
	(void)snprintf(path, sizeof(path), "%s/layers/%s", f->run_root, layers[0].diff_id + 7);
	assert_int_equal(access(path, F_OK), 0);
	(void)snprintf(path, sizeof(path), "%s/layers/%s", f->run_root, layers[1].diff_id + 7);
	assert_int_equal(access(path, F_OK), -1);
	get(f, layers, again);
	assert_int_equal(dev_of(fds[0]), dev_of(again[0]));
	put(fds);
	put(again);
}

static void stay_on(size_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* A container of the image "one", started. */
static void start_one(struct fixture *f, unsigned seed, const char *name)
{
	auto_done(store_container) c = { 0 };
	auto_done(store_image) image = { 0 };

	assert_ok(f, store_image_find(f->store, "one", &image, &f->err));
	fixture_container(&c, seed, name, image.id);
	c.started = true;
	assert_ok(f, store_container_add(f->store, &c, NULL, 0, &f->err));
}

/* Alone, a container's mounts are its own; with another one started they are shared. */
static void test_alone(void **state)
{
	struct fixture *f = *state;
	struct store_layer layer;
	int fds[3];

	fixture_digest(SEEDS[0], layer.diff_id);
	assert_ok(f, fixture_add_image(f, SEEDS, 1, "one", NULL));
	start_one(f, 1, "first");
	assert_ok(f, store_layer_mounts(f->store, &layer, 1, STORE_MOUNT_ALONE, &fds[0], &f->err));
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(count_mounts(f), 0);
	start_one(f, 2, "second");
	for (int i = 1; i < 3; i++)
		assert_ok(f, store_layer_mounts(f->store, &layer, 1, STORE_MOUNT_ALONE, &fds[i],
						&f->err));
	/* The tmpfs and the pin. */
	assert_int_equal(count_mounts(f), 2);
	assert_int_not_equal(dev_of(fds[0]), dev_of(fds[1]));
	assert_int_equal(dev_of(fds[1]), dev_of(fds[2]));
	put(fds);
}

/* In a child: its mount namespace is made on @outer, that of the layers on @inner. */
static int mount_elsewhere(struct fixture *f, size_t outer, size_t inner)
{
	struct store_layer layer;
	int fd = -1, r;

	fixture_digest(SEEDS[0], layer.diff_id);
	stay_on(outer);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	stay_on(inner);
	r = store_open(f->root, f->run_root, 0, &f->store, &f->err);
	if (r == 0)
		r = store_layer_mounts(f->store, &layer, 1, 0, &fd, &f->err);
	if (r == 0)
		r = store_layer_unmount_unused(f->store, &f->err);
	fd_close(fd);

	return r;
}

/* Whatever mount namespace hull runs in, and whatever the ids that its CPUs have at hand. */
static void test_inner_namespace(void **state)
{
	struct fixture *f = *state;
	cpu_set_t allowed;

	assert_ok(f, fixture_add_image(f, SEEDS, 1, "one", NULL));
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	for (size_t outer = 0; outer < CPU_SETSIZE; outer++) {
		for (size_t inner = 0; inner < CPU_SETSIZE; inner++) {
			int status;
			pid_t pid;

			if (!CPU_ISSET(outer, &allowed) || !CPU_ISSET(inner, &allowed) ||
			    inner > outer + 1 || outer > inner + 1)
				continue;
			pid = fork();
			if (pid == 0)
				_exit(-mount_elsewhere(f, outer, inner));
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_int_equal(status, 0);
		}
	}
}

static void test_lost_layer(void **state)
{
	struct fixture *f = *state;
	struct store_layer layer;
	int fd = -1;

	fixture_digest(1, layer.diff_id);
	assert_int_equal(store_layer_mounts(f->store, &layer, 1, 0, &fd, &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_NOT_FOUND);
	assert_true(f->err.hint[0] != '\0');
	assert_int_equal(fd, -1);
	assert_int_equal(count_mounts(f), 0);
}

static void mount_all(struct fixture *f)
{
	struct store_layer layers[3];
	int fds[3];

	get(f, layers, fds);
	put(fds);
	(void)store_layer_unmount_unused(f->store, NULL);
}

static void test_killed(void **state)
{
	static const char *const points[] = { "mounts-tmpfs", "mounts-pin-file", "mounts-pinned",
					      "mounts-empty" };
	struct fixture *f = *state;

	assert_ok(f, fixture_add_image(f, SEEDS, 3, "one", NULL));
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		struct store_layer layers[3];
		int fds[3];

		fixture_kill_at(f, points[i], mount_all);
		assert_int_equal(count_mounts(f), 0); /* the writer that opened it since */
		get(f, layers, fds);
		put(fds);
		assert_int_equal(count_mounts(f), 2);
		fixture_kill_at(f, "mounts-empty", mount_all);
		assert_ok(f, store_layer_unmount_unused(f->store, &f->err));
		assert_int_equal(count_mounts(f), 0);
	}
}

static void mount_one(struct fixture *f)
{
	struct store_layer layer;
	int fd = -1;

	fixture_digest(1, layer.diff_id);
	_exit(store_layer_mounts(f->store, &layer, 1, 0, &fd, &f->err) == -ECHILD && fd == -1 ? 0
											      : 1);
}

/* The child that works in the namespace is killed: an error, and no harm for the next one. */
static void test_child_killed(void **state)
{
	struct fixture *f = *state;
	struct store_layer layers[3];
	int fds[3], status;
	pid_t pid;

	assert_ok(f, fixture_add_image(f, SEEDS, 3, "one", NULL));
	store_close(f->store);
	f->store = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setenv("HULL_FAILPOINT", "mounts-dir", 1);
		if (store_open(f->root, f->run_root, 0, &f->store, &f->err) == 0)
			mount_one(f);
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_ok(f, store_open(f->root, f->run_root, 0, &f->store, &f->err));
	get(f, layers, fds);
	put(fds);
	assert_ok(f, store_layer_unmount_unused(f->store, &f->err));
	assert_int_equal(count_mounts(f), 0);
}

/* In a child, where an assertion of cmocka would go on with the parent's tests. */
static void NORETURN mount_often(struct fixture *f, unsigned seed)
{
	struct store_layer layers[3];
	struct statfs fs;
	char text[400];

	for (unsigned i = 0; i < 3; i++)
		fixture_digest(SEEDS[i], layers[i].diff_id);
	if (store_open(f->root, f->run_root, 0, &f->store, &f->err) < 0)
		_exit(1);
	for (unsigned n = 0; n < 40; n++) {
		/* Sometimes fewer, so that others find some layers mounted and some not. */
		unsigned len = 1 + (n + seed) % 3;
		int fds[3] = { -1, -1, -1 };

		if (store_layer_mounts(f->store, layers, len, 0, fds, &f->err) < 0) {
			print_error("%s\n", err_text(&f->err, text, sizeof(text)));
			_exit(2);
		}
		for (unsigned i = 0; i < len; i++)
			if (fstatfs(fds[i], &fs) < 0 || fs.f_type != EROFS_MAGIC)
				_exit(3);
		put(fds);
		if (n % 4 == seed % 4 && store_layer_unmount_unused(f->store, &f->err) < 0)
			_exit(4);
	}
	_exit(0);
}

/* Many processes at once, mounting and unmounting under each other's feet. */
static void test_concurrent(void **state)
{
	struct fixture *f = *state;
	pid_t pids[8];

	assert_ok(f, fixture_add_image(f, SEEDS, 3, "one", NULL));
	store_close(f->store);
	f->store = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			mount_often(f, i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_ok(f, store_open(f->root, f->run_root, 0, &f->store, &f->err));
	assert_ok(f, store_layer_unmount_unused(f->store, &f->err));
	assert_int_equal(count_mounts(f), 0);
}

/* Everything again through loop devices, as on kernels before 6.12. */
static void test_loop_device(void **state)
{
	(void)setenv("HULL_DISABLE", "erofs-file", 1);
	test_shared(state);
	(void)unsetenv("HULL_DISABLE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_shared, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_partly_unused, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_alone, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_inner_namespace, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_lost_layer, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_killed, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_child_killed, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_concurrent, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_loop_device, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
