/* SPDX-License-Identifier: Apache-2.0
 *
 * test_planner.c - archives into EROFS files and back, with fsck.erofs and tar as witnesses
 */
#include "image/planner.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "check.h"
#include "image/skeleton.h"
#include "wire/tar.h"

extern char **environ;

#define ARCHIVE_MAX (64 * MIB)

static const uint8_t seed[16] = "not so random...";

/* A folder of its own under the system's place for such, and an archive that grows. */
struct bench {
	char dir[32];
	struct strbuf archive;
	struct tar_writer tar;
	int layer_fd, skeleton_fd;
};

static int append(void *ctx, const void *buf, size_t len, struct err *err)
{
	(void)err;

	return strbuf_add(ctx, buf, len);
}

static void bench_init(struct bench *b)
{
	*b = (struct bench){ .dir = "/tmp/test_planner.XXXXXX",
			     .archive = STRBUF_INIT(ARCHIVE_MAX) };
	assert_non_null(mkdtemp(b->dir));
	tar_writer_init(&b->tar, append, &b->archive);
	b->layer_fd = memfd_create("layer", MFD_CLOEXEC);
	b->skeleton_fd = memfd_create("skeleton", MFD_CLOEXEC);
}

static void bench_done(struct bench *b)
{
	auto_close int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(path_rmtree(tmp_fd, b->dir + strlen("/tmp/"), NULL), 0);
	strbuf_done(&b->archive);
	fd_close(b->layer_fd);
	fd_close(b->skeleton_fd);
}
DEFINE_AUTO_DONE(bench)

static void add(struct bench *b, struct tar_entry entry, const void *data)
{
	entry.mode = entry.mode ? entry.mode : entry.type == TAR_DIR ? 0755 : 0644;
	assert_int_equal(tar_writer_entry(&b->tar, &entry, NULL), 0);
	assert_int_equal(tar_writer_data(&b->tar, data, entry.size_bytes, NULL), 0);
}

static int plan(struct bench *b, struct err *err)
{
	auto_ptr(planner) *p = planner_new(b->layer_fd, b->skeleton_fd, seed, err);
	int r;

	assert_non_null(p);
	/* In odd pieces, as they come out of a decompressor. */
	for (size_t at = 0; at < b->archive.len; at += 100003) {
		r = planner_feed(p, b->archive.text + at, MIN((size_t)100003, b->archive.len - at),
				 err);
		if (r < 0)
			return r;
	}

	return planner_finish(p, err);
}

/* Run a program in the bench's folder. Its exit status. */
static int run(const struct bench *b, const char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_addchdir_np(&actions, b->dir), 0);
	assert_int_equal(posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "out",
							  O_WRONLY | O_CREAT | O_TRUNC, 0600),
			 0);
	assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv,
				      environ),
			 0);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void save(const struct bench *b, const char *name, const void *bytes, size_t len)
{
	auto_free char *path = mem_printf("%s/%s", b->dir, name);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, len), 0);
}

/* The archive made anew from layer and skeleton is the archive. */
static void check_rebuild(struct bench *b)
{
	auto_done(strbuf) again = STRBUF_INIT(ARCHIVE_MAX);

	assert_int_equal(lseek(b->skeleton_fd, 0, SEEK_SET), 0);
	assert_int_equal(skeleton_rebuild(b->skeleton_fd, b->layer_fd, append, &again, NULL), 0);
	assert_int_equal(again.len, b->archive.len);
	assert_memory_equal(again.text, b->archive.text, again.len);
}

/* fsck.erofs finds no fault, and what it takes out of the layer is what the archive says. */
static void check_layer(struct bench *b)
{
	const char *const fsck[] = { "fsck.erofs", "--extract=root", "--preserve", "layer", NULL };
	const char *const diff[] = { "tar", "--compare", "-f", "archive", "-C", "root", NULL };
	struct stat st;
	void *bytes;

	assert_int_equal(fstat(b->layer_fd, &st), 0);
	assert_int_equal(st.st_size % 4096, 0);
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, b->layer_fd, 0);
	assert_true(bytes != MAP_FAILED);
	save(b, "layer", bytes, (size_t)st.st_size);
	munmap(bytes, (size_t)st.st_size);
	save(b, "archive", b->archive.text, b->archive.len);
	assert_int_equal(run(b, fsck), 0);
	assert_int_equal(run(b, diff), 0);
}

/* Content that differs from place to place, so that a block in the wrong one shows. */
static char *make_content(size_t len)
{
	char *content = mem_calloc(1, len + 1);

	for (size_t i = 0; i < len; i++)
		content[i] = (char)('a' + (i * 7 + i / 4096 + len) % 26);

	return content;
}

