/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.c - directory trees for tests
 */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/strbuf.h"
#include "check.h"
#include "runtime/tool.h"

#define TEXT_MAX_BYTES (64 * MIB)

int tree_tmp(char ret_path[64])
{
	const char *dir = getenv("TMPDIR");
	int fd;

	(void)snprintf(ret_path, 64, "%.40s/hull-test-XXXXXX", dir ? dir : "/tmp");
	assert_non_null(mkdtemp(ret_path));
	fd = open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);

	return fd;
}

int tree_dir(int dir_fd, const char *name)
{
	assert_int_equal(mkdirat(dir_fd, name, 0755), 0);

	return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void tree_remove(const char *path)
{
	assert_int_equal(path_rmtree(AT_FDCWD, path, NULL), 0);
}

void tree_file(int dir_fd, const char *path, const char *content)
{
	auto_close int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, content, strlen(content)), 0);
}

/* ---- making ---- */

struct fill {
	unsigned flags;
	int top_fd;
	int files;	/* made so far */
	char last[512]; /* path of the regular file made last, from the top */
};

static void random_name(char name[64])
{
	size_t len = 1 + (size_t)rand() % 40;

	for (size_t i = 0; i < len; i++) {
		int c = rand() % 3 ? 'a' + rand() % 26 : 1 + rand() % 255;

		name[i] = (char)(c == '/' || c == '.' ? '-' : c);
	}
	name[len] = '\0';
}

static void random_content(int fd)
{
	static const size_t sizes[] = { 0, 1, 511, 512, 513, 4096, 100000 };
	size_t len =
		rand() % 2 ? sizes[(size_t)rand() % ARRAY_SIZE(sizes)] : (size_t)rand() % 20000;
	auto_free char *buf = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		buf[i] = (char)rand();
	assert_int_equal(fd_write_all(fd, buf, len), 0);
	if (rand() % 8 == 0)
		assert_int_equal(ftruncate(fd, (off_t)(len + (size_t)(rand() % 3) * 65536)), 0);
}

