/* SPDX-License-Identifier: Apache-2.0
 *
 * root.c - places in a root filesystem that is not trusted
 */
#include "runtime/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define MAX_SYMLINKS 40 /* as the kernel's own limit */

/* Drop the last component. */
static void go_up(struct strbuf *path)
{
	const char *slash = path->len > 0 ? memrchr(path->text, '/', path->len) : NULL;

	path->len = slash ? (size_t)(slash - path->text) : 0;
	if (path->text)
		path->text[path->len] = '\0';
}

/* The target of the symlink at @path; false when it is not one, or is not there. */
static bool read_symlink(int root_fd, const char *path, char ret_target[PATH_MAX])
{
	auto_close int fd = fd_open_in(root_fd, path, O_PATH | O_NOFOLLOW, 0, NULL);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", ret_target, PATH_MAX - 1);

	if (n < 0)
		return false;
	ret_target[n] = '\0';

	return true;
}

char *root_resolve(int root_fd, const char *path)
{
	auto_done(strbuf) done = STRBUF_INIT(PATH_MAX - 1);
	auto_done(strbuf) rest = STRBUF_INIT(2 * PATH_MAX);
	int links = 0;

	strbuf_adds(&rest, path);
	while (rest.len > 0 && !rest.failed && !done.failed) {
		struct slice part = { .at = rest.text, .len = strcspn(rest.text, "/") };
		char target[PATH_MAX];
		size_t skip = part.len + (rest.text[part.len] == '/');

		if (slice_eq(part, "..")) {
			go_up(&done);
		} else if (part.len > 0 && !slice_eq(part, ".")) {
			strbuf_addc(&done, '/');
			strbuf_add(&done, part.at, part.len);
			if (links < MAX_SYMLINKS &&
			    read_symlink(root_fd, strbuf_get(&done), target)) {
				auto_free char *tail = strdup(rest.text + skip);

				links++;
				if (target[0] == '/')
					strbuf_reset(&done);
				else
					go_up(&done);
				strbuf_reset(&rest);
				strbuf_addf(&rest, "%s/%s", target, tail ? tail : "");
				continue;
			}
		}
		strbuf_consume(&rest, skip);
	}
	if (done.len == 0)
		strbuf_addc(&done, '/');

	return rest.failed ? NULL : strbuf_take(&done);
}

/* Make @name, which is never followed where it is a symlink. That it exists is no failure. */
static int make_place(int parent_fd, const char *name, enum root_place place)
{
	const int flags = O_NOFOLLOW | O_CLOEXEC;
	auto_close int fd = -1;

	if (place == ROOT_PLACE_MOUNT_FILE) {
		fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | flags, 0644);
		if (fd < 0)
			return errno == EEXIST ? 0 : -errno;
	} else {
		if (mkdirat(parent_fd, name, 0755) < 0)
			return errno == EEXIST ? 0 : -errno;
		fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | flags);
	}
	/* Where the filesystem has no such attributes it is listed as a change, no more. */
	if (fd >= 0 && place != ROOT_PLACE_DIR)
		(void)fsetxattr(fd, ROOT_PLACE_MARK, "", 0, 0);

	return 0;
}

/* Make the last component of @path, whose parent exists. */
static int make_last(int root_fd, char *path, enum root_place place, struct err *err)
{
	char *slash = strrchr(path, '/');
	auto_close int parent_fd = -1;
	int r;

	*slash = '\0';
	parent_fd = fd_open_in(root_fd, *path ? path : "/", O_PATH | O_DIRECTORY, 0, err);
	*slash = '/';
	if (parent_fd < 0)
		return parent_fd;
	r = make_place(parent_fd, slash + 1, place);

	return r < 0 ? err_wrap(err, r, "make '%s' in the root", path) : 0;
}

static int make_all(int root_fd, const char *path, enum root_place place, struct err *err)
{
	enum root_place above = place == ROOT_PLACE_DIR ? place : ROOT_PLACE_MOUNT_DIR;
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return err_set(err, ENAMETOOLONG, "'%s'", path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	for (size_t i = 1; i <= len; i++) {
		auto_close int fd = -1;
		int r;

		if (i < len && path[i] != '/')
			continue;
		if (path[i - 1] == '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		fd = fd_open_in(root_fd, part, O_PATH, 0, NULL);
		if (fd >= 0)
			continue;
		if (fd != -ENOENT)
			return err_wrap(err, fd, "open '%s' in the root", part);
		r = make_last(root_fd, part, i < len ? above : place, err);
		if (r < 0)
			return r;
	}

	return 0;
}

int root_open_place(int root_fd, const char *path, enum root_place place, struct err *err)
{
	bool dir = place != ROOT_PLACE_MOUNT_FILE;
	int flags = O_PATH | (dir ? O_DIRECTORY : 0);
	auto_close int fd = fd_open_in(root_fd, path, flags, 0, err);
	struct stat st;
	int r;

	if (fd == -ENOENT) {
		/* A symlink that leads nowhere is followed to where it leads. */
		auto_free char *real = root_resolve(root_fd, path);

		if (path[0] != '/')
			return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not an absolute path",
					path);
		if (!real)
			return err_set(err, ENAMETOOLONG, "'%s' in the root leads too far", path);
		r = make_all(root_fd, real, place, err);
		if (r < 0)
			return r;
		fd = fd_open_in(root_fd, real, flags, 0, err);
	}
	if (fd < 0 || dir)
		return take_fd(fd);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "examine '%s' in the root", path);
	if (S_ISDIR(st.st_mode))
		return err_setk(err, ERR_USAGE, EISDIR, "'%s' in the root is a directory", path);

	return take_fd(fd);
}

int root_open_plain_dir(int root_fd, const char *name, struct err *err)
{
	int fd, r = make_place(root_fd, name, ROOT_PLACE_MOUNT_DIR);

	if (r < 0)
		return err_wrap(err, r, "make '/%s' in the root", name);
	fd = openat(root_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	err_sys(err, "open '/%s' in the root", name);
	if (errno == ENOTDIR || errno == ELOOP)
		err_hint(err, "/%s of an image must be a directory, not a symlink", name);

	return -ENOTDIR;
}

int root_read_file(int root_fd, const char *path, char **ret_text, struct err *err)
{
	auto_close int fd =
		fd_open_in(root_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, NULL);
	auto_free char *text = NULL;
	struct stat st;
	ssize_t n;

	*ret_text = NULL;
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return err_wrap(err, fd, "open '%s' in the root", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "examine '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "'%s' in the root is not a regular file", path);
	if (st.st_size > ROOT_FILE_MAX_BYTES)
		return err_set(err, EFBIG, "'%s' in the root is longer than %d bytes", path,
			       ROOT_FILE_MAX_BYTES);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return err_set(err, ENOMEM, "out of memory");
	n = fd_read_all(fd, text, (size_t)st.st_size);
	if (n < 0)
		return err_wrap(err, (int)n, "read '%s'", path);
	text[n] = '\0';
	*ret_text = take_ptr(text);

	return 0;
}
