/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tool_hostile.c - archives and workloads that mean harm: nothing outside is read or written
 *
 * "v" is a directory outside the root with a secret; what is in it is told before and after.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "check.h"
#include "tree.h"
#include "wire/tar.h"

#define SECRET "the secret of the host"
/* A race is run until both of its outcomes were seen this often, or the machine is too slow. */
#define RACE_WINS 100
#define RACE_MAX_ROUNDS 1000000

/* A root in "root", beside it "v". */
struct place {
	char path[64], tar[80], outside[80];
	int fd, root_fd, v_fd;
	char *before;
};

static struct place place_open(void)
{
	struct place p;

	p.fd = tree_tmp(p.path);
	p.root_fd = tree_dir(p.fd, "root");
	p.v_fd = tree_dir(p.fd, "v");
	tree_file(p.v_fd, "secret", SECRET);
	tree_file(p.v_fd, "file", SECRET);
	assert_int_equal(mkdirat(p.v_fd, "dir", 0755), 0);
	assert_int_equal(mkdirat(p.root_fd, "d", 0755), 0);
	(void)snprintf(p.tar, sizeof(p.tar), "%s/x.tar", p.path);
	(void)snprintf(p.outside, sizeof(p.outside), "%s/v", p.path);
	p.before = tree_text(p.v_fd);

	return p;
}

static void place_close(struct place *p)
{
	auto_free char *after = tree_text(p->v_fd);

	assert_string_equal(p->before, after);
	free(p->before);
	fd_close(p->root_fd);
	fd_close(p->v_fd);
	fd_close(p->fd);
	tree_remove(p->path);
}

static int write_fd(void *ctx, const void *buf, size_t len, struct err *err)
{
	(void)err;

	return fd_write_all(*(int *)ctx, buf, len);
}

/* An archive of these members; a file's content is "planted". */
static void make_archive(const struct place *p, const struct tar_entry *entries, size_t len)
{
	auto_close int fd = open(p->tar, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct tar_writer w;

	tar_writer_init(&w, write_fd, &fd);
	for (size_t i = 0; i < len; i++) {
		struct tar_entry entry = entries[i];

		entry.mode = entry.mode ? entry.mode : 0755;
		entry.size_bytes = entry.type == TAR_FILE ? 7 : 0;
		assert_int_equal(tar_writer_entry(&w, &entry, NULL), 0);
		if (entry.type == TAR_FILE)
			assert_int_equal(tar_writer_data(&w, "planted", 7, NULL), 0);
	}
	assert_int_equal(tar_writer_finish(&w, NULL), 0);
}

static int unpack(const struct place *p, struct err *err)
{
	struct spec_tool tool = { SPEC_TOOL_TAR_IN, SPEC_TOOL_KEEP_OWNER, (char[]){ "/d" } };

	return tree_tool(&tool, p->root_fd, p->tar, NULL, err);
}

struct archive_case {
	const char *what;
	struct tar_entry entries[3];
	size_t len;
	int want;
};

/* "@" in a name or target stands for the directory outside. */
static const struct archive_case archive_cases[] = {
	{ "parent", { { TAR_FILE, "../secret" } }, 1, -EINVAL },
	{ "parent inside a name", { { TAR_FILE, "a/../../../v/secret" } }, 1, -EINVAL },
	{ "only parents", { { TAR_DIR, "../.." } }, 1, -EINVAL },
	{ "through an absolute symlink",
	  { { TAR_SYMLINK, "l", "@" }, { TAR_FILE, "l/secret" } },
	  2,
	  -ENOTDIR },
	{ "through a relative symlink",
	  { { TAR_SYMLINK, "l", "../../v" }, { TAR_FILE, "l/secret" } },
	  2,
	  -ENOTDIR },
	{ "directory made through a symlink",
	  { { TAR_SYMLINK, "l", "@" }, { TAR_DIR, "l/dir/new" } },
	  2,
	  -ENOTDIR },
	{ "file where a symlink was",
	  { { TAR_SYMLINK, "l", "../../v/secret" }, { TAR_FILE, "l" } },
	  2,
	  0 },
	{ "directory where a symlink was, its mode and time",
	  { { TAR_SYMLINK, "l", "@" }, { TAR_DIR, "l" }, { TAR_FILE, "l/secret" } },
	  3,
	  0 },
	{ "hard link to outside", { { TAR_HARDLINK, "h", "../../v/secret" } }, 1, -EINVAL },
	{ "hard link by an absolute name", { { TAR_HARDLINK, "h", "@/secret" } }, 1, -ENOENT },
	{ "hard link through a symlink",
	  { { TAR_SYMLINK, "l", "@" }, { TAR_HARDLINK, "h", "l/secret" }, { TAR_FILE, "h" } },
	  3,
	  -ENOTDIR },
	{ "hard link to a symlink, then written",
	  { { TAR_SYMLINK, "l", "@/secret" }, { TAR_HARDLINK, "h", "l" }, { TAR_FILE, "h" } },
	  3,
	  0 },
	{ "symlink as the destination", { { TAR_SYMLINK, ".", "@" } }, 1, -EINVAL },
	{ "symlink as the destination, absolute", { { TAR_SYMLINK, "/", "@" } }, 1, -EINVAL },
	{ "hard link to a directory", { { TAR_HARDLINK, "h", "." } }, 1, -EINVAL },
	{ "absolute name stays below", { { TAR_FILE, "/v/secret" } }, 1, 0 },
};

static const char *expand(const struct place *p, const char *text, struct strbuf *room)
{
	if (!text || text[0] != '@')
		return text;
	strbuf_addf(room, "%s%s", p->outside, text + 1);

	return strbuf_get(room);
}

static void test_archives(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(archive_cases); i++) {
		const struct archive_case *c = &archive_cases[i];
		struct tar_entry entries[3];
		struct strbuf room[3] = { STRBUF_INIT(200), STRBUF_INIT(200), STRBUF_INIT(200) };
		struct place p = place_open();
		int r;

		for (size_t k = 0; k < c->len; k++) {
			entries[k] = c->entries[k];
			entries[k].link = expand(&p, entries[k].link, &room[k]);
		}
		make_archive(&p, entries, c->len);
		r = unpack(&p, NULL);
		if (r != c->want)
			fail_msg("%s: %d instead of %d", c->what, r, c->want);
		for (size_t k = 0; k < 3; k++)
			strbuf_done(&room[k]);
		place_close(&p);
	}
}