/* Owner first: chown(2) clears set-id bits and capabilities. */
static void random_metadata(const struct fill *fill, int dir_fd, const char *name, int fd)
{
	/* CAP_NET_RAW permitted and effective, revision 2 of the attribute. */
	static const char caps[20] = { 1, 0, 0, 2, 0, 0x20 };
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { .tv_sec = rand(), .tv_nsec = rand() % 1000000000 } };
	struct stat st;

	if (fill->flags & TREE_NODES)
		assert_int_equal(fchownat(dir_fd, name, (uid_t)rand() % 70000,
					  (gid_t)rand() % 70000, AT_SYMLINK_NOFOLLOW),
				 0);
	assert_int_equal(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	if (fd >= 0) {
		mode_t mode = (mode_t)rand() % 010000;

		assert_int_equal(fchmod(fd, S_ISDIR(st.st_mode) ? mode | 0700 : mode | 0400), 0);
		if (rand() % 4 == 0 && fsetxattr(fd, "user.hull", "\0value\n", 7, 0) < 0)
			assert_int_equal(errno, ENOTSUP);
		if ((fill->flags & TREE_NODES) && S_ISREG(st.st_mode) && rand() % 8 == 0)
			assert_int_equal(
				fsetxattr(fd, "security.capability", caps, sizeof(caps), 0), 0);
	}
	/* Small devices and large ones, times before 1970 and after 2106. */
	if (rand() % 8 == 0)
		times[1].tv_sec = rand() % 2 ? -rand() : 5000000000LL;
	assert_int_equal(utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void fill_one(struct fill *fill, int dir_fd, const char *dir, int depth);

static void fill_dir(struct fill *fill, int dir_fd, const char *dir, int depth)
{
	int count = 1 + rand() % 8;

	for (int i = 0; i < count && fill->files < 300; i++)
		fill_one(fill, dir_fd, dir, depth);
}

static int make_one(struct fill *fill, int dir_fd, const char *name, const char *path, int depth)
{
	int fd = -1;

	switch (rand() % (fill->flags & TREE_NODES ? 8 : 6)) {
	case 0:
	case 1:
		assert_int_equal(mkdirat(dir_fd, name, 0700), 0);
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (depth < 6)
			fill_dir(fill, fd, path, depth + 1);
		break;
	case 2:
		assert_int_equal(
			symlinkat(rand() % 2 ? "/etc/passwd" : "../\xff/no where", dir_fd, name),
			0);
		break;
	case 3:
		if (fill->last[0] && linkat(fill->top_fd, fill->last, dir_fd, name, 0) == 0)
			return -2;
		__attribute__((fallthrough));
	case 4:
	case 5:
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		random_content(fd);
		(void)snprintf(fill->last, sizeof(fill->last), "%s", path);
		break;
	case 6:
		assert_int_equal(mknodat(dir_fd, name, S_IFIFO | 0640, 0), 0);
		break;
	case 7:
		assert_int_equal(mknodat(dir_fd, name, (rand() % 2 ? S_IFCHR : S_IFBLK) | 0600,
					 makedev(1 + rand() % 4000, rand() % 100000)),
				 0);
		break;
	}

	return fd;
}

static void fill_one(struct fill *fill, int dir_fd, const char *dir, int depth)
{
	char name[64], path[512];
	struct stat st;
	int fd;

	random_name(name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	(void)snprintf(path, sizeof(path), "%s%s%s", dir, dir[0] ? "/" : "", name);
	fill->files++;
	fd = make_one(fill, dir_fd, name, path, depth);
	/* Another name of a file has that file's metadata. */
	if (fd != -2)
		random_metadata(fill, dir_fd, name, fd);
	fd_close(fd);
}

void tree_fill(int dir_fd, unsigned flags)
{
	struct fill fill = { .flags = flags, .top_fd = dir_fd };

	while (fill.files < 150)
		fill_dir(&fill, dir_fd, "", 0);
	if (flags & TREE_SOCKET) {
		struct sockaddr_un addr = { .sun_family = AF_UNIX };
		auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/socket",
			       dir_fd);
		assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	}
}

/* ---- telling ---- */

static void add_xattrs(struct strbuf *text, int fd)
{
	char names[4096];
	ssize_t len = flistxattr(fd, names, sizeof(names));

	for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		char value[4096];
		ssize_t n = fgetxattr(fd, name, value, sizeof(value));

		strbuf_addf(text, " %s=", name);
		for (ssize_t i = 0; i < n; i++)
			strbuf_addf(text, "%02x", (unsigned char)value[i]);
	}
}

static void add_content(struct strbuf *text, int fd)
{
	struct sha256 sum;
	uint8_t digest[SHA256_BYTES];
	char buf[65536];
	ssize_t n;

	sha256_init(&sum);
	while ((n = fd_read_all(fd, buf, sizeof(buf))) > 0)
		sha256_add(&sum, buf, (size_t)n);
	assert_int_equal(n, 0);
	sha256_end(&sum, digest);
	strbuf_addc(text, ' ');
	for (size_t i = 0; i < sizeof(digest); i++)
		strbuf_addf(text, "%02x", digest[i]);
}

/* @first_of: path of each inode's first name, for files with several; a plain list is enough. */
struct tell {
	struct strbuf text;
	struct {
		ino_t ino;
		char path[512];
	} links[512];
	size_t links_len;
};

static const char *first_name(struct tell *t, const struct stat *st, const char *path)
{
	for (size_t i = 0; i < t->links_len; i++)
		if (t->links[i].ino == st->st_ino)
			return t->links[i].path;
	assert_true(t->links_len < ARRAY_SIZE(t->links));
	t->links[t->links_len].ino = st->st_ino;
	(void)snprintf(t->links[t->links_len].path, sizeof(t->links[0].path), "%s", path);

	return t->links[t->links_len++].path;
}

static void tell_dir(struct tell *t, int dir_fd, const char *dir);

static void tell_one(struct tell *t, int dir_fd, const char *name, const char *path)
{
	auto_close int fd = -1;
	char target[4096] = "";
	struct stat st;

	assert_int_equal(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	if (S_ISSOCK(st.st_mode))
		return;
	if (S_ISLNK(st.st_mode))
		assert_true(readlinkat(dir_fd, name, target, sizeof(target) - 1) > 0);
	strbuf_addf(&t->text, "%s: %o %u:%u %lld.%09ld %llx '%s'", path, st.st_mode, st.st_uid,
		    st.st_gid, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		    (unsigned long long)st.st_rdev, target);
	if (!S_ISDIR(st.st_mode))
		strbuf_addf(&t->text, " %lld", (long long)st.st_size);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		strbuf_addf(&t->text, " %lu of %s", st.st_nlink, first_name(t, &st, path));
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		assert_true(fd >= 0);
		add_xattrs(&t->text, fd);
	}
	if (S_ISREG(st.st_mode))
		add_content(&t->text, fd);
	strbuf_addc(&t->text, '\n');
	if (S_ISDIR(st.st_mode))
		tell_dir(t, fd, path);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void tell_dir(struct tell *t, int dir_fd, const char *dir)
{
	struct dirent **list = NULL;
	int n = scandirat(dir_fd, ".", &list, NULL, by_bytes);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		char path[1024];

		if (strcmp(list[i]->d_name, ".") != 0 && strcmp(list[i]->d_name, "..") != 0) {
			(void)snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
			tell_one(t, dir_fd, list[i]->d_name, path);
		}
		free(list[i]);
	}
	free(list);
}

char *tree_text(int dir_fd)
{
	struct tell *t = calloc(1, sizeof(*t));
	char *text;

	assert_non_null(t);
	t->text.max_bytes = TEXT_MAX_BYTES;
	tell_dir(t, dir_fd, "");
	text = strbuf_take(&t->text);
	assert_non_null(text);
	free(t);

	return text;
}

/* ---- running ---- */

int tree_run(int dir_fd, const char *const argv[])
{
	pid_t pid = fork();
	int wstatus;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (fchdir(dir_fd) == 0)
			execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);

	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : 128 + WTERMSIG(wstatus);
}

int tree_tool(const struct spec_tool *tool, int root_fd, const char *in_path, const char *out_path,
	      struct err *err)
{
	auto_close int in_fd = open(in_path ? in_path : "/dev/null", O_RDONLY | O_CLOEXEC);
	auto_close int out_fd = open(out_path ? out_path : "/dev/null",
				     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	struct runtime_tool_fds fds = { root_fd, -1, -1, in_fd, out_fd };

	assert_true(in_fd >= 0 && out_fd >= 0);

	return runtime_tool_run(tool, &fds, err);
}
