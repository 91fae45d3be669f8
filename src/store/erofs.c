/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs.c - mounting a layer file, with or without a loop device
 *
 * Not with direct I/O, although that would cache each page once instead of twice: what EROFS
 * has cached goes with the mount, and most mounts live as long as one short command. The pages
 * of the file stay, so that the next command finds them (57 reads from the disk a run without),
 * and are the first to go when memory is wanted.
 */
#include "store/erofs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/features.h"
#include "linux/mounts.h"

#define LOOP_TRIES 64 /* others may take the device we were just offered */
#define LOOP_BLOCK_BYTES 4096
#define ATTRS (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV)

static int mount_source(const char *source, struct err *err)
{
	const struct mount_opt opts[] = { { "source", source }, { "ro", NULL } };

	return mount_new("erofs", opts, ARRAY_SIZE(opts), ATTRS, err);
}

/* A read-only loop device of @path that is released with its last user. */
static int loop_attach(int file_fd, char *dev, size_t dev_bytes, struct err *err)
{
	struct loop_config config = {
		.fd = (uint32_t)file_fd,
		.block_size = LOOP_BLOCK_BYTES,
		.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
	};
	auto_close int control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control_fd < 0)
		return err_sys(err, "open '/dev/loop-control'");
	for (int i = 0; i < LOOP_TRIES; i++) {
		int fd, number = ioctl(control_fd, LOOP_CTL_GET_FREE);

		if (number < 0)
			return err_sys(err, "find a free loop device");
		(void)snprintf(dev, dev_bytes, "/dev/loop%d", number);
		fd = open(dev, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(err, "open '%s'", dev);
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			return fd;
		if (errno != EBUSY) {
			int r = err_sys(err, "set up '%s'", dev);

			fd_close(fd);
			return r;
		}
		fd_close(fd);
	}

	return err_set(err, EBUSY, "no free loop device after %d tries", LOOP_TRIES);
}

static int mount_loop(const char *path, struct err *err)
{
	auto_close int file_fd = open(path, O_RDONLY | O_CLOEXEC);
	auto_close int loop_fd = -1;
	char dev[32];

	if (file_fd < 0)
		return err_sys(err, "open '%s'", path);
	loop_fd = loop_attach(file_fd, dev, sizeof(dev), err);
	if (loop_fd < 0)
		return loop_fd;

	return mount_source(dev, err);
}

int erofs_mount(const char *path, struct err *err)
{
	struct err why = ERR_INIT;
	int fd = -ENOTBLK;

	if (feature_wanted(FEATURE_EROFS_FILE))
		fd = mount_source(path, &why);
	if (fd == -ENOTBLK)
		return mount_loop(path, err);
	if (fd >= 0)
		return fd;
	if (fd == -ENODEV) {
		err_kind(&why, ERR_UNSUPPORTED);
		err_hint(&why,
			 "the kernel has no EROFS: modprobe erofs, or a kernel from 5.4 with it");
	}
	if (err)
		*err = why;

	return err_wrap(err, fd, "mount '%s'", path);
}
