/* SPDX-License-Identifier: Apache-2.0
 *
 * test_net.c - packets through the network card, by a socket of packets and by a real tap
 */
#include "check.h"
#include "vmm/lying_guest.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/virtio/net.h"

#define RECEIVE 0
#define TRANSMIT 1
#define HEAD sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define MERGE VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)

struct fixture {
	struct lying_guest g;
	struct virtio_net *net;
	int fd;	    /* the other end of the cable */
	int fds[3]; /* or of three */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct virtio_net_options options = { .mac = { 2, 3, 4, 5, 6, 7 }, .mtu = 1400 };
	int fds[2];

	assert_non_null(f);
	lying_guest_init(&f->g);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	f->fd = fds[0];
	options.fds[0] = fds[1];
	options.fds_len = 1;
	assert_int_equal(virtio_net_new(&f->g.env, &options, &f->net, NULL), 0);
	lying_guest_find(&f->g);
	guest_start(&f->g, MERGE | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX));
	*state = f;

	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_net_free(f->net);
	fd_close(f->fd);
	lying_guest_done(&f->g);
	free(f);

	return 0;
}

/* A packet whose bytes tell where they belong. */
static void send_in(struct fixture *f, uint8_t first, size_t bytes)
{
	static uint8_t packet[70000];

	memset(packet, 0, HEAD);
	for (size_t i = 0; i < bytes; i++)
		packet[HEAD + i] = (uint8_t)(first + i * 3);
	assert_int_equal(write(f->fd, packet, HEAD + bytes), HEAD + bytes);
}

static void offer(struct fixture *f, uint64_t gpa, uint32_t bytes)
{
	(void)guest_add(&f->g, RECEIVE,
			&(struct guest_buf){ .gpa = gpa, .bytes = bytes, .writable = true }, 1);
	guest_kick(&f->g, RECEIVE);
	lying_guest_run(&f->g);
}

static void test_configuration(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(guest_read(&f->g, f->g.config, 4), 0x05040302);
	assert_int_equal(guest_read(&f->g, f->g.config + 10, 2), 1400);
}

/* One packet in many buffers: none before there are enough, then all at once. */
static void test_merge(void **state)
{
	struct fixture *f = *state;
	struct virtio_net_hdr_mrg_rxbuf *head;
	uint64_t gpa = guest_alloc(&f->g, 64 * KIB);
	uint32_t used_head, bytes, total = 0;

	send_in(f, 9, 1000);
	send_in(f, 9, 1000); /* waits behind it, which must not keep the loop busy */
	for (unsigned i = 0; i < 10; i++) {
		assert_false(guest_used(&f->g, RECEIVE, &used_head, &bytes));
		offer(f, gpa + 100ULL * i, 100);
	}
	assert_false(guest_used(&f->g, RECEIVE, &used_head, &bytes));
	offer(f, gpa + 1000, 100);
	while (guest_used(&f->g, RECEIVE, &used_head, &bytes))
		total += bytes;
	assert_int_equal(total, HEAD + 1000);
	head = guest_at(&f->g, gpa);
	assert_int_equal(le16toh(head->num_buffers), 11);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(((uint8_t *)(head + 1))[i], (uint8_t)(9 + i * 3));
	assert_true(guest_interrupted(&f->g, RECEIVE + 1));
}

static void test_without_merge(void **state)
{
	struct fixture *f = *state;
	uint64_t gpa;

	guest_start(&f->g, 0);
	gpa = guest_alloc(&f->g, 4096);
	send_in(f, 1, 500); /* too large for what is there: lost */
	send_in(f, 2, 400);
	offer(f, gpa, HEAD + 400);
	assert_int_equal(((uint8_t *)guest_at(&f->g, gpa))[HEAD], 2);
	assert_int_equal(
		le16toh(((struct virtio_net_hdr_mrg_rxbuf *)guest_at(&f->g, gpa))->num_buffers), 1);
}

