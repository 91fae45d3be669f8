/* SPDX-License-Identifier: Apache-2.0
 *
 * test_memory.c - the translation of guest addresses, at every edge
 */
#include "vmm/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

static void test_one_region(void **state)
{
	auto_done(memory) mem = { .fd = -1 };
	uint64_t top = 64 * MIB;

	(void)state;
	assert_int_equal(memory_init(&mem, top, MEMORY_SHARED, -1, NULL), 0);
	assert_int_equal(mem.regions_len, 1);
	assert_non_null(memory_at(&mem, GPA(0), top));
	assert_null(memory_at(&mem, GPA(0), top + 1));
	assert_null(memory_at(&mem, GPA(1), top));
	assert_non_null(memory_at(&mem, GPA(top - 1), 1));
	assert_null(memory_at(&mem, GPA(top - 1), 2));
	assert_non_null(memory_at(&mem, GPA(top), 0));
	assert_null(memory_at(&mem, GPA(top), 1));
	assert_null(memory_at(&mem, GPA(UINT64_MAX), 1));
	assert_null(memory_at(&mem, GPA(UINT64_MAX), 2));
	assert_null(memory_at(&mem, GPA(4096), UINT64_MAX));
	assert_null(memory_at(&mem, GPA(4096), UINT64_MAX - 4095));
}

/* No range passes the hole, and nothing in it is memory. */
static void test_hole(void **state)
{
	auto_done(memory) mem = { .fd = -1 };

	(void)state;
	assert_int_equal(memory_init(&mem, 5 * GIB, MEMORY_PRIVATE, -1, NULL), 0);
	assert_int_equal(mem.regions_len, 2);
	assert_non_null(memory_at(&mem, GPA(MEMORY_HOLE_START - 4096), 4096));
	assert_null(memory_at(&mem, GPA(MEMORY_HOLE_START - 4096), 4097));
	assert_null(memory_at(&mem, GPA(MEMORY_HOLE_START), 1));
	assert_null(memory_at(&mem, GPA(MEMORY_HOLE_END - 1), 1));
	assert_null(memory_at(&mem, GPA(MEMORY_HOLE_END - 1), 2));
	assert_non_null(memory_at(&mem, GPA(MEMORY_HOLE_END), 2 * GIB));
	assert_null(memory_at(&mem, GPA(MEMORY_HOLE_END), 2 * GIB + 1));
	assert_int_equal(mem.regions[1].file_offset, MEMORY_HOLE_START);
}

static void test_alignment(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		auto_done(memory) mem = { .fd = -1 };

		assert_int_equal(memory_init(&mem, 4 * GIB + 2 * MIB, MEMORY_PRIVATE, -1, NULL), 0);
		for (size_t r = 0; r < mem.regions_len; r++)
			assert_int_equal((uintptr_t)mem.regions[r].host % MEMORY_HUGE_BYTES,
					 mem.regions[r].start % MEMORY_HUGE_BYTES);
	}
}

static void test_impossible_sizes(void **state)
{
	const uint64_t sizes[] = { 0,	     62 * MIB,	 64 * MIB + 1,
				   65 * MIB, UINT64_MAX, MEMORY_MAX_BYTES + 2 * MIB };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct memory mem;

		assert_int_equal(memory_init(&mem, sizes[i], MEMORY_SHARED, -1, NULL), -EINVAL);
		memory_done(&mem);
	}
}

static void test_copies(void **state)
{
	auto_done(memory) mem = { .fd = -1 };
	char buf[8] = "";

	(void)state;
	assert_int_equal(memory_init(&mem, 64 * MIB, MEMORY_SHARED, -1, NULL), 0);
	assert_int_equal(memory_write(&mem, GPA(64 * MIB - 8), "1234567", 8), 0);
	assert_int_equal(memory_read(&mem, GPA(64 * MIB - 8), buf, 8), 0);
	assert_string_equal(buf, "1234567");
	assert_int_equal(memory_write(&mem, GPA(64 * MIB - 7), "1234567", 8), -EFAULT);
	assert_int_equal(memory_read(&mem, GPA(64 * MIB - 7), buf, 8), -EFAULT);
	assert_int_equal(memory_zero(&mem, GPA(64 * MIB - 8), 4), 0);
	assert_int_equal(memory_read(&mem, GPA(64 * MIB - 8), buf, 8), 0);
	assert_memory_equal(buf,
			    "\0\0\0\0"
			    "567",
			    8);
	assert_int_equal(memory_zero(&mem, GPA(64 * MIB - 8), 9), -EFAULT);
}

/* Whoever maps a shared guest's memory can rely on its size. */
static void test_sealed(void **state)
{
	auto_done(memory) mem = { .fd = -1 };

	(void)state;
	assert_int_equal(memory_init(&mem, 64 * MIB, MEMORY_SHARED, -1, NULL), 0);
	assert_int_equal(ftruncate(mem.fd, 4096), -1);
	assert_int_equal(ftruncate(mem.fd, (off_t)(65 * MIB)), -1);
}

/* What is discarded reads as zero, with either backing. */
static void test_discard(void **state)
{
	(void)state;
	for (enum memory_backing b = MEMORY_SHARED; b <= MEMORY_PRIVATE; b++) {
		auto_done(memory) mem = { .fd = -1 };
		uint32_t word = 7;

		assert_int_equal(memory_init(&mem, 64 * MIB, b, -1, NULL), 0);
		assert_int_equal(memory_write(&mem, GPA(8 * MIB), &word, sizeof(word)), 0);
		assert_int_equal(memory_discard(&mem, GPA(8 * MIB), 4096), 0);
		assert_int_equal(memory_read(&mem, GPA(8 * MIB), &word, sizeof(word)), 0);
		assert_int_equal(word, 0);
		assert_int_equal(memory_discard(&mem, GPA(64 * MIB), 4096), -EFAULT);
	}
}

