/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tool_diff.c - changes read off an overlay's writable layer, against a comparison of the
 * whole tree with the whole image, which is how Docker finds them
 *
 * Needs root: overlays are mounted in a mount namespace of the test's own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "check.h"
#include "runtime/root.h"
#include "runtime/tool.h"
#include "tree.h"

#define OPERATIONS 60
#define MODELS 60

static char top[64];

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* ---- the model: Docker's comparison of two whole trees ---- */

static bool differs(const struct stat *a, const struct stat *b)
{
	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid ||
	    a->st_rdev != b->st_rdev)
		return true;

	return !S_ISDIR(a->st_mode) &&
	       (a->st_size != b->st_size || a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
		a->st_mtim.tv_nsec != b->st_mtim.tv_nsec);
}

static int open_dir(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);

	return fd;
}

static void model_dir(int new_fd, int old_fd, const char *path, struct strbuf *out);

static void model_name(int new_fd, int old_fd, const char *dir, const char *name,
		       struct strbuf *out)
{
	auto_close int new_child = -1, old_child = -1;
	auto_done(strbuf) inner = STRBUF_INIT(MIB);
	struct stat now, was;
	bool is, had;
	char path[512], kind = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	is = fstatat(new_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0;
	had = old_fd >= 0 && fstatat(old_fd, name, &was, AT_SYMLINK_NOFOLLOW) == 0;
	if (!is) {
		strbuf_addf(out, "D %s\n", path);
		return;
	}
	if (S_ISDIR(now.st_mode)) {
		new_child = open_dir(new_fd, name);
		if (had && S_ISDIR(was.st_mode))
			old_child = open_dir(old_fd, name);
		model_dir(new_child, old_child, path, &inner);
	}
	if (!had)
		kind = 'A';
	else if (differs(&now, &was) || inner.len > 0)
		kind = 'C';
	if (kind)
		strbuf_addf(out, "%c %s\n", kind, path);
	strbuf_add(out, inner.text, inner.len);
}

/* Names of both, each once, in order. */
static void model_dir(int new_fd, int old_fd, const char *path, struct strbuf *out)
{
	struct dirent **a = NULL, **b = NULL;
	int a_len = scandirat(new_fd, ".", &a, NULL, by_bytes), i = 0, k = 0;
	int b_len = old_fd >= 0 ? scandirat(old_fd, ".", &b, NULL, by_bytes) : 0;

	assert_true(a_len >= 0 && b_len >= 0);
	while (i < a_len || k < b_len) {
		int order = i == a_len ? 1 : k == b_len ? -1 : strcmp(a[i]->d_name, b[k]->d_name);
		const char *name = order <= 0 ? a[i]->d_name : b[k]->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			model_name(new_fd, old_fd, path, name, out);
		if (order <= 0)
			free(a[i++]);
		if (order >= 0)
			free(b[k++]);
	}
	free(a);
	free(b);
}

/* ---- random work in the overlay ---- */

/* Few names, so that operations meet. */
static void random_path(char path[64])
{
	int depth = 1 + rand() % 4, len = 0;

	for (int i = 0; i < depth; i++)
		len += snprintf(path + len, 64 - (size_t)len, "%s%c", i ? "/" : "",
				'a' + rand() % 4);
}

static void write_file(int dir_fd, const char *path)
{
	auto_close int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd >= 0)
		assert_int_equal(fd_write_all(fd, "data", (size_t)rand() % 4), 0);
}

/* Whether an operation fails does not matter: both sides look at what became of the tree. */
static void operate(int dir_fd)
{
	char path[64], other[64];
	int done = 0;

	random_path(path);
	random_path(other);
	switch (rand() % 9) {
	case 0:
	case 1:
		write_file(dir_fd, path);
		break;
	case 2:
		done = mkdirat(dir_fd, path, 0755);
		break;
	case 3:
		done = unlinkat(dir_fd, path, 0);
		break;
	case 4:
		if (strchr(path, '/') == NULL)
			done = path_rmtree(dir_fd, path, NULL);
		else
			done = unlinkat(dir_fd, path, AT_REMOVEDIR);
		break;
	case 5:
		done = fchmodat(dir_fd, path, rand() % 2 ? 0700 : 0755, 0);
		break;
	case 6:
		done = renameat(dir_fd, path, dir_fd, other);
		break;
	case 7:
		done = symlinkat("target", dir_fd, path);
		break;
	case 8:
		done = linkat(dir_fd, path, dir_fd, other, 0);
		break;
	}
	(void)done;
}

