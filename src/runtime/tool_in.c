/* SPDX-License-Identifier: Apache-2.0
 *
 * tool_in.c - unpack an archive below a directory of a root filesystem (cp to a workload)
 *
 * Two sides are not trusted: who made the archive, and the workload, which may move things about
 * while we write. Hence:
 *
 *   - names are taken apart; ".." is refused, a leading slash ignored;
 *   - each directory on the way is opened by its name in the one before, and a symlink there is
 *     an error, whoever planted it. What is made is made by such a descriptor and a name that is
 *     never followed;
 *   - what is in the way is removed first and files are created O_EXCL, so that nothing is ever
 *     written through a hard link, into a device or into a pipe that was waiting there;
 *   - owner, mode, attributes and times are set through the descriptor of what was made;
 *   - a hard link leads to a name below the same directory, found by the same rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "runtime/tool_jobs.h"

#define IN_BUFFER_BYTES 131072
#define IN_HOLE_BYTES 65536
#define IN_MAX_DIRS 1048576 /* in one archive */

/* A directory gets its time last: what is made in it would change it again. */
struct in_dir {
	char *path;
	struct timespec mtime;
};

/**
 * struct in - an archive being unpacked
 * @tool:	what was asked for
 * @dest_fd:	directory below which everything goes
 * @parent_fd:	directory that was used last, -1: none
 * @parent:	its path below @dest_fd, "" for itself
 * @path:	of the member at hand, clean, relative to @dest_fd
 * @file_fd:	its content goes here, -1: not a file
 * @meta:	its metadata; pointers in it are not valid after the callback
 * @xattrs:	its attributes
 * @dirs:	directories that wait for their time
 */
struct in {
	const struct spec_tool *tool;
	int dest_fd, parent_fd, file_fd;
	struct strbuf parent, path;
	struct tar_entry meta;
	struct tool_xattrs xattrs;
	struct in_dir *dirs;
	size_t dirs_len, dirs_room;
};

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

/* ---- names ---- */

/* "/a//./b/" becomes "a/b"; "" for the destination itself. */
static int clean_name(const char *name, struct strbuf *ret, struct err *err)
{
	struct slice rest = slice_of(name), part;

	strbuf_reset(ret);
	while (slice_next(&rest, '/', &part)) {
		if (part.len == 0 || slice_eq(part, "."))
			continue;
		if (slice_eq(part, ".."))
			return err_setk(err, ERR_USAGE, EINVAL, "'%s' leads out of the archive",
					name);
		if (ret->len > 0)
			strbuf_addc(ret, '/');
		strbuf_add(ret, part.at, part.len);
	}

	return ret->failed ? out_of_memory(err) : 0;
}

/* Is clean @path one that this archive may have? */
static int check_scope(const struct in *in, const char *path, struct err *err)
{
	const char *name = in->tool->flags & SPEC_TOOL_UNTRUSTED ? in->tool->name : NULL;
	size_t len = name ? strlen(name) : 0;

	if (!name || (strncmp(path, name, len) == 0 && (path[len] == '\0' || path[len] == '/')))
		return 0;

	return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not below '%s'", path, name);
}

/* Open directory @name in @dir_fd, making it when @make; never through a symlink. */
static int open_dir(int dir_fd, const char *name, bool make, struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir_fd, name, flags);

	if (fd < 0 && errno == ENOENT && make) {
		if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "make directory '%s'", name);
		fd = openat(dir_fd, name, flags);
	}
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return err_setk(err, ERR_CONFLICT, ENOTDIR,
				"'%s' is not a directory, and symlinks are not followed", name);

	return fd < 0 ? err_sys(err, "open directory '%s'", name) : fd;
}

static void forget_parent(struct in *in)
{
	in->parent_fd = fd_close(in->parent_fd);
	strbuf_reset(&in->parent);
}

/* True when directory @parent is @path or above it. */
static bool is_above(const char *parent, size_t len, const char *path)
{
	return strncmp(parent, path, len) == 0 && (len == 0 || path[len] == '/');
}

/*
 * The directory that holds @path, as in->parent_fd; @ret_base is the rest of @path. Consecutive
 * members are neighbours mostly, so the way from the destination is gone once, not each time.
 */
static int find_parent(struct in *in, const char *path, bool make, const char **ret_base,
		       struct err *err)
{
	const char *slash;
	const char *at;

