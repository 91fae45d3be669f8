/* SPDX-License-Identifier: Apache-2.0
 *
 * vsock.h - virtio socket device: streams between the guest and stream sockets of the host
 *
 * Nothing is connected, opened or accepted here. Whoever made the machine holds the other end of a
 * socket (struct vmmproto_vsock_msg): it hands over a connected stream for each program of the
 * host that wants a port of the guest, and is asked for one each time that the guest wants a port
 * of the host.
 */
#ifndef VMM_VIRTIO_VSOCK_H
#define VMM_VIRTIO_VSOCK_H

#include "vmm/virtio/device.h"

/**
 * struct virtio_vsock_options - a socket device
 * @guest_cid:	address of the guest, 3 or more
 * @starter_fd:	unix SOCK_SEQPACKET socket; given
 */
struct virtio_vsock_options {
	uint32_t guest_cid;
	int starter_fd;
};

/**
 * struct virtio_vsock_state - what a snapshot keeps beside struct virtio_saved
 * @tell_reset:	the guest has connections that exist no more, and is to be told
 */
struct virtio_vsock_state {
	bool tell_reset;
};

struct virtio_vsock;

/**
 * virtio_vsock_new() - Make a socket device
 * @env:	where it lives
 * @options:	see there
 * @ret:	the device
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno; the descriptor is taken also on failure.
 */
int virtio_vsock_new(const struct virtio_env *env, const struct virtio_vsock_options *options,
		     struct virtio_vsock **ret, struct err *err);
void virtio_vsock_free(struct virtio_vsock *vsock);

/* Connections at this moment. */
unsigned virtio_vsock_connections(const struct virtio_vsock *vsock);

/*
 * Copy the kind's own state, before virtio_load() when it is put back. No connection survives: the
 * guest hears so, and its programs find theirs reset.
 */
void virtio_vsock_save(const struct virtio_vsock *vsock, struct virtio_vsock_state *ret);
void virtio_vsock_load(struct virtio_vsock *vsock, const struct virtio_vsock_state *state);

/* What the machine plugs in; it lives as long as @vsock. */
struct virtio_device *virtio_vsock_device(struct virtio_vsock *vsock);

extern const struct confine_list virtio_vsock_calls;

#endif
