/* SPDX-License-Identifier: Apache-2.0
 *
 * net.c - virtio network card (virtio 1.2, section 5.1) on a tap device
 *
 * Theory of operation
 *
 * Both sides speak of a packet by the same header (struct virtio_net_hdr_mrg_rxbuf), so the device
 * adds nothing but the number of receive buffers. A packet to the guest is read into memory of
 * ours and then spread over as many buffers as it needs; when the guest has too few, the packet
 * stays where it is, the tap is not read, and its queue drops what is too much, as on any network.
 * A packet from the guest is written with a copy of its header; the kernel checks that header as
 * it does for every user of a tap. What it refuses is dropped.
 *
 * A snapshot keeps no packet: networks lose some.
 */
#include "vmm/virtio/net.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"

#define QUEUE_SIZE 256
#define RECEIVE 0
#define TRANSMIT 1
#define DEFAULT_MTU 1500
#define PCI_CLASS_ETHERNET 0x020000
/* The largest IP packet with what is in front of it: Ethernet, a VLAN, our header. */
#define PACKET_MAX_BYTES (64 * KIB + 14 + 4 + HEAD_BYTES)
#define HEAD_BYTES sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define PACKETS_AT_A_TIME 64
#define BUFFERS_MAX 64 /* that one packet is spread over */

struct virtio_net {
	struct virtio_device dev; /* first, so that the device is the card */
	struct virtio_net_config config;
	struct loop_source tap;
	struct loop_source out; /* the same tap, watched while it takes no packets */
	bool tap_gone;
	bool offloads_set; /* the tap knows what the driver can take */
	struct virtio_net_stats stats;
	size_t packet_bytes; /* in @packet, waiting for buffers */
	uint8_t packet[PACKET_MAX_BYTES];
};

const struct confine_list virtio_net_calls =
	CONFINE_LIST(CONFINE_ALLOW(SYS_read), CONFINE_ALLOW(SYS_writev),
		     CONFINE_ALLOW_IF(SYS_ioctl, 1, TUNSETOFFLOAD));

static struct virtio_net *net_of(struct virtio_device *dev)
{
	return (struct virtio_net *)dev;
}

static void watch(struct virtio_net *net, struct loop_source *source, uint32_t events)
{
	struct loop *loop = net->dev.env.loop;

	if (events == 0)
		loop_del(loop, source);
	else if (source->events == 0)
		(void)loop_add(loop, source, events);
}

/* The host may hand over only what the driver said it can take. */
static void set_offloads(struct virtio_net *net)
{
	const struct virtio_device *dev = &net->dev;
	unsigned flags = 0;

	if (virtio_has(dev, VIRTIO_NET_F_GUEST_CSUM))
		flags |= TUN_F_CSUM;
	if (virtio_has(dev, VIRTIO_NET_F_GUEST_TSO4))
		flags |= TUN_F_TSO4;
	if (virtio_has(dev, VIRTIO_NET_F_GUEST_TSO6))
		flags |= TUN_F_TSO6;
	if (!(flags & TUN_F_CSUM)) /* segmentation without checksums is nothing */
		flags = 0;
	(void)ioctl(net->tap.fd, TUNSETOFFLOAD, flags);
	net->offloads_set = true;
}

enum delivery {
	DELIVERED,    /* or dropped */
	NO_BUFFERS,   /* the driver will notify */
	MORE_BUFFERS, /* they have come meanwhile */
};

/* Where the number of buffers goes in the first of them; NULL when the driver cut it in two. */
static uint8_t *count_field(const struct virtq_chain *chain)
{
	if (chain->writable_len == 0 || chain->writable[0].iov_len < HEAD_BYTES)
		return NULL;

	return (uint8_t *)chain->writable[0].iov_base +
	       offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers);
}

/* Spread the packet over buffers: all that it takes, or none. */
static enum delivery deliver(struct virtio_net *net, struct virtq *q)
{
	struct {
		uint16_t head;
		uint32_t bytes;
	} used[BUFFERS_MAX];
	unsigned max = virtio_has(&net->dev, VIRTIO_NET_F_MRG_RXBUF) ? BUFFERS_MAX : 1, n = 0;
	struct virtq_chain chain;
	uint8_t *count = NULL;
	uint16_t seen;
	size_t done = 0;

