/* SPDX-License-Identifier: Apache-2.0
 *
 * test_guest.c - which kernel is found, and that it is prepared once
 */
#include "machine/guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "check.h"

/* A directory of its own, in which the programs and kernels of a test lie. */
struct place {
	char path[64];
	int fd;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	(void)snprintf(p->path, sizeof(p->path), "/tmp/hull-guest-XXXXXX");
	if (!mkdtemp(p->path))
		return -1;
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;

	return setenv("HULL_LIBEXEC", p->path, 1) || setenv("HULL_KERNEL_DIR", p->path, 1);
}

static int tear_down(void **state)
{
	struct place *p = *state;
	int r = path_rmtree(AT_FDCWD, p->path, NULL);

	fd_close(p->fd);
	free(p);

	return r;
}

static void make_dir(const struct place *p, const char *name)
{
	assert_true(mkdirat(p->fd, name, 0755) == 0 || errno == EEXIST);
}

static void make_file(const struct place *p, const char *name, const char *text, mode_t mode)
{
	auto_close int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void make_kernel(const struct place *p, const char *version, bool modules)
{
	char name[128];

	make_dir(p, "boot");
	make_dir(p, "lib");
	make_dir(p, "lib/modules");
	(void)snprintf(name, sizeof(name), "boot/vmlinuz-%s", version);
	make_file(p, name, version, 0644);
	(void)snprintf(name, sizeof(name), "lib/modules/%s", version);
	if (modules)
		make_dir(p, name);
}

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void test_newest_with_modules(void **state)
{
	struct place *p = *state;
	struct guest_kernel kernel;

	make_kernel(p, "6.1.0-9-cloud-amd64", true);
	make_kernel(p, "6.1.0-10-cloud-amd64", true);
	make_kernel(p, "6.12.0-1-cloud-amd64", false);
	assert_int_equal(guest_find_kernel(NULL, &kernel, NULL), 0);
	assert_true(ends_in(kernel.file, "/boot/vmlinuz-6.1.0-10-cloud-amd64"));
	assert_true(ends_in(kernel.modules, "/lib/modules/6.1.0-10-cloud-amd64"));
}

static void test_none(void **state)
{
	struct guest_kernel kernel;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(guest_find_kernel(NULL, &kernel, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
}

/* A directory's own vmlinux serves where there is no kernel with modules. */
static void test_directory_without_modules(void **state)
{
	struct place *p = *state;
	struct guest_kernel kernel = { .modules = "old" };

	make_file(p, "vmlinux", "kernel", 0644);
	make_kernel(p, "6.1.0-9", false);
	assert_int_equal(guest_find_kernel(NULL, &kernel, NULL), 0);
	assert_true(ends_in(kernel.file, "/vmlinux"));
	assert_string_equal(kernel.modules, "");
	make_kernel(p, "6.1.0-10", true);
	assert_int_equal(guest_find_kernel(NULL, &kernel, NULL), 0);
	assert_true(ends_in(kernel.file, "/boot/vmlinuz-6.1.0-10"));
}

static void test_named(void **state)
{
	struct place *p = *state;
	struct guest_kernel kernel;
	char file[128];

	make_kernel(p, "6.1.0-9", true);
	make_kernel(p, "6.2.0-1", false);
	(void)snprintf(file, sizeof(file), "%s/boot/vmlinuz-6.1.0-9", p->path);
	assert_int_equal(guest_find_kernel(file, &kernel, NULL), 0);
	assert_string_equal(kernel.file, file);
	assert_int_equal(access(kernel.modules, R_OK), 0);
	(void)snprintf(file, sizeof(file), "%s/boot/vmlinuz-6.2.0-1", p->path);
	assert_int_equal(guest_find_kernel(file, &kernel, NULL), -ENOENT);
	assert_int_equal(guest_find_kernel("/nonexistent", &kernel, NULL), -ENOENT);
}

/* What is not called vmlinuz-VERSION brings no modules, whatever lies beside it. */
static void test_named_without_modules(void **state)
{
	struct place *p = *state;
	struct guest_kernel kernel = { .modules = "old" };
	char file[128];

	make_kernel(p, "6.1.0-9", true);
	make_file(p, "boot/vmlinux", "kernel", 0644);
	(void)snprintf(file, sizeof(file), "%s/boot/vmlinux", p->path);
	assert_int_equal(guest_find_kernel(file, &kernel, NULL), 0);
	assert_string_equal(kernel.file, file);
	assert_string_equal(kernel.modules, "");
	/* Also without a directory in its name. */
	assert_int_equal(chdir(p->path), 0);
	make_file(p, "vmlinux", "kernel", 0644);
	assert_int_equal(guest_find_kernel("vmlinux", &kernel, NULL), 0);
	assert_string_equal(kernel.file, "vmlinux");
	assert_int_equal(chdir("/"), 0);
}

/* A maker that counts its calls, and fails while the file "broken" is there. */
#define MAKER                                                                      \
	"#!/bin/sh\n"                                                              \
	"cd \"$HULL_LIBEXEC\" || exit 1\n"                                         \
	"echo >>calls\n"                                                           \
	"echo \"$@\" >words\n"                                                     \
	"if [ -e broken ]; then echo 'hull: this kernel is odd' >&2; exit 1; fi\n" \
	"while [ $# -gt 1 ]; do [ \"$1\" != --out ] || out=$2; shift; done\n"      \
	"mkdir \"$out\" && echo kernel >\"$out/vmlinux\" && echo initrd >\"$out/initrd\"\n"

static off_t calls(const struct place *p)
{
	struct stat st;

	return fstatat(p->fd, "calls", &st, 0) < 0 ? 0 : st.st_size;
}

static void test_prepared_once(void **state)
{
	struct place *p = *state;
	struct guest_boot boot = { -1, -1 };
	struct guest_kernel kernel;
	char cache[128], text[16] = "";

	make_kernel(p, "1", true);
	make_file(p, "hull-agent", "agent", 0755);
	make_file(p, "hull-image", MAKER, 0755);
	(void)snprintf(cache, sizeof(cache), "%s/cache", p->path);
	assert_int_equal(guest_find_kernel(NULL, &kernel, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(guest_open(cache, &kernel, &boot, NULL), 0);
		assert_true(read(boot.initrd_fd, text, sizeof(text) - 1) > 0);
		assert_string_equal(text, "initrd\n");
		guest_boot_done(&boot);
	}
	assert_int_equal(calls(p), 1);
	/* Another agent needs another initramfs. */
	make_file(p, "hull-agent", "another agent", 0755);
	assert_int_equal(guest_open(cache, &kernel, &boot, NULL), 0);
	guest_boot_done(&boot);
	assert_int_equal(calls(p), 2);
}

static bool maker_was_told(const struct place *p, const char *word)
{
	auto_free char *words = NULL;

	assert_int_equal(fd_read_file(p->fd, "words", 4096, &words, NULL, NULL), 0);

	return strstr(words, word);
}

static void test_prepared_without_modules(void **state)
{
	struct place *p = *state;
	struct guest_boot boot = { -1, -1 };
	struct guest_kernel kernel;
	char cache[128], file[128];

	make_kernel(p, "1", true);
	make_file(p, "vmlinux", "kernel", 0644);
	make_file(p, "hull-agent", "agent", 0755);
	make_file(p, "hull-image", MAKER, 0755);
	(void)snprintf(cache, sizeof(cache), "%s/cache", p->path);
	(void)snprintf(file, sizeof(file), "%s/vmlinux", p->path);
	assert_int_equal(guest_find_kernel(file, &kernel, NULL), 0);
	assert_int_equal(guest_open(cache, &kernel, &boot, NULL), 0);
	guest_boot_done(&boot);
	assert_false(maker_was_told(p, "--modules"));
	assert_int_equal(guest_find_kernel(NULL, &kernel, NULL), 0);
	assert_int_equal(guest_open(cache, &kernel, &boot, NULL), 0);
	guest_boot_done(&boot);
	assert_true(maker_was_told(p, "--modules"));
}

static size_t count_entries(const struct place *p)
{
	auto_close int fd = openat(p->fd, "cache/guest", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	size_t entries = 0;

	assert_non_null(dir);
	(void)take_fd(fd);
	while ((entry = readdir(dir)))
		entries += entry->d_type == DT_DIR && entry->d_name[0] != '.';
	(void)closedir(dir);

	return entries;
}

/* Upgrades do not fill the disk. */
static void test_old_ones_go(void **state)
{
	struct place *p = *state;
	struct guest_boot boot = { -1, -1 };
	struct guest_kernel kernel;
	char cache[128], text[16];

	make_kernel(p, "1", true);
	make_file(p, "hull-image", MAKER, 0755);
	(void)snprintf(cache, sizeof(cache), "%s/cache", p->path);
	assert_int_equal(guest_find_kernel(NULL, &kernel, NULL), 0);
	for (int i = 0; i < 6; i++) {
		(void)snprintf(text, sizeof(text), "agent %*d", i, i);
		make_file(p, "hull-agent", text, 0755);
		assert_int_equal(guest_open(cache, &kernel, &boot, NULL), 0);
		guest_boot_done(&boot);
	}
	assert_int_equal(calls(p), 6);
	assert_int_equal(count_entries(p), 3);
	/* The newest is among those that stay. */
	assert_int_equal(guest_open(cache, &kernel, &boot, NULL), 0);
	guest_boot_done(&boot);
	assert_int_equal(calls(p), 6);
}

static void test_failure_is_not_kept(void **state)
{
	struct place *p = *state;
	struct guest_boot boot = { -1, -1 };
	struct guest_kernel kernel;
	struct err err = ERR_INIT;
	char cache[128], text[512];

	make_kernel(p, "1", true);
	make_file(p, "hull-agent", "agent", 0755);
	make_file(p, "hull-image", MAKER, 0755);
	make_file(p, "broken", "", 0644);
	(void)snprintf(cache, sizeof(cache), "%s/cache", p->path);
	assert_int_equal(guest_find_kernel(NULL, &kernel, NULL), 0);
	assert_int_equal(guest_open(cache, &kernel, &boot, &err), -EIO);
	assert_non_null(strstr(err_text(&err, text, sizeof(text)), "this kernel is odd"));
	assert_int_equal(unlinkat(p->fd, "broken", 0), 0);
	assert_int_equal(guest_open(cache, &kernel, &boot, NULL), 0);
	guest_boot_done(&boot);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PLACE(test_newest_with_modules),	    WITH_PLACE(test_none),
		WITH_PLACE(test_directory_without_modules), WITH_PLACE(test_named),
		WITH_PLACE(test_named_without_modules),	    WITH_PLACE(test_prepared_once),
		WITH_PLACE(test_prepared_without_modules),  WITH_PLACE(test_old_ones_go),
		WITH_PLACE(test_failure_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
