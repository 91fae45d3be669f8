/* SPDX-License-Identifier: Apache-2.0
 *
 * mounts.h - mounts by descriptor: fsopen, open_tree, move_mount, mount_setattr
 *
 * A mount is made detached, changed while nobody sees it, then attached to a directory that the
 * caller has opened. No function here follows a path below a root filesystem.
 */
#ifndef LINUX_MOUNTS_H
#define LINUX_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>

#include "base/err.h"

/* One parameter of a new filesystem; @value NULL: a flag. */
struct mount_opt {
	const char *key;
	const char *value;
};

/**
 * mount_new() - Make a new filesystem, mounted nowhere yet
 * @fstype:	as in /proc/filesystems
 * @opts:	parameters, in order; may be NULL
 * @opts_len:	their number
 * @attrs:	MOUNT_ATTR_*
 * @err:	filled in on failure, may be NULL
 *
 * Return: a mount descriptor the caller owns, or a negative errno.
 */
int mount_new(const char *fstype, const struct mount_opt *opts, size_t opts_len, unsigned attrs,
	      struct err *err);

/**
 * mount_clone() - A detached copy of what is mounted or lies at a path (a bind mount to be)
 * @dir_fd:	as for openat(2)
 * @path:	trusted path, or "" for @dir_fd itself; a symlink at its end is not followed
 * @recursive:	with everything mounted below
 * @err:	filled in on failure, may be NULL
 *
 * Before Linux 6.15 the source must be attached in the caller's mount namespace.
 *
 * Return: a mount descriptor the caller owns, or a negative errno.
 */
int mount_clone(int dir_fd, const char *path, bool recursive, struct err *err);

/**
 * mount_attach() - Attach a detached mount
 * @mount_fd:	from mount_new() or mount_clone(), borrowed; still usable afterwards
 * @dir_fd:	where to, or the directory @path starts from
 * @path:	trusted path, or "" for @dir_fd itself; symlinks at its end are not followed
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int mount_attach(int mount_fd, int dir_fd, const char *path, struct err *err);

/**
 * struct mount_change - what mount_change() does to a mount
 * @set:	MOUNT_ATTR_* to set
 * @clear:	MOUNT_ATTR_* to clear
 * @propagation: MS_PRIVATE, MS_SLAVE, MS_SHARED, or 0: as it is
 * @recursive:	also for everything mounted below
 */
struct mount_change {
	uint64_t set, clear;
	uint64_t propagation;
	bool recursive;
};

/* Change the mount at @path ("": @dir_fd's own). 0 or a negative errno. */
int mount_change(int dir_fd, const char *path, const struct mount_change *change, struct err *err);

/**
 * mount_idmap() - Let a detached mount show its files' owners as a user namespace maps them
 * @mount_fd:	detached mount that has never been visible
 * @userns_fd:	id N on disk is id N of this namespace
 * @recursive:	also for everything mounted below
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0; -EINVAL when the filesystem cannot do it; -EPERM when it has a map already.
 */
int mount_idmap(int mount_fd, int userns_fd, bool recursive, struct err *err);

/**
 * mount_switch_root() - Make an attached mount the root of this mount namespace, drop the old
 * @root_fd:	root of the mount, attached over "/", with nothing else attached there
 * @err:	filled in on failure, may be NULL
 *
 * The working directory is the new root afterwards. Where the old root is the kernel's first
 * ramfs, which pivot_root(2) refuses, it stays mounted beneath, out of reach of any path.
 *
 * Return: 0 or a negative errno.
 */
int mount_switch_root(int root_fd, struct err *err);

#endif
