/* SPDX-License-Identifier: Apache-2.0
 *
 * tool_diff.c - what a workload has changed, read off the writable layer of its overlay
 *
 * The layer holds only what was touched, so the walk is short. Each name in it is compared with
 * the same name in the layers below:
 *
 *   - a whiteout (device 0:0, or an empty file marked "overlay.whiteout") hides a name: D when
 *     there was one;
 *   - what the layers lack is an addition: A;
 *   - a file whose status is the same has only been copied up: nothing. A directory changes with
 *     its mode and owner; that it was copied up, or that its time moved, follows from changes
 *     inside and is told by these;
 *   - an opaque directory hides all of the layers' directory: D for each name that it lacks.
 *
 * What was made only to mount something on is none of the workload's changes.
 *
 * Directories that contain a change are listed as C before it, as Docker does. Names come in the
 * order of a walk that sorts each directory.
 *
 * The marks are "trusted" attributes: this must run with CAP_SYS_ADMIN in the first user
 * namespace. Both trees are seen through the same mapping of owners.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/root.h"
#include "runtime/tool_jobs.h"
#include "runtime/tool_walk.h"

#define DIFF_BUFFER_BYTES 65536

/**
 * struct diff - a comparison
 * @walk:	through the writable layer, the layers below as its peer
 * @out:	lines not yet written
 * @out_fd:	destination
 * @told_bytes:	this much of the current path, whole components, has been listed already
 * @told:	the path that was listed last
 */
struct diff {
	struct tool_walk walk;
	struct strbuf out, told;
	int out_fd;
};

static int flush(struct diff *d, struct err *err)
{
	int r;

	if (d->out.failed)
		return err_set(err, ENOMEM, "out of memory");
	r = fd_write_all(d->out_fd, strbuf_get(&d->out), d->out.len);
	strbuf_reset(&d->out);

	return r < 0 ? err_wrap(err, r, "write changes") : 0;
}

static int tell_line(struct diff *d, char kind, const char *path, size_t len, struct err *err)
{
	strbuf_addc(&d->out, kind);
	strbuf_adds(&d->out, " /");
	strbuf_add(&d->out, path, len);
	strbuf_addc(&d->out, '\n');

	return d->out.len >= DIFF_BUFFER_BYTES ? flush(d, err) : 0;
}

/* Bytes that @path and @other have in common, in whole components. */
static size_t common_components(const char *path, const char *other)
{
	size_t common = 0, i;

	for (i = 0; path[i] && path[i] == other[i]; i++)
		if (path[i] == '/')
			common = i;
	if ((path[i] == '\0' && other[i] == '/') || (path[i] == '/' && other[i] == '\0') ||
	    (path[i] == '\0' && other[i] == '\0'))
		common = i;

	return common;
}

/* One change, after those directories above it that have not been listed yet. */
static int tell(struct diff *d, char kind, const char *path, struct err *err)
{
	size_t at = common_components(path, strbuf_get(&d->told));
	const char *slash;
	int r = 0;

	while (r == 0 && (slash = strchr(path + at + (at > 0), '/'))) {
		at = (size_t)(slash - path);
		r = tell_line(d, 'C', path, at, err);
	}
	if (r == 0)
		r = tell_line(d, kind, path, strlen(path), err);
	strbuf_reset(&d->told);
	strbuf_adds(&d->told, path);

	return r;
}

static bool is_opaque(int dir_fd)
{
	char value;

	return fgetxattr(dir_fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

/* A mark without a value counts: only its presence is tested by the kernel. */
static bool is_whiteout(int dir_fd, const char *name, const struct stat *st)
{
	auto_close int fd = -1;

	if (S_ISCHR(st->st_mode))
		return st->st_rdev == 0;
	if (!S_ISREG(st->st_mode) || st->st_size > 0)
		return false;
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd >= 0 && fgetxattr(fd, "trusted.overlay.whiteout", NULL, 0) >= 0;
}

/* Was it only made to mount something on? See root.h. */
static bool is_mount_place(int dir_fd, const char *name, const struct stat *st)
{
	auto_close int fd = -1;

	if (!S_ISDIR(st->st_mode) && !(S_ISREG(st->st_mode) && st->st_size == 0))
		return false;
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd >= 0 && fgetxattr(fd, ROOT_PLACE_MARK, NULL, 0) >= 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_changed(const struct stat *now, const struct stat *was)
{
	if (now->st_mode != was->st_mode || now->st_uid != was->st_uid ||
	    now->st_gid != was->st_gid)
		return true;
	if (S_ISDIR(now->st_mode))
		return false;

	return now->st_rdev != was->st_rdev || now->st_size != was->st_size ||
	       !same_time(&now->st_mtim, &was->st_mtim);
}

/* Go into the directory at hand; @in_layers tells whether it was one before. */
static int enter(struct diff *d, const char *name, bool in_layers, struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	auto_close int dir_fd = openat(d->walk.dir_fd, name, flags), peer_fd = -1;
	unsigned walk_flags = 0;

	if (dir_fd < 0)
		return err_sys(err, "open '%s'", strbuf_get(&d->walk.path));
	if (in_layers) {
		peer_fd = openat(d->walk.peer_fd, name, flags);
		if (peer_fd < 0)
			return err_sys(err, "open '%s'", strbuf_get(&d->walk.path));
	}
	if (in_layers && is_opaque(dir_fd))
		walk_flags = TOOL_WALK_UNION;

	return tool_walk_enter(&d->walk, take_fd(dir_fd), take_fd(peer_fd), walk_flags, err);
}

static int compare(struct diff *d, const char *name, struct err *err)
{
	const char *path = strbuf_get(&d->walk.path);
	struct stat now, was;
	bool exists = fstatat(d->walk.dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0;
	bool existed = tool_walk_has_peer(&d->walk) &&
		       fstatat(d->walk.peer_fd, name, &was, AT_SYMLINK_NOFOLLOW) == 0;
	int r = 0;

	if (!exists || is_whiteout(d->walk.dir_fd, name, &now))
		return existed ? tell(d, 'D', path, err) : 0;
	if (existed && is_changed(&now, &was))
		r = tell(d, 'C', path, err);
	else if (!existed && !is_mount_place(d->walk.dir_fd, name, &now))
		r = tell(d, 'A', path, err);
	if (r == 0 && S_ISDIR(now.st_mode))
		r = enter(d, name, existed && S_ISDIR(was.st_mode), err);

	return r;
}

int tool_diff(int upper_fd, int lower_fd, int out_fd, struct err *err)
{
	struct diff d = {
		.walk = TOOL_WALK_INIT,
		.out = STRBUF_INIT(DIFF_BUFFER_BYTES + 2 * TOOL_WALK_MAX_PATH),
		.told = STRBUF_INIT(2 * TOOL_WALK_MAX_PATH),
		.out_fd = out_fd,
	};
	const char *name;
	int r = tool_walk_enter(&d.walk, fcntl(upper_fd, F_DUPFD_CLOEXEC, 0),
				fcntl(lower_fd, F_DUPFD_CLOEXEC, 0), 0, err);

	if (r == 0)
		while ((r = tool_walk_next(&d.walk, &name, err)) > 0) {
			r = compare(&d, name, err);
			if (r < 0)
				break;
		}
	if (r == 0)
		r = flush(&d, err);
	strbuf_done(&d.out);
	strbuf_done(&d.told);
	tool_walk_done(&d.walk);

	return r < 0 ? err_wrap(err, r, "list changes") : 0;
}