	if (in->parent_fd < 0 || !is_above(strbuf_get(&in->parent), in->parent.len, path)) {
		forget_parent(in);
		in->parent_fd = fcntl(in->dest_fd, F_DUPFD_CLOEXEC, 0);
		if (in->parent_fd < 0)
			return err_sys(err, "open the destination");
	}
	at = path + in->parent.len + (in->parent.len > 0);
	while ((slash = strchr(at, '/'))) {
		auto_free char *name = strndup(at, (size_t)(slash - at));
		int fd;

		if (!name)
			return out_of_memory(err);
		fd = open_dir(in->parent_fd, name, make, err);
		if (fd < 0)
			return fd;
		fd_close(in->parent_fd);
		in->parent_fd = fd;
		if (in->parent.len > 0)
			strbuf_addc(&in->parent, '/');
		strbuf_adds(&in->parent, name);
		if (in->parent.failed)
			return out_of_memory(err);
		at = slash + 1;
	}
	*ret_base = at;

	return 0;
}

/* ---- metadata ---- */

static struct timespec mtime_of(const struct tar_entry *meta)
{
	return (struct timespec){ .tv_sec = meta->mtime_s, .tv_nsec = meta->mtime_ns };
}

static uid_t owner_of(const struct in *in)
{
	return in->tool->flags & SPEC_TOOL_KEEP_OWNER ? in->meta.uid : 0;
}

static gid_t group_of(const struct in *in)
{
	return in->tool->flags & SPEC_TOOL_KEEP_OWNER ? in->meta.gid : 0;
}

/* May a member carry privileges to who runs it? */
static bool may_elevate(const struct in *in)
{
	return !(in->tool->flags & SPEC_TOOL_UNTRUSTED) || (in->tool->flags & SPEC_TOOL_KEEP_OWNER);
}

static mode_t mode_of(const struct in *in)
{
	return in->meta.mode & (may_elevate(in) ? 07777 : 01777);
}

static int owner_refused(const struct in *in, struct err *err)
{
	int r = err_sys(err, "give it to %u:%u", owner_of(in), group_of(in));

	if (r == -EINVAL)
		err_hint(err, "the workload's user namespace has no such owner");

	return r;
}

/* In this order: a new owner clears set-id bits and capabilities. */
static int set_metadata(const struct in *in, int fd, struct err *err)
{
	if (fchown(fd, owner_of(in), group_of(in)) < 0)
		return owner_refused(in, err);
	if (fchmod(fd, mode_of(in)) < 0)
		return err_sys(err, "set its mode");

	return tool_xattrs_write(fd, &in->xattrs, err);
}

static int set_mtime(int dir_fd, const char *name, struct timespec mtime, struct err *err)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, mtime };
	int r = name ? utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW)
		     : futimens(dir_fd, times);

	return r < 0 ? err_sys(err, "set its time") : 0;
}

/* ---- the kinds of members ---- */

