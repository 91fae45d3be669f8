/* SPDX-License-Identifier: Apache-2.0
 *
 * vhost_user.c - messages of the vhost-user protocol, as few as a device without migration needs
 */
#include "vmm/virtio/vhost_user.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"

#define HANDSHAKE_TIMEOUT_S 10
#define FLAG_VERSION 0x1
#define FLAG_VERSION_MASK 0x3
#define FLAG_REPLY 0x4
#define FEATURE_PROTOCOL_FEATURES 30
#define NO_DESCRIPTOR 0x100 /* beside the number of a queue */

enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
};

/* Numbers are in the byte order of the host; both ends are on it. */
struct head {
	uint32_t request, flags, bytes;
};

struct vring_state {
	uint32_t index, value;
};

struct vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct mem_region {
	uint64_t gpa, bytes, host, file_offset;
};

struct mem_table {
	uint32_t len, padding;
	struct mem_region regions[MEMORY_REGIONS_MAX];
};

union body {
	uint64_t number;
	struct vring_state state;
	struct vring_addr addr;
	struct mem_table table;
};

struct message {
	struct head head;
	union body body;
} __attribute__((packed));

const struct confine_list vhost_user_calls =
	CONFINE_LIST(CONFINE_ALLOW(SYS_sendmsg), CONFINE_ALLOW(SYS_recvfrom));

static int send_message(struct vhost_user *vu, enum request request, const void *body, size_t bytes,
			const int *fds, size_t fds_len)
{
	struct message message = {
		.head = { .request = request, .flags = FLAG_VERSION, .bytes = (uint32_t)bytes }
	};
	ssize_t n;

	if (bytes > 0)
		memcpy(&message.body, body, bytes);
	n = fd_send(vu->fd, &message, sizeof(message.head) + bytes, fds, fds_len);
	if (n < 0)
		return (int)n;

	/* A message in part leaves the connection useless. */
	return (size_t)n == sizeof(message.head) + bytes ? 0 : -EPROTO;
}

static int send_number(struct vhost_user *vu, enum request request, uint64_t number)
{
	return send_message(vu, request, &number, sizeof(number), NULL, 0);
}

static int send_state(struct vhost_user *vu, enum request request, unsigned index, uint32_t value)
{
	const struct vring_state state = { .index = index, .value = value };

	return send_message(vu, request, &state, sizeof(state), NULL, 0);
}

/* A descriptor for a queue; without one the back end polls, or does not interrupt. */
static int send_fd(struct vhost_user *vu, enum request request, unsigned index, int fd)
{
	uint64_t number = index | (fd < 0 ? NO_DESCRIPTOR : 0);

	return send_message(vu, request, &number, sizeof(number), &fd, fd < 0 ? 0 : 1);
}

static bool is_answer(const struct message *message, enum request request, size_t bytes)
{
	return message->head.request == request && message->head.bytes == bytes &&
	       (message->head.flags & (FLAG_VERSION_MASK | FLAG_REPLY)) ==
		       (FLAG_VERSION | FLAG_REPLY);
}

/*
 * The answer to @request, which has exactly @bytes. It is looked at first and taken when it is
 * whole, so that nothing is kept between calls.
 */
static int receive(struct vhost_user *vu, enum request request, void *ret_body, size_t bytes)
{
	struct message message;
	size_t whole = sizeof(message.head) + bytes;
	ssize_t n = recv(vu->fd, &message, whole, MSG_PEEK);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -EPIPE;
	if ((size_t)n >= sizeof(message.head) && !is_answer(&message, request, bytes))
		return -EPROTO;
	if ((size_t)n < whole)
		return -EAGAIN;
	if (recv(vu->fd, &message, whole, 0) != (ssize_t)whole)
		return -EPROTO;
	memcpy(ret_body, &message.body, bytes);

	return 0;
}

/*
 * Wait for all of @bytes: back ends write head and body one after the other. A signal ends a wait
 * that has a time limit, whatever its handler wants.
 */
static int receive_all(struct vhost_user *vu, void *buf, size_t bytes)
{
	size_t at = 0;

	while (at < bytes) {
		ssize_t n = recv(vu->fd, (char *)buf + at, bytes - at, MSG_WAITALL);

		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		at += (size_t)MAX(n, (ssize_t)0);
	}

	return 0;
}

