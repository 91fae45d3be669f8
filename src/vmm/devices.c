/* SPDX-License-Identifier: Apache-2.0
 *
 * devices.c - the virtio devices of a machine
 */
#include "vmm/devices.h"

#include "base/fd.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/vhost_user.h"

static int add_console(struct devices *devices, const struct virtio_env *env,
		       struct vmmproto_config *config, struct err *err)
{
	struct virtio_console_port_config ports[VMMPROTO_PORTS_MAX];

	for (size_t i = 0; i < config->ports_len; i++) {
		int fd = take_fd(config->ports[i].fd);

		ports[i] = (struct virtio_console_port_config){ .name = config->ports[i].name,
								.in_fd = fd,
								.out_fd = fd };
	}

	return virtio_console_new(env, ports, config->ports_len, &devices->console, err);
}

static int add_disk(struct devices *devices, const struct virtio_env *env,
		    struct vmmproto_disk *disk, struct err *err)
{
	struct virtio_block_options options = { .fd = take_fd(disk->fd),
						.serial = disk->serial,
						.readonly = disk->readonly };
	int r = virtio_block_new(env, &options, &devices->disks[devices->disks_len], err);

	if (r < 0)
		return err_wrap(err, r, "make the disk '%s'", disk->serial);
	devices->disks_len++;

	return 0;
}

static int add_share(struct devices *devices, const struct virtio_env *env,
		     struct vmmproto_share *share, struct err *err)
{
	int r = virtio_fs_new(env, share->tag, take_fd(share->fd),
			      &devices->shares[devices->shares_len], err);

	if (r < 0)
		return err_wrap(err, r, "make the share '%s'", share->tag);
	devices->shares_len++;

	return 0;
}

int devices_init(struct devices *devices, const struct virtio_env *env,
		 struct vmmproto_config *config, struct err *err)
{
	int r = 0;

	*devices = (struct devices){ 0 };
	if (config->ports_len > 0)
		r = add_console(devices, env, config, err);
	if (r == 0)
		r = virtio_rng_new(env, &devices->rng, err);
	if (r == 0)
		r = virtio_balloon_new(env, &devices->balloon, err);
	for (size_t i = 0; i < config->disks_len && r == 0; i++)
		r = add_disk(devices, env, &config->disks[i], err);
	for (size_t i = 0; i < config->shares_len && r == 0; i++)
		r = add_share(devices, env, &config->shares[i], err);

	return r;
}

void devices_done(struct devices *devices)
{
	for (size_t i = 0; i < devices->shares_len; i++)
		virtio_fs_free(devices->shares[i]);
	devices->shares_len = 0;
	for (size_t i = 0; i < devices->disks_len; i++)
		virtio_block_free(devices->disks[i]);
	devices->disks_len = 0;
	virtio_balloon_free(take_ptr(devices->balloon));
	virtio_rng_free(take_ptr(devices->rng));
	virtio_console_free(take_ptr(devices->console));
}

void devices_pause(const struct devices *devices, bool paused)
{
	if (devices->console)
		virtio_pause(virtio_console_device(devices->console), paused);
	if (devices->rng)
		virtio_pause(virtio_rng_device(devices->rng), paused);
	if (devices->balloon)
		virtio_pause(virtio_balloon_device(devices->balloon), paused);
	for (size_t i = 0; i < devices->disks_len; i++)
		virtio_pause(virtio_block_device(devices->disks[i]), paused);
	for (size_t i = 0; i < devices->shares_len; i++)
		virtio_pause(virtio_fs_device(devices->shares[i]), paused);
}

size_t devices_calls(const struct devices *devices, const struct confine_list **ret)
{
	size_t n = 0;

	ret[n++] = &virtio_calls;
	if (devices->console)
		ret[n++] = &virtio_console_calls;
	if (devices->rng)
		ret[n++] = &virtio_rng_calls;
	if (devices->balloon)
		ret[n++] = &virtio_balloon_calls;
	if (devices->shares_len > 0)
		ret[n++] = &vhost_user_calls;
	for (size_t i = 0; i < devices->disks_len; i++)
		ret[n++] = virtio_block_calls(devices->disks[i]);

	return n;
}
