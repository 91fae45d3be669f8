/* SPDX-License-Identifier: Apache-2.0
 *
 * mounts.c - mounts by descriptor
 */
#include "linux/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* What the kernel has to say about a failed fsconfig(2): "e overlay: ..." lines, newest last. */
static int fs_error(int fs_fd, const char *fstype, int code, struct err *err)
{
	char log[256];
	ssize_t n = read(fs_fd, log, sizeof(log) - 1);

	errno = code;
	if (n <= 2)
		return err_sys(err, "make a %s filesystem", fstype);
	while (n > 2 && log[n - 1] == '\n')
		n--;
	log[n] = '\0';
	err_set(err, code, "%s", log + 2);

	return err_wrap(err, -code, "make a %s filesystem", fstype);
}

int mount_new(const char *fstype, const struct mount_opt *opts, size_t opts_len, unsigned attrs,
	      struct err *err)
{
	auto_close int fs_fd = fsopen(fstype, FSOPEN_CLOEXEC);
	int fd;

	if (fs_fd < 0)
		return err_sys(err, "open filesystem type %s", fstype);
	for (size_t i = 0; i < opts_len; i++) {
		unsigned cmd = opts[i].value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

		if (fsconfig(fs_fd, cmd, opts[i].key, opts[i].value, 0) < 0)
			return err_wrap(err, fs_error(fs_fd, fstype, errno, err), "option %s",
					opts[i].key);
	}
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_error(fs_fd, fstype, errno, err);
	fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, attrs);

	return fd < 0 ? err_sys(err, "make a mount of %s", fstype) : fd;
}

int mount_clone(int dir_fd, const char *path, bool recursive, struct err *err)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW;
	int fd;

	flags |= recursive ? AT_RECURSIVE : 0U;
	flags |= *path ? 0U : AT_EMPTY_PATH;
	fd = open_tree(dir_fd, path, flags);

	return fd < 0 ? err_sys(err, "copy the mount at '%s'", path) : fd;
}

int mount_attach(int mount_fd, int dir_fd, const char *path, struct err *err)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0U : MOVE_MOUNT_T_EMPTY_PATH);

	if (move_mount(mount_fd, "", dir_fd, path, flags) < 0)
		return err_sys(err, "attach a mount at '%s'", path);

	return 0;
}

int mount_change(int dir_fd, const char *path, const struct mount_change *change, struct err *err)
{
	struct mount_attr attr = {
		.attr_set = change->set,
		.attr_clr = change->clear,
		.propagation = change->propagation,
	};
	unsigned flags = AT_SYMLINK_NOFOLLOW | (change->recursive ? AT_RECURSIVE : 0U) |
			 (*path ? 0U : AT_EMPTY_PATH);

	if (mount_setattr(dir_fd, path, flags, &attr, sizeof(attr)) < 0)
		return err_sys(err, "change the mount at '%s'", path);

	return 0;
}

int mount_idmap(int mount_fd, int userns_fd, bool recursive, struct err *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns_fd,
	};
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);

	if (mount_setattr(mount_fd, "", flags, &attr, sizeof(attr)) < 0)
		return err_sys(err, "map the owners of a mount");

	return 0;
}

/* "/.." must be "/": nothing of the old root lies over the new one. */
static int check_root(int root_fd, struct err *err)
{
	struct stat ours, above;

	if (fstat(root_fd, &ours) < 0 || stat("/..", &above) < 0)
		return err_sys(err, "examine the new root");
	if (ours.st_dev != above.st_dev || ours.st_ino != above.st_ino)
		return err_set(err, EBUSY, "the old root is still in reach");

	return 0;
}

int mount_switch_root(int root_fd, struct err *err)
{
	if (fchdir(root_fd) < 0)
		return err_sys(err, "change to the new root");
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* The old root now lies over the new one. */
		if (umount2(".", MNT_DETACH) < 0)
			return err_sys(err, "detach the old root");
	} else if (errno != EINVAL || chroot(".") < 0) {
		return err_sys(err, "change the root");
	}
	if (chdir("/") < 0)
		return err_sys(err, "change to the new root");

	return check_root(root_fd, err);
}
