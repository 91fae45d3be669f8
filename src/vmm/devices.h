/* SPDX-License-Identifier: Apache-2.0
 *
 * devices.h - the virtio devices of a machine
 */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

#include "vmm/virtio/device.h"
#include "vmmproto/vmmproto.h"

struct virtio_balloon;
struct virtio_block;
struct virtio_console;
struct virtio_fs;
struct virtio_net;
struct virtio_pmem;
struct virtio_rng;
struct virtio_vsock;

#define DEVICES_LISTS_MAX (8 + VMMPROTO_DISKS_MAX)

/* All of them; NULL where there is none. */
struct devices {
	struct virtio_console *console;
	struct virtio_rng *rng;
	struct virtio_balloon *balloon;
	struct virtio_block *disks[VMMPROTO_DISKS_MAX];
	size_t disks_len;
	struct virtio_pmem *pmems[VMMPROTO_PMEMS_MAX];
	size_t pmems_len;
	struct virtio_net *nets[VMMPROTO_NETS_MAX];
	size_t nets_len;
	struct virtio_vsock *vsock;
	struct virtio_fs *shares[VMMPROTO_SHARES_MAX];
	size_t shares_len;
};

/**
 * devices_map() - Map the files that a configuration wants in the guest's address space
 * @memory:	RAM, of no machine yet
 * @config:	its descriptors are taken over: those that have been are -1 afterwards
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int devices_map(struct memory *memory, struct vmmproto_config *config, struct err *err);

/**
 * devices_init() - Make the devices that a configuration asks for
 * @devices:	released with devices_done(), also after a failure
 * @env:	where they live
 * @config:	its descriptors are taken over: those that have been are -1 afterwards
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int devices_init(struct devices *devices, const struct virtio_env *env,
		 struct vmmproto_config *config, struct err *err);
void devices_done(struct devices *devices);

/* Take nothing from the queues any more, or go on. */
void devices_pause(const struct devices *devices, bool paused);

/*
 * The lists of all the system calls that they make on the loop's thread into @ret,
 * DEVICES_LISTS_MAX. Returns how many.
 */
size_t devices_calls(const struct devices *devices, const struct confine_list **ret);

#endif
