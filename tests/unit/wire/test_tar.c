/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tar.c - archives in every dialect: ours read back, GNU tar's, and malformed ones
 */
#include "wire/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "check.h"
#include "wire/tar_header.h"

extern char **environ;

#define ARCHIVE_MAX (64 * MIB)

/* What a reader reported, as text, and all bytes in the order in which they came. */
struct seen {
	struct strbuf log;
	struct strbuf bytes;
	uint64_t data_bytes;
	unsigned char *expanded; /* of the last file */
	uint64_t expanded_bytes;
};

static int seen_entry(void *ctx, const struct tar_entry *e, struct err *err)
{
	struct seen *seen = ctx;

	(void)err;
	strbuf_addf(&seen->log, "%c %s>%s %o %u:%u %s:%s %lld.%09u %llu %u,%u %d:%zu", e->type,
		    e->name, e->link, e->mode, e->uid, e->gid, e->uname, e->gname,
		    (long long)e->mtime_s, e->mtime_ns, (unsigned long long)e->size_bytes,
		    e->dev_major, e->dev_minor, e->sparse, e->segments_len);
	for (size_t i = 0; i < e->xattrs_len; i++) {
		strbuf_addc(&seen->log, ' ');
		strbuf_add(&seen->log, e->xattrs[i].name.at, e->xattrs[i].name.len);
		strbuf_addc(&seen->log, '=');
		strbuf_add(&seen->log, e->xattrs[i].value.at, e->xattrs[i].value.len);
	}
	strbuf_addc(&seen->log, '\n');
	free(seen->expanded);
	seen->expanded = e->size_bytes < ARCHIVE_MAX ? calloc(1, e->size_bytes + 1) : NULL;
	seen->expanded_bytes = e->size_bytes;

	return 0;
}

static int seen_data(void *ctx, uint64_t offset_bytes, const void *buf, size_t len, struct err *err)
{
	struct seen *seen = ctx;

	(void)err;
	assert_true(offset_bytes + len <= seen->expanded_bytes);
	if (seen->expanded)
		memcpy(seen->expanded + offset_bytes, buf, len);
	seen->data_bytes += len;
	if (seen->bytes.max_bytes > 0)
		strbuf_add(&seen->bytes, buf, len);

	return 0;
}

static int seen_end(void *ctx, struct err *err)
{
	struct seen *seen = ctx;

	(void)err;
	strbuf_adds(&seen->log, ".\n");

	return 0;
}

static int seen_raw(void *ctx, const void *buf, size_t len, struct err *err)
{
	struct seen *seen = ctx;

	(void)err;
	if (seen->bytes.max_bytes > 0)
		strbuf_add(&seen->bytes, buf, len);

	return 0;
}

static const struct tar_reader_ops seen_ops = { seen_entry, seen_data, seen_end, seen_raw };

static void seen_done(struct seen *seen)
{
	strbuf_done(&seen->log);
	strbuf_done(&seen->bytes);
	free(seen->expanded);
}
DEFINE_AUTO_DONE(seen)

#define SEEN_INIT                                                               \
	{                                                                       \
		.log = STRBUF_INIT(16 * MIB), .bytes = STRBUF_INIT(ARCHIVE_MAX) \
	}

/* Feed the archive in pieces of @piece bytes. */
static int read_archive(const struct strbuf *archive, size_t piece, struct seen *seen,
			struct err *err)
{
	auto_ptr(tar_reader) *r = tar_reader_new(&seen_ops, seen);
	int rc = 0;

	assert_non_null(r);
	for (size_t at = 0; at < archive->len && rc == 0; at += piece)
		rc = tar_reader_feed(r, archive->text + at, MIN(piece, archive->len - at), err);

	return rc < 0 ? rc : tar_reader_finish(r, err);
}

static int append(void *ctx, const void *buf, size_t len, struct err *err)
{
	(void)err;

	return strbuf_add(ctx, buf, len);
}

/* A header by hand, for what the writer never makes. */
static struct tar_header header(char type, const char *name, uint64_t size_bytes)
{
	struct tar_header h = { .type = type, .magic = "ustar" };

