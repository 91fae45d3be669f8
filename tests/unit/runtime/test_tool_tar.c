/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tool_tar.c - archives in and out of random trees, with GNU tar as the other side
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"
#include "tree.h"

/* A temporary directory with "a" (made at random) and "b" (empty) in it. */
struct place {
	char path[64], tar[80];
	int fd, a_fd, b_fd;
};

static struct place place_open(void)
{
	struct place p;

	p.fd = tree_tmp(p.path);
	p.a_fd = tree_dir(p.fd, "a");
	p.b_fd = tree_dir(p.fd, "b");
	(void)snprintf(p.tar, sizeof(p.tar), "%s/x.tar", p.path);

	return p;
}

static void place_close(struct place *p)
{
	fd_close(p->a_fd);
	fd_close(p->b_fd);
	fd_close(p->fd);
	tree_remove(p->path);
}

static unsigned all_kinds(void)
{
	return TREE_SOCKET | (geteuid() == 0 ? TREE_NODES : 0);
}

static void assert_same(int a_fd, int b_fd)
{
	auto_free char *a = tree_text(a_fd), *b = tree_text(b_fd);

	assert_string_equal(a, b);
}

static void tool(int root_fd, struct spec_tool what, const char *in, const char *out)
{
	struct err err = ERR_INIT;
	char text[1024];

	if (tree_tool(&what, root_fd, in, out, &err) < 0)
		fail_msg("%s", err_text(&err, text, sizeof(text)));
}

#define TOOL(k, p, f) ((struct spec_tool){ .kind = (k), .path = (char[]){ p }, .flags = (f) })

static void gnu_extract(const struct place *p, int dir_fd)
{
	assert_int_equal(
		tree_run(dir_fd,
			 (const char *const[]){ "tar", "-xpf", p->tar, "--warning=no-timestamp",
						"--xattrs", "--xattrs-include=*", "--numeric-owner",
						"--same-owner", NULL }),
		0);
}

/* What we write, GNU tar unpacks to the same tree. */
static void test_out_gnu(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 8; seed++) {
		struct place p = place_open();

		srand(seed);
		tree_fill(p.a_fd, all_kinds());
		tool(p.fd, TOOL(SPEC_TOOL_TAR_OUT, "/a", 0), NULL, p.tar);
		gnu_extract(&p, p.b_fd);
		p.b_fd = (fd_close(p.b_fd), openat(p.fd, "b/a", O_RDONLY | O_DIRECTORY));
		assert_same(p.a_fd, p.b_fd);
		place_close(&p);
	}
}

static void gnu_create(const struct place *p, const char *format)
{
	/* Exit status 0 although it warns of the socket. */
	assert_int_equal(
		tree_run(p->a_fd, (const char *const[]){ "tar", "-cf", p->tar, "--sparse",
							 "--warning=no-file-ignored",
							 "--numeric-owner", "--xattrs",
							 "--xattrs-include=*", format, ".", NULL }),
		0);
}

/* What GNU tar writes, we unpack to the same tree. */
static void test_in_gnu(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 8; seed++) {
		struct place p = place_open();

		srand(seed);
		tree_fill(p.a_fd, all_kinds());
		gnu_create(&p, "--format=posix");
		tool(p.fd, TOOL(SPEC_TOOL_TAR_IN, "/b", SPEC_TOOL_KEEP_OWNER), p.tar, NULL);
		assert_same(p.a_fd, p.b_fd);
		/* Once more over what is there. */
		tool(p.fd, TOOL(SPEC_TOOL_TAR_IN, "/b", SPEC_TOOL_KEEP_OWNER), p.tar, NULL);
		assert_same(p.a_fd, p.b_fd);
		place_close(&p);
	}
}

static void test_round_trip(void **state)
{
	(void)state;
	for (unsigned seed = 20; seed <= 24; seed++) {
		struct place p = place_open();

		srand(seed);
		tree_fill(p.a_fd, all_kinds());
		/* A path that ends in "/." names the content, as in docker cp. */
		tool(p.fd, TOOL(SPEC_TOOL_TAR_OUT, "/a/.", 0), NULL, p.tar);
		tool(p.fd, TOOL(SPEC_TOOL_TAR_IN, "/b", SPEC_TOOL_KEEP_OWNER), p.tar, NULL);
		assert_same(p.a_fd, p.b_fd);
		place_close(&p);
	}
}

/* The names in an archive, one a line, sorted; the caller frees it. */
static char *names(const struct place *p)
{
	char *text = NULL;

	assert_int_equal(
		tree_run(p->fd,
			 (const char *const[]){ "sh", "-c", "tar -tf x.tar | sort > names", NULL }),
		0);
	assert_int_equal(fd_read_file(p->fd, "names", 65536, &text, NULL, NULL), 0);

	return text;
}

