/* SPDX-License-Identifier: Apache-2.0
 *
 * test_cover.c - when an image needs a cover, and the archive that it is
 */
#include "image/cover.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "check.h"
#include "image/erofs.h"
#include "image/planner.h"
#include "wire/tar.h"

#define ARCHIVE_MAX (64 * MIB)
#define LAYERS_MAX 4

static const uint8_t seed[16] = "not so random...";

/* Layers as their files, lowest first; the archive of the next one. */
struct bench {
	struct strbuf archive;
	struct tar_writer tar;
	int layer_fds[LAYERS_MAX], skeleton_fds[LAYERS_MAX], out_fd;
	size_t len;
};

static int append(void *ctx, const void *buf, size_t len, struct err *err)
{
	(void)err;

	return strbuf_add(ctx, buf, len);
}

static void bench_init(struct bench *b)
{
	*b = (struct bench){ .archive = STRBUF_INIT(ARCHIVE_MAX),
			     .out_fd = memfd_create("cover", MFD_CLOEXEC) };
	tar_writer_init(&b->tar, append, &b->archive);
}

static void bench_done(struct bench *b)
{
	strbuf_done(&b->archive);
	fd_close(b->out_fd);
	for (size_t i = 0; i < b->len; i++) {
		fd_close(b->layer_fds[i]);
		fd_close(b->skeleton_fds[i]);
	}
}
DEFINE_AUTO_DONE(bench)

static void add(struct bench *b, struct tar_entry entry, struct slice data)
{
	entry.mode = entry.mode ? entry.mode : entry.type == TAR_DIR ? 0755 : 0644;
	assert_int_equal(tar_writer_entry(&b->tar, &entry, NULL), 0);
	assert_int_equal(tar_writer_data(&b->tar, data.at, data.len, NULL), 0);
}

static void add_dir(struct bench *b, const char *name, uint32_t mode)
{
	add(b, (struct tar_entry){ .type = TAR_DIR, .name = name, .mode = mode },
	    (struct slice){ 0 });
}

static void add_file(struct bench *b, const char *name, const char *text)
{
	add(b, (struct tar_entry){ .type = TAR_FILE, .name = name, .size_bytes = strlen(text) },
	    slice_of(text));
}

static void add_link(struct bench *b, const char *name, const char *target)
{
	add(b, (struct tar_entry){ .type = TAR_HARDLINK, .name = name, .link = target },
	    (struct slice){ 0 });
}

/* What was added becomes the next layer. Its traits. */
static int end_layer(struct bench *b)
{
	auto_ptr(planner) *p = NULL;
	int layer_fd = memfd_create("layer", MFD_CLOEXEC);
	int skeleton_fd = memfd_create("skeleton", MFD_CLOEXEC);

	assert_int_equal(tar_writer_finish(&b->tar, NULL), 0);
	p = planner_new(layer_fd, skeleton_fd, seed, NULL);
	assert_non_null(p);
	assert_int_equal(planner_feed(p, b->archive.text, b->archive.len, NULL), 0);
	assert_int_equal(planner_finish(p, NULL), 0);
	b->layer_fds[b->len] = layer_fd;
	b->skeleton_fds[b->len++] = skeleton_fd;
	strbuf_reset(&b->archive);

	return erofs_get_traits(layer_fd, NULL);
}

static int cover(struct bench *b)
{
	return cover_write(b->skeleton_fds, b->layer_fds, b->len, seed, b->out_fd, NULL);
}

/* ---- what a cover holds ---- */

struct seen {
	struct strbuf log;
	uint64_t size_bytes, data_bytes, last_bytes;
};

static int seen_entry(void *ctx, const struct tar_entry *entry, struct err *err)
{
	struct seen *seen = ctx;

	(void)err;
	seen->size_bytes = entry->size_bytes;

	return strbuf_addf(&seen->log, "%c %s %s %o\n", entry->type, entry->name, entry->link,
			   entry->mode);
}

static int seen_data(void *ctx, uint64_t offset_bytes, const void *buf, size_t len, struct err *err)
{
	struct seen *seen = ctx;

	(void)buf;
	(void)err;
	seen->data_bytes += len;
	seen->last_bytes = offset_bytes + len;

	return 0;
}

/* The members of the cover, one a line. */
static void read_cover(struct bench *b, struct seen *ret)
{
	static const struct tar_reader_ops ops = { .entry = seen_entry, .data = seen_data };
	auto_ptr(tar_reader) *reader = tar_reader_new(&ops, ret);
	uint8_t buf[4096];
	ssize_t n;

	*ret = (struct seen){ .log = STRBUF_INIT(1 * MIB) };
	assert_int_equal(lseek(b->out_fd, 0, SEEK_SET), 0);
	while ((n = fd_read_all(b->out_fd, buf, sizeof(buf))) > 0)
		assert_int_equal(tar_reader_feed(reader, buf, (size_t)n, NULL), 0);
	assert_int_equal(tar_reader_finish(reader, NULL), 0);
}

