/* SPDX-License-Identifier: Apache-2.0
 *
 * fs.h - virtio file system: a directory of the host, served by a daemon beside us
 */
#ifndef VMM_VIRTIO_FS_H
#define VMM_VIRTIO_FS_H

#include "vmm/virtio/device.h"

#define VIRTIO_FS_TAG_MAX 36

struct virtio_fs;

/**
 * virtio_fs_new() - Make a file system device
 * @env:	where it lives; its memory must be MEMORY_SHARED
 * @tag:	by which the guest mounts it, 1 to VIRTIO_FS_TAG_MAX bytes
 * @fd:		socket connected to a vhost-user back end (virtiofsd), given
 * @ret:	the device
 * @err:	filled in on failure, may be NULL
 *
 * Waits for the daemon's answers.
 *
 * Return: 0 or a negative errno; the descriptor is taken also on failure.
 */
int virtio_fs_new(const struct virtio_env *env, const char *tag, int fd, struct virtio_fs **ret,
		  struct err *err);
void virtio_fs_free(struct virtio_fs *fs);

/*
 * Has the daemon let go of all queues? While the device is paused it comes to that by itself, and
 * then it may be saved; the daemon of the machine that it is loaded into is another one.
 */
bool virtio_fs_quiet(const struct virtio_fs *fs);

/* What the machine plugs in; it lives as long as @fs. */
struct virtio_device *virtio_fs_device(struct virtio_fs *fs);

#endif
