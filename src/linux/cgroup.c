/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup.c - where control groups are, how they are made and joined
 */
#include "linux/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"

#define MOUNTINFO_MAX_BYTES (4 * MIB)

static const struct {
	const char *name;
	unsigned bit;
} CONTROLLERS[] = {
	{ "cpu", CGROUP_CPU },	       { "cpuacct", CGROUP_CPUACCT }, { "cpuset", CGROUP_CPUSET },
	{ "memory", CGROUP_MEMORY },   { "devices", CGROUP_DEVICES }, { "blkio", CGROUP_IO },
	{ "freezer", CGROUP_FREEZER }, { "io", CGROUP_IO },	      { "pids", CGROUP_PIDS },
};

#define V2_CONTROLLERS (CGROUP_CPU | CGROUP_CPUSET | CGROUP_MEMORY | CGROUP_IO | CGROUP_PIDS)

static unsigned controllers_of(struct slice names, char delim)
{
	struct slice name;
	unsigned set = 0;

	while (slice_next(&names, delim, &name))
		for (size_t i = 0; i < ARRAY_SIZE(CONTROLLERS); i++)
			if (slice_eq(name, CONTROLLERS[i].name))
				set |= CONTROLLERS[i].bit;

	return set;
}

/* The parts of a line of mountinfo that matter here; see proc_pid_mountinfo(5). */
struct mount_line {
	struct slice device, point, fstype, options;
};

static bool parse_line(struct slice line, struct mount_line *ret)
{
	struct slice field;
	int i = 0;

	for (; slice_next(&line, ' ', &field); i++) {
		if (i == 2)
			ret->device = field;
		if (i == 4)
			ret->point = field;
		if (i > 5 && slice_eq(field, "-"))
			break;
	}

	return slice_next(&line, ' ', &ret->fstype) && slice_next(&line, ' ', &field) &&
	       slice_next(&line, ' ', &ret->options);
}

/* A mount of a hierarchy that is known already (its device number repeats) is skipped. */
static bool add_dir(struct cgroup *cg, const struct mount_line *line, bool v2, const char *name,
		    struct slice devices[CGROUP_MAX_HIERARCHIES])
{
	struct cgroup_dir *dir = &cg->dirs[cg->dirs_len];
	int n;

	if (cg->dirs_len == CGROUP_MAX_HIERARCHIES || memchr(line->point.at, '\\', line->point.len))
		return false;
	for (size_t i = 0; i < cg->dirs_len; i++)
		if (devices[i].len == line->device.len &&
		    memcmp(devices[i].at, line->device.at, line->device.len) == 0)
			return false;
	n = snprintf(dir->path, sizeof(dir->path), "%.*s/%s", (int)line->point.len, line->point.at,
		     name);
	if (n < 0 || (size_t)n >= sizeof(dir->path))
		return false;
	dir->mount_len = line->point.len;
	dir->v2 = v2;
	dir->controllers = v2 ? 0 : controllers_of(line->options, ',');
	devices[cg->dirs_len++] = line->device;

	return true;
}

