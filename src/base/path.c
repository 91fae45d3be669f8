/* SPDX-License-Identifier: Apache-2.0
 *
 * path.c - trusted host paths
 */
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/rand.h"

char *path_absolute(const char *path)
{
	auto_free char *cwd = NULL;

	if (!path || path[0] == '/')
		return mem_strdup(path);
	cwd = getcwd(NULL, 0);

	return cwd ? mem_printf("%s/%s", cwd, path) : mem_strdup(path);
}

int path_mkdirs(const char *path, mode_t mode, struct err *err)
{
	auto_close int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct slice rest = slice_of(path), part;

	if (path[0] != '/')
		return err_setk(err, ERR_USAGE, EINVAL, "path '%s' is not absolute", path);
	if (fd < 0)
		return err_sys(err, "open '/'");

	while (slice_next(&rest, '/', &part)) {
		char name[NAME_MAX + 1];
		int next;

		if (part.len == 0)
			continue;
		if (part.len > NAME_MAX)
			return err_set(err, ENAMETOOLONG, "path '%s'", path);
		memcpy(name, part.at, part.len);
		name[part.len] = '\0';
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (next < 0 && errno == ENOENT) {
			if (mkdirat(fd, name, mode) < 0 && errno != EEXIST)
				return err_sys(err, "make directory '%s'", path);
			next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
		if (next < 0)
			return err_sys(err, "open directory '%s'", path);
		fd_close(fd);
		fd = next;
	}

	/* The callers list, lock and fsync it: O_PATH is not enough. */
	int whole = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return whole < 0 ? err_sys(err, "open directory '%s'", path) : whole;
}

static bool helper_in(const char *dir, const char *infix, const char *name, char *buf,
		      size_t buf_bytes)
{
	int n = snprintf(buf, buf_bytes, "%s%s/%s", dir, infix, name);

	return n > 0 && (size_t)n < buf_bytes && access(buf, X_OK) == 0;
}

/* Of the running program: as it was started, where its file is on a mount that has no path. */
static bool own_dir(char *dir, size_t dir_bytes)
{
	ssize_t n = readlink("/proc/self/exe", dir, dir_bytes - 1);
	char *slash;

	if (n <= 0)
		return false;
	dir[n] = '\0';
	if (strcmp(dir, "/") == 0)
		(void)snprintf(dir, dir_bytes, "%s", program_invocation_name);
	slash = dir[0] == '/' ? strrchr(dir, '/') : NULL;
	if (slash)
		*slash = '\0';

	return slash != NULL;
}

int path_helper(const char *name, char *buf, size_t buf_bytes, struct err *err)
{
	const char *libexec = secure_getenv("HULL_LIBEXEC");
	char dir[PATH_MAX];

	if (libexec && helper_in(libexec, "", name, buf, buf_bytes))
		return 0;
	if (own_dir(dir, sizeof(dir)) && (helper_in(dir, "", name, buf, buf_bytes) ||
					  helper_in(dir, "/../libexec/hull", name, buf, buf_bytes)))
		return 0;
	err_set(err, ENOENT, "program '%s' is not installed", name);
	err_hint(err, "install it beside hull, or set HULL_LIBEXEC to the directory that holds it");

	return -ENOENT;
}

/* Names for directories that are moved up; nobody can have put such a name in the way. */
struct attic {
	int fd;
	char prefix[17];
	unsigned serial;
};

/* Remove what is in @dir (closed at the end); directories are moved up into @attic. */
static int empty_into(int dir_fd, struct attic *attic, struct err *err)
{
	DIR *dir = fdopendir(dir_fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = err_sys(err, "list a directory");
		fd_close(dir_fd);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		char moved[64];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (entry->d_type != DT_DIR) {
			if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
				continue;
			if (errno != EISDIR) {
				r = err_sys(err, "remove '%s'", entry->d_name);
				break;
			}
		}
		if (unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST) {
			r = err_sys(err, "remove directory '%s'", entry->d_name);
			break;
		}
		(void)snprintf(moved, sizeof(moved), ".hull-rm-%s-%u", attic->prefix,
			       attic->serial++);
		if (renameat(dirfd(dir), entry->d_name, attic->fd, moved) < 0)
			r = err_sys(err, "move '%s'", entry->d_name);
	}
	closedir(dir);

	return r;
}

int path_rmtree(int dir_fd, const char *name, struct err *err)
{
	auto_close int top_fd = -1;
	struct attic attic = { 0 };
	int r;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(err, "remove '%s'", name);
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return err_sys(err, "remove directory '%s'", name);

	top_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top_fd < 0)
		return err_sys(err, "open directory '%s'", name);
	attic.fd = top_fd;
	rand_hex(attic.prefix, sizeof(attic.prefix) - 1);

	/* Each pass empties every directory that is directly below the top. */
	while (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0) {
		DIR *dir;
		struct dirent *entry;
		int fd;

		if (errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return err_sys(err, "remove directory '%s'", name);
		fd = openat(top_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		dir = fd < 0 ? NULL : fdopendir(fd);
		if (!dir) {
			r = err_sys(err, "list '%s'", name);
			fd_close(fd);
			return r;
		}
		r = 0;
		while (r == 0 && (entry = readdir(dir))) {
			if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
				continue;
			if (unlinkat(top_fd, entry->d_name, 0) == 0 ||
			    unlinkat(top_fd, entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
				continue;
			if (errno != ENOTEMPTY && errno != EEXIST) {
				r = err_sys(err, "remove '%s'", entry->d_name);
				break;
			}
			fd = openat(top_fd, entry->d_name,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (fd < 0)
				r = err_sys(err, "open directory '%s'", entry->d_name);
			else
				r = empty_into(fd, &attic, err);
		}
		closedir(dir);
		if (r < 0)
			return err_wrap(err, r, "remove tree '%s'", name);
	}

	return 0;
}