static void check_names(const struct place *p, struct spec_tool what, const char *want)
{
	auto_free char *got = NULL;

	tool(p->fd, what, NULL, p->tar);
	got = names(p);
	assert_string_equal(got, want);
}

/* As docker cp names things. */
static void test_names(void **state)
{
	struct place p = place_open();

	(void)state;
	assert_int_equal(mkdirat(p.a_fd, "d", 0755), 0);
	tree_file(p.a_fd, "d/f", "text");
	assert_int_equal(symlinkat("d", p.a_fd, "l"), 0);
	check_names(&p, TOOL(SPEC_TOOL_TAR_OUT, "/a/d", 0), "d/\nd/f\n");
	check_names(&p, TOOL(SPEC_TOOL_TAR_OUT, "/a/d/", 0), "d/\nd/f\n");
	check_names(&p, TOOL(SPEC_TOOL_TAR_OUT, "/a/d/.", 0), "./\n./f\n");
	check_names(&p, TOOL(SPEC_TOOL_TAR_OUT, "/a/d/f", 0), "f\n");
	check_names(&p, TOOL(SPEC_TOOL_TAR_OUT, "/a/l", 0), "l\n");
	check_names(&p, TOOL(SPEC_TOOL_TAR_OUT, "/a/l", SPEC_TOOL_FOLLOW), "l/\nl/f\n");
	check_names(&p, TOOL(SPEC_TOOL_TAR_OUT, "/a/l/", 0), "l/\nl/f\n");
	check_names(&p, TOOL(SPEC_TOOL_TAR_OUT, "/../a/../a/d/f", 0), "f\n");
	place_close(&p);
}

/* Owners are dropped unless asked for; set-id bits and times are not. */
static void test_owner(void **state)
{
	struct place p = place_open();
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 123456789 } };
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdirat(p.a_fd, "d", 02755), 0);
	tree_file(p.a_fd, "d/f", "text");
	assert_int_equal(fchownat(p.a_fd, "d/f", 1000, 1001, 0), 0);
	assert_int_equal(fchmodat(p.a_fd, "d/f", 04711, 0), 0);
	assert_int_equal(utimensat(p.a_fd, "d", times, 0), 0);
	tool(p.fd, TOOL(SPEC_TOOL_TAR_OUT, "/a/d", 0), NULL, p.tar);

	tool(p.fd, TOOL(SPEC_TOOL_TAR_IN, "/b", 0), p.tar, NULL);
	assert_int_equal(fstatat(p.b_fd, "d/f", &st, 0), 0);
	assert_int_equal(st.st_uid + st.st_gid, 0);
	assert_int_equal(st.st_mode & 07777, 04711);
	assert_int_equal(fstatat(p.b_fd, "d", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 123456789);

	tool(p.fd, TOOL(SPEC_TOOL_TAR_IN, "/b", SPEC_TOOL_KEEP_OWNER), p.tar, NULL);
	assert_int_equal(fstatat(p.b_fd, "d/f", &st, 0), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 1001);
	assert_int_equal(st.st_mode & 07777, 04711);
	place_close(&p);
}

