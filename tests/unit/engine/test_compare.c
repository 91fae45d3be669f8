/* SPDX-License-Identifier: Apache-2.0
 *
 * test_compare.c - medians, what the probe's words mean, and what a tree of processes takes
 */
#include "engine/compare_internal.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"

#define TOUCHED_BYTES (8 * MIB)

static int64_t median_of(const int64_t *values, size_t len)
{
	struct compare_series series = { 0 };
	int64_t median = -1;

	for (size_t i = 0; i < len; i++)
		compare_add(&series, values[i]);
	assert_int_equal(compare_median(&series, &median), len > 0);

	return median;
}

static void test_median(void **state)
{
	static const int64_t odd[] = { 9, 1, 5 }, even[] = { 4, 3, 2, 1 }, same[] = { 7, 7 };
	struct compare_series series = { 0 };

	(void)state;
	assert_int_equal(median_of(NULL, 0), -1);
	assert_int_equal(median_of(odd, 1), 9);
	assert_int_equal(median_of(odd, 3), 5);
	assert_int_equal(median_of(even, 4), 2);
	assert_int_equal(median_of(same, 2), 7);
	for (int i = 0; i < COMPARE_REPEAT_MAX + 5; i++)
		compare_add(&series, i);
	assert_int_equal(series.len, COMPARE_REPEAT_MAX);
}

static void test_words(void **state)
{
	const char *line = "measured call_ps=77711 write_bps=9x read_bps= call=3 pid:[4]";

	(void)state;
	assert_int_equal(compare_number(line, "call_ps"), 77711);
	assert_int_equal(compare_number(line, "call"), 3);
	assert_int_equal(compare_number(line, "write_bps"), -1);
	assert_int_equal(compare_number(line, "read_bps"), -1);
	assert_int_equal(compare_number(line, "pid"), -1);
	assert_int_equal(compare_number("a=99999999999999999999", "a"), -1);
	assert_int_equal(compare_number("", "a"), -1);
}

/* The same numbers mean something only within the same boot of the same kernel. */
static void test_shared(void **state)
{
	const char *own = "boot=aaa ipc:[1] mnt:[2] net:[3]";
	struct compare_row row = { 0 };

	(void)state;
	compare_describe("place kernel=6.1 boot=aaa pss_kib=1 ipc:[1] mnt:[9] net:[3]", own, &row);
	assert_string_equal(row.kernel, "6.1");
	assert_string_equal(row.shared, "kernel, page cache, namespaces ipc net");
	compare_describe("place kernel=6.1 boot=bbb ipc:[1] mnt:[2] net:[3]", own, &row);
	assert_string_equal(row.shared, "hardware");
	compare_describe("place kernel=\x1b[2J boot=aaa", own, &row);
	assert_string_equal(row.kernel, "?[2J");
	assert_string_equal(row.shared, "kernel, page cache");
	compare_describe("", own, &row);
	assert_string_equal(row.kernel, "");
	assert_string_equal(row.shared, "hardware");
}

static pid_t start_child(int *ret_release_fd)
{
	int ready[2], release[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(release), 0);
	pid = fork();
	if (pid == 0) {
		char *mem = mmap(NULL, TOUCHED_BYTES, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (mem != MAP_FAILED)
			memset(mem, 1, TOUCHED_BYTES);
		fd_close(release[1]);
		(void)!write(ready[1], "r", 1);
		_exit(read(release[0], &byte, 1) == 0 ? 0 : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	fd_close(ready[0]);
	fd_close(ready[1]);
	fd_close(release[0]);
	*ret_release_fd = release[1];

	return pid;
}

static void test_tree(void **state)
{
	struct compare_use use;
	int release_fd, status;
	pid_t pid = start_child(&release_fd);
	const pid_t skip[] = { pid, 0 }, nobody[] = { 0 };

	(void)state;
	compare_tree_use(nobody, nobody, &use);
	assert_true(use.pss_bytes >= (int64_t)TOUCHED_BYTES);
	assert_true(use.pss_bytes < 8 * (int64_t)TOUCHED_BYTES);
	compare_tree_use(skip, nobody, &use);
	assert_int_equal(use.pss_bytes, 0);
	compare_tree_use(nobody, skip, &use);
	assert_int_equal(use.pss_bytes, 0);
	fd_close(release_fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