	memcpy(h.version, "00", 2);
	memcpy(h.name, name, MIN(strlen(name), sizeof(h.name)));
	tar_header_set_number(h.mode, sizeof(h.mode), 0644);
	tar_header_set_number(h.size, sizeof(h.size), size_bytes);
	tar_header_set_sum(&h);

	return h;
}

static void add_block(struct strbuf *archive, const void *bytes, size_t len)
{
	static const char zeroes[TAR_BLOCK_BYTES];

	strbuf_add(archive, bytes, len);
	strbuf_add(archive, zeroes, -len & (TAR_BLOCK_BYTES - 1));
}

static void add_member(struct strbuf *archive, char type, const char *name, struct slice data)
{
	struct tar_header h = header(type, name, data.len);

	add_block(archive, &h, sizeof(h));
	add_block(archive, data.at, data.len);
}

static void test_round_trip(void **state)
{
	char long_name[5000];
	const struct tar_xattr xattrs[] = {
		{ slice_of("user.empty"), { "", 0 } },
		{ slice_of("security.capability"), { "\1\0\0\2\n=x", 7 } },
	};
	static const struct tar_segment segments[] = { { 0, 100 }, { 70000, 599 } };
	const struct tar_entry entries[] = {
		{ .type = TAR_DIR, .name = "./", .mode = 0755 },
		{ .type = TAR_FILE,
		  .name = long_name,
		  .size_bytes = 1 << 20,
		  .sparse = true,
		  .segments = segments,
		  .segments_len = ARRAY_SIZE(segments) },
		{ .type = TAR_FILE, .name = "hole", .size_bytes = 1ULL << 40, .sparse = true },
		{ .type = TAR_FILE,
		  .name = "a",
		  .mode = 04755,
		  .uid = 1000,
		  .gid = 2097152,
		  .uname = "u",
		  .mtime_s = 1700000000,
		  .mtime_ns = 5,
		  .size_bytes = 700,
		  .xattrs = xattrs,
		  .xattrs_len = 2 },
		{ .type = TAR_FILE,
		  .name = "caf\xe9",
		  .mtime_s = -2,
		  .mtime_ns = 500000000,
		  .size_bytes = 512 },
		{ .type = TAR_FILE, .name = "old", .mtime_s = -7 },
		{ .type = TAR_FILE, .name = "future", .mtime_s = 1LL << 40 },
		{ .type = TAR_SYMLINK, .name = "s", .link = long_name, .mode = 0777 },
		{ .type = TAR_HARDLINK, .name = long_name, .link = "a" },
		{ .type = TAR_CHAR, .name = "c", .dev_major = 4095, .dev_minor = 1048575 },
		{ .type = TAR_BLOCK, .name = "b", .dev_major = 8, .dev_minor = 1 },
		{ .type = TAR_FIFO, .name = "f", .uid = UINT32_MAX - 1 },
	};
	static const size_t pieces[] = { 1, 7, 511, 512, 513, 100000 };
	static const char data[700] = "content";
	auto_done(strbuf) archive = STRBUF_INIT(ARCHIVE_MAX);
	auto_done(seen) expected = SEEN_INIT;
	struct tar_writer w;

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	tar_writer_init(&w, append, &archive);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		struct tar_entry e = entries[i];

		assert_int_equal(tar_writer_entry(&w, &e, NULL), 0);
		assert_int_equal(tar_writer_data(&w, data, tar_entry_data_bytes(&e), NULL), 0);
		e.link = e.link ? e.link : "";
		e.uname = e.uname ? e.uname : "";
		e.gname = "";
		seen_entry(&expected, &e, NULL);
		seen_end(&expected, NULL);
	}
	assert_int_equal(tar_writer_finish(&w, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		auto_done(seen) seen = SEEN_INIT;

		assert_int_equal(read_archive(&archive, pieces[i], &seen, NULL), 0);
		assert_string_equal(strbuf_get(&seen.log), strbuf_get(&expected.log));
		assert_int_equal(seen.data_bytes, 1212 + 699);
		/* Data and raw bytes together are the archive, in its order. */
		assert_int_equal(seen.bytes.len, archive.len);
		assert_memory_equal(seen.bytes.text, archive.text, archive.len);
	}
}