/* What the workload left where the archive goes. */
static void test_planted(void **state)
{
	static const struct tar_entry file = { TAR_FILE, "x" }, below = { TAR_FILE, "x/file" };
	struct place p = place_open();
	char target[100];
	struct stat st;

	(void)state;
	/* A hard link to the secret, were it on the same filesystem: broken, not written to. */
	assert_int_equal(linkat(p.v_fd, "secret", p.root_fd, "d/x", 0), 0);
	free(p.before);
	p.before = NULL;
	make_archive(&p, &file, 1);
	assert_int_equal(unpack(&p, NULL), 0);
	p.before = tree_text(p.v_fd);
	assert_non_null(strstr(p.before, "secret"));
	assert_int_equal(fstatat(p.v_fd, "secret", &st, 0), 0);
	assert_int_equal(st.st_size, sizeof(SECRET) - 1);

	/* A pipe that nobody reads must not be waited for. */
	assert_int_equal(unlinkat(p.root_fd, "d/x", 0), 0);
	assert_int_equal(mkfifoat(p.root_fd, "d/x", 0600), 0);
	assert_int_equal(unpack(&p, NULL), 0);

	/* A symlink where a directory is wanted. */
	assert_int_equal(unlinkat(p.root_fd, "d/x", 0), 0);
	(void)snprintf(target, sizeof(target), "%s", p.outside);
	assert_int_equal(symlinkat(target, p.root_fd, "d/x"), 0);
	make_archive(&p, &below, 1);
	assert_int_equal(unpack(&p, NULL), -ENOTDIR);

	/* The destination itself: resolved inside the root, where the target does not exist. */
	assert_int_equal(unlinkat(p.root_fd, "d/x", 0), 0);
	assert_int_equal(unlinkat(p.root_fd, "d", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat(target, p.root_fd, "d"), 0);
	assert_int_equal(unpack(&p, NULL), -ENOENT);
	place_close(&p);
}

static bool has_capabilities(int dir_fd, const char *path)
{
	auto_close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);

	return fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

static int unpack_untrusted(const struct place *p, uint32_t flags, struct tar_entry entry)
{
	struct spec_tool tool = { SPEC_TOOL_TAR_IN, SPEC_TOOL_UNTRUSTED | flags, (char[]){ "/d" },
				  (char[]){ "x" } };

	make_archive(p, &entry, 1);

	return tree_tool(&tool, p->root_fd, p->tar, NULL, NULL);
}

/* What a workload may send to its host: what was asked for, and nothing that gives power. */
static void test_untrusted(void **state)
{
	static const char *const elsewhere[] = { "y", "xy", "/y/x", "./xy/x", ".bashrc" };
	/* CAP_NET_RAW, revision 2 of the attribute. */
	static const char caps[20] = { 1, 0, 0, 2, 0, 0x20 };
	const struct tar_xattr xattr = { { "security.capability", 19 }, { caps, sizeof(caps) } };
	const struct tar_entry file = {
		.type = TAR_FILE, .name = "x/f", .mode = 07755, .xattrs = &xattr, .xattrs_len = 1
	};
	struct place p = place_open();
	struct stat st;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		assert_int_equal(
			unpack_untrusted(&p, 0, (struct tar_entry){ TAR_FILE, elsewhere[i] }),
			-EINVAL);
	tree_file(p.root_fd, "d/other", "text");
	assert_int_equal(unpack_untrusted(&p, 0, (struct tar_entry){ TAR_HARDLINK, "x", "other" }),
			 -EINVAL);
	assert_int_equal(unpack_untrusted(&p, 0, (struct tar_entry){ TAR_CHAR, "x" }), -EPERM);
	assert_int_equal(unpack_untrusted(&p, 0, (struct tar_entry){ TAR_BLOCK, "x/b" }), -EPERM);
	assert_int_equal(faccessat(p.root_fd, "d/x", F_OK, AT_SYMLINK_NOFOLLOW), -1);

	assert_int_equal(unpack_untrusted(&p, 0, file), 0);
	assert_int_equal(fstatat(p.root_fd, "d/x/f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 01755);
	assert_false(has_capabilities(p.root_fd, "d/x/f"));
	if (geteuid() == 0) {
		assert_int_equal(unpack_untrusted(&p, SPEC_TOOL_KEEP_OWNER, file), 0);
		assert_int_equal(fstatat(p.root_fd, "d/x/f", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 07755);
		assert_true(has_capabilities(p.root_fd, "d/x/f"));
	}
	place_close(&p);
}

/* Paths of cp and stat that symlinks lead out. */
static void test_paths(void **state)
{
	static const char *const paths[] = { "/abs/secret", "/rel/secret", "/../v/secret",
					     "/d/../../v/secret", "/magic/secret" };
	struct place p = place_open();

	(void)state;
	assert_int_equal(symlinkat(p.outside, p.root_fd, "abs"), 0);
	assert_int_equal(symlinkat("../v", p.root_fd, "rel"), 0);
	assert_int_equal(symlinkat("/proc/self/cwd", p.root_fd, "magic"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		for (int flags = 0; flags <= SPEC_TOOL_FOLLOW; flags += SPEC_TOOL_FOLLOW) {
			struct spec_tool tool = { SPEC_TOOL_TAR_OUT, (uint32_t)flags,
						  strdup(paths[i]) };

			assert_int_equal(tree_tool(&tool, p.root_fd, NULL, p.tar, NULL), -ENOENT);
			tool.kind = SPEC_TOOL_STAT;
			assert_int_equal(tree_tool(&tool, p.root_fd, NULL, p.tar, NULL), -ENOENT);
			free(tool.path);
		}
	}
	place_close(&p);
}

/* A process that exchanges "d/x" (a directory) and "d/l" (a symlink to outside) until killed. */
static pid_t start_flipper(const struct place *p)
{
	pid_t pid;

	assert_int_equal(mkdirat(p->root_fd, "d/x", 0755), 0);
	tree_file(p->root_fd, "d/x/secret", "inside");
	assert_int_equal(symlinkat(p->outside, p->root_fd, "d/l"), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			(void)renameat2(p->root_fd, "d/x", p->root_fd, "d/l", RENAME_EXCHANGE);

	return pid;
}

static void stop_flipper(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_race_in(void **state)
{
	static const struct tar_entry entries[] = {
		{ TAR_FILE, "x/planted" },
		{ TAR_DIR, "x/dir" },
		{ TAR_FILE, "x/file" },
		{ TAR_HARDLINK, "x/hard", "x/file" },
	};
	struct place p = place_open();
	pid_t flipper = start_flipper(&p);
	int done = 0, refused = 0;

	(void)state;
	make_archive(&p, entries, ARRAY_SIZE(entries));
	for (int i = 0; (done < RACE_WINS || refused < RACE_WINS) && i < RACE_MAX_ROUNDS; i++) {
		int r = unpack(&p, NULL);

		done += r == 0;
		refused += r == -ENOTDIR;
	}
	stop_flipper(flipper);
	assert_true(done >= RACE_WINS && refused >= RACE_WINS);
	place_close(&p);
}

static void test_race_out(void **state)
{
	struct spec_tool all = { SPEC_TOOL_TAR_OUT, 0, (char[]){ "/d" } };
	struct spec_tool one = { SPEC_TOOL_TAR_OUT, SPEC_TOOL_FOLLOW, (char[]){ "/d/x/secret" } };
	struct place p = place_open();
	pid_t flipper = start_flipper(&p);
	int inside = 0, missing = 0;

	(void)state;
	for (int i = 0; (inside < RACE_WINS || missing < RACE_WINS) && i < RACE_MAX_ROUNDS; i++) {
		auto_free char *text = NULL;
		size_t len;

		missing += tree_tool(i % 2 ? &all : &one, p.root_fd, NULL, p.tar, NULL) == -ENOENT;
		assert_int_equal(fd_read_file(AT_FDCWD, p.tar, MIB, &text, &len, NULL), 0);
		assert_null(memmem(text, len, SECRET, strlen(SECRET)));
		inside += memmem(text, len, "inside", 6) != NULL;
	}
	stop_flipper(flipper);
	assert_true(inside >= RACE_WINS && missing >= RACE_WINS);
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_archives), cmocka_unit_test(test_planted),
		cmocka_unit_test(test_paths),	 cmocka_unit_test(test_untrusted),
		cmocka_unit_test(test_race_in),	 cmocka_unit_test(test_race_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
