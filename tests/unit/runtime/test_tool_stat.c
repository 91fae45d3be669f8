/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tool_stat.c - status of files as Docker's clients read it
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "check.h"
#include "tree.h"
#include "wire/json.h"

struct place {
	char path[64], out[80];
	int fd;
};

static void check(const struct place *p, const char *path, uint32_t flags, const char *want)
{
	struct spec_tool tool = { SPEC_TOOL_STAT, flags, strdup(path) };
	auto_free char *text = NULL;
	struct err err = ERR_INIT;
	char why[1024];

	if (tree_tool(&tool, p->fd, NULL, p->out, &err) < 0)
		fail_msg("%s", err_text(&err, why, sizeof(why)));
	assert_int_equal(fd_read_file(AT_FDCWD, p->out, 65536, &text, NULL, NULL), 0);
	assert_string_equal(text, want);
	free(tool.path);
}

static void set_time(const struct place *p, const char *name)
{
	const struct timespec times[2] = { { 0 }, { .tv_sec = 1000000000, .tv_nsec = 5 } };

	assert_int_equal(utimensat(p->fd, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

#define MTIME "\"mtime\":\"2001-09-09T01:46:40.000000005Z\""

static void test_stat(void **state)
{
	struct place p;

	(void)state;
	p.fd = tree_tmp(p.path);
	(void)snprintf(p.out, sizeof(p.out), "%s/out", p.path);
	assert_int_equal(mkdirat(p.fd, "d", 0755), 0);
	tree_file(p.fd, "d/f", "12345");
	assert_int_equal(fchmodat(p.fd, "d/f", 06640, 0), 0);
	assert_int_equal(mkdirat(p.fd, "sticky", 0777), 0);
	assert_int_equal(fchmodat(p.fd, "sticky", 01777, 0), 0);
	assert_int_equal(mkfifoat(p.fd, "fifo", 0600), 0);
	/* Absolute, relative through another symlink and "..", dangling, and without end. */
	assert_int_equal(symlinkat("/d/f", p.fd, "abs"), 0);
	assert_int_equal(symlinkat("../d", p.fd, "d/up"), 0);
	assert_int_equal(symlinkat("d/up/.././d/up/f", p.fd, "rel"), 0);
	assert_int_equal(symlinkat("../../../../none/x", p.fd, "dangling"), 0);
	assert_int_equal(symlinkat("loop", p.fd, "loop"), 0);
	for (size_t i = 0; i < 9; i++)
		set_time(&p, (const char *[]){ "d/f", "sticky", "fifo", "abs", "d/up", "rel",
					       "dangling", "loop", "d" }[i]);

	/* Go: setuid 1<<23, setgid 1<<22, sticky 1<<20, symlink 1<<27, pipe 1<<25, dir 1<<31. */
	check(&p, "/d/f", 0,
	      "{\"name\":\"f\",\"size\":5,\"mode\":12583328," MTIME ",\"linkTarget\":\"\"}\n");
	check(&p, "/fifo", 0,
	      "{\"name\":\"fifo\",\"size\":0,\"mode\":33554816," MTIME ",\"linkTarget\":\"\"}\n");
	check(&p, "/abs", 0,
	      "{\"name\":\"abs\",\"size\":4,\"mode\":134218239," MTIME
	      ",\"linkTarget\":\"/d/f\"}\n");
	check(&p, "/abs", SPEC_TOOL_FOLLOW,
	      "{\"name\":\"abs\",\"size\":5,\"mode\":12583328," MTIME ",\"linkTarget\":\"\"}\n");
	check(&p, "/rel", 0,
	      "{\"name\":\"rel\",\"size\":16,\"mode\":134218239," MTIME
	      ",\"linkTarget\":\"/d/f\"}\n");
	check(&p, "/dangling", 0,
	      "{\"name\":\"dangling\",\"size\":18,\"mode\":134218239," MTIME
	      ",\"linkTarget\":\"/none/x\"}\n");
	check(&p, "/loop", 0,
	      "{\"name\":\"loop\",\"size\":4,\"mode\":134218239," MTIME
	      ",\"linkTarget\":\"/loop\"}\n");
	fd_close(p.fd);
	tree_remove(p.path);
}

/* Members whose values depend on the filesystem. */
static void test_directory(void **state)
{
	struct place p;
	struct spec_tool tool = { SPEC_TOOL_STAT, 0, (char[]){ "/" } };
	auto_free char *text = NULL;
	auto_json *json = NULL;
	const char *name = NULL;
	int64_t mode = 0;

	(void)state;
	p.fd = tree_tmp(p.path);
	assert_int_equal(fchmod(p.fd, 01777), 0);
	(void)snprintf(p.out, sizeof(p.out), "%s/out", p.path);
	assert_int_equal(tree_tool(&tool, p.fd, NULL, p.out, NULL), 0);
	assert_int_equal(fd_read_file(AT_FDCWD, p.out, 65536, &text, NULL, NULL), 0);
	assert_int_equal(json_parse(text, strlen(text), "status", &json, NULL), 0);
	assert_int_equal(json_get_text(json, "name", &name, NULL), 0);
	assert_string_equal(name, ".");
	assert_int_equal(json_get_i64(json, "mode", 0, INT64_MAX, &mode, NULL), 0);
	assert_int_equal(mode, 1LL << 31 | 1 << 20 | 0777);
	fd_close(p.fd);
	tree_remove(p.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
