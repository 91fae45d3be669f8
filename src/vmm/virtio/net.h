/* SPDX-License-Identifier: Apache-2.0
 *
 * net.h - virtio network card on a tap device
 *
 * Checksums and segmentation are left to whoever at the end needs them done: packets of up to
 * 64 KiB go through whole where both sides can take them. With several pairs of queues the guest's
 * processors need not share one; the tap has a descriptor for each.
 */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include "vmm/virtio/device.h"

#define VIRTIO_NET_MAC_BYTES 6
#define VIRTIO_NET_PAIRS_MAX 8

/**
 * struct virtio_net_options - a network card
 * @fds:	of /dev/net/tun, one for each pair of queues, all attached to one device with
 *		IFF_TAP, IFF_NO_PI, IFF_VNET_HDR and, when they are several, IFF_MULTI_QUEUE; given
 * @fds_len:	1 to VIRTIO_NET_PAIRS_MAX
 * @mac:	address of the guest
 * @mtu:	largest packet without segmentation, or 0: 1500
 */
struct virtio_net_options {
	int fds[VIRTIO_NET_PAIRS_MAX];
	size_t fds_len;
	uint8_t mac[VIRTIO_NET_MAC_BYTES];
	uint16_t mtu;
};

struct virtio_net;

/**
 * virtio_net_new() - Make a network card
 * @env:	where it lives
 * @options:	see there
 * @ret:	the device
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno; the descriptors are taken also on failure.
 */
int virtio_net_new(const struct virtio_env *env, const struct virtio_net_options *options,
		   struct virtio_net **ret, struct err *err);
void virtio_net_free(struct virtio_net *net);

/* What a snapshot keeps beside struct virtio_saved; the rest is what the device is made of. */
struct virtio_net_state {
	uint16_t pairs; /* that the driver uses */
};

/* Copy the kind's own state, before virtio_load() when it is put back. */
void virtio_net_save(const struct virtio_net *net, struct virtio_net_state *ret);
void virtio_net_load(struct virtio_net *net, const struct virtio_net_state *state);

/* What the machine plugs in; it lives as long as @net. */
struct virtio_device *virtio_net_device(struct virtio_net *net);

extern const struct confine_list virtio_net_calls;

#endif
