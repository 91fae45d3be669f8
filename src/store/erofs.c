/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs.c - mounting a layer file, with or without a loop device
 */
#include "store/erofs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdbool.h>
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

static int mount_source(const char *source, bool directio, struct err *err)
{
	const struct mount_opt opts[] = { { "source", source },
					  { "ro", NULL },
					  { "directio", NULL } };

	return mount_new("erofs", opts, directio ? 3 : 2, ATTRS, err);
}

/* A read-only loop device of @path that is released with its last user. */
static int loop_attach(int file_fd, char *dev, size_t dev_bytes, struct err *err)
{
	struct loop_config config = {
		.fd = (uint32_t)file_fd,
		.block_size = LOOP_BLOCK_BYTES,
		.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
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
		/* Not every filesystem does direct I/O in such blocks. */
		if (errno == EINVAL && (config.info.lo_flags & LO_FLAGS_DIRECT_IO))
			config.info.lo_flags &= ~(uint32_t)LO_FLAGS_DIRECT_IO;
		else if (errno != EBUSY) {
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

	return mount_source(dev, false, err);
}

int erofs_mount(const char *path, struct err *err)
{
	struct err why = ERR_INIT;
	int fd = -ENOTBLK;

	if (feature_wanted(FEATURE_EROFS_FILE)) {
		fd = mount_source(path, true, &why);
		if (fd == -EINVAL) /* no such option, or no direct I/O below */
			fd = mount_source(path, false, &why);
	}
	if (fd == -ENOTBLK)
		return mount_loop(path, err);
	if (fd < 0 && err)
		*err = why;

	return fd < 0 ? err_wrap(err, fd, "mount '%s'", path) : fd;
}