/* Every way that data can end, at the borders of blocks and of what is kept inline. */
static void test_sizes(void **state)
{
	static const size_t sizes[] = { 0,     1,     31,    4031,  4032,    4033,    4064,
					4095,  4096,  4097,  8191,  8192,    12288,   16383,
					16384, 16385, 65536, 70000, 1048576, 1048577, 3000001 };
	auto_done(bench) b = { .layer_fd = -1, .skeleton_fd = -1 };

	(void)state;
	bench_init(&b);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			auto_free char *content = make_content(sizes[i]);
			auto_free char *name = mem_printf("d%d/f%zu", round, sizes[i]);

			add(&b,
			    (struct tar_entry){ .type = TAR_FILE,
						.name = name,
						.size_bytes = sizes[i],
						.mtime_s = 1700000000 },
			    content);
		}
	}
	assert_int_equal(tar_writer_finish(&b.tar, NULL), 0);
	assert_int_equal(plan(&b, NULL), 0);
	check_rebuild(&b);
	check_layer(&b);
}

/* Folders of many blocks, and names that sort on either side of "." and "..". */
static void test_folders(void **state)
{
	static const char *const odd[] = { "!", "-", ".-", "..!", "...", ".a", "a", "~", "\xe9" };
	auto_done(bench) b = { .layer_fd = -1, .skeleton_fd = -1 };

	(void)state;
	bench_init(&b);
	add(&b, (struct tar_entry){ .type = TAR_DIR, .name = "./", .mode = 0711 }, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		auto_free char *name = mem_printf("odd/%s", odd[i]);

		add(&b, (struct tar_entry){ .type = TAR_FILE, .name = name }, NULL);
		add(&b, (struct tar_entry){ .type = TAR_FIFO, .name = odd[i] }, NULL);
	}
	for (size_t len = 1; len <= 255; len += 2) {
		auto_free char *name = mem_printf("long/%0*d", (int)len, 7);

		add(&b, (struct tar_entry){ .type = TAR_DIR, .name = name }, NULL);
	}
	for (int i = 0; i < 5000; i++) {
		auto_free char *name = mem_printf("many/%d", i * 7919 % 5000);

		add(&b, (struct tar_entry){ .type = TAR_SYMLINK, .name = name, .link = "x" }, NULL);
	}
	assert_int_equal(tar_writer_finish(&b.tar, NULL), 0);
	assert_int_equal(plan(&b, NULL), 0);
	check_rebuild(&b);
	check_layer(&b);
}

/* Attributes up to the most that an inode can have, on every kind, the root too. */
static void test_xattrs(void **state)
{
	static const size_t sizes[] = { 0, 1, 3, 4, 100, 3000, 4000, 5000, 65000 };
	auto_done(bench) b = { .layer_fd = -1, .skeleton_fd = -1 };
	auto_free char *content = make_content(70000);
	const struct tar_xattr too_many[] = {
		{ slice_of("user.a"), { content, 65000 } },
		{ slice_of("user.b"), { content, 65000 } },
		{ slice_of("user.c"), { content, 65000 } },
		{ slice_of("user.d"), { content, 65000 } },
		{ slice_of("user.e"), { content, 65000 } },
	};

	(void)state;
	bench_init(&b);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const struct tar_xattr xattrs[] = {
			{ slice_of("user.name"), { content, sizes[i] } },
			{ slice_of("security.capability"), { content, 20 } },
			{ slice_of("trusted.overlay.redirect"), slice_of("/etc") },
			{ slice_of("unknown.prefix"), slice_of("x") },
		};
		auto_free char *file = mem_printf("file%zu", sizes[i]);
		auto_free char *dir = mem_printf("dir%zu", sizes[i]);

		add(&b,
		    (struct tar_entry){ .type = TAR_FILE,
					.name = file,
					.size_bytes = 4090,
					.xattrs = xattrs,
					.xattrs_len = ARRAY_SIZE(xattrs) },
		    content);
		add(&b,
		    (struct tar_entry){ .type = TAR_DIR,
					.name = dir,
					.xattrs = xattrs,
					.xattrs_len = ARRAY_SIZE(xattrs) },
		    NULL);
		add(&b,
		    (struct tar_entry){ .type = TAR_DIR,
					.name = ".",
					.xattrs = xattrs,
					.xattrs_len = ARRAY_SIZE(xattrs) },
		    NULL);
	}
	assert_int_equal(tar_writer_finish(&b.tar, NULL), 0);
	assert_int_equal(plan(&b, NULL), 0);
	check_rebuild(&b);
	check_layer(&b);

	bench_done(&b);
	bench_init(&b);
	add(&b,
	    (struct tar_entry){ .type = TAR_FILE,
				.name = "f",
				.xattrs = too_many,
				.xattrs_len = ARRAY_SIZE(too_many) },
	    NULL);
	assert_int_equal(plan(&b, NULL), -E2BIG);
}

