/* SPDX-License-Identifier: Apache-2.0
 *
 * root.c - places in a root filesystem that is not trusted
 */
#include "runtime/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"

/* Make the last component of @path, whose parent exists. */
static int make_last(int root_fd, char *path, bool dir, struct err *err)
{
	char *slash = strrchr(path, '/');
	auto_close int parent_fd = -1;
	int r;

	*slash = '\0';
	parent_fd = fd_open_in(root_fd, *path ? path : "/", O_PATH | O_DIRECTORY, 0, err);
	*slash = '/';
	if (parent_fd < 0)
		return parent_fd;
	/* By parent and name: neither mkdirat() nor mknodat() follows a link at the end. */
	r = dir ? mkdirat(parent_fd, slash + 1, 0755)
		: mknodat(parent_fd, slash + 1, S_IFREG | 0644, 0);
	if (r < 0 && errno != EEXIST)
		return err_sys(err, "make '%s' in the root", path);

	return 0;
}

static int make_all(int root_fd, const char *path, bool dir, struct err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part) || path[0] != '/')
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not an absolute path", path);
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
		r = make_last(root_fd, part, dir || i < len, err);
		if (r < 0)
			return r;
	}

	return 0;
}

int root_open_place(int root_fd, const char *path, bool dir, struct err *err)
{
	int flags = O_PATH | (dir ? O_DIRECTORY : 0);
	auto_close int fd = fd_open_in(root_fd, path, flags, 0, err);
	struct stat st;
	int r;

	if (fd == -ENOENT) {
		r = make_all(root_fd, path, dir, err);
		if (r < 0)
			return r;
		fd = fd_open_in(root_fd, path, flags, 0, err);
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
	int fd;

	if (mkdirat(root_fd, name, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "make '/%s' in the root", name);
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
