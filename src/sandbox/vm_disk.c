/* SPDX-License-Identifier: Apache-2.0
 *
 * vm_disk.c - the sparse ext4 disk that holds a machine's writable layer
 */
#include "sandbox/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define DISK_NAME "disk.ext4"
#define DISK_NEW_NAME "disk.ext4.new"
#define MKFS_PROGRAM "/sbin/mke2fs"
#define MKFS_FD 3 /* the disk's descriptor in mkfs */
#define DISK_MIN_BYTES (64 * MIB)

/*
 * Everything that can be left unwritten is: a new disk takes a few hundred kilobytes. The
 * guest's kernel never fills the inode tables in either (noinit_itable).
 */
static int start_mkfs(int fd, pid_t *ret_pid, struct err *err)
{
	static const char *const words[] = { MKFS_PROGRAM,
					     "-q",
					     "-F",
					     "-t",
					     "ext4",
					     "-m",
					     "0",
					     "-J",
					     "size=16",
					     "-E",
					     "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
					     "/proc/self/fd/3" };
	auto_done(strv) argv = { 0 };
	posix_spawn_file_actions_t actions;
	char *env[] = { NULL };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(words) && r == 0; i++)
		r = strv_add(&argv, words[i]);
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory");
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, 0, 1);
	(void)posix_spawn_file_actions_adddup2(&actions, 0, 2);
	(void)posix_spawn_file_actions_adddup2(&actions, fd, MKFS_FD);
	r = posix_spawn(ret_pid, MKFS_PROGRAM, &actions, NULL, argv.items, env);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (r == ENOENT) {
		r = err_setk(err, ERR_UNSUPPORTED, ENOENT, MKFS_PROGRAM " is not installed");
		err_hint(err, "apt-get install e2fsprogs");
		return r;
	}

	return r ? err_set(err, r, "execute " MKFS_PROGRAM) : 0;
}

int vm_disk_open(int dir_fd, uint64_t size_bytes, struct vm_disk *ret, struct err *err)
{
	auto_close int fd = openat(dir_fd, DISK_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	pid_t pid = 0;
	int r;

	if (size_bytes == 0)
		size_bytes = VM_DISK_DEFAULT_BYTES;
	if (size_bytes < DISK_MIN_BYTES)
		return err_setk(err, ERR_USAGE, EINVAL, "a disk of less than %llu MiB",
				(unsigned long long)(DISK_MIN_BYTES / MIB));
	if (fd < 0) {
		fd = openat(dir_fd, DISK_NEW_NAME,
			    O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		/* In whole blocks of the guest's. */
		if (fd < 0 || ftruncate(fd, (off_t)(size_bytes / 4096 * 4096)) < 0)
			return err_sys(err, "make the writable disk");
		r = start_mkfs(fd, &pid, err);
		if (r < 0)
			return err_wrap(err, r, "make the writable disk");
	}
	*ret = (struct vm_disk){ .fd = take_fd(fd), .dir_fd = dir_fd, .pid = pid };

	return 0;
}

int vm_disk_finish(struct vm_disk *disk, struct err *err)
{
	int wstatus = 0;

	if (disk->pid <= 0)
		return 0;
	while (waitpid(disk->pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	disk->pid = 0;
	if (wstatus != 0)
		return err_set(err, EIO, MKFS_PROGRAM " failed on the writable disk");
	if (renameat(disk->dir_fd, DISK_NEW_NAME, disk->dir_fd, DISK_NAME) < 0)
		return err_sys(err, "name the writable disk");

	return 0;
}

void vm_disk_done(struct vm_disk *disk)
{
	(void)vm_disk_finish(disk, NULL);
	disk->fd = fd_close(disk->fd);
}
