/* SPDX-License-Identifier: Apache-2.0
 *
 * tool_out.c - archive of a path in a root filesystem (cp from a workload, export)
 *
 * The workload may change its files while they are read. Each one is opened by a name in a
 * directory that is already open, never through a symlink, and what is archived is what the
 * descriptor says, so that a file which is exchanged for something else in between is left out,
 * not followed. A file that shrinks is filled up with zeroes: its length is already written.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "linux/mounts.h"
#include "runtime/tool_jobs.h"
#include "runtime/tool_walk.h"
#include "wire/tar_file.h"

#define OUT_READ_BYTES 131072
#define OUT_MAX_LINKS 4194304 /* files with several names in one archive */

#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif

/* A file with several names, and the first of these. @name is NULL in a free slot. */
struct out_link {
	dev_t dev;
	ino_t ino;
	char *name;
};

/**
 * struct out - an archive being written
 * @writer:	tar
 * @file:	where it goes
 * @prefix:	of the members' names
 * @links:	hash table, open addressing; a power of two in size, half of it free
 */
struct out {
	struct tar_writer writer;
	struct tar_file file;
	struct strbuf prefix;
	struct out_link *links;
	size_t links_len, links_room;
};

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

/* ---- files with several names ---- */

static struct out_link *link_slot(struct out_link *links, size_t room, dev_t dev, ino_t ino)
{
	size_t at = (size_t)((ino ^ dev << 40) * 0x9e3779b97f4a7c15ULL >> 20) & (room - 1);

	while (links[at].name && (links[at].dev != dev || links[at].ino != ino))
		at = (at + 1) & (room - 1);

	return &links[at];
}

static int links_grow(struct out *out)
{
	size_t room = out->links_room ? out->links_room * 2 : 256;
	struct out_link *links = calloc(room, sizeof(*links));

	if (!links)
		return -ENOMEM;
	for (size_t i = 0; i < out->links_room; i++)
		if (out->links[i].name)
			*link_slot(links, room, out->links[i].dev, out->links[i].ino) =
				out->links[i];
	free(out->links);
	out->links = links;
	out->links_room = room;

	return 0;
}

/* @ret_first: the name under which the file is in the archive already, or NULL; borrowed. */
static int links_find(struct out *out, const struct stat *st, const char *name,
		      const char **ret_first, struct err *err)
{
	struct out_link *slot;

	*ret_first = NULL;
	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return 0;
	if (out->links_len * 2 >= out->links_room && links_grow(out) < 0)
		return out_of_memory(err);
	slot = link_slot(out->links, out->links_room, st->st_dev, st->st_ino);
	*ret_first = slot->name;
	/* Beyond the limit they are stored anew: the archive is right, only larger. */
	if (slot->name || out->links_len >= OUT_MAX_LINKS)
		return 0;
	slot->name = strdup(name);
	if (!slot->name)
		return out_of_memory(err);
	slot->dev = st->st_dev;
	slot->ino = st->st_ino;
	out->links_len++;

	return 0;
}

/* ---- one member ---- */

/* A file that was opened; @fd is -1 for what has no content to read. */
struct member {
	int fd;
	struct stat st;
	char target[PATH_MAX]; /* of a symlink */
};

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       (a->st_mode & S_IFMT) == (b->st_mode & S_IFMT);
}

/*
 * Open what @path names below @dir_fd. It is looked at before it is opened for reading, because
 * opening a device can do something. -ENOENT and -ESTALE: it went away.
 */
static int member_open(struct member *m, int dir_fd, const char *path, int nofollow,
		       struct err *err)
{
	auto_close int path_fd = tool_open(dir_fd, path, O_PATH | nofollow, err);
	auto_close int fd = -1;
	struct stat st;
	ssize_t n;