/* A file of 64 MiB with a few bytes in it stays one. */
static void test_sparse(void **state)
{
	static const struct tar_segment segments[] = { { 0, 5 }, { 40 * MIB + 1, 3 } };
	auto_done(bench) b = { .len = 0 };
	struct seen seen;
	struct stat st;

	(void)state;
	bench_init(&b);
	add(&b,
	    (struct tar_entry){ .type = TAR_FILE,
				.name = "sparse",
				.size_bytes = 64 * MIB,
				.sparse = true,
				.segments = segments,
				.segments_len = ARRAY_SIZE(segments) },
	    slice_of("somebyte"));
	(void)end_layer(&b);
	add_link(&b, "link", "sparse");
	(void)end_layer(&b);
	assert_int_equal(cover(&b), 1);
	assert_int_equal(fstat(b.out_fd, &st), 0);
	assert_true(st.st_size < (off_t)(1 * MIB));
	read_cover(&b, &seen);
	assert_string_equal(strbuf_get(&seen.log), "5 ./  755\n0 link  644\n1 sparse link 0\n");
	assert_int_equal(seen.data_bytes, 8);
	assert_int_equal(seen.last_bytes, 40 * MIB + 4);
	strbuf_done(&seen.log);
}

/* Folders as the layers below name them, and links under all their names; no more than that. */
static void test_members(void **state)
{
	auto_done(bench) b = { .len = 0 };
	struct seen seen;

	(void)state;
	bench_init(&b);
	add_dir(&b, "./", 0711);
	add_dir(&b, "tmp", 01777);
	add_dir(&b, "plain", 0755);
	add_file(&b, "f", "text");
	(void)end_layer(&b);
	assert_int_equal(cover(&b), 0);
	add_file(&b, "plain/x", "x");
	add_file(&b, "tmp/x", "x");
	add_link(&b, "d/l", "f");
	(void)end_layer(&b);
	assert_int_equal(cover(&b), 1);
	read_cover(&b, &seen);
	assert_string_equal(strbuf_get(&seen.log),
			    "5 ./  711\n5 d/  755\n5 tmp/  1777\n0 d/l  644\n1 f d/l 0\n");
	assert_int_equal(seen.data_bytes, 4);
	strbuf_done(&seen.log);
}

/* Of the layers' data, only what is copied is read. */
static void test_reads_little(void **state)
{
	auto_done(bench) b = { .len = 0 };
	auto_free char *text = mem_calloc(1, MIB + 1);
	struct seen seen;

	(void)state;
	memset(text, 't', MIB);
	bench_init(&b);
	add_file(&b, "before", text);
	add_file(&b, "f", text);
	add_file(&b, "behind", text);
	(void)end_layer(&b);
	add_link(&b, "l", "f");
	(void)end_layer(&b);
	/* The last of the three is not there any more, which who reads it would see. */
	assert_int_equal(ftruncate(b.layer_fds[0], 5 * MIB / 2), 0);
	assert_int_equal(cover(&b), 1);
	read_cover(&b, &seen);
	assert_string_equal(strbuf_get(&seen.log), "5 ./  755\n0 f  644\n1 l f 0\n");
	assert_int_equal(seen.data_bytes, MIB);
	strbuf_done(&seen.log);
}

/* Layers as they are mostly made, with no member for the root, cost no look at their names. */
static void test_needed(void **state)
{
	static const struct {
		int traits[3];
		bool needed;
	} cases[] = {
		{ { 0, 0, 0 }, false },
		{ { 0, EROFS_IMPLIES_ROOT, EROFS_IMPLIES_ROOT }, false },
		{ { EROFS_IMPLIES | EROFS_IMPLIES_ROOT, EROFS_IMPLIES_ROOT, 0 }, false },
		{ { EROFS_SETS_ROOT, EROFS_IMPLIES_ROOT, 0 }, true },
		{ { EROFS_SETS_ROOT, 0, EROFS_IMPLIES_ROOT }, false },
		{ { 0, 0, EROFS_SETS_ROOT }, false },
		{ { 0, 0, EROFS_IMPLIES }, true },
		{ { 0, EROFS_LINKS_BELOW, 0 }, true },
		{ { EROFS_LINKS_BELOW, 0, 0 }, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(cover_is_needed(cases[i].traits, 3), cases[i].needed);
}

static void test_traits(void **state)
{
	auto_done(bench) b = { .len = 0 };
	auto_close int empty_fd = memfd_create("empty", MFD_CLOEXEC);

	(void)state;
	bench_init(&b);
	add_dir(&b, "./", 0755);
	add_dir(&b, "d", 0700);
	add_file(&b, "d/f", "text");
	assert_int_equal(end_layer(&b), 0);
	add_dir(&b, "d", 0700);
	add_file(&b, "d/g", "text");
	assert_int_equal(end_layer(&b), EROFS_IMPLIES_ROOT);
	add_dir(&b, "./", 0711);
	add_file(&b, "implied/f", "text");
	add_link(&b, "l", "d/f");
	assert_int_equal(end_layer(&b), EROFS_SETS_ROOT | EROFS_IMPLIES | EROFS_LINKS_BELOW);
	add_file(&b, ".wh..wh..opq", "");
	assert_int_equal(end_layer(&b), EROFS_IMPLIES_ROOT | EROFS_HIDES_ALL);
	assert_int_equal(erofs_get_traits(empty_fd, NULL), -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),	     cmocka_unit_test(test_needed),
		cmocka_unit_test(test_traits),	     cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_reads_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
