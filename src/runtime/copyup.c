/* SPDX-License-Identifier: Apache-2.0
 *
 * copyup.c - inside: an empty volume takes over what the image has in its place
 *
 * Both sides are walked by descriptors, one name at a time, never through a symlink: the
 * image's tree is not trusted, and neither is a volume that other workloads write to.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/build.h"

/* Each level holds three descriptors; 1024 are what a process usually may have. */
#define DEPTH_MAX 256
#define SEND_MAX_BYTES (64 * MIB)
#define XATTR_MAX_BYTES (64 * KIB)

static int copy_content(int from_fd, int to_fd, struct err *err)
{
	for (;;) {
		ssize_t n = sendfile(to_fd, from_fd, NULL, SEND_MAX_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_sys(err, "copy content") : 0;
	}
}

/* What the target filesystem does not take (a security label, say) is left out. */
static void copy_xattrs(int from_fd, int to_fd)
{
	char names[4096], value[XATTR_MAX_BYTES];
	ssize_t len = flistxattr(from_fd, names, sizeof(names));

	for (char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		ssize_t value_len = fgetxattr(from_fd, name, value, sizeof(value));

		if (value_len >= 0)
			(void)fsetxattr(to_fd, name, value, (size_t)value_len, 0);
	}
}

/* Owner first: changing it would clear set-id bits and capabilities. */
static int copy_metadata(int from_fd, int to_fd, const struct stat *st, struct err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(to_fd, st->st_uid, st->st_gid) < 0 || fchmod(to_fd, st->st_mode & 07777) < 0)
		return err_sys(err, "set owner and mode");
	copy_xattrs(from_fd, to_fd);
	if (futimens(to_fd, times) < 0)
		return err_sys(err, "set times");

	return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, struct err *err)
{
	auto_close int from_fd =
		openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	auto_close int to_fd = -1;
	struct stat st;
	int r;

	if (from_fd < 0 || fstat(from_fd, &st) < 0)
		return err_sys(err, "open '%s'", name);
	to_fd = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to_fd < 0)
		return err_sys(err, "make '%s'", name);
	r = copy_content(from_fd, to_fd, err);
	if (r == 0)
		r = copy_metadata(from_fd, to_fd, &st, err);

	return r < 0 ? err_wrap(err, r, "'%s'", name) : 0;
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct stat *st,
		     struct err *err)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (len < 0)
		return err_sys(err, "read link '%s'", name);
	target[len] = '\0';
	if (symlinkat(target, to_dir, name) < 0 ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "make link '%s'", name);

	return 0;
}

static int copy_special(int to_dir, const char *name, const struct stat *st, struct err *err)
{
	/* Devices come from the workload's /dev alone. */
	if (!S_ISFIFO(st->st_mode))
		return 0;
	if (mknodat(to_dir, name, S_IFIFO | (st->st_mode & 07777), 0) < 0 ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "make '%s'", name);

	return 0;
}

static int copy_dir(int from_fd, int to_fd, int depth, struct err *err);

static int copy_subdir(int from_dir, int to_dir, const char *name, int depth, struct err *err)
{
	auto_close int from_fd =
		openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int to_fd = -1;
	int r;

	if (from_fd < 0)
		return err_sys(err, "open '%s'", name);
	if (depth == DEPTH_MAX)
		return err_set(err, ELOOP, "directories are nested too deep");
	if (mkdirat(to_dir, name, 0700) < 0)
		return err_sys(err, "make '%s'", name);
	to_fd = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to_fd < 0)
		return err_sys(err, "open '%s'", name);
	r = copy_dir(from_fd, to_fd, depth, err);

	return r < 0 ? err_wrap(err, r, "'%s'", name) : 0;
}

static int copy_entry(int from_fd, int to_fd, const char *name, int depth, struct err *err)
{
	struct stat st;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "examine '%s'", name);
	if (S_ISDIR(st.st_mode))
		return copy_subdir(from_fd, to_fd, name, depth + 1, err);
	if (S_ISREG(st.st_mode))
		return copy_file(from_fd, to_fd, name, err);
	if (S_ISLNK(st.st_mode))
		return copy_link(from_fd, to_fd, name, &st, err);

	return copy_special(to_fd, name, &st, err);
}

static int copy_dir(int from_fd, int to_fd, int depth, struct err *err)
{
	int list_fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;
	struct stat st;
	int r = 0;

	if (!dir) {
		r = err_sys(err, "list a directory");
		fd_close(list_fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = copy_entry(from_fd, to_fd, entry->d_name, depth, err);
	(void)closedir(dir);
	if (r == 0 && fstat(from_fd, &st) < 0)
		r = err_sys(err, "examine a directory");

	return r < 0 ? r : copy_metadata(from_fd, to_fd, &st, err);
}

static int is_empty(int dir_fd, bool *ret_empty, struct err *err)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;
	int entries = 0;

	if (!dir) {
		int r = err_sys(err, "list the volume");

		fd_close(list_fd);
		return r;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			entries++;
	(void)closedir(dir);
	*ret_empty = entries == 0;

	return 0;
}

int rootfs_copy_up(int from_fd, int to_fd, struct err *err)
{
	bool empty = false;
	int r = is_empty(to_fd, &empty, err);

	return r < 0 || !empty ? r : copy_dir(from_fd, to_fd, 0, err);
}