static void test_writer_guards(void **state)
{
	auto_done(strbuf) archive = STRBUF_INIT(ARCHIVE_MAX);
	const struct tar_entry e = { .type = TAR_FILE, .name = "a", .size_bytes = 3 };
	struct tar_writer w;

	(void)state;
	tar_writer_init(&w, append, &archive);
	assert_int_equal(tar_writer_entry(&w, &e, NULL), 0);
	assert_int_equal(tar_writer_data(&w, "abcd", 4, NULL), -EINVAL);
	assert_int_equal(tar_writer_data(&w, "ab", 2, NULL), 0);
	assert_int_equal(tar_writer_entry(&w, &e, NULL), -EINVAL);
	assert_int_equal(tar_writer_finish(&w, NULL), -EINVAL);
	assert_int_equal(tar_writer_data(&w, "c", 1, NULL), 0);
	assert_int_equal(tar_writer_finish(&w, NULL), 0);
}

static void run(const char *dir, const char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_addchdir_np(&actions, dir), 0);
	assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv,
				      environ),
			 0);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A file of 3 MiB and a bit with data at its start, in the middle and at its very end. */
static void make_sparse(int dir_fd, unsigned char *ret_content, size_t len)
{
	auto_close int fd = openat(dir_fd, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	static const char text[] = "some bytes";

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	assert_int_equal(pwrite(fd, text, 10, 0), 10);
	assert_int_equal(pwrite(fd, text, 10, 1 << 20), 10);
	assert_int_equal(pwrite(fd, text, 10, (off_t)len - 10), 10);
	for (off_t at = 3 << 19; at < 3 << 20; at += 1 << 16)
		assert_int_equal(pwrite(fd, text, 10, at), 10);
	assert_int_equal(pread(fd, ret_content, len, 0), len);
}

static void test_gnu_tar_sparse(void **state)
{
	static const char *const forms[][2] = {
		{ "--format=gnu", "--sparse-version=1.0" },
		{ "--format=pax", "--sparse-version=0.0" },
		{ "--format=pax", "--sparse-version=0.1" },
		{ "--format=pax", "--sparse-version=1.0" },
	};
	char dir[] = "/tmp/test_tar.XXXXXX";
	size_t len = (3 << 20) + 777;
	auto_free unsigned char *content = malloc(len);
	auto_close int tmp_fd = open("/tmp", O_DIRECTORY | O_CLOEXEC);
	auto_close int dir_fd = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	make_sparse(dir_fd, content, len);
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const char *const argv[] = { "tar",	  "-cSf",   "t.tar", forms[i][0],
					     forms[i][1], "sparse", NULL };
		auto_done(seen) seen = SEEN_INIT;
		auto_done(strbuf) archive = STRBUF_INIT(ARCHIVE_MAX);
		char *text;
		size_t text_len;

		run(dir, argv);
		assert_int_equal(fd_read_file(dir_fd, "t.tar", ARCHIVE_MAX, &text, &text_len, NULL),
				 0);
		assert_true(text_len < 1 << 20);
		strbuf_add(&archive, text, text_len);
		free(text);
		assert_int_equal(read_archive(&archive, 1000, &seen, NULL), 0);
		assert_memory_equal(strbuf_get(&seen.log), "0 sparse>", 9);
		assert_int_equal(seen.expanded_bytes, len);
		assert_memory_equal(seen.expanded, content, len);
		assert_memory_equal(seen.bytes.text, archive.text, archive.len);
	}
	assert_int_equal(path_rmtree(tmp_fd, dir + strlen("/tmp/"), NULL), 0);
}

