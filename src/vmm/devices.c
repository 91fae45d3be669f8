/* SPDX-License-Identifier: Apache-2.0
 *
 * devices.c - the virtio devices of a machine
 */
#include "vmm/devices.h"

#include <errno.h>

#include "base/fd.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/pmem.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/vhost_user.h"
#include "vmm/virtio/vsock.h"

_Static_assert(VMMPROTO_PORTS_MAX <= VIRTIO_CONSOLE_PORTS_MAX, "every port has its place");
_Static_assert(VMMPROTO_PMEMS_MAX <= MEMORY_FILES_MAX, "every file has its place");
_Static_assert(VMMPROTO_NET_PAIRS_MAX <= VIRTIO_NET_PAIRS_MAX, "every pair has its place");

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

static int add_pmem(struct devices *devices, const struct virtio_env *env,
		    const struct memory_region *file, struct err *err)
{
	int r = virtio_pmem_new(env, GPA(file->start), file->bytes,
				&devices->pmems[devices->pmems_len], err);

	if (r == 0)
		devices->pmems_len++;

	return r;
}

static int add_net(struct devices *devices, const struct virtio_env *env, struct vmmproto_net *net,
		   struct err *err)
{
	struct virtio_net_options options = { .fds_len = net->fds_len, .mtu = net->mtu };
	int r;

	for (size_t i = 0; i < net->fds_len; i++)
		options.fds[i] = take_fd(net->fds[i]);
	memcpy(options.mac, net->mac, sizeof(options.mac));
	r = virtio_net_new(env, &options, &devices->nets[devices->nets_len], err);
	if (r == 0)
		devices->nets_len++;

	return r;
}

static int add_vsock(struct devices *devices, const struct virtio_env *env,
		     struct vmmproto_vsock *vsock, struct err *err)
{
	struct virtio_vsock_options options = { .guest_cid = vsock->cid,
						.starter_fd = take_fd(vsock->fd) };

	return virtio_vsock_new(env, &options, &devices->vsock, err);
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

int devices_map(struct memory *memory, struct vmmproto_config *config, struct err *err)
{
	const struct memory_region *file;
	int r = 0;

	/* A guest has its devices send pages of files, which a daemon does not have. */
	if (config->pmems_len > 0 && config->shares_len > 0)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"a machine has either files in memory or shared directories");
	for (size_t i = 0; i < config->pmems_len && r == 0; i++) {
		r = memory_add_file(memory, config->pmems[i].fd, &file, err);
		config->pmems[i].fd = fd_close(config->pmems[i].fd);
	}

	return r;
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
	for (size_t i = 0; i < env->memory->files_len && r == 0; i++)
		r = add_pmem(devices, env, &env->memory->files[i], err);
	for (size_t i = 0; i < config->nets_len && r == 0; i++)
		r = add_net(devices, env, &config->nets[i], err);
	if (r == 0 && config->vsock.cid > 0)
		r = add_vsock(devices, env, &config->vsock, err);
	for (size_t i = 0; i < config->shares_len && r == 0; i++)
		r = add_share(devices, env, &config->shares[i], err);

	return r;
}

void devices_done(struct devices *devices)
{
	for (size_t i = 0; i < devices->shares_len; i++)
		virtio_fs_free(devices->shares[i]);
	devices->shares_len = 0;
	virtio_vsock_free(take_ptr(devices->vsock));
	for (size_t i = 0; i < devices->nets_len; i++)
		virtio_net_free(devices->nets[i]);
	devices->nets_len = 0;
	for (size_t i = 0; i < devices->pmems_len; i++)
		virtio_pmem_free(devices->pmems[i]);
	devices->pmems_len = 0;
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
	for (size_t i = 0; i < devices->pmems_len; i++)
		virtio_pause(virtio_pmem_device(devices->pmems[i]), paused);
	for (size_t i = 0; i < devices->nets_len; i++)
		virtio_pause(virtio_net_device(devices->nets[i]), paused);
	if (devices->vsock)
		virtio_pause(virtio_vsock_device(devices->vsock), paused);
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
	if (devices->nets_len > 0)
		ret[n++] = &virtio_net_calls;
	if (devices->vsock)
		ret[n++] = &virtio_vsock_calls;
	if (devices->shares_len > 0)
		ret[n++] = &vhost_user_calls;
	for (size_t i = 0; i < devices->disks_len; i++)
		ret[n++] = virtio_block_calls(devices->disks[i]);

	return n;
}
