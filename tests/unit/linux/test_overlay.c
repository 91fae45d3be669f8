/* SPDX-License-Identifier: Apache-2.0
 *
 * test_overlay.c - overlays by descriptor and by the fallback; and how HULL_DISABLE is read
 *
 * Needs root; mounts nothing that anyone else sees.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "check.h"
#include "linux/features.h"
#include "linux/mounts.h"
#include "linux/overlay.h"

#define LAYERS 3

struct fixture {
	char top[64];
	int layer_fds[LAYERS], rw_fd;
};

static void write_text(int dir_fd, const char *name, const char *text)
{
	auto_close int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void expect_text(int dir_fd, const char *name, const char *text)
{
	auto_free char *got = NULL;

	assert_int_equal(fd_read_file(dir_fd, name, 100, &got, NULL, NULL), 0);
	assert_string_equal(got, text);
}

static int setup(void **state)
{
	static struct fixture f;
	char path[128];

	(void)snprintf(f.top, sizeof(f.top), "overlay.XXXXXX");
	assert_non_null(mkdtemp(f.top));
	for (int i = 0; i < LAYERS; i++) {
		char name[16] = { (char)('a' + i), '\0' };

		(void)snprintf(path, sizeof(path), "%s/%d", f.top, i);
		assert_int_equal(mkdir(path, 0755), 0);
		f.layer_fds[i] = mount_clone(AT_FDCWD, path, false, NULL);
		assert_true(f.layer_fds[i] >= 0);
		write_text(f.layer_fds[i], "which", name);
		write_text(f.layer_fds[i], name, name);
	}
	(void)snprintf(path, sizeof(path), "%s/rw", f.top);
	assert_int_equal(mkdir(path, 0755), 0);
	f.rw_fd = mount_clone(AT_FDCWD, path, false, NULL);
	assert_true(f.rw_fd >= 0);
	assert_int_equal(mkdirat(f.rw_fd, "upper", 0755), 0);
	assert_int_equal(mkdirat(f.rw_fd, "work", 0755), 0);
	*state = &f;

	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(unsetenv("HULL_DISABLE"), 0);
	for (int i = 0; i < LAYERS; i++)
		fd_close(f->layer_fds[i]);
	fd_close(f->rw_fd);
	assert_int_equal(path_rmtree(AT_FDCWD, f->top, NULL), 0);

	return 0;
}

static void check_overlay(const struct fixture *f)
{
	struct overlay overlay = {
		.layer_fds = f->layer_fds,
		.layers_len = LAYERS,
		.rw_fd = f->rw_fd,
	};
	int fd;

	fd = overlay_new(&overlay, NULL);
	assert_true(fd >= 0);
	/* The last layer is the topmost; all of them show. */
	expect_text(fd, "which", "c");
	expect_text(fd, "a", "a");
	expect_text(fd, "b", "b");
	write_text(fd, "which", "new");
	expect_text(f->rw_fd, "upper/which", "new");
	expect_text(f->layer_fds[LAYERS - 1], "which", "c");
	fd_close(fd);
	assert_int_equal(unlinkat(f->rw_fd, "upper/which", 0), 0);
	/* Without a writable layer nothing can be written, and the old content shows. */
	overlay.rw_fd = -1;
	fd = overlay_new(&overlay, NULL);
	assert_true(fd >= 0);
	expect_text(fd, "which", "c");
	assert_int_equal(openat(fd, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0644), -1);
	assert_int_equal(errno, EROFS);
	fd_close(fd);
}

static void by_descriptor(void **state)
{
	check_overlay(*state);
}

/* Twice with the same descriptors: they must stay as good as they were. */
static void by_name(void **state)
{
	assert_int_equal(setenv("HULL_DISABLE", "overlay-fd", 1), 0);
	check_overlay(*state);
	check_overlay(*state);
}

static void disabled_features(void **state)
{
	(void)state;
	assert_int_equal(unsetenv("HULL_DISABLE"), 0);
	assert_true(feature_wanted(FEATURE_OVERLAY_FD));
	assert_int_equal(setenv("HULL_DISABLE", "cgroup-kill,overlay-fd", 1), 0);
	assert_false(feature_wanted(FEATURE_OVERLAY_FD));
	assert_false(feature_wanted(FEATURE_CGROUP_KILL));
	assert_true(feature_wanted(FEATURE_CLONE_CGROUP));
	assert_int_equal(setenv("HULL_DISABLE", "overlay,overlay-fdx,", 1), 0);
	assert_true(feature_wanted(FEATURE_OVERLAY_FD));
	assert_int_equal(unsetenv("HULL_DISABLE"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(by_name, setup, teardown),
		cmocka_unit_test(disabled_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