static int ask_number(struct vhost_user *vu, enum request request, uint64_t *ret)
{
	struct message message;
	size_t whole = sizeof(message.head) + sizeof(*ret);
	int r = send_message(vu, request, NULL, 0, NULL, 0);

	if (r == 0)
		r = receive_all(vu, &message, whole);
	if (r < 0)
		return r;
	if (!is_answer(&message, request, sizeof(*ret)))
		return -EPROTO;
	memcpy(ret, &message.body, sizeof(*ret));

	return 0;
}

static int shake_hands(struct vhost_user *vu)
{
	uint64_t protocol;
	int r = ask_number(vu, GET_FEATURES, &vu->features);

	vu->has_enable = vu->features & 1ULL << FEATURE_PROTOCOL_FEATURES;
	if (r == 0 && vu->has_enable)
		r = ask_number(vu, GET_PROTOCOL_FEATURES, &protocol);
	if (r == 0 && vu->has_enable)
		r = send_number(vu, SET_PROTOCOL_FEATURES, 0); /* we need none of them */
	if (r == 0)
		r = send_message(vu, SET_OWNER, NULL, 0, NULL, 0);

	return r;
}

int vhost_user_init(struct vhost_user *vu, int fd, struct err *err)
{
	const struct timeval limit = { .tv_sec = HANDSHAKE_TIMEOUT_S };
	int r;

	*vu = (struct vhost_user){ .fd = fd };
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		r = -errno;
	else
		r = shake_hands(vu);
	if (r == 0)
		r = fd_set_nonblock(fd, 1);
	if (r < 0) {
		vhost_user_done(vu);
		return err_set(err, -r, "vhost-user: shake hands with the back end: %s",
			       strerrordesc_np(-r));
	}

	return 0;
}

void vhost_user_done(struct vhost_user *vu)
{
	vu->fd = fd_close(vu->fd);
}

int vhost_user_share(struct vhost_user *vu, uint64_t features, const struct memory *memory)
{
	struct mem_table table = { .len = (uint32_t)memory->regions_len };
	int fds[MEMORY_REGIONS_MAX];
	int r;

	for (size_t i = 0; i < memory->regions_len; i++) {
		const struct memory_region *region = &memory->regions[i];

		table.regions[i] = (struct mem_region){
			.gpa = region->start,
			.bytes = region->bytes,
			.host = (uintptr_t)region->host,
			.file_offset = region->file_offset,
		};
		fds[i] = memory->fd;
	}
	if (vu->has_enable)
		features |= 1ULL << FEATURE_PROTOCOL_FEATURES;
	r = send_number(vu, SET_FEATURES, features);
	if (r < 0)
		return r;

	return send_message(vu, SET_MEM_TABLE, &table,
			    offsetof(struct mem_table, regions) +
				    memory->regions_len * sizeof(table.regions[0]),
			    fds, memory->regions_len);
}

int vhost_user_start(struct vhost_user *vu, unsigned index, const struct virtq *q, int kick_fd,
		     int call_fd)
{
	const struct vring_addr addr = {
		.index = index,
		.desc = (uintptr_t)q->desc,
		.used = (uintptr_t)q->used,
		.avail = (uintptr_t)q->avail,
	};
	int r = send_state(vu, SET_VRING_NUM, index, q->state.size);

	if (r == 0)
		r = send_state(vu, SET_VRING_BASE, index, q->state.avail_next);
	if (r == 0)
		r = send_message(vu, SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	if (r == 0)
		r = send_fd(vu, SET_VRING_CALL, index, call_fd);
	if (r == 0)
		r = send_fd(vu, SET_VRING_KICK, index, kick_fd);
	if (r == 0 && vu->has_enable)
		r = send_state(vu, SET_VRING_ENABLE, index, 1);

	return r;
}

int vhost_user_ask_started(struct vhost_user *vu)
{
	return send_message(vu, GET_FEATURES, NULL, 0, NULL, 0);
}

int vhost_user_started(struct vhost_user *vu)
{
	uint64_t features;

	return receive(vu, GET_FEATURES, &features, sizeof(features));
}

int vhost_user_stop(struct vhost_user *vu, unsigned index)
{
	/* When it is started again, it is not served before all of it is set up. */
	int r = vu->has_enable ? send_state(vu, SET_VRING_ENABLE, index, 0) : 0;

	return r < 0 ? r : send_state(vu, GET_VRING_BASE, index, 0);
}

int vhost_user_stopped(struct vhost_user *vu, unsigned *ret_index, uint16_t *ret_avail_next)
{
	struct vring_state state;
	int r = receive(vu, GET_VRING_BASE, &state, sizeof(state));

	if (r < 0)
		return r;
	*ret_index = state.index;
	*ret_avail_next = (uint16_t)state.value;

	return 0;
}