/* What we write as sparse, GNU tar unpacks as what it is. */
static void test_gnu_tar_reads_sparse(void **state)
{
	static const struct tar_segment segments[] = { { 4096, 512 },
						       { 1 << 20, 1024 },
						       { 3 << 20, 5 } };
	const struct tar_entry entry = { .type = TAR_FILE,
					 .name = "dir/sparse",
					 .mode = 0640,
					 .size_bytes = (3 << 20) + 777,
					 .sparse = true,
					 .segments = segments,
					 .segments_len = ARRAY_SIZE(segments) };
	const char *const argv[] = { "tar", "-xf", "t.tar", NULL };
	auto_free char *want = calloc(1, entry.size_bytes);
	auto_done(strbuf) archive = STRBUF_INIT(ARCHIVE_MAX);
	char dir[] = "/tmp/test_tar.XXXXXX";
	auto_close int tmp_fd = open("/tmp", O_DIRECTORY | O_CLOEXEC);
	auto_close int dir_fd = -1, fd = -1;
	auto_free char *got = NULL;
	char data[512 + 1024 + 5];
	struct tar_writer w;
	size_t len;

	(void)state;
	memset(want + 4096, 'a', 512);
	memset(want + (1 << 20), 'a', 1024);
	memset(want + (3 << 20), 'a', 5);
	memset(data, 'a', sizeof(data));
	tar_writer_init(&w, append, &archive);
	assert_int_equal(tar_writer_entry(&w, &entry, NULL), 0);
	assert_int_equal(tar_writer_data(&w, data, sizeof(data), NULL), 0);
	assert_int_equal(tar_writer_finish(&w, NULL), 0);
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	fd = openat(dir_fd, "t.tar", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_write_all(fd, archive.text, archive.len), 0);
	run(dir, argv);
	assert_int_equal(fd_read_file(dir_fd, "dir/sparse", ARCHIVE_MAX, &got, &len, NULL), 0);
	assert_int_equal(len, entry.size_bytes);
	assert_memory_equal(got, want, len);
	assert_int_equal(path_rmtree(tmp_fd, dir + strlen("/tmp/"), NULL), 0);
}

static void test_dialects(void **state)
{
	auto_done(strbuf) archive = STRBUF_INIT(ARCHIVE_MAX);
	auto_done(seen) seen = SEEN_INIT;
	struct tar_header h = header('0', "n", 0);

	(void)state;
	/* ustar's prefix */
	memcpy(h.prefix, "some/dir", 8);
	tar_header_set_sum(&h);
	add_block(&archive, &h, sizeof(h));
	/* v7: no magic, directory by its slash, number without NUL but with spaces */
	h = header('\0', "v7/", 0);
	memset(h.magic, 0, 8);
	memcpy(h.mode, "  755 \0", 8);
	tar_header_set_sum(&h);
	add_block(&archive, &h, sizeof(h));
	/* GNU: base-256 time of -1, long name and long target */
	add_member(&archive, 'L', "././@LongLink", (struct slice){ "the/long/name\0", 14 });
	add_member(&archive, 'K', "././@LongLink", slice_of("target"));
	h = header('2', "short", 0);
	memcpy(h.magic, "ustar  ", 8);
	memset(h.mtime, 0xff, sizeof(h.mtime));
	memset(h.uid, 0, sizeof(h.uid));
	h.uid[0] = (char)0x80;
	h.uid[4] = (char)0xff;
	h.uid[7] = (char)0xfe;
	tar_header_set_sum(&h);
	add_block(&archive, &h, sizeof(h));
	/* a global header is passed over; a size on a link means nothing */
	add_member(&archive, 'g', "g", slice_of("12 path=abc\n"));
	h = header('1', "hard", 5000);
	memcpy(h.link, "n", 1);
	tar_header_set_sum(&h);
	add_block(&archive, &h, sizeof(h));
	/* the end may be missing */
	assert_int_equal(read_archive(&archive, 512, &seen, NULL), 0);
	assert_string_equal(strbuf_get(&seen.log),
			    "0 some/dir/n> 644 0:0 : 0.000000000 0 0,0 0:0\n.\n"
			    "5 v7/> 755 0:0 : 0.000000000 0 0,0 0:0\n.\n"
			    "2 the/long/name>target 644 4278190334:0 : -1.000000000 0 0,0 0:0\n.\n"
			    "1 hard>n 644 0:0 : 0.000000000 0 0,0 0:0\n.\n");
}

