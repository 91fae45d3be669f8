/* SPDX-License-Identifier: Apache-2.0
 *
 * vhost_user.h - have another process serve the queues of a device: the front end of vhost-user
 *
 * The back end maps the guest's memory, gets the doorbell and the interrupt of each queue as
 * descriptors, and works from then on without us. It is a program of the host, which we started,
 * yet what it says is bounded and checked: it parses requests of the guest all day.
 *
 * The handshake blocks, before the guest runs; afterwards nothing here does.
 */
#ifndef VMM_VIRTIO_VHOST_USER_H
#define VMM_VIRTIO_VHOST_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/confine.h"
#include "vmm/memory.h"
#include "vmm/virtio/queue.h"

/**
 * struct vhost_user - a connection to a back end
 * @fd:		socket, owned; -1 once the back end is lost
 * @features:	what it offers
 * @has_enable:	it starts queues only when told to
 */
struct vhost_user {
	int fd;
	uint64_t features;
	bool has_enable;
};

/**
 * vhost_user_init() - Shake hands
 * @vu:		to fill in
 * @fd:		connected unix socket, given also on failure
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -ETIMEDOUT when it does not answer, -EPROTO or another negative errno.
 */
int vhost_user_init(struct vhost_user *vu, int fd, struct err *err);
void vhost_user_done(struct vhost_user *vu);

/**
 * vhost_user_share() - Tell the back end what was agreed on and where memory is
 * @vu:		connection
 * @features:	negotiated with the driver
 * @memory:	with a file that can be shared
 *
 * Return: 0 or a negative errno; the back end is of no use then.
 */
int vhost_user_share(struct vhost_user *vu, uint64_t features, const struct memory *memory);

/**
 * vhost_user_start() - Let the back end serve a queue
 * @vu:		connection
 * @index:	number of the queue
 * @q:		queue that was started with virtq_start()
 * @kick_fd:	doorbell, borrowed for the call
 * @call_fd:	interrupt, the same; -1: none
 *
 * It serves the queue some time after this: a ring of the doorbell before then may be heard and
 * dropped. See vhost_user_ask_started().
 *
 * Return: 0 or a negative errno.
 */
int vhost_user_start(struct vhost_user *vu, unsigned index, const struct virtq *q, int kick_fd,
		     int call_fd);

/*
 * Ask for an answer that comes once the queues are served which were started before; any question
 * does, for they are answered in order. 0 or a negative errno.
 */
int vhost_user_ask_started(struct vhost_user *vu);

/* Read that answer, once the socket is readable. Returns as vhost_user_stopped(). */
int vhost_user_started(struct vhost_user *vu);

/* Ask the back end to let go of a queue; it answers when nothing of it is in flight. */
int vhost_user_stop(struct vhost_user *vu, unsigned index);

/**
 * vhost_user_stopped() - Read an answer to vhost_user_stop(), once the socket is readable
 * @vu:		connection
 * @ret_index:	queue
 * @ret_avail_next: where it goes on
 *
 * Return: 0, -EAGAIN when there is no whole answer yet, or another negative errno when the back
 *	   end is gone or talks nonsense.
 */
int vhost_user_stopped(struct vhost_user *vu, unsigned *ret_index, uint16_t *ret_avail_next);

extern const struct confine_list vhost_user_calls;

#endif
