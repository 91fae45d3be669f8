/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroupfs.c - inside: the workload's own cgroups at /sys/fs/cgroup, as its host has them
 *
 * v2 alone is one mount. Where v1 is in use there is a tmpfs with one directory per hierarchy.
 * What is shown is a copy of the host's mount below the workload's own group: the same files as
 * a mount in the cgroup namespace, and far cheaper to make.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "linux/mounts.h"
#include "runtime/build.h"
#include "runtime/root.h"

#define CGROUP_PLACE "/sys/fs/cgroup"
#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* "cpu" beside "cpu,cpuacct". */
static int link_names(int dir_fd, const char *name, struct err *err)
{
	struct slice rest = slice_of(name), part;
	char link[64];

	if (!strchr(name, ','))
		return 0;
	while (slice_next(&rest, ',', &part)) {
		(void)snprintf(link, sizeof(link), "%.*s", (int)part.len, part.at);
		if (symlinkat(name, dir_fd, link) < 0 && errno != EEXIST)
			return err_sys(err, "make a link");
	}

	return 0;
}

static int add_hierarchy(const struct cgroup_dir *dir, int tmpfs_fd, struct err *err)
{
	char mount_point[CGROUP_PATH_BYTES], *name;
	auto_close int fd = -1;
	int r;

	memcpy(mount_point, dir->path, dir->mount_len);
	mount_point[dir->mount_len] = '\0';
	name = strrchr(mount_point, '/') + 1;
	if (mkdirat(tmpfs_fd, name, 0755) < 0)
		return err_sys(err, "make a directory for '%s'", name);
	fd = mount_clone(AT_FDCWD, dir->path, false, err);
	r = fd < 0 ? fd : mount_attach(fd, tmpfs_fd, name, err);

	return r < 0 ? r : link_names(tmpfs_fd, name, err);
}

/* A tmpfs with the hierarchies in it, attached: older kernels attach nothing to what is detached.
 */
static int attach_hierarchies(const struct cgroup *cg, int place_fd, struct err *err)
{
	static const struct mount_opt opts[] = { { "mode", "0755" }, { "size", "64k" } };
	auto_close int fd = mount_new("tmpfs", opts, ARRAY_SIZE(opts), 0, err);
	int r = fd < 0 ? fd : mount_attach(fd, place_fd, "", err);

	for (size_t i = 0; r == 0 && i < cg->dirs_len; i++)
		r = add_hierarchy(&cg->dirs[i], fd, err);

	return r < 0 ? r : take_fd(fd);
}

int rootfs_add_cgroups(const struct build *b, int root_fd, struct err *err)
{
	const struct mount_change change = {
		.set = SAFE | (b->setup->spec->privileged ? 0U : MOUNT_ATTR_RDONLY),
		.recursive = true,
	};
	const struct cgroup *cg = &b->rt->cgroup;
	auto_close int place_fd = fd_open_in(root_fd, CGROUP_PLACE, O_PATH | O_DIRECTORY, 0, NULL);
	auto_close int fd = -1;
	int r = 0;

	if (place_fd == -ENOENT)
		return 0;
	if (place_fd < 0)
		return err_wrap(err, place_fd, "open " CGROUP_PLACE);
	if (cg->dirs_len == 1 && cg->dirs[0].v2) {
		fd = mount_clone(AT_FDCWD, cg->dirs[0].path, false, err);
		r = fd < 0 ? fd : mount_attach(fd, place_fd, "", err);
	} else {
		fd = attach_hierarchies(cg, place_fd, err);
	}
	if (fd < 0 || r < 0)
		return fd < 0 ? fd : r;

	return mount_change(fd, "", &change, err);
}