/* More than anybody reads: the cable drops it, and later packets come through. */
static void test_flood(void **state)
{
	struct fixture *f = *state;
	uint8_t packet[1500] = { 0 };
	uint64_t gpa = guest_alloc(&f->g, 4096);
	uint32_t used_head, bytes;
	unsigned refused = 0, got = 0;

	for (unsigned i = 0; i < 20000; i++) {
		refused += write(f->fd, packet, sizeof(packet)) < 0;
		lying_guest_run(&f->g);
	}
	assert_true(refused > 10000);
	do {
		offer(f, gpa, 2048);
	} while (guest_used(&f->g, RECEIVE, &used_head, &bytes) && ++got);
	assert_int_equal(got, 20000 - refused);
	send_in(f, 7, 60);
	assert_true(guest_wait_used(&f->g, RECEIVE, &used_head, &bytes));
	assert_int_equal(((uint8_t *)guest_at(&f->g, gpa))[HEAD], 7);
}

static void test_transmit(void **state)
{
	struct fixture *f = *state;
	uint64_t gpa = guest_alloc(&f->g, 128 * KIB);
	struct guest_buf bufs[] = { { .gpa = gpa, .bytes = 5 },
				    { .gpa = gpa + 5, .bytes = 20 },
				    { .gpa = gpa + 25, .bytes = 100 } };
	uint8_t packet[2048];

	for (unsigned i = HEAD; i < 125; i++)
		((uint8_t *)guest_at(&f->g, gpa))[i] = (uint8_t)i;
	assert_int_equal(guest_request(&f->g, TRANSMIT, bufs, 3), 0);
	assert_int_equal(read(f->fd, packet, sizeof(packet)), 125);
	for (unsigned i = HEAD; i < 125; i++)
		assert_int_equal(packet[i], i);
	/* Half a header, no packet, and more than any packet: dropped. */
	assert_int_equal(guest_request(&f->g, TRANSMIT, bufs, 1), 0);
	bufs[0].bytes = HEAD;
	assert_int_equal(guest_request(&f->g, TRANSMIT, bufs, 1), 0);
	bufs[1].bytes = 100000;
	assert_int_equal(guest_request(&f->g, TRANSMIT, bufs, 2), 0);
	assert_int_equal(read(f->fd, packet, sizeof(packet)), -1);
}

/* A tap that takes nothing makes the guest wait; nothing is lost or doubled. */
static void test_transmit_waits(void **state)
{
	struct fixture *f = *state;
	uint8_t packet[2048];
	unsigned got = 0, done = 0;
	uint32_t used_head, bytes;

	for (unsigned i = 0; i < 250; i++) {
		struct guest_buf buf = { .gpa = guest_alloc(&f->g, 1512), .bytes = 1512 };

		((uint8_t *)guest_at(&f->g, buf.gpa))[HEAD] = (uint8_t)i;
		(void)guest_add(&f->g, TRANSMIT, &buf, 1);
	}
	guest_notify(&f->g, TRANSMIT);
	lying_guest_run(&f->g);
	while (read(f->fd, packet, sizeof(packet)) > 0) {
		assert_int_equal(packet[HEAD], (uint8_t)got++);
		lying_guest_run(&f->g);
	}
	assert_int_equal(got, 250);
	while (guest_used(&f->g, TRANSMIT, &used_head, &bytes))
		done++;
	assert_int_equal(done, 250);
}