	m->fd = -1;
	m->target[0] = '\0';
	if (path_fd < 0)
		return path_fd;
	if (fstat(path_fd, &m->st) < 0)
		return err_sys(err, "look at '%s'", path);
	if (S_ISLNK(m->st.st_mode)) {
		n = readlinkat(path_fd, "", m->target, sizeof(m->target) - 1);
		if (n < 0)
			return err_sys(err, "read symlink '%s'", path);
		m->target[n] = '\0';
	}
	if (!S_ISREG(m->st.st_mode) && !S_ISDIR(m->st.st_mode))
		return 0;
	fd = tool_open(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | nofollow, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at '%s'", path);
	if (!same_file(&st, &m->st))
		return err_set(err, ESTALE, "'%s' was exchanged while it was read", path);
	m->st = st;
	m->fd = take_fd(fd);

	return 0;
}

static int write_content(struct out *out, const struct member *m, struct err *err)
{
	auto_free char *buf = malloc(OUT_READ_BYTES);
	uint64_t left = (uint64_t)m->st.st_size;
	bool ended = false;

	if (!buf)
		return out_of_memory(err);
	while (left > 0) {
		size_t want = (size_t)MIN(left, (uint64_t)OUT_READ_BYTES);
		ssize_t n = ended ? 0 : fd_read_all(m->fd, buf, want);
		int r;

		if (n < 0)
			return err_wrap(err, (int)n, "read a file");
		ended = (size_t)n < want;
		memset(buf + n, 0, want - (size_t)n);
		r = tar_writer_data(&out->writer, buf, want, err);
		if (r < 0)
			return r;
		left -= want;
	}

	return 0;
}

/* Archive type of a file; 0 for a socket, which has none. */
static enum tar_type type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return TAR_FILE;
	case S_IFDIR:
		return TAR_DIR;
	case S_IFLNK:
		return TAR_SYMLINK;
	case S_IFCHR:
		return TAR_CHAR;
	case S_IFBLK:
		return TAR_BLOCK;
	case S_IFIFO:
		return TAR_FIFO;
	}

	return 0;
}

/* @name without slash at its end. */
static int member_write(struct out *out, const struct member *m, const char *name, struct err *err)
{
	auto_done(tool_xattrs) xattrs = { 0 };
	auto_done(strbuf) dir_name = STRBUF_INIT(TAR_MAX_NAME_BYTES);
	const struct stat *st = &m->st;
	struct tar_entry entry = {
		.type = type_of(st->st_mode),
		.name = name,
		.link = m->target,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
	};
	const char *first;
	int r = links_find(out, st, name, &first, err);

	if (r < 0)
		return r;
	if (first) {
		entry.type = TAR_HARDLINK;
		entry.link = first;
	} else if (m->fd >= 0) {
		r = tool_xattrs_read(m->fd, &xattrs, err);
		entry.xattrs = xattrs.items;
		entry.xattrs_len = xattrs.len;
	}
	if (entry.type == TAR_FILE)
		entry.size_bytes = (uint64_t)st->st_size;
	if (entry.type == TAR_CHAR || entry.type == TAR_BLOCK) {
		entry.dev_major = major(st->st_rdev);
		entry.dev_minor = minor(st->st_rdev);
	}
	if (entry.type == TAR_DIR) {
		strbuf_addf(&dir_name, "%s/", name);
		entry.name = strbuf_get(&dir_name);
	}
	if (r == 0)
		r = tar_writer_entry(&out->writer, &entry, err);
	if (r == 0 && entry.type == TAR_FILE)
		r = write_content(out, m, err);

	return r < 0 ? err_wrap(err, r, "archive '%s'", name) : 0;
}

/* ---- the tree ---- */

