/* SPDX-License-Identifier: Apache-2.0
 *
 * vsock.h - virtio socket device: streams between the guest and unix sockets of the host
 *
 * Nothing is connected or opened here. Programs of the host reach a port of the guest through a
 * listening socket that we were given: they write "CONNECT <port>\n" and read "OK <port>\n", as
 * with other hypervisors. A program of the guest reaches the host through a broker: whoever made
 * the machine is asked on a socket for each connection, and answers with a descriptor or an errno.
 */
#ifndef VMM_VIRTIO_VSOCK_H
#define VMM_VIRTIO_VSOCK_H

#include "vmm/virtio/device.h"

/* What the broker is asked, in one packet. */
struct virtio_vsock_ask {
	uint32_t token; /* for the answer */
	uint32_t port;	/* of the host */
};

/* And its answer, with a connected stream socket when @error is 0. */
struct virtio_vsock_answer {
	uint32_t token;
	uint32_t error; /* errno value */
};

/**
 * struct virtio_vsock_options - a socket device
 * @guest_cid:	address of the guest, 3 or more
 * @listen_fd:	listening unix stream socket, or -1; given
 * @broker_fd:	unix SOCK_SEQPACKET socket, or -1: nothing of the host can be reached; given
 */
struct virtio_vsock_options {
	uint32_t guest_cid;
	int listen_fd, broker_fd;
};

struct virtio_vsock;

/**
 * virtio_vsock_new() - Make a socket device
 * @env:	where it lives
 * @options:	see there
 * @ret:	the device
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno; the descriptors are taken also on failure.
 */
int virtio_vsock_new(const struct virtio_env *env, const struct virtio_vsock_options *options,
		     struct virtio_vsock **ret, struct err *err);
void virtio_vsock_free(struct virtio_vsock *vsock);

/* Connections at this moment; a snapshot keeps none of them. */
unsigned virtio_vsock_connections(const struct virtio_vsock *vsock);

/* What the machine plugs in; it lives as long as @vsock. */
struct virtio_device *virtio_vsock_device(struct virtio_vsock *vsock);

extern const struct confine_list virtio_vsock_calls;

#endif