/* Directories where files were and the other way round: replaced, or refused as in Docker. */
static void test_overwrite(void **state)
{
	struct place p = place_open();
	struct spec_tool strict = TOOL(SPEC_TOOL_TAR_IN, "/b", SPEC_TOOL_NO_OVERWRITE_DIR);
	struct err err = ERR_INIT;
	char text[1024];
	struct stat st;

	(void)state;
	tree_file(p.a_fd, "file", "text");
	tree_file(p.b_fd, "dir", "text");
	assert_int_equal(mkdirat(p.a_fd, "dir", 0755), 0);
	assert_int_equal(mkdirat(p.b_fd, "file", 0755), 0);
	assert_int_equal(mkdirat(p.b_fd, "file/inner", 0755), 0);

	tool(p.fd, TOOL(SPEC_TOOL_TAR_OUT, "/a/file", 0), NULL, p.tar);
	assert_int_equal(tree_tool(&strict, p.fd, p.tar, NULL, &err), -EISDIR);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_non_null(strstr(err_text(&err, text, sizeof(text)),
			       "cannot overwrite directory \"/b/file\" with non-directory \"/b\""));
	tool(p.fd, TOOL(SPEC_TOOL_TAR_IN, "/b", 0), p.tar, NULL);
	assert_int_equal(fstatat(p.b_fd, "file", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));

	tool(p.fd, TOOL(SPEC_TOOL_TAR_OUT, "/a/dir", 0), NULL, p.tar);
	assert_int_equal(tree_tool(&strict, p.fd, p.tar, NULL, &err), -ENOTDIR);
	assert_non_null(strstr(err_text(&err, text, sizeof(text)),
			       "cannot overwrite non-directory \"/b/dir\" with directory \"/b\""));
	tool(p.fd, TOOL(SPEC_TOOL_TAR_IN, "/b", 0), p.tar, NULL);
	assert_int_equal(fstatat(p.b_fd, "dir", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISDIR(st.st_mode));
	place_close(&p);
}

static void check_missing(const struct place *p, struct spec_tool what)
{
	struct err err = ERR_INIT;

	assert_int_equal(tree_tool(&what, p->fd, NULL, NULL, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void test_missing(void **state)
{
	struct place p = place_open();
	struct spec_tool what = TOOL(SPEC_TOOL_TAR_IN, "/b/f", 0);
	struct err err = ERR_INIT;

	(void)state;
	tree_file(p.b_fd, "f", "text");
	check_missing(&p, TOOL(SPEC_TOOL_TAR_OUT, "/a/x", 0));
	check_missing(&p, TOOL(SPEC_TOOL_TAR_OUT, "/b/f/x", 0));
	check_missing(&p, TOOL(SPEC_TOOL_TAR_OUT, "/b/f/", 0));
	check_missing(&p, TOOL(SPEC_TOOL_TAR_IN, "/a/x", 0));
	check_missing(&p, TOOL(SPEC_TOOL_STAT, "/a/x", 0));
	assert_int_equal(tree_tool(&what, p.fd, NULL, NULL, &err), -ENOTDIR);
	assert_int_equal(err.kind, ERR_USAGE);
	place_close(&p);
}

/* An archive that is cut off is an error, and so is one of noise. */
static void test_malformed(void **state)
{
	struct place p = place_open();
	struct spec_tool what = TOOL(SPEC_TOOL_TAR_IN, "/b", 0);
	char noise[2000] = "";

	(void)state;
	srand(30);
	tree_fill(p.a_fd, 0);
	tool(p.fd, TOOL(SPEC_TOOL_TAR_OUT, "/a", 0), NULL, p.tar);
	assert_int_equal(truncate(p.tar, 700), 0);
	assert_int_equal(tree_tool(&what, p.fd, p.tar, NULL, NULL), -EBADMSG);
	assert_int_equal(unlinkat(p.fd, "x.tar", 0), 0);
	memset(noise, 'n', sizeof(noise) - 1);
	tree_file(p.fd, "x.tar", noise);
	assert_int_equal(tree_tool(&what, p.fd, p.tar, NULL, NULL), -EBADMSG);
	place_close(&p);
}

/* Holes in, holes out: a file of 64 MiB with two bytes in it takes next to no room. */
static void test_sparse(void **state)
{
	struct place p = place_open();
	int fd = openat(p.a_fd, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	struct stat st;
	char c = 0;

	(void)state;
	assert_int_equal(pwrite(fd, "x", 1, 100000), 1);
	assert_int_equal(pwrite(fd, "y", 1, 50000000), 1);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	fd_close(fd);
	tool(p.fd, TOOL(SPEC_TOOL_TAR_OUT, "/a/.", 0), NULL, p.tar);
	tool(p.fd, TOOL(SPEC_TOOL_TAR_IN, "/b", 0), p.tar, NULL);
	fd = openat(p.b_fd, "sparse", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 64 << 20);
	assert_true(st.st_blocks * 512 < 1 << 20);
	assert_int_equal(pread(fd, &c, 1, 100000), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(pread(fd, &c, 1, 50000000), 1);
	assert_int_equal(c, 'y');
	assert_int_equal(pread(fd, &c, 1, 50000001), 1);
	assert_int_equal(c, 0);
	fd_close(fd);
	place_close(&p);
}

/* Deeper than PATH_MAX and than any limit of open files, both ways, in bounded time. */
static void test_deep(void **state)
{
	struct place p = place_open();
	int fd = fcntl(p.a_fd, F_DUPFD_CLOEXEC, 0);

	(void)state;
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "abc", 0755), 0);
		next = openat(fd, "abc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		fd_close(fd);
		fd = next;
	}
	tree_file(fd, "bottom", "text");
	fd_close(fd);
	tool(p.fd, TOOL(SPEC_TOOL_TAR_OUT, "/a/.", 0), NULL, p.tar);
	tool(p.fd, TOOL(SPEC_TOOL_TAR_IN, "/b", 0), p.tar, NULL);
	fd = fcntl(p.b_fd, F_DUPFD_CLOEXEC, 0);
	for (int i = 0; i < 3000; i++) {
		int next = openat(fd, "abc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_true(next >= 0);
		fd_close(fd);
		fd = next;
	}
	assert_int_equal(faccessat(fd, "bottom", F_OK, 0), 0);
	fd_close(fd);
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out_gnu),	   cmocka_unit_test(test_in_gnu),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_names),
		cmocka_unit_test(test_owner),	   cmocka_unit_test(test_overwrite),
		cmocka_unit_test(test_missing),	   cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_deep),	   cmocka_unit_test(test_sparse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