/* The tap is taken away: the loop comes to rest, the device lives. */
static void test_tap_goes(void **state)
{
	struct fixture *f = *state;
	uint64_t gpa = guest_alloc(&f->g, 4096);
	struct guest_buf buf = { .gpa = gpa, .bytes = 80 };

	offer(f, gpa, 4096);
	f->fd = fd_close(f->fd);
	lying_guest_run(&f->g); /* returns only if nothing is ready for ever */
	assert_int_equal(guest_request(&f->g, TRANSMIT, &buf, 1), 0);
	assert_false(guest_status(&f->g) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* A real one takes the header as it is, and hands over offloads only as agreed. */
static void test_real_tap(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_net *net;
	struct virtio_net_options options = { .mac = { 2, 0, 0, 0, 0, 9 } };
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	struct guest_buf buf = { .bytes = HEAD + 60 };

	options.fds_len = 1;
	options.fds[0] = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (options.fds[0] < 0 || ioctl(options.fds[0], TUNSETIFF, &request) < 0) {
		fd_close(options.fds[0]);
		skip();
	}
	lying_guest_init(&g);
	assert_int_equal(virtio_net_new(&g.env, &options, &net, NULL), 0);
	lying_guest_find(&g);
	guest_start(&g, ~0ULL);
	buf.gpa = guest_alloc(&g, buf.bytes);
	/* The link is down: the kernel refuses the packet, the guest does not notice. */
	assert_int_equal(guest_request(&g, TRANSMIT, &buf, 1), 0);
	virtio_net_free(net);
	lying_guest_done(&g);
}

#define PAIRS 3
#define CONTROL (2 * PAIRS)

/* A card of three cables; the guest uses one until it says otherwise. */
static int setup_pairs(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct virtio_net_options options = { .mac = { 2, 3, 4, 5, 6, 7 }, .fds_len = PAIRS };

	assert_non_null(f);
	lying_guest_init(&f->g);
	for (unsigned i = 0; i < PAIRS; i++) {
		int fds[2];

		assert_int_equal(
			socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			0);
		f->fds[i] = fds[0];
		options.fds[i] = fds[1];
	}
	f->fd = -1;
	assert_int_equal(virtio_net_new(&f->g.env, &options, &f->net, NULL), 0);
	lying_guest_find(&f->g);
	*state = f;

	return 0;
}

static int teardown_pairs(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < PAIRS; i++)
		fd_close(f->fds[i]);

	return teardown(state);
}

/* Ask for a number of pairs. Returns the device's answer. */
static uint8_t use_pairs(struct lying_guest *g, unsigned queue, uint8_t class, uint16_t pairs)
{
	struct guest_buf bufs[] = { { .bytes = 2 }, { .bytes = 2 }, { .bytes = 1 } };
	uint8_t *at;

	bufs[0].gpa = guest_alloc(g, 16);
	bufs[1].gpa = bufs[0].gpa + 2;
	bufs[2].gpa = bufs[0].gpa + 4;
	bufs[2].writable = true;
	at = guest_at(g, bufs[0].gpa);
	at[0] = class;
	at[1] = VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET;
	memcpy(at + 2, &(uint16_t){ htole16(pairs) }, 2);
	at[4] = 0xff;
	assert_int_equal(guest_request(g, queue, bufs, ARRAY_SIZE(bufs)), 1);

	return at[4];
}

/* A packet into cable @pair: does the guest get it there? */
static bool arrives(struct fixture *f, unsigned pair)
{
	struct guest_buf buf = { .bytes = 256, .writable = true };
	uint8_t packet[HEAD + 60] = { 0 };
	uint32_t head, used;

	buf.gpa = guest_alloc(&f->g, buf.bytes);
	(void)guest_add(&f->g, 2 * pair, &buf, 1);
	guest_kick(&f->g, 2 * pair);
	assert_int_equal(write(f->fds[pair], packet, sizeof(packet)), sizeof(packet));
	lying_guest_run(&f->g);

	return guest_used(&f->g, 2 * pair, &head, &used);
}

static bool leaves(struct fixture *f, unsigned pair)
{
	struct guest_buf buf = { .bytes = HEAD + 60 };
	uint8_t packet[HEAD + 60];

	buf.gpa = guest_alloc(&f->g, buf.bytes);
	(void)guest_request(&f->g, 2 * pair + 1, &buf, 1);

	return read(f->fds[pair], packet, sizeof(packet)) == sizeof(packet);
}

#define MULTI (MERGE | VIRTIO_FEATURE(VIRTIO_NET_F_MQ) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ))

static void test_pairs(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(guest_read(&f->g, f->g.config + 8, 2), PAIRS);
	guest_start(&f->g, MULTI);
	assert_true(arrives(f, 0));
	assert_false(arrives(f, 1));
	assert_int_equal(use_pairs(&f->g, CONTROL, VIRTIO_NET_CTRL_MQ, PAIRS), VIRTIO_NET_OK);
	for (unsigned i = 0; i < PAIRS; i++) {
		assert_true(i == 1 || arrives(f, i)); /* 1 has got the packet from before */
		assert_true(leaves(f, i));
	}
	assert_int_equal(use_pairs(&f->g, CONTROL, VIRTIO_NET_CTRL_MQ, 2), VIRTIO_NET_OK);
	assert_false(arrives(f, 2));
	/* A reset is one pair again. */
	guest_start(&f->g, MULTI);
	assert_true(arrives(f, 0));
	assert_false(arrives(f, 1));
}

/* A packet that was held for a pair is dropped with it, not handed out when the pair is back. */
static void test_pair_goes(void **state)
{
	struct fixture *f = *state;
	struct guest_buf buf = { .bytes = 256, .writable = true };
	uint8_t packet[HEAD + 60] = { 0 };
	uint32_t head, used;

	guest_start(&f->g, MULTI);
	assert_int_equal(use_pairs(&f->g, CONTROL, VIRTIO_NET_CTRL_MQ, 2), VIRTIO_NET_OK);
	assert_int_equal(write(f->fds[1], packet, sizeof(packet)), sizeof(packet));
	lying_guest_run(&f->g);
	assert_int_equal(use_pairs(&f->g, CONTROL, VIRTIO_NET_CTRL_MQ, 1), VIRTIO_NET_OK);
	assert_int_equal(use_pairs(&f->g, CONTROL, VIRTIO_NET_CTRL_MQ, 2), VIRTIO_NET_OK);
	buf.gpa = guest_alloc(&f->g, buf.bytes);
	(void)guest_add(&f->g, 2, &buf, 1);
	guest_kick(&f->g, 2);
	lying_guest_run(&f->g);
	assert_false(guest_used(&f->g, 2, &head, &used));
}

/* None, or more than there may be: what was given is taken all the same. */
static void test_pairs_impossible(void **state UNUSED)
{
	struct virtio_net_options options = { .fds_len = VIRTIO_NET_PAIRS_MAX + 1 };
	struct virtio_net *net;
	struct lying_guest g;

	lying_guest_init(&g);
	for (unsigned i = 0; i < VIRTIO_NET_PAIRS_MAX; i++) {
		options.fds[i] = eventfd(0, EFD_CLOEXEC);
		assert_true(options.fds[i] >= 0);
	}
	assert_int_equal(virtio_net_new(&g.env, &options, &net, NULL), -EINVAL);
	for (unsigned i = 0; i < VIRTIO_NET_PAIRS_MAX; i++)
		assert_int_equal(fcntl(options.fds[i], F_GETFD), -1);
	options.fds_len = 0;
	assert_int_equal(virtio_net_new(&g.env, &options, &net, NULL), -EINVAL);
	lying_guest_done(&g);
}

static void test_pairs_refused(void **state)
{
	struct fixture *f = *state;
	struct guest_buf buf = { .bytes = 1, .writable = true };

	guest_start(&f->g, MULTI);
	assert_int_equal(use_pairs(&f->g, CONTROL, VIRTIO_NET_CTRL_MQ, 0), VIRTIO_NET_ERR);
	assert_int_equal(use_pairs(&f->g, CONTROL, VIRTIO_NET_CTRL_MQ, PAIRS + 1), VIRTIO_NET_ERR);
	assert_int_equal(use_pairs(&f->g, CONTROL, VIRTIO_NET_CTRL_RX, 2), VIRTIO_NET_ERR);
	buf.gpa = guest_alloc(&f->g, 1); /* no command at all */
	assert_int_equal(guest_request(&f->g, CONTROL, &buf, 1), 1);
	assert_int_equal(*(uint8_t *)guest_at(&f->g, buf.gpa), VIRTIO_NET_ERR);
	assert_true(arrives(f, 0));
	/* A driver that knows of one pair has the control queue behind that. */
	guest_start(&f->g, MERGE | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ));
	assert_true(arrives(f, 0));
	assert_true(leaves(f, 0));
	assert_int_equal(guest_request(&f->g, 2, &buf, 1), 1);
	assert_int_equal(*(uint8_t *)guest_at(&f->g, buf.gpa), VIRTIO_NET_ERR);
}