static int make_file(struct in *in, const char *base, struct err *err)
{
	in->file_fd = openat(in->parent_fd, base,
			     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return in->file_fd < 0 ? err_sys(err, "create it") : 0;
}

static int remember_dir(struct in *in, struct err *err)
{
	char *path;

	if (in->dirs_len >= IN_MAX_DIRS)
		return err_setk(err, ERR_USAGE, E2BIG, "the archive has more than %d directories",
				IN_MAX_DIRS);
	if (in->dirs_len == in->dirs_room) {
		size_t room = in->dirs_room ? in->dirs_room * 2 : 64;
		struct in_dir *dirs = reallocarray(in->dirs, room, sizeof(*dirs));

		if (!dirs)
			return out_of_memory(err);
		in->dirs = dirs;
		in->dirs_room = room;
	}
	path = strdup(strbuf_get(&in->path));
	if (!path)
		return out_of_memory(err);
	in->dirs[in->dirs_len++] = (struct in_dir){ .path = path, .mtime = mtime_of(&in->meta) };

	return 0;
}

static int make_dir(struct in *in, const char *base, struct err *err)
{
	auto_close int fd = -1;
	int r;

	if (mkdirat(in->parent_fd, base, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "create it");
	fd = open_dir(in->parent_fd, base, false, err);
	if (fd < 0)
		return fd;
	r = set_metadata(in, fd, err);

	return r < 0 ? r : remember_dir(in, err);
}

static int make_symlink(struct in *in, const char *base, struct err *err)
{
	if (symlinkat(in->meta.link, in->parent_fd, base) < 0)
		return err_sys(err, "create it");
	if (fchownat(in->parent_fd, base, owner_of(in), group_of(in), AT_SYMLINK_NOFOLLOW) < 0)
		return owner_refused(in, err);

	return set_mtime(in->parent_fd, base, mtime_of(&in->meta), err);
}

/* The umask is 0: the mode needs no second call, which would have to follow the name. */
static int make_node(struct in *in, const char *base, struct err *err)
{
	mode_t type = in->meta.type == TAR_CHAR	   ? S_IFCHR
		      : in->meta.type == TAR_BLOCK ? S_IFBLK
						   : S_IFIFO;
	dev_t dev = type == S_IFIFO ? 0 : makedev(in->meta.dev_major, in->meta.dev_minor);
	int r;

	if (mknodat(in->parent_fd, base, type | mode_of(in), dev) < 0) {
		r = err_sys(err, "create it");
		if (r == -EPERM)
			err_hint(err, "device nodes cannot be made in a user namespace");
		return r;
	}
	if (fchownat(in->parent_fd, base, owner_of(in), group_of(in), AT_SYMLINK_NOFOLLOW) < 0)
		return owner_refused(in, err);

	return set_mtime(in->parent_fd, base, mtime_of(&in->meta), err);
}

static int make_hardlink(struct in *in, const char *base, struct err *err)
{
	auto_close int dir_fd = fcntl(in->parent_fd, F_DUPFD_CLOEXEC, 0);
	auto_done(strbuf) target = STRBUF_INIT(TAR_MAX_NAME_BYTES);
	const char *target_base;
	int r = clean_name(in->meta.link, &target, err);

	if (r < 0)
		return r;
	if (dir_fd < 0)
		return err_sys(err, "open its directory");
	if (target.len == 0)
		return err_setk(err, ERR_USAGE, EINVAL, "hard link to a directory");
	r = check_scope(in, strbuf_get(&target), err);
	if (r < 0)
		return r;
	r = find_parent(in, strbuf_get(&target), false, &target_base, err);
	if (r < 0)
		return r;
	/* Without AT_SYMLINK_FOLLOW: a symlink at the end is linked itself. */
	if (linkat(in->parent_fd, target_base, dir_fd, base, 0) < 0)
		return err_sys(err, "link it to '%s'", in->meta.link);

	return 0;
}

/* Docker's clients look for these words. */
static int clear_way(struct in *in, const char *base, struct err *err)
{
	bool is_dir = in->meta.type == TAR_DIR, was_dir;
	bool strict = in->tool->flags & SPEC_TOOL_NO_OVERWRITE_DIR;
	struct stat st;

	if (fstatat(in->parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "look at what is there");
	was_dir = S_ISDIR(st.st_mode);
	if (was_dir && is_dir)
		return 0;
	if (strict && was_dir)
		return err_setk(err, ERR_USAGE, EISDIR,
				"cannot overwrite directory \"%s/%s\" with non-directory \"%s\"",
				in->tool->path, strbuf_get(&in->path), in->tool->path);
	if (strict && is_dir)
		return err_setk(err, ERR_USAGE, ENOTDIR,
				"cannot overwrite non-directory \"%s/%s\" with directory \"%s\"",
				in->tool->path, strbuf_get(&in->path), in->tool->path);
	if (!was_dir)
		return unlinkat(in->parent_fd, base, 0) < 0 && errno != ENOENT
			       ? err_sys(err, "remove what is there")
			       : 0;

	return path_rmtree(in->parent_fd, base, err);
}

static int make_member(struct in *in, struct err *err)
{
	bool device = in->meta.type == TAR_CHAR || in->meta.type == TAR_BLOCK;
	const char *base;
	int r = check_scope(in, strbuf_get(&in->path), err);

	if (r == 0 && device && (in->tool->flags & SPEC_TOOL_UNTRUSTED))
		r = err_setk(err, ERR_USAGE, EPERM, "a device of a workload is not made here");
	if (r == 0)
		r = find_parent(in, strbuf_get(&in->path), true, &base, err);
	if (r == 0)
		r = clear_way(in, base, err);
	if (r < 0)
		return r;

	switch (in->meta.type) {
	case TAR_FILE:
		return make_file(in, base, err);
	case TAR_DIR:
		return make_dir(in, base, err);
	case TAR_SYMLINK:
		return make_symlink(in, base, err);
	case TAR_HARDLINK:
		return make_hardlink(in, base, err);
	case TAR_CHAR:
	case TAR_BLOCK:
	case TAR_FIFO:
		return make_node(in, base, err);
	}

	return err_set(err, ENOTSUP, "unknown kind of member");
}

/* ---- what the reader finds ---- */

static int on_entry(void *ctx, const struct tar_entry *entry, struct err *err)
{
	struct in *in = ctx;
	int r;

	tool_xattrs_done(&in->xattrs);
	in->meta = *entry;
	r = clean_name(entry->name, &in->path, err);
	if (r < 0)
		return r;
	if (in->path.len == 0) {
		/* The destination keeps its own metadata, as in Docker. */
		if (entry->type == TAR_DIR)
			return 0;
		return err_setk(err, ERR_USAGE, EINVAL, "an archive member has no name");
	}
	r = tool_xattrs_copy(entry, may_elevate(in), &in->xattrs, err);
	if (r == 0)
		r = make_member(in, err);

	return r < 0 ? err_wrap(err, r, "unpack '%s'", entry->name) : 0;
}

static bool is_zero(const char *at, size_t len)
{
	return at[0] == 0 && memcmp(at, at + 1, len - 1) == 0;
}

static int write_at(int fd, const char *at, size_t len, uint64_t offset_bytes)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, at, len, (off_t)offset_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
		offset_bytes += (uint64_t)n;
	}

	return 0;
}

/* Blocks of zeroes become holes: what was sparse in the root does not fill up the other side. */
static int on_data(void *ctx, uint64_t offset_bytes, const void *buf, size_t len, struct err *err)
{
	struct in *in = ctx;
	const char *at = buf;

	while (in->file_fd >= 0 && len > 0) {
		size_t part = MIN(len, IN_HOLE_BYTES - (size_t)(offset_bytes % IN_HOLE_BYTES));
		int r = is_zero(at, part) ? 0 : write_at(in->file_fd, at, part, offset_bytes);

		if (r < 0)
			return err_wrap(err, r, "write '%s'", strbuf_get(&in->path));
		at += part;
		len -= part;
		offset_bytes += part;
	}

	return 0;
}

static int on_end(void *ctx, struct err *err)
{
	struct in *in = ctx;
	int r = 0;

	if (in->file_fd < 0)
		return 0;
	/* A hole at the end has not been written. */
	if (ftruncate(in->file_fd, (off_t)in->meta.size_bytes) < 0)
		r = err_sys(err, "set its length");
	if (r == 0)
		r = set_metadata(in, in->file_fd, err);
	if (r == 0)
		r = set_mtime(in->file_fd, NULL, mtime_of(&in->meta), err);
	in->file_fd = fd_close(in->file_fd);

	return r < 0 ? err_wrap(err, r, "unpack '%s'", strbuf_get(&in->path)) : 0;
}

/* In the order of the archive, so that find_parent() goes each way once. */
static void date_dirs(struct in *in)
{
	for (size_t i = 0; i < in->dirs_len; i++) {
		auto_close int fd = -1;
		const char *base;

		/* The archive itself, or the workload, may have put something else there since. */
		if (find_parent(in, in->dirs[i].path, false, &base, NULL) < 0)
			continue;
		fd = openat(in->parent_fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			(void)set_mtime(fd, NULL, in->dirs[i].mtime, NULL);
	}
}

/* Read to the end even where the archive ends before: the other side must not be cut off. */
static int read_archive(struct tar_reader *reader, int in_fd, struct err *err)
{
	auto_free char *buf = malloc(IN_BUFFER_BYTES);

	if (!buf)
		return out_of_memory(err);
	for (;;) {
		ssize_t n = read(in_fd, buf, IN_BUFFER_BYTES);
		int r = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read the archive");
		if (n == 0)
			return tar_reader_finish(reader, err);
		if (!tar_reader_at_end(reader))
			r = tar_reader_feed(reader, buf, (size_t)n, err);
		if (r < 0)
			return r;
	}
}

static void in_done(struct in *in)
{
	forget_parent(in);
	strbuf_done(&in->parent);
	strbuf_done(&in->path);
	tool_xattrs_done(&in->xattrs);
	in->file_fd = fd_close(in->file_fd);
	for (size_t i = 0; i < in->dirs_len; i++)
		free(in->dirs[i].path);
	free(in->dirs);
}

int tool_tar_in(const struct spec_tool *tool, int root_fd, int in_fd, struct err *err)
{
	static const struct tar_reader_ops ops = {
		.entry = on_entry,
		.data = on_data,
		.end = on_end,
	};
	auto_close int dest_fd = tool_open(root_fd, tool->path, O_PATH, err);
	struct in in = {
		.tool = tool,
		.dest_fd = dest_fd,
		.parent_fd = -1,
		.file_fd = -1,
		.parent = STRBUF_INIT(TAR_MAX_NAME_BYTES),
		.path = STRBUF_INIT(TAR_MAX_NAME_BYTES),
	};
	auto_ptr(tar_reader) *reader = NULL;
	struct stat st;
	mode_t old_umask;
	int r;

	if (dest_fd < 0)
		return dest_fd;
	if (fstat(dest_fd, &st) < 0)
		return err_sys(err, "look at '%s'", tool->path);
	if (!S_ISDIR(st.st_mode))
		return err_setk(err, ERR_USAGE, ENOTDIR,
				"'%s': extraction point is not a directory", tool->path);
	reader = tar_reader_new(&ops, &in);
	if (!reader)
		return out_of_memory(err);
	old_umask = umask(0);
	r = read_archive(reader, in_fd, err);
	if (r == 0)
		date_dirs(&in);
	umask(old_umask);
	in_done(&in);

	return r;
}