	while (done < net->packet_bytes && n < max && virtq_pop(q, &chain)) {
		if (n == 0)
			count = count_field(&chain);
		if (n == 0 && !count) {
			virtq_break(q, "receive buffer without room for a header");
			return NO_BUFFERS;
		}
		done += virtq_chain_write(&chain, net->packet + done, net->packet_bytes - done);
		used[n].head = chain.head;
		used[n++].bytes = chain.written_bytes;
	}
	if (done < net->packet_bytes && n < max) {
		seen = q->state.avail_next;
		for (; n > 0; n--)
			virtq_unpop(q);
		return virtq_unmute_beyond(q, seen) ? MORE_BUFFERS : NO_BUFFERS;
	}
	if (done < net->packet_bytes) { /* too large for this driver */
		net->stats.received_dropped++;
		for (; n > 0; n--)
			virtq_unpop(q);
	} else if (count) {
		__le16 number = htole16((uint16_t)n);

		memcpy(count, &number, sizeof(number));
		net->stats.received_packets++;
		net->stats.received_bytes += net->packet_bytes - HEAD_BYTES;
	}
	for (unsigned i = 0; i < n; i++)
		virtq_push(q, used[i].head, used[i].bytes);
	net->packet_bytes = 0;

	return DELIVERED;
}

/* The next packet of the tap. False when there is none. */
static bool read_packet(struct virtio_net *net)
{
	ssize_t n = read(net->tap.fd, net->packet, sizeof(net->packet));

	/* A tap that was taken away is readable for ever. */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		net->tap_gone = true;
	if (n <= 0)
		return false;
	if ((size_t)n > HEAD_BYTES)
		net->packet_bytes = (size_t)n;

	return true;
}

static void receive(struct virtio_net *net)
{
	struct virtq *q = &net->dev.queues[RECEIVE];
	bool stalled = false;

	if (!virtio_running(&net->dev) || !virtq_running(q) || net->tap_gone) {
		watch(net, &net->tap, 0);
		return;
	}
	virtq_mute(q);
	for (unsigned i = 0; i < PACKETS_AT_A_TIME && !stalled; i++) {
		if (net->packet_bytes == 0 && !read_packet(net))
			break;
		if (net->packet_bytes > 0 && deliver(net, q) == NO_BUFFERS)
			stalled = true;
	}
	watch(net, &net->tap, stalled || net->tap_gone ? 0 : EPOLLIN);
	virtio_signal(&net->dev, RECEIVE);
}

static enum virtio_verdict transmit(struct virtio_device *dev, unsigned queue UNUSED,
				    struct virtq_chain *chain)
{
	struct virtio_net *net = net_of(dev);
	struct virtio_net_hdr_mrg_rxbuf head;
	struct iovec iov[VIRTQ_SIZE_MAX + 1] = { { &head, sizeof(head) } };
	ssize_t n = -1;

	if (virtq_chain_read(chain, &head, sizeof(head)) == sizeof(head) &&
	    chain->readable_bytes > 0 && chain->readable_bytes <= PACKET_MAX_BYTES) {
		head.num_buffers = 0;
		memcpy(&iov[1], chain->readable, chain->readable_len * sizeof(iov[0]));
		do
			n = writev(net->out.fd, iov, (int)chain->readable_len + 1);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno == EAGAIN) {
			watch(net, &net->out, EPOLLOUT);
			return VIRTIO_LATER;
		}
	}
	if (n < 0) {
		net->stats.sent_dropped++;
		return VIRTIO_DONE;
	}
	net->stats.sent_packets++;
	net->stats.sent_bytes += chain->readable_bytes;

	return VIRTIO_DONE;
}

static bool kick(struct virtio_device *dev, unsigned queue)
{
	struct virtio_net *net = net_of(dev);

	if (!net->offloads_set)
		set_offloads(net);
	if (queue == TRANSMIT)
		return virtio_drain(dev, queue, transmit);
	receive(net);

	return false;
}