static int sub_dir(const char *name, bool make)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	if (make)
		assert_int_equal(mkdir(path, 0755), 0);

	return open_dir(AT_FDCWD, path);
}

static void mount_overlay(void)
{
	char options[512], target[128];

	(void)snprintf(options, sizeof(options),
		       "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", top, top, top);
	(void)snprintf(target, sizeof(target), "%s/merged", top);
	assert_int_equal(mount("overlay", target, "overlay", 0, options), 0);
}

static char *run_diff(int upper_fd, int lower_fd)
{
	struct spec_tool tool = { .kind = SPEC_TOOL_DIFF };
	struct runtime_tool_fds fds = { -1, upper_fd, lower_fd, -1, -1 };
	auto_close int out_fd = open(top, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	auto_free char *text = calloc(1, MIB);

	assert_true(out_fd >= 0);
	fds.out = out_fd;
	assert_int_equal(runtime_tool_run(&tool, &fds, NULL), 0);
	assert_true(pread(out_fd, text, MIB - 1, 0) >= 0);

	return take_ptr(text);
}

static void check_same(int upper_fd, int lower_fd, int merged_fd)
{
	auto_free char *got = run_diff(upper_fd, lower_fd);
	auto_done(strbuf) want = STRBUF_INIT(MIB);

	model_dir(merged_fd, lower_fd, "", &want);
	assert_string_equal(got, strbuf_get(&want));
}

static void one_model(unsigned seed)
{
	auto_close int lower_fd = -1, upper_fd = -1, work_fd = -1, merged_fd = -1;
	char target[128];

	srand(seed);
	assert_int_equal(mount("tmpfs", top, "tmpfs", 0, NULL), 0);
	lower_fd = sub_dir("lower", true);
	upper_fd = sub_dir("upper", true);
	work_fd = sub_dir("work", true);
	merged_fd = sub_dir("merged", true);
	for (int i = 0; i < OPERATIONS; i++)
		operate(lower_fd);
	mount_overlay();
	fd_close(merged_fd);
	merged_fd = sub_dir("merged", false);
	check_same(upper_fd, lower_fd, merged_fd);
	for (int i = 0; i < OPERATIONS; i++) {
		operate(merged_fd);
		if (i % 10 == 9)
			check_same(upper_fd, lower_fd, merged_fd);
	}
	(void)snprintf(target, sizeof(target), "%s/merged", top);
	assert_int_equal(umount2(target, MNT_DETACH), 0);
	assert_int_equal(umount2(top, MNT_DETACH), 0);
}

static void test_model(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	fd_close(tree_tmp(top));
	for (unsigned seed = 1; seed <= MODELS; seed++)
		one_model(seed);
	tree_remove(top);
}

static void mark(int dir_fd, const char *path)
{
	auto_close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fsetxattr(fd, ROOT_PLACE_MARK, "", 0, 0), 0);
}

/* What the runtime made to mount on is no change, unless something has come into it. */
static void test_mount_places(void **state)
{
	auto_free char *text = NULL;
	int upper_fd, lower_fd;

	(void)state;
	fd_close(tree_tmp(top));
	lower_fd = sub_dir("lower", true);
	upper_fd = sub_dir("upper", true);
	assert_int_equal(mkdirat(lower_fd, "etc", 0755), 0);
	assert_int_equal(mkdirat(upper_fd, "etc", 0755), 0);
	tree_file(upper_fd, "etc/hosts", "");
	tree_file(upper_fd, "etc/own", "");
	tree_file(upper_fd, "etc/full", "content");
	assert_int_equal(mkdirat(upper_fd, "mnt", 0755), 0);
	assert_int_equal(mkdirat(upper_fd, "mnt/x", 0755), 0);
	mark(upper_fd, "etc/hosts");
	mark(upper_fd, "etc/full");
	mark(upper_fd, "mnt");
	mark(upper_fd, "mnt/x");
	text = run_diff(upper_fd, lower_fd);
	assert_string_equal(text, "C /etc\nA /etc/full\nA /etc/own\n");
	fd_close(upper_fd);
	fd_close(lower_fd);
	tree_remove(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mount_places),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