/* Saved with three pairs, loaded into another card at the same cables. */
static void test_save_load(void **state)
{
	struct fixture *f = *state;
	struct virtio_net_options options = { .mac = { 2, 3, 4, 5, 6, 7 }, .fds_len = PAIRS };
	struct virtio_saved *saved = calloc(1, sizeof(*saved));
	struct virtio_net_state kind;

	assert_non_null(saved);
	guest_start(&f->g, MULTI);
	assert_int_equal(use_pairs(&f->g, CONTROL, VIRTIO_NET_CTRL_MQ, PAIRS), VIRTIO_NET_OK);
	assert_true(arrives(f, 2));
	virtio_pause(virtio_net_device(f->net), true);
	virtio_net_save(f->net, &kind);
	virtio_save(virtio_net_device(f->net), saved);
	virtio_net_free(f->net);
	for (unsigned i = 0; i < PAIRS; i++) {
		int fds[2];

		fd_close(f->fds[i]);
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			0);
		f->fds[i] = fds[0];
		options.fds[i] = fds[1];
	}
	lying_guest_new_bus(&f->g);
	assert_int_equal(virtio_net_new(&f->g.env, &options, &f->net, NULL), 0);
	virtio_net_load(f->net, &kind);
	assert_int_equal(virtio_load(virtio_net_device(f->net), saved, NULL), 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		assert_true(arrives(f, i));
		assert_true(leaves(f, i));
	}
	free(saved);
}