static void test_pax_numbers(void **state)
{
	static const struct {
		const char *record;
		int r;
		const char *seen; /* the part that must show in the log */
	} cases[] = {
		{ "21 mtime=1.123456789\n", 0, " 1.123456789 " },
		{ "23 mtime=1.1234567899999", -EBADMSG, NULL }, /* no newline */
		{ "13 mtime=-1.5\n", -EBADMSG, NULL },		/* wrong length */
		{ "14 mtime=-1.5\n", 0, " -2.500000000 " },
		{ "12 mtime=7.\n", 0, " 7.000000000 " },
		{ "13 mtime=7.x\n", -EBADMSG, NULL },
		{ "18 uid=4294967294\n", 0, " 4294967294:" },
		{ "18 uid=4294967295\n", -EBADMSG, NULL },
		{ "10 uid=-1\n", -EBADMSG, NULL },
		{ "11 size=-1\n", -EBADMSG, NULL },
		{ "12 path=new\n", 0, "0 new>" },
		{ "8 path=\n", 0, "0 old>" },
		{ "10 =value\n", -EBADMSG, NULL },
		{ "6 abc\n", -EBADMSG, NULL },
		{ "99999999999999999999 a=b\n", -EBADMSG, NULL },
		{ "20 SCHILY.xattr.a=b\n\n", -EBADMSG, NULL },
		{ "21 SCHILY.xattr.a=b\n", -EBADMSG, NULL },
		{ "20 SCHILY.xattr.a=b\n", 0, " a=b\n" },
		{ "12 unknown=\n", 0, "0 old>" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_done(strbuf) archive = STRBUF_INIT(ARCHIVE_MAX);
		auto_done(seen) seen = SEEN_INIT;

		add_member(&archive, 'x', "x", slice_of(cases[i].record));
		add_member(&archive, '0', "old", slice_of(""));
		assert_int_equal(read_archive(&archive, 512, &seen, NULL), cases[i].r);
		if (cases[i].seen)
			assert_non_null(strstr(strbuf_get(&seen.log), cases[i].seen));
	}
}

/* A value that is cut off, whatever the place, is reported and never believed. */
static void test_truncation(void **state)
{
	auto_done(strbuf) archive = STRBUF_INIT(ARCHIVE_MAX);

	(void)state;
	add_member(&archive, 'x', "x", slice_of("12 path=new\n"));
	add_member(&archive, '0', "old", slice_of("data"));
	for (size_t len = 1; len < archive.len; len++) {
		struct strbuf cut = { .text = archive.text, .len = len };
		auto_done(seen) seen = SEEN_INIT;
		struct err err = ERR_INIT;

		assert_int_equal(read_archive(&cut, 64, &seen, &err), -EBADMSG);
		assert_string_equal(err.frames, "archive is truncated");
	}
}

static void test_refusals(void **state)
{
	static const struct {
		char type;
		const char *data;
		const char *why;
	} cases[] = {
		{ 'M', "", "malformed archive: m: unknown type of member" },
		{ '2', "", "malformed archive: m: a link without target" },
		{ 'x', "24 GNU.sparse.size=1000\n12 GNU.spar\n", "pax header: record without key" },
		{ 'x', "30 GNU.sparse.map=5,5,3,1,0,0\n", "sparse map is out of order" },
		{ 'x', "24 GNU.sparse.numbytes=1\n", "pax header: malformed record" },
		{ 'x', "25 GNU.sparse.numbytes=1\n", "pax header: bad value of 'numbytes'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_done(strbuf) archive = STRBUF_INIT(ARCHIVE_MAX);
		auto_done(seen) seen = SEEN_INIT;
		struct err err = ERR_INIT;

		add_member(&archive, cases[i].type, "m", slice_of(cases[i].data));
		assert_int_equal(read_archive(&archive, 512, &seen, &err), -EBADMSG);
		assert_string_equal(err.frames, cases[i].why);
	}
}

static void test_limits(void **state)
{
	struct tar_header h = header('x', "x", TAR_MAX_EXTENSION_BYTES + 1);
	auto_done(strbuf) name = STRBUF_INIT(2 * TAR_MAX_NAME_BYTES);
	auto_done(strbuf) archive = STRBUF_INIT(ARCHIVE_MAX);
	auto_done(seen) seen = SEEN_INIT;

	(void)state;
	add_block(&archive, &h, sizeof(h));
	assert_int_equal(read_archive(&archive, 512, &seen, NULL), -E2BIG);

	strbuf_reset(&archive);
	while (name.len <= TAR_MAX_NAME_BYTES)
		strbuf_addc(&name, 'n');
	add_member(&archive, 'L', "l", (struct slice){ name.text, name.len });
	add_member(&archive, '0', "n", slice_of(""));
	assert_int_equal(read_archive(&archive, 512, &seen, NULL), -E2BIG);

	strbuf_reset(&archive);
	add_member(&archive, 'x', "x", (struct slice){ "15 path=nul\0in\n", 15 });
	add_member(&archive, '0', "n", slice_of(""));
	assert_int_equal(read_archive(&archive, 512, &seen, NULL), -EBADMSG);

	strbuf_reset(&archive);
	for (int i = 0; i <= TAR_MAX_EXTENSIONS; i++)
		add_member(&archive, 'x', "x", slice_of("12 path=new\n"));
	assert_int_equal(read_archive(&archive, 512, &seen, NULL), -E2BIG);
}

/* A member of 5 GiB: only its header is made up, its data is fed in pieces. */
static void test_beyond_4_gib(void **state)
{
	auto_done(seen) seen = { .log = STRBUF_INIT(1000) };
	auto_ptr(tar_reader) *r = tar_reader_new(&seen_ops, &seen);
	struct tar_header h = header('0', "big", 5 * GIB);
	size_t piece = 64 * MIB;
	auto_free char *zeroes = calloc(1, piece);

	(void)state;
	assert_int_equal(tar_reader_feed(r, &h, sizeof(h), NULL), 0);
	for (uint64_t at = 0; at < 5 * GIB; at += piece) {
		assert_int_equal(tar_reader_finish(r, NULL), -EBADMSG);
		assert_int_equal(tar_reader_feed(r, zeroes, piece, NULL), 0);
	}
	assert_int_equal(tar_reader_finish(r, NULL), 0);
	assert_true(seen.data_bytes == 5 * GIB);
	assert_false(tar_reader_at_end(r));
	assert_int_equal(tar_reader_feed(r, zeroes, 2 * TAR_BLOCK_BYTES, NULL), 0);
	assert_true(tar_reader_at_end(r));
}

/* Flipped bytes: whatever comes out, nothing breaks and offsets stay within the file. */
static void test_random_damage(void **state)
{
	auto_done(strbuf) archive = STRBUF_INIT(ARCHIVE_MAX);
	uint32_t seed = 12345;

	(void)state;
	add_member(&archive, 'x', "x",
		   slice_of("21 GNU.sparse.major=1\n"
			    "22 GNU.sparse.minor=0\n"
			    "28 GNU.sparse.realsize=1000\n"));
	add_member(&archive, '0', "sparse", slice_of("1\n10\n0\n"));
	add_member(&archive, '0', "old", slice_of("data"));
	for (int round = 0; round < 20000; round++) {
		auto_done(strbuf) damaged = STRBUF_INIT(ARCHIVE_MAX);
		auto_done(seen) seen = { .log = STRBUF_INIT(MIB) };

		strbuf_add(&damaged, archive.text, archive.len);
		for (int i = 0; i < 3; i++) {
			seed = seed * 1664525 + 1013904223;
			damaged.text[(seed >> 8) % damaged.len] = (char)(seed >> 3);
		}
		for (size_t at = 0; at < damaged.len; at += TAR_BLOCK_BYTES) {
			struct tar_header h;

			memcpy(&h, damaged.text + at, sizeof(h));
			if (memcmp(h.magic, "ustar", 5) == 0)
				tar_header_set_sum(&h);
			memcpy(damaged.text + at, &h, sizeof(h));
		}
		(void)read_archive(&damaged, 300, &seen, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_writer_guards),
		cmocka_unit_test(test_gnu_tar_sparse), cmocka_unit_test(test_gnu_tar_reads_sparse),
		cmocka_unit_test(test_dialects),       cmocka_unit_test(test_pax_numbers),
		cmocka_unit_test(test_truncation),     cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_limits),	       cmocka_unit_test(test_beyond_4_gib),
		cmocka_unit_test(test_random_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