/* A clone begins with the file's content and never changes the file. */
static void test_private_file(void **state)
{
	auto_done(memory) mem = { .fd = -1 };
	int fd = memfd_create("saved", MFD_CLOEXEC), copy_fd = dup(fd);
	uint32_t word = 0x1234;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)(64 * MIB)), 0);
	assert_int_equal(pwrite(fd, &word, sizeof(word), 4096), sizeof(word));
	assert_int_equal(memory_init(&mem, 64 * MIB, MEMORY_PRIVATE, fd, NULL), 0);
	word = 0;
	assert_int_equal(memory_read(&mem, GPA(4096), &word, sizeof(word)), 0);
	assert_int_equal(word, 0x1234);
	assert_int_equal(memory_write(&mem, GPA(4096), &(uint32_t){ 5 }, 4), 0);
	assert_int_equal(pread(copy_fd, &word, sizeof(word), 4096), sizeof(word));
	assert_int_equal(word, 0x1234);
	(void)close(copy_fd);
}

static void test_load(void **state)
{
	auto_done(memory) mem = { .fd = -1 };
	int fd = memfd_create("file", MFD_CLOEXEC);
	char buf[4];

	(void)state;
	assert_int_equal(write(fd, "abcdef", 6), 6);
	assert_int_equal(memory_init(&mem, 64 * MIB, MEMORY_SHARED, -1, NULL), 0);
	assert_int_equal(memory_load(&mem, GPA(0x1000), fd, 2, 4), 0);
	assert_int_equal(memory_read(&mem, GPA(0x1000), buf, 4), 0);
	assert_memory_equal(buf, "cdef", 4);
	assert_int_equal(memory_load(&mem, GPA(0x1000), fd, 2, 5), -ENODATA);
	assert_int_equal(memory_load(&mem, GPA(64 * MIB - 1), fd, 0, 2), -EFAULT);
	(void)close(fd);
}

/* Files are behind RAM, end with zeroes, and are nowhere that a device may write. */
static void test_files(void **state)
{
	static const uint64_t sizes[] = { 64 * MIB, 4 * GIB };
	const struct memory_region *first, *second;
	int fd = memfd_create("layer", MFD_CLOEXEC);
	char buf[8];

	(void)state;
	assert_int_equal(write(fd, "abcdef", 6), 6);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		auto_done(memory) mem = { .fd = -1 };
		const char *at;
		uint64_t end;

		assert_int_equal(memory_init(&mem, sizes[i], MEMORY_PRIVATE, -1, NULL), 0);
		end = mem.regions[mem.regions_len - 1].start +
		      mem.regions[mem.regions_len - 1].bytes;
		assert_int_equal(memory_add_file(&mem, fd, &first, NULL), 0);
		assert_int_equal(memory_add_file(&mem, fd, &second, NULL), 0);
		assert_true(first->start >= end && first->start >= MEMORY_HOLE_END);
		assert_int_equal(first->start % MEMORY_FILES_ALIGN, 0);
		assert_int_equal(first->bytes, MEMORY_HUGE_BYTES);
		assert_int_equal(second->start, first->start + first->bytes);
		assert_int_equal((uintptr_t)first->host % MEMORY_HUGE_BYTES, 0);
		at = memory_source_at(&mem, GPA(first->start), first->bytes);
		assert_non_null(at);
		assert_memory_equal(at, "abcdef\0", 8);
		assert_int_equal(at[first->bytes - 1], 0);
		/* What comes into the file later is seen: it is no copy. */
		assert_int_equal(pwrite(fd, "A", 1, 0), 1);
		assert_int_equal(*at, 'A');
		assert_int_equal(pwrite(fd, "a", 1, 0), 1);
		assert_null(memory_source_at(&mem, GPA(first->start), first->bytes + 1));
		assert_null(memory_at(&mem, GPA(first->start), 1));
		assert_int_equal(memory_read(&mem, GPA(first->start), buf, 1), -EFAULT);
		assert_int_equal(memory_write(&mem, GPA(first->start), buf, 1), -EFAULT);
		assert_int_equal(memory_discard(&mem, GPA(first->start), 4096), -EFAULT);
	}
	(void)close(fd);
}

static void test_impossible_files(void **state)
{
	auto_done(memory) mem = { .fd = -1 };
	int fd = memfd_create("empty", MFD_CLOEXEC), null_fd = open("/dev/null", O_RDONLY);
	const struct memory_region *file;

	(void)state;
	assert_int_equal(memory_init(&mem, 64 * MIB, MEMORY_PRIVATE, -1, NULL), 0);
	assert_int_equal(memory_add_file(&mem, fd, &file, NULL), -EINVAL);
	assert_int_equal(memory_add_file(&mem, null_fd, &file, NULL), -EINVAL);
	assert_int_equal(ftruncate(fd, 1), 0);
	for (unsigned i = 0; i < MEMORY_FILES_MAX; i++)
		assert_int_equal(memory_add_file(&mem, fd, &file, NULL), 0);
	assert_int_equal(memory_add_file(&mem, fd, &file, NULL), -ENOSPC);
	(void)close(fd);
	(void)close(null_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_region),
		cmocka_unit_test(test_hole),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_impossible_sizes),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_private_file),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_impossible_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