/* A tap of the kernel: queues that the guest does not use get nothing. */
static void test_real_pairs(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_net *net;
	struct virtio_net_options options = { .mac = { 2, 0, 0, 0, 0, 9 }, .fds_len = 2 };
	struct ifreq request = { .ifr_flags =
					 IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int copies[2];

	for (unsigned i = 0; i < 2; i++) {
		options.fds[i] = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
		if (options.fds[i] < 0 || ioctl(options.fds[i], TUNSETIFF, &request) < 0) {
			print_message("skipped: no tap can be made here\n");
			skip();
		}
		copies[i] = dup(options.fds[i]);
	}
	lying_guest_init(&g);
	assert_int_equal(virtio_net_new(&g.env, &options, &net, NULL), 0);
	lying_guest_find(&g);
	guest_start(&g, ~0ULL);
	lying_guest_run(&g);
	/* Only a queue that is attached can be detached. */
	request = (struct ifreq){ .ifr_flags = IFF_DETACH_QUEUE };
	assert_int_equal(ioctl(copies[1], TUNSETQUEUE, &request), -1);
	assert_int_equal(use_pairs(&g, 4, VIRTIO_NET_CTRL_MQ, 2), VIRTIO_NET_OK);
	assert_int_equal(ioctl(copies[1], TUNSETQUEUE, &request), 0);
	virtio_net_free(net);
	lying_guest_done(&g);
	fd_close(copies[0]);
	fd_close(copies[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_configuration, setup, teardown),
		cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_merge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_transmit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_transmit_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tap_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pairs, setup_pairs, teardown_pairs),
		cmocka_unit_test_setup_teardown(test_pair_goes, setup_pairs, teardown_pairs),
		cmocka_unit_test(test_pairs_impossible),
		cmocka_unit_test_setup_teardown(test_pairs_refused, setup_pairs, teardown_pairs),
		cmocka_unit_test_setup_teardown(test_save_load, setup_pairs, teardown_pairs),
		cmocka_unit_test(test_real_tap),
		cmocka_unit_test(test_real_pairs),
	};

	(void)signal(SIGPIPE, SIG_IGN);

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
