/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_vhost_user.c - a file system daemon in hostile hands: what it says to virtio-fs, and when
 *
 * The first byte says whether it shakes hands; operations of the driver and of the daemon follow.
 * Whatever it says, the event loop comes to rest: a daemon cannot keep it busy.
 */
#include "fuzz.h"

#include <errno.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "check.h"
#include "input.h"
#include "vmm/lying_guest.h"
#include "vmm/virtio/fs.h"

#define OPERATIONS_MAX 200
#define TURNS_MAX 64
#define GET_FEATURES 1
#define GET_VRING_BASE 11

struct answer {
	uint32_t request, flags, bytes;
	uint64_t number;
} __attribute__((packed));

static void say(int fd, const void *bytes, size_t len)
{
	(void)!send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void answer(int fd, uint32_t request, uint64_t number)
{
	const struct answer a = { request, 1 | 4, sizeof(number), number };

	say(fd, &a, sizeof(a));
}

/* What it is sent, and the descriptors with it. */
static void drain(int fd)
{
	uint8_t bytes[512];
	int fds[8];
	size_t fds_len;

	do {
		fds_len = 0;
		if (fd_recv(fd, bytes, sizeof(bytes), fds, ARRAY_SIZE(fds), &fds_len) <= 0)
			return;
		for (size_t i = 0; i < fds_len; i++)
			fd_close(fds[i]);
	} while (true);
}

/* Is there anything for the loop to do? The fuzzer's own timer may interrupt the question. */
static bool is_busy(const struct lying_guest *g)
{
	struct pollfd waiting = { .fd = g->loop.epoll_fd, .events = POLLIN };
	int r;

	do
		r = poll(&waiting, 1, 0);
	while (r < 0 && errno == EINTR);

	return r != 0;
}

static void rest(struct lying_guest *g)
{
	for (unsigned i = 0; i < TURNS_MAX && is_busy(g); i++)
		(void)loop_once(&g->loop, 0, NULL);
	fuzz_assert(!is_busy(g));
}

static void status(struct lying_guest *g, uint8_t value)
{
	guest_write(g, g->common + offsetof(struct virtio_pci_common_cfg, device_status), 1, value);
}

static void step(struct lying_guest *g, int *daemon_fd, struct input *in)
{
	struct input bytes;

	switch (input_byte(in) % 8) {
	case 0: /* a driver waits for its reset, but we do not */
		if (guest_status(g) == 0)
			guest_start(g, input_number(in, 5));
		break;
	case 1:
		status(g, 0);
		break;
	case 2:
		bytes = input_take(in, input_byte(in) % 64);
		say(*daemon_fd, bytes.at, bytes.left);
		break;
	case 3:
		answer(*daemon_fd, GET_FEATURES, 0);
		break;
	case 4:
		answer(*daemon_fd, GET_VRING_BASE, input_byte(in) | (uint64_t)input_byte(in) << 32);
		break;
	case 5:
		drain(*daemon_fd);
		break;
	case 6:
		if (input_byte(in) % 8 == 0)
			*daemon_fd = fd_close(*daemon_fd);
		break;
	default:
		rest(g);
		break;
	}
}

static void shake_hands(int fd, struct input *in)
{
	uint8_t how = input_byte(in);
	struct input bytes;

	if (how & 1) {
		answer(fd, GET_FEATURES, ~0ULL);
		answer(fd, 15, input_number(in, 1));
		return;
	}
	bytes = input_take(in, how);
	say(fd, bytes.at, bytes.left);
	(void)shutdown(fd, SHUT_WR); /* it is not waited for */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct virtio_fs *fs = NULL;
	struct lying_guest g;
	int fds[2];

	lying_guest_init(&g);
	fuzz_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	fuzz_assert(fd_set_nonblock(fds[0], 1) >= 0);
	shake_hands(fds[0], &in);
	if (virtio_fs_new(&g.env, "share", fds[1], &fs, NULL) == 0) {
		lying_guest_find(&g);
		for (unsigned i = 0; in.left > 0 && i < OPERATIONS_MAX; i++)
			step(&g, &fds[0], &in);
		rest(&g);
		/* Once it has gone, every reset ends. */
		fds[0] = fd_close(fds[0]);
		rest(&g);
		status(&g, 0);
		rest(&g);
		fuzz_assert(guest_status(&g) == 0);
		virtio_fs_free(fs);
	}
	fd_close(fds[0]);
	lying_guest_done(&g);

	return 0;
}
