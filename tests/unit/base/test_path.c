/* SPDX-License-Identifier: Apache-2.0
 *
 * test_path.c - making and removing our own directories
 */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "check.h"
#include "top.h"

static bool exists(const char *name)
{
	return faccessat(top_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void touch(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void test_mkdirs(void **state)
{
	char path[128];
	struct stat st;
	int fd;

	(void)state;
	umask(022);
	(void)snprintf(path, sizeof(path), "%s//a/b/./c/", top);
	fd = path_mkdirs(path, 0711, NULL);
	assert_true(fd >= 0);
	/* Not O_PATH: callers list and lock it. */
	assert_int_equal(fcntl(fd, F_GETFL) & O_PATH, 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_int_equal(fstatat(top_fd, "a/b/c", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0711);
	fd = path_mkdirs(path, 0700, NULL);
	assert_true(fd >= 0);
	close(fd);

	touch(top_fd, "file");
	(void)snprintf(path, sizeof(path), "%s/file/x", top);
	assert_int_equal(path_mkdirs(path, 0700, NULL), -ENOTDIR);
	assert_int_equal(path_mkdirs("relative", 0700, NULL), -EINVAL);
}

static void test_helper(void **state)
{
	struct err err = ERR_INIT;
	char path[256];

	(void)state;
	touch(top_fd, "hull-thing");
	assert_int_equal(setenv("HULL_LIBEXEC", top, 1), 0);
	/* Found only when it can be executed. */
	assert_int_equal(path_helper("hull-thing", path, sizeof(path), &err), -ENOENT);
	assert_string_not_equal(err.hint, "");
	assert_int_equal(fchmodat(top_fd, "hull-thing", 0755, 0), 0);
	assert_int_equal(path_helper("hull-thing", path, sizeof(path), NULL), 0);
	assert_true(strncmp(path, top, strlen(top)) == 0);
	assert_int_equal(unsetenv("HULL_LIBEXEC"), 0);
	/* Beside this very program. */
	assert_int_equal(path_helper("test_base_path", path, sizeof(path), NULL), 0);
	assert_int_equal(path_helper("test_base_path", path, 5, NULL), -ENOENT);
}

static void test_rmtree_symlinks(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(top_fd, "keep", 0755), 0);
	touch(top_fd, "keep/file");
	assert_int_equal(mkdirat(top_fd, "t", 0755), 0);
	assert_int_equal(mkdirat(top_fd, "t/d", 0755), 0);
	assert_int_equal(symlinkat("../keep", top_fd, "t/link"), 0);
	assert_int_equal(symlinkat("../../keep", top_fd, "t/d/link"), 0);
	assert_int_equal(symlinkat("/", top_fd, "t/d/root"), 0);
	assert_int_equal(path_rmtree(top_fd, "t", NULL), 0);
	assert_false(exists("t"));
	assert_true(exists("keep/file"));

	/* The name itself is a symlink, a file, or nothing. */
	assert_int_equal(symlinkat("keep", top_fd, "t"), 0);
	assert_int_equal(path_rmtree(top_fd, "t", NULL), 0);
	assert_false(exists("t"));
	assert_true(exists("keep/file"));
	assert_int_equal(path_rmtree(top_fd, "t", NULL), 0);
	touch(top_fd, "t");
	assert_int_equal(path_rmtree(top_fd, "t", NULL), 0);
	assert_false(exists("t"));
}

/* One chain of directories, with a file on each level. */
static void make_chain(const char *name, int levels)
{
	int fd = fcntl(top_fd, F_DUPFD_CLOEXEC, 0);

	for (int i = 0; i < levels; i++) {
		const char *part = i == 0 ? name : "directory";
		int next;

		assert_int_equal(mkdirat(fd, part, 0755), 0);
		next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		touch(next, "file");
		close(fd);
		fd = next;
	}
	close(fd);
}

static void test_rmtree_deep(void **state)
{
	(void)state;
	make_chain("deep", 3000);
	assert_int_equal(path_rmtree(top_fd, "deep", NULL), 0);
	assert_false(exists("deep"));
}

static void make_bushy(int dir_fd, int levels)
{
	for (int i = 0; i < 6; i++) {
		char name[16];
		int fd;

		(void)snprintf(name, sizeof(name), "%d", i);
		if (levels == 0 || i % 2) {
			touch(dir_fd, name);
			continue;
		}
		assert_int_equal(mkdirat(dir_fd, name, 0755), 0);
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		make_bushy(fd, levels - 1);
		close(fd);
	}
}

static void test_rmtree_bushy(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdirat(top_fd, "bushy", 0755), 0);
	fd = openat(top_fd, "bushy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_bushy(fd, 6);
	/* Names that the removal itself gives, and more of them than one batch of getdents(2). */
	assert_int_equal(mkdirat(fd, ".hull-rm-0", 0755), 0);
	touch(fd, ".hull-rm-1");
	assert_int_equal(mkdirat(fd, ".hull-rm-2", 0755), 0);
	assert_int_equal(mkdirat(fd, ".hull-rm-2/x", 0755), 0);
	close(fd);
	assert_int_equal(path_rmtree(top_fd, "bushy", NULL), 0);
	assert_false(exists("bushy"));
}

static void test_absolute(void **state)
{
	char cwd[PATH_MAX], want[PATH_MAX + 16];

	(void)state;
	assert_null(path_absolute(NULL));
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	(void)snprintf(want, sizeof(want), "%s/a/../b", cwd);
	for (int i = 0; i < 2; i++) {
		auto_free char *path = path_absolute(i == 0 ? "a/../b" : want);

		assert_string_equal(path, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absolute),    cmocka_unit_test(test_mkdirs),
		cmocka_unit_test(test_helper),	    cmocka_unit_test(test_rmtree_symlinks),
		cmocka_unit_test(test_rmtree_deep), cmocka_unit_test(test_rmtree_bushy),
	};

	return cmocka_run_group_tests(tests, top_setup, top_teardown);
}
