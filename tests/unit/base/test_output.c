/* SPDX-License-Identifier: Apache-2.0
 *
 * test_output.c - files that users name: whole or not at all, and what is no file stays what it is
 */
#include "base/output.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "top.h"

static const char *in_top(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);

	return path;
}

static void write_text(const struct output *o, const char *text)
{
	assert_int_equal(fd_write_all(o->fd, text, strlen(text)), 0);
}

static void check_text(const char *name, const char *want)
{
	auto_free char *text = NULL;

	assert_int_equal(fd_read_file(top_fd, name, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, want);
}

static void check_entries(int want)
{
	DIR *dir = opendir(top);
	int len = -2; /* "." and ".." */

	assert_non_null(dir);
	while (readdir(dir))
		len++;
	(void)closedir(dir);
	assert_int_equal(len, want);
}

static void put(const char *path, const char *text)
{
	auto_done(output) o = OUTPUT_INIT;

	assert_int_equal(output_open(&o, path, 0640, NULL), 0);
	write_text(&o, text);
	assert_int_equal(output_finish(&o, NULL), 0);
}

static void test_whole(void **state)
{
	struct stat st;

	(void)state;
	put(in_top("file"), "first, and longer");
	put(in_top("file"), "second");
	check_text("file", "second");
	assert_int_equal(fstatat(top_fd, "file", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	check_entries(1);
}

/* A failure in between leaves what was there, and nothing else. */
static void test_not_at_all(void **state)
{
	struct output o = OUTPUT_INIT;

	(void)state;
	put(in_top("file"), "old");
	assert_int_equal(output_open(&o, in_top("file"), 0600, NULL), 0);
	write_text(&o, "new");
	check_text("file", "old");
	output_done(&o);
	check_text("file", "old");
	check_entries(1);
	assert_int_equal(output_open(&o, in_top("none/file"), 0600, NULL), -ENOENT);
	output_done(&o);
	assert_int_equal(output_open(&o, top, 0600, NULL), -EISDIR);
	output_done(&o);
}

static void test_link(void **state)
{
	struct output o = OUTPUT_INIT;
	struct stat st;

	(void)state;
	put(in_top("file"), "old, and longer");
	assert_int_equal(symlinkat("file", top_fd, "link"), 0);
	/* Looking whether it can be written takes nothing away. */
	assert_int_equal(output_open(&o, in_top("link"), 0600, NULL), 0);
	output_done(&o);
	check_text("file", "old, and longer");
	put(in_top("link"), "new");
	check_text("file", "new");
	assert_int_equal(fstatat(top_fd, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	check_entries(2);
}

static void test_fifo(void **state)
{
	auto_close int fd = -1;
	char seen[16] = "";
	struct stat st;

	(void)state;
	assert_int_equal(mkfifoat(top_fd, "fifo", 0600), 0);
	fd = openat(top_fd, "fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	put(in_top("fifo"), "through");
	assert_int_equal(read(fd, seen, sizeof(seen)), strlen("through"));
	assert_string_equal(seen, "through");
	assert_int_equal(fstatat(top_fd, "fifo", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISFIFO(st.st_mode));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, top_setup, top_teardown),
		cmocka_unit_test_setup_teardown(test_not_at_all, top_setup, top_teardown),
		cmocka_unit_test_setup_teardown(test_link, top_setup, top_teardown),
		cmocka_unit_test_setup_teardown(test_fifo, top_setup, top_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
