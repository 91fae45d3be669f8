/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tar_file.c - all bytes arrive in their order, and a full disk is told
 */
#include "wire/tar_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "check.h"

#define LARGE ((size_t)(300 * KIB))

static void test_order(void **state)
{
	static const size_t pieces[] = { 1, LARGE, 0, 511, 128 * KIB, 7 };
	auto_done(tar_file) f = { 0 };
	auto_close int fd = memfd_create("archive", MFD_CLOEXEC);
	auto_free char *want = mem_calloc(2, LARGE), *got = mem_calloc(2, LARGE);
	size_t len = 0;
	struct stat st;

	(void)state;
	for (size_t i = 0; i < 2 * LARGE; i++)
		want[i] = (char)(i * 31 ^ i >> 9);
	assert_int_equal(tar_file_init(&f, fd, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		assert_int_equal(tar_file_write(&f, want + len, pieces[i], NULL), 0);
		len += pieces[i];
	}
	assert_int_equal(tar_file_flush(&f, NULL), 0);
	assert_int_equal(tar_file_flush(&f, NULL), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, len);
	assert_int_equal(pread(fd, got, len, 0), len);
	assert_memory_equal(got, want, len);
}

static void test_full(void **state)
{
	auto_done(tar_file) f = { 0 };
	auto_close int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	auto_free char *data = mem_calloc(1, LARGE);

	(void)state;
	assert_int_equal(tar_file_init(&f, fd, NULL), 0);
	assert_int_equal(tar_file_write(&f, data, LARGE, NULL), -ENOSPC);
	assert_int_equal(tar_file_write(&f, data, 1, NULL), 0);
	assert_int_equal(tar_file_flush(&f, NULL), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