/* Which controllers v2 offers, and put it first. */
static void finish_v2(struct cgroup *cg, size_t at)
{
	struct cgroup_dir v2 = cg->dirs[at];
	char path[CGROUP_PATH_BYTES + 32], text[256];
	auto_close int fd = -1;
	ssize_t n;

	cg->dirs[at] = cg->dirs[0];
	(void)snprintf(path, sizeof(path), "%.*s/cgroup.controllers", (int)v2.mount_len, v2.path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_all(fd, text, sizeof(text));
	if (n > 0)
		v2.controllers = controllers_of((struct slice){ text, (size_t)n - 1 }, ' ');
	cg->dirs[0] = v2;
}

int cgroup_find(const char *name, struct cgroup *ret, struct err *err)
{
	struct slice devices[CGROUP_MAX_HIERARCHIES], rest, text;
	auto_free char *buf = NULL;
	struct mount_line line;
	size_t len;
	int r;

	r = fd_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX_BYTES, &buf, &len, err);
	if (r < 0)
		return r;
	ret->dirs_len = 0;
	rest = (struct slice){ buf, len };
	while (slice_next(&rest, '\n', &text)) {
		size_t at = ret->dirs_len;

		if (!parse_line(text, &line))
			continue;
		if (slice_eq(line.fstype, "cgroup"))
			(void)add_dir(ret, &line, false, name, devices);
		else if (slice_eq(line.fstype, "cgroup2") &&
			 add_dir(ret, &line, true, name, devices) && at > 0) {
			struct slice first = devices[0];

			devices[0] = devices[at];
			devices[at] = first;
			finish_v2(ret, at);
		} else if (at == 0 && ret->dirs_len == 1) {
			finish_v2(ret, 0);
		}
	}
	if (ret->dirs_len == 0) {
		err_setk(err, ERR_UNSUPPORTED, ENOENT, "no cgroup filesystem is mounted");
		err_hint(err, "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
		return -ENOENT;
	}

	return 0;
}

const struct cgroup_dir *cgroup_v2(const struct cgroup *cg)
{
	return cg->dirs_len > 0 && cg->dirs[0].v2 ? &cg->dirs[0] : NULL;
}

const struct cgroup_dir *cgroup_dir_of(const struct cgroup *cg, unsigned controller)
{
	/* Backwards, so that v1 comes before v2: a controller is live in one of them only. */
	for (size_t i = cg->dirs_len; i-- > 0;)
		if (cg->dirs[i].controllers & controller)
			return &cg->dirs[i];

	return NULL;
}

static int file_path(const struct cgroup_dir *dir, const char *file,
		     char buf[CGROUP_PATH_BYTES + 64])
{
	int n = snprintf(buf, CGROUP_PATH_BYTES + 64, "%s/%s", dir->path, file);

	return n < 0 || n >= CGROUP_PATH_BYTES + 64 ? -ENAMETOOLONG : 0;
}

int cgroup_write(const struct cgroup_dir *dir, const char *file, const char *text, struct err *err)
{
	char path[CGROUP_PATH_BYTES + 64];
	int r = file_path(dir, file, path);

	return r < 0 ? err_set(err, -r, "name '%s' is too long", file)
		     : fd_write_file(AT_FDCWD, path, text, err);
}

int cgroup_read(const struct cgroup_dir *dir, const char *file, char *buf, size_t buf_bytes,
		struct err *err)
{
	char path[CGROUP_PATH_BYTES + 64];
	int r = file_path(dir, file, path);
	auto_close int fd = -1;
	ssize_t n;

	if (r < 0)
		return err_set(err, -r, "name '%s' is too long", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open '%s'", path);
	n = fd_read_all(fd, buf, buf_bytes - 1);
	if (n < 0)
		return err_wrap(err, (int)n, "read '%s'", path);
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';

	return 0;
}

/* Let the root of the v2 tree pass on the controllers that v1 does not have. */
static void enable_controllers(const struct cgroup *cg)
{
	const struct cgroup_dir *v2 = &cg->dirs[0];
	unsigned wanted = v2->controllers & V2_CONTROLLERS;
	char path[CGROUP_PATH_BYTES + 32], all[128] = "";
	size_t len = 0;

	if (!wanted)
		return;
	(void)snprintf(path, sizeof(path), "%.*s/cgroup.subtree_control", (int)v2->mount_len,
		       v2->path);
	for (size_t i = 0; i < ARRAY_SIZE(CONTROLLERS); i++)
		if ((CONTROLLERS[i].bit & wanted) && strcmp(CONTROLLERS[i].name, "blkio") != 0)
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s+%s",
						len ? " " : "", CONTROLLERS[i].name);
	if (fd_write_file(AT_FDCWD, path, all, NULL) == 0)
		return;
	/* One refusal refuses all: one by one then. What is missing shows when a limit is set. */
	for (size_t i = 0; i < ARRAY_SIZE(CONTROLLERS); i++) {
		(void)snprintf(all, sizeof(all), "+%s", CONTROLLERS[i].name);
		if (CONTROLLERS[i].bit & wanted)
			(void)fd_write_file(AT_FDCWD, path, all, NULL);
	}
}

int cgroup_make_v2(const struct cgroup *cg, int *ret_fd, struct err *err)
{
	const struct cgroup_dir *v2 = cgroup_v2(cg);
	int fd;

	*ret_fd = -1;
	if (!v2)
		return 0;
	enable_controllers(cg);
	if (mkdir(v2->path, 0755) < 0)
		return err_sys(err, "make cgroup '%s'", v2->path);
	fd = open(v2->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err_sys(err, "open cgroup '%s'", v2->path);
		(void)rmdir(v2->path);
		return -EIO;
	}
	*ret_fd = fd;

	return 0;
}

/* A new v1 cpuset is empty and accepts no process. */
static int copy_cpuset(const struct cgroup_dir *dir, const char *file, struct err *err)
{
	struct cgroup_dir root = *dir;
	char text[1024];
	int r;

	root.path[root.mount_len] = '\0';
	r = cgroup_read(&root, file, text, sizeof(text), err);

	return r < 0 ? r : cgroup_write(dir, file, text, err);
}

int cgroup_make_v1(const struct cgroup *cg, struct err *err)
{
	for (size_t i = 0; i < cg->dirs_len; i++) {
		const struct cgroup_dir *dir = &cg->dirs[i];
		int r = 0;

		if (dir->v2)
			continue;
		/* Where v2 has decided who owns the name, a left-over of it is ours. */
		if (mkdir(dir->path, 0755) < 0 && (errno != EEXIST || !cgroup_v2(cg)))
			return err_sys(err, "make cgroup '%s'", dir->path);
		if (dir->controllers & CGROUP_CPUSET) {
			r = copy_cpuset(dir, "cpuset.cpus", err);
			r = r < 0 ? r : copy_cpuset(dir, "cpuset.mems", err);
		}
		if (r < 0)
			return r;
	}

	return 0;
}

int cgroup_join(const struct cgroup *cg, bool and_v2, struct err *err)
{
	for (size_t i = 0; i < cg->dirs_len; i++) {
		const struct cgroup_dir *dir = &cg->dirs[i];
		int r;

		if (dir->v2 && !and_v2)
			continue;
		/* "tasks" moves one thread: this process has no other, and it takes no lock. */
		r = cgroup_write(dir, dir->v2 ? "cgroup.procs" : "tasks", "0", err);
		if (r < 0)
			return err_wrap(err, r, "join cgroup");
	}

	return 0;
}
