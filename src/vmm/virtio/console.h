/* SPDX-License-Identifier: Apache-2.0
 *
 * console.h - virtio console: byte streams between the guest and descriptors, by name
 *
 * Each port is one stream. Bytes go straight between guest memory and the descriptor, and only as
 * fast as the slower side takes them: nothing is buffered here.
 */
#ifndef VMM_VIRTIO_CONSOLE_H
#define VMM_VIRTIO_CONSOLE_H

#include "vmm/virtio/device.h"

#define VIRTIO_CONSOLE_PORTS_MAX 16
#define VIRTIO_CONSOLE_NAME_MAX 64

/**
 * struct virtio_console_port_config - one stream
 * @name:	the guest finds it as /dev/virtio-ports/NAME; NULL: none
 * @in_fd:	bytes for the guest, or -1; given; a socket, pipe or terminal
 * @out_fd:	bytes from the guest, or -1: dropped; given; may be the same as @in_fd
 * @console:	a terminal of the guest (/dev/hvcN)
 */
struct virtio_console_port_config {
	const char *name;
	int in_fd, out_fd;
	bool console;
};

struct virtio_console;

/**
 * virtio_console_new() - Make a console device
 * @env:	where it lives
 * @ports:	its ports; a driver without multiport sees the first alone
 * @ports_len:	their number, 1 to VIRTIO_CONSOLE_PORTS_MAX
 * @ret:	the device
 * @err:	filled in on failure, may be NULL
 *
 * The descriptors become non-blocking. SIGPIPE must be ignored by the process.
 *
 * Return: 0 or a negative errno; the descriptors are taken also on failure.
 */
int virtio_console_new(const struct virtio_env *env, const struct virtio_console_port_config *ports,
		       size_t ports_len, struct virtio_console **ret, struct err *err);
void virtio_console_free(struct virtio_console *console);

/* What the machine plugs in; it lives as long as @console. */
struct virtio_device *virtio_console_device(struct virtio_console *console);

/* A port as a snapshot keeps it. */
struct virtio_console_port_state {
	uint8_t announce;    /* control messages that the guest has not been sent yet */
	bool guest_open;     /* a program in the guest has it open */
	bool host_closed;    /* nothing will come from @in_fd any more */
	uint64_t sent_bytes; /* of the chain at the head of its transmit queue */
};

struct virtio_console_state {
	struct virtio_console_port_state ports[VIRTIO_CONSOLE_PORTS_MAX];
};

/* Copy the kind's own state, before virtio_load() when it is put back. */
void virtio_console_save(const struct virtio_console *console, struct virtio_console_state *ret);
void virtio_console_load(struct virtio_console *console, const struct virtio_console_state *state);

extern const struct confine_list virtio_console_calls;

#endif
