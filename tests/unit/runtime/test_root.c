/* SPDX-License-Identifier: Apache-2.0
 *
 * test_root.c - places to mount on and files to read in roots that mean harm
 */
#include "runtime/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"
#include "tree.h"

/* A root in "root"; beside it "v", where nothing may appear. */
struct place {
	char path[64], outside[80];
	int fd, root_fd, v_fd;
};

static struct place place_open(void)
{
	struct place p;

	p.fd = tree_tmp(p.path);
	p.root_fd = tree_dir(p.fd, "root");
	p.v_fd = tree_dir(p.fd, "v");
	(void)snprintf(p.outside, sizeof(p.outside), "%s/v", p.path);

	return p;
}

static void place_close(struct place *p)
{
	auto_free char *outside = tree_text(p->v_fd);

	assert_string_equal(outside, "");
	fd_close(p->root_fd);
	fd_close(p->v_fd);
	fd_close(p->fd);
	tree_remove(p->path);
}

static bool exists(const struct place *p, const char *name)
{
	return faccessat(p->root_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_place(const struct place *p, const char *path, bool dir)
{
	int fd = root_open_place(p->root_fd, path,
				 dir ? ROOT_PLACE_MOUNT_DIR : ROOT_PLACE_MOUNT_FILE, NULL);

	if (fd >= 0) {
		struct stat st;

		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(S_ISDIR(st.st_mode), dir);
		close(fd);
		return 0;
	}

	return fd;
}

static void test_makes(void **state)
{
	struct place p = place_open();
	struct stat st;

	(void)state;
	assert_int_equal(open_place(&p, "/a/b/c", true), 0);
	assert_int_equal(open_place(&p, "/a/b/c", true), 0);
	assert_int_equal(open_place(&p, "//a/./x//file", false), 0);
	assert_int_equal(open_place(&p, "/../../up/dir/", true), 0);
	assert_true(exists(&p, "a/b/c") && exists(&p, "a/x/file") && exists(&p, "up/dir"));
	assert_int_equal(fstatat(p.root_fd, "a/x/file", &st, 0), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(open_place(&p, "/a/x/file", true), -ENOTDIR);
	assert_int_equal(open_place(&p, "/a/b", false), -EISDIR);
	assert_int_equal(open_place(&p, "/a/x/file/below", false), -ENOTDIR);
	assert_int_equal(open_place(&p, "relative", true), -EINVAL);
	assert_int_equal(open_place(&p, "/", true), 0);
	place_close(&p);
}

static bool is_marked(const struct place *p, const char *path)
{
	auto_close int fd = openat(p->root_fd, path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);

	return fgetxattr(fd, ROOT_PLACE_MARK, NULL, 0) >= 0;
}

/* What is made to mount on is told from what was there, and from directories to work in. */
static void test_marks(void **state)
{
	struct place p = place_open();

	(void)state;
	fd_close(tree_dir(p.root_fd, "etc"));
	tree_file(p.root_fd, "etc/there", "");
	assert_int_equal(open_place(&p, "/etc/there", false), 0);
	assert_int_equal(open_place(&p, "/etc/hosts", false), 0);
	assert_int_equal(open_place(&p, "/mnt/x", true), 0);
	fd_close(root_open_place(p.root_fd, "/work/dir", ROOT_PLACE_DIR, NULL));
	assert_true(is_marked(&p, "etc/hosts") && is_marked(&p, "mnt") && is_marked(&p, "mnt/x"));
	assert_false(is_marked(&p, "etc") || is_marked(&p, "etc/there"));
	assert_false(is_marked(&p, "work") || is_marked(&p, "work/dir"));
	place_close(&p);
}

/* As in images whose /etc/resolv.conf waits for a service that a container does not run. */
static void test_dangling(void **state)
{
	struct place p = place_open();

	(void)state;
	fd_close(tree_dir(p.root_fd, "etc"));
	assert_int_equal(symlinkat("../run/systemd/stub.conf", p.root_fd, "etc/resolv.conf"), 0);
	assert_int_equal(open_place(&p, "/etc/resolv.conf", false), 0);
	assert_true(exists(&p, "run/systemd/stub.conf"));

	assert_int_equal(symlinkat("etc/two", p.root_fd, "one"), 0);
	assert_int_equal(symlinkat("/three/four", p.root_fd, "etc/two"), 0);
	assert_int_equal(open_place(&p, "/one/five", true), 0);
	assert_true(exists(&p, "three/four/five"));

	assert_int_equal(symlinkat("loop", p.root_fd, "loop"), 0);
	assert_int_equal(open_place(&p, "/loop", false), -ELOOP);
	assert_int_equal(open_place(&p, "/loop/x", true), -ELOOP);
	place_close(&p);
}

/* Links that lead out of the root lead to a place of the same name inside. */
static void test_outside(void **state)
{
	struct place p = place_open();

	(void)state;
	assert_int_equal(symlinkat(p.outside, p.root_fd, "abs"), 0);
	assert_int_equal(symlinkat("../v", p.root_fd, "rel"), 0);
	assert_int_equal(symlinkat("../../v/file", p.root_fd, "relfile"), 0);
	assert_int_equal(symlinkat("/proc/self/cwd", p.root_fd, "magic"), 0);
	assert_int_equal(open_place(&p, "/abs/dir", true), 0);
	assert_int_equal(open_place(&p, "/rel/file", false), 0);
	assert_int_equal(open_place(&p, "/relfile", false), 0);
	assert_int_equal(open_place(&p, "/magic/file", false), 0);
	assert_true(exists(&p, p.outside + 1) && exists(&p, "v/file"));
	assert_true(exists(&p, "proc/self/cwd/file"));
	place_close(&p);
}

static void test_plain_dir(void **state)
{
	struct place p = place_open();
	int fd;

	(void)state;
	fd = root_open_plain_dir(p.root_fd, "dev", NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlinkat(p.outside, p.root_fd, "proc"), 0);
	assert_int_equal(root_open_plain_dir(p.root_fd, "proc", NULL), -ENOTDIR);
	assert_int_equal(symlinkat("dev", p.root_fd, "sys"), 0);
	assert_int_equal(root_open_plain_dir(p.root_fd, "sys", NULL), -ENOTDIR);
	tree_file(p.root_fd, "file", "");
	assert_int_equal(root_open_plain_dir(p.root_fd, "file", NULL), -ENOTDIR);
	place_close(&p);
}

static void test_read_file(void **state)
{
	struct place p = place_open();
	char *text = NULL;

	(void)state;
	tree_file(p.root_fd, "passwd", "root:x:0:0");
	assert_int_equal(root_read_file(p.root_fd, "/passwd", &text, NULL), 0);
	assert_string_equal(text, "root:x:0:0");
	free(text);
	assert_int_equal(root_read_file(p.root_fd, "/none", &text, NULL), 0);
	assert_null(text);
	assert_int_equal(root_read_file(p.root_fd, "/passwd/below", &text, NULL), 0);
	assert_null(text);
	assert_int_equal(symlinkat("passwd", p.root_fd, "link"), 0);
	assert_int_equal(root_read_file(p.root_fd, "/link", &text, NULL), -ELOOP);
	/* Nobody writes to it: this must not wait. */
	assert_int_equal(mkfifoat(p.root_fd, "fifo", 0600), 0);
	assert_int_equal(root_read_file(p.root_fd, "/fifo", &text, NULL), -EINVAL);
	assert_int_equal(root_read_file(p.root_fd, "/", &text, NULL), -EINVAL);
	tree_file(p.root_fd, "huge", "x");
	{
		auto_close int fd = openat(p.root_fd, "huge", O_WRONLY | O_CLOEXEC);

		assert_int_equal(ftruncate(fd, ROOT_FILE_MAX_BYTES), 0);
		assert_int_equal(root_read_file(p.root_fd, "/huge", &text, NULL), 0);
		free(text);
		assert_int_equal(ftruncate(fd, ROOT_FILE_MAX_BYTES + 1), 0);
		assert_int_equal(root_read_file(p.root_fd, "/huge", &text, NULL), -EFBIG);
		assert_null(text);
	}
	place_close(&p);
}

static void check_resolve(const struct place *p, const char *path, const char *want)
{
	auto_free char *got = root_resolve(p->root_fd, path);

	assert_non_null(got);
	assert_string_equal(got, want);
}

static void test_resolve(void **state)
{
	struct place p = place_open();
	auto_free char *deep = calloc(1, 8192);

	(void)state;
	fd_close(tree_dir(p.root_fd, "d"));
	assert_int_equal(symlinkat("..", p.root_fd, "d/up"), 0);
	assert_int_equal(symlinkat("/d/./up/d", p.root_fd, "there"), 0);
	check_resolve(&p, "/", "/");
	check_resolve(&p, "", "/");
	check_resolve(&p, "/../..", "/");
	check_resolve(&p, "/d/up/d/up/../x", "/x");
	check_resolve(&p, "/there/none/../other/", "/d/other");
	/* Longer than a path can be. */
	for (size_t i = 0; i + 2 < 8192; i += 2)
		memcpy(deep + i, "/a", 3);
	assert_null(root_resolve(p.root_fd, deep));
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_makes),	  cmocka_unit_test(test_dangling),
		cmocka_unit_test(test_marks),	  cmocka_unit_test(test_outside),
		cmocka_unit_test(test_plain_dir), cmocka_unit_test(test_read_file),
		cmocka_unit_test(test_resolve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