/* Filesystems whose files are the kernel's, not the workload's. */
static bool is_virtual(int fd)
{
	static const unsigned types[] = {
		PROC_SUPER_MAGIC,   SYSFS_MAGIC,  CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
		DEVPTS_SUPER_MAGIC, MQUEUE_MAGIC, DEBUGFS_MAGIC,      TRACEFS_MAGIC,
		SECURITYFS_MAGIC,   BPF_FS_MAGIC, EFIVARFS_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if ((unsigned)fs.f_type == types[i])
			return true;

	return false;
}

static int visit(struct out *out, struct tool_walk *w, const char *name, struct err *err)
{
	auto_done(strbuf) full = STRBUF_INIT(TAR_MAX_NAME_BYTES - 1);
	auto_close int fd = -1;
	struct member m;
	int r = member_open(&m, w->dir_fd, name, O_NOFOLLOW, err);

	if (r == -ENOENT || r == -ESTALE)
		return 0;
	if (r < 0)
		return err_wrap(err, r, "archive '%s'", strbuf_get(&w->path));
	fd = m.fd;
	if (S_ISSOCK(m.st.st_mode))
		return 0;
	strbuf_addf(&full, "%s%s", strbuf_get(&out->prefix), strbuf_get(&w->path));
	r = member_write(out, &m, strbuf_get(&full), err);
	if (r < 0 || !S_ISDIR(m.st.st_mode))
		return r;
	if (m.st.st_dev != tool_walk_dev(w) && is_virtual(fd))
		return 0;

	return tool_walk_enter(w, take_fd(fd), -1, 0, err);
}

static int write_tree(struct out *out, int dir_fd, struct err *err)
{
	auto_done(tool_walk) walk = TOOL_WALK_INIT;
	const char *name;
	int r = tool_walk_enter(&walk, dir_fd, -1, 0, err);

	if (r < 0)
		return r;
	while ((r = tool_walk_next(&walk, &name, err)) > 0) {
		r = visit(out, &walk, name, err);
		if (r < 0)
			break;
	}

	return r;
}

static int write_archive(struct out *out, const struct spec_tool *tool, int root_fd,
			 struct err *err)
{
	int nofollow = tool->flags & SPEC_TOOL_FOLLOW ? 0 : O_NOFOLLOW;
	bool root_names = tool->flags & SPEC_TOOL_ROOT_NAMES;
	struct slice base = tool->name ? slice_of(tool->name) : tool_base_name(tool->path);
	auto_close int fd = -1;
	struct member m;
	int r = member_open(&m, root_fd, tool->path, nofollow, err);

	if (r < 0)
		return r;
	fd = m.fd;
	if (S_ISSOCK(m.st.st_mode))
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is a socket", tool->path);
	strbuf_add(&out->prefix, base.at, base.len);
	if (!root_names || !S_ISDIR(m.st.st_mode))
		r = member_write(out, &m, strbuf_get(&out->prefix), err);
	if (root_names)
		strbuf_reset(&out->prefix);
	else
		strbuf_addc(&out->prefix, '/');
	if (r == 0 && S_ISDIR(m.st.st_mode))
		r = write_tree(out, take_fd(fd), err);
	if (r == 0)
		r = tar_writer_finish(&out->writer, err);
	if (r == 0)
		r = tar_file_flush(&out->file, err);

	return r;
}

int tool_tar_out(const struct spec_tool *tool, int root_fd, int out_fd, struct err *err)
{
	struct out out = { .prefix = STRBUF_INIT(TAR_MAX_NAME_BYTES) };
	auto_close int view_fd = -1;
	int r = tar_file_init(&out.file, out_fd, err);

	if (r < 0)
		return r;
	/* An export is of the root filesystem alone: look at it without what is mounted on it. */
	if (tool->flags & SPEC_TOOL_ROOT_NAMES) {
		view_fd = mount_clone(root_fd, "", false, err);
		r = MIN(view_fd, 0);
	}
	tar_writer_init(&out.writer, tar_file_write, &out.file);
	if (r == 0)
		r = write_archive(&out, tool, view_fd >= 0 ? view_fd : root_fd, err);
	for (size_t i = 0; i < out.links_room; i++)
		free(out.links[i].name);
	free(out.links);
	tar_file_done(&out.file);
	strbuf_done(&out.prefix);

	return r;
}