static void on_tap(void *ctx, uint32_t events UNUSED)
{
	struct virtio_net *net = ctx;

	receive(net);
	virtio_check(&net->dev);
}

static void on_out(void *ctx, uint32_t events UNUSED)
{
	struct virtio_net *net = ctx;

	watch(net, &net->out, 0);
	virtio_ring(&net->dev, TRANSMIT);
}

static bool reset(struct virtio_device *dev)
{
	struct virtio_net *net = net_of(dev);

	net->packet_bytes = 0;
	net->offloads_set = false;

	return true;
}

static const struct virtio_ops ops = {
	.kick = kick,
	.reset = reset,
};

#define FEATURES                                                                             \
	(VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |       \
	 VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) |   \
	 VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | \
	 VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_FEATURE(VIRTIO_NET_F_MAC) |         \
	 VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | VIRTIO_FEATURE(VIRTIO_NET_F_MTU))

static int init(struct virtio_net *net, const struct virtio_env *env,
		const struct virtio_net_options *options, struct err *err)
{
	static const uint16_t sizes[] = { QUEUE_SIZE, QUEUE_SIZE };
	const struct virtio_spec spec = {
		.name = "net",
		.ops = &ops,
		.type = VIRTIO_ID_NET,
		.class_code = PCI_CLASS_ETHERNET,
		.features = FEATURES,
		.queue_sizes = sizes,
		.queues_len = ARRAY_SIZE(sizes),
		.config = &net->config,
		.config_bytes = offsetof(struct virtio_net_config, speed),
	};
	int head_bytes = HEAD_BYTES;

	net->out.fd = fcntl(net->tap.fd, F_DUPFD_CLOEXEC, 3);
	if (net->out.fd < 0)
		return err_sys(err, "net: duplicate the tap");
	memcpy(net->config.mac, options->mac, sizeof(net->config.mac));
	net->config.status = htole16(VIRTIO_NET_S_LINK_UP);
	net->config.mtu = htole16(options->mtu ? options->mtu : DEFAULT_MTU);
	/* A socket that carries packets in place of a tap has no such setting. */
	if (ioctl(net->tap.fd, TUNSETVNETHDRSZ, &head_bytes) < 0 && errno != ENOTTY)
		return err_sys(err, "net: set the size of headers");
	if (fd_set_nonblock(net->tap.fd, 1) < 0)
		return err_sys(err, "net: make the tap non-blocking");

	return virtio_init(&net->dev, &spec, env, err);
}

int virtio_net_new(const struct virtio_env *env, const struct virtio_net_options *options,
		   struct virtio_net **ret, struct err *err)
{
	struct virtio_net *net = calloc(1, sizeof(*net));
	int r;

	if (!net) {
		fd_close(options->fd);
		return err_set(err, ENOMEM, "net: no memory");
	}
	net->tap = (struct loop_source){ .fd = options->fd, .fn = on_tap, .ctx = net };
	net->out = (struct loop_source){ .fd = -1, .fn = on_out, .ctx = net };
	net->dev.env = *env;
	r = init(net, env, options, err);
	if (r < 0) {
		virtio_net_free(net);
		return r;
	}
	*ret = net;

	return 0;
}

void virtio_net_free(struct virtio_net *net)
{
	if (!net)
		return;
	watch(net, &net->tap, 0);
	watch(net, &net->out, 0);
	fd_close(net->tap.fd);
	fd_close(net->out.fd);
	virtio_done(&net->dev);
	free(net);
}

void virtio_net_set_link(struct virtio_net *net, bool up)
{
	net->config.status = htole16(up ? VIRTIO_NET_S_LINK_UP : 0);
	virtio_config_changed(&net->dev);
}

void virtio_net_get_stats(const struct virtio_net *net, struct virtio_net_stats *ret)
{
	*ret = net->stats;
}

struct virtio_device *virtio_net_device(struct virtio_net *net)
{
	return &net->dev;
}