static void test_kinds(void **state)
{
	auto_done(bench) b = { .layer_fd = -1, .skeleton_fd = -1 };
	char target[4096];

	(void)state;
	bench_init(&b);
	memset(target, 't', sizeof(target) - 1);
	target[sizeof(target) - 1] = '\0';
	add(&b, (struct tar_entry){ .type = TAR_FILE, .name = "f", .size_bytes = 2, .mode = 04755 },
	    "hi");
	add(&b, (struct tar_entry){ .type = TAR_HARDLINK, .name = "d/e/link", .link = "./f" },
	    NULL);
	add(&b,
	    (struct tar_entry){ .type = TAR_SYMLINK, .name = "s", .link = target, .mode = 0777 },
	    NULL);
	add(&b, (struct tar_entry){ .type = TAR_FIFO, .name = "p" }, NULL);
	/* Said twice: the later one counts, and the first one's data are still in the archive. */
	add(&b, (struct tar_entry){ .type = TAR_FILE, .name = "twice", .size_bytes = 5 }, "first");
	add(&b, (struct tar_entry){ .type = TAR_FILE, .name = "twice", .size_bytes = 6 }, "second");
	assert_int_equal(tar_writer_finish(&b.tar, NULL), 0);
	/* What follows the end belongs to the bytes of the archive. */
	strbuf_add(&b.archive, target, 1000);
	assert_int_equal(plan(&b, NULL), 0);
	check_rebuild(&b);
}

/* The layer does not depend on how the archive was cut, nor on the seed. */
static void test_same_bytes(void **state)
{
	auto_done(bench) b = { .layer_fd = -1, .skeleton_fd = -1 };
	auto_close int other_fd = memfd_create("other", MFD_CLOEXEC);
	auto_close int skeleton_fd = memfd_create("other-skeleton", MFD_CLOEXEC);
	static const uint8_t other_seed[16] = "another one.....";
	auto_ptr(planner) *p = planner_new(other_fd, skeleton_fd, other_seed, NULL);
	struct stat st, other;
	void *one, *two;

	(void)state;
	bench_init(&b);
	for (int i = 0; i < 1000; i++) {
		auto_free char *name = mem_printf("d%d/%d", i % 10, i);

		add(&b, (struct tar_entry){ .type = TAR_FILE, .name = name, .size_bytes = 3 },
		    "abc");
	}
	assert_int_equal(plan(&b, NULL), 0);
	for (size_t at = 0; at < b.archive.len; at++)
		assert_int_equal(planner_feed(p, b.archive.text + at, 1, NULL), 0);
	assert_int_equal(planner_finish(p, NULL), 0);
	assert_int_equal(fstat(b.layer_fd, &st), 0);
	assert_int_equal(fstat(other_fd, &other), 0);
	assert_int_equal(st.st_size, other.st_size);
	one = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, b.layer_fd, 0);
	two = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, other_fd, 0);
	assert_memory_equal(one, two, (size_t)st.st_size);
	munmap(one, (size_t)st.st_size);
	munmap(two, (size_t)st.st_size);
}

/* A skeleton that was damaged is told from a whole one, or rebuilds something else; no more. */
static void test_damaged_skeleton(void **state)
{
	auto_done(bench) b = { .layer_fd = -1, .skeleton_fd = -1 };
	auto_done(strbuf) out = STRBUF_INIT(ARCHIVE_MAX);
	struct stat st;

	(void)state;
	bench_init(&b);
	add(&b, (struct tar_entry){ .type = TAR_FILE, .name = "f", .size_bytes = 3 }, "abc");
	assert_int_equal(plan(&b, NULL), 0);
	assert_int_equal(fstat(b.skeleton_fd, &st), 0);
	for (off_t len = 0; len < st.st_size; len += 3) {
		assert_int_equal(ftruncate(b.skeleton_fd, st.st_size - len - 1), 0);
		assert_int_equal(lseek(b.skeleton_fd, 0, SEEK_SET), 0);
		assert_int_equal(skeleton_rebuild(b.skeleton_fd, b.layer_fd, append, &out, NULL),
				 -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	   cmocka_unit_test(test_folders),
		cmocka_unit_test(test_xattrs),	   cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_damaged_skeleton),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
