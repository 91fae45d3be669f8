/* SPDX-License-Identifier: Apache-2.0
 *
 * test_files.c - what is taken for a kernel or a disk, and what is refused and why
 */
#include "bare/files.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "check.h"

static char dir[] = "/tmp/test_files.XXXXXX";

static const char *file_of(const char *name, const void *content, size_t len)
{
	static char path[128];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(content, 1, len, out), len);
	assert_int_equal(fclose(out), 0);

	return path;
}

static int open_kernel(const void *content, size_t len)
{
	int fd = files_open_kernel(file_of("kernel", content, len), NULL);

	fd_close(fd);

	return fd < 0 ? fd : 0;
}

static void test_kernels(void **state)
{
	Elf64_Ehdr elf = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64 },
			   .e_machine = EM_X86_64 };
	unsigned char image[0x210] = { 0 };

	(void)state;
	assert_int_equal(open_kernel(&elf, sizeof(elf)), 0);
	assert_int_equal(open_kernel(&elf, sizeof(elf) - 1), -ENOEXEC);
	elf.e_machine = EM_AARCH64;
	assert_int_equal(open_kernel(&elf, sizeof(elf)), -ENOEXEC);
	assert_int_equal(open_kernel("", 0), -ENOEXEC);
	assert_int_equal(open_kernel(image, sizeof(image)), -ENOEXEC);
	image[0x1fe] = 0x55;
	image[0x1ff] = 0xaa;
	/* A boot sector of whatever kind. */
	assert_int_equal(open_kernel(image, sizeof(image)), -ENOEXEC);
	memcpy(image + 0x202, "HdrS", 4);
	assert_int_equal(open_kernel(image, sizeof(image)), 0);
	assert_int_equal(open_kernel(image, sizeof(image) - 1), -ENOEXEC);
}

static void test_no_files(void **state)
{
	const char *path = file_of("fifo", "", 0);
	bool readonly = false;

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	/* Neither waits for somebody to write. */
	assert_int_equal(files_open_kernel(path, NULL), -EINVAL);
	assert_int_equal(files_open_initrd(path, NULL), -EINVAL);
	assert_int_equal(files_open_disk(path, &readonly, NULL), -EINVAL);
	assert_int_equal(files_open_initrd(dir, NULL), -EINVAL);
	assert_int_equal(files_open_kernel("/dev/zero", NULL), -EINVAL);
	assert_int_equal(files_open_disk("/dev/zero:ro", &readonly, NULL), -EINVAL);
	assert_int_equal(files_open_kernel("/nonexistent", NULL), -ENOENT);
}

/* Many readers or one writer. */
static void test_disk_locks(void **state)
{
	char spec[160];
	const char *path = file_of("disk", "disk", 4);
	bool readonly = true;
	int one, two;

	(void)state;
	(void)snprintf(spec, sizeof(spec), "%s:ro", path);
	one = files_open_disk(path, &readonly, NULL);
	assert_true(one >= 0);
	assert_false(readonly);
	assert_int_equal(files_open_disk(path, &readonly, NULL), -EBUSY);
	assert_int_equal(files_open_disk(spec, &readonly, NULL), -EBUSY);
	fd_close(one);
	one = files_open_disk(spec, &readonly, NULL);
	two = files_open_disk(spec, &readonly, NULL);
	assert_true(one >= 0 && two >= 0 && readonly);
	assert_true(write(one, "x", 1) < 0);
	assert_int_equal(files_open_disk(path, &readonly, NULL), -EBUSY);
	fd_close(one);
	fd_close(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernels),
		cmocka_unit_test(test_no_files),
		cmocka_unit_test(test_disk_locks),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);

	return path_rmtree(AT_FDCWD, dir, NULL) == 0 ? failed : 1;
}
