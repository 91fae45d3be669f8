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
 * Pair N has the queues 2N (receive) and 2N + 1 and a descriptor of the tap. The driver says by the
 * control queue how many pairs it uses; the others are detached from the tap, which would send
 * packets there otherwise. A reset comes on a vCPU thread, which makes no such calls: what the tap
 * is to know is told it before the next packet.
 *
 * A snapshot keeps no packet: networks lose some.
 */
#include "vmm/virtio/net.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"

#define QUEUE_SIZE 256
#define DEFAULT_MTU 1500
#define PCI_CLASS_ETHERNET 0x020000
/* The largest IP packet with what is in front of it: Ethernet, a VLAN, our header. */
#define PACKET_MAX_BYTES (64 * KIB + 14 + 4 + HEAD_BYTES)
#define HEAD_BYTES sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define PACKETS_AT_A_TIME 64
#define BUFFERS_MAX 64 /* that one packet is spread over */

/**
 * struct pair - a pair of queues, and one descriptor of the tap
 * @tap:	watched for packets
 * @out:	the same, watched while it takes none
 * @gone:	the tap was taken away
 * @attached:	the tap sends packets here
 * @packet_bytes: in @packet, waiting for buffers
 */
struct pair {
	struct virtio_net *net;
	unsigned index;
	struct loop_source tap, out;
	bool gone, attached;
	size_t packet_bytes;
	uint8_t packet[PACKET_MAX_BYTES];
};

/**
 * struct virtio_net - a card
 * @pairs:	@pairs_len of them
 * @settled:	the tap knows what the driver can take, and how many pairs it uses
 */
struct virtio_net {
	struct virtio_device dev; /* first, so that the device is the card */
	struct virtio_net_config config;
	struct virtio_net_state state;
	bool settled;
	struct pair *pairs;
	unsigned pairs_len;
};

const struct confine_list virtio_net_calls = CONFINE_LIST(
	CONFINE_ALLOW(SYS_read), CONFINE_ALLOW(SYS_writev),
	CONFINE_ALLOW_IF(SYS_ioctl, 1, TUNSETOFFLOAD), CONFINE_ALLOW_IF(SYS_ioctl, 1, TUNSETQUEUE));

static struct virtio_net *net_of(struct virtio_device *dev)
{
	return (struct virtio_net *)dev;
}

static unsigned receive_queue(const struct pair *pair)
{
	return 2 * pair->index;
}

static unsigned transmit_queue(const struct pair *pair)
{
	return 2 * pair->index + 1;
}

/* Behind those of all pairs that the driver knows of. */
static unsigned control_queue(const struct virtio_net *net)
{
	return virtio_has(&net->dev, VIRTIO_NET_F_MQ) ? 2 * net->pairs_len : 2;
}

static void attach(struct pair *pair, bool attached)
{
	struct ifreq request = { .ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	if (pair->attached != attached && ioctl(pair->tap.fd, TUNSETQUEUE, &request) == 0)
		pair->attached = attached;
	/* What the tap has for nobody, it drops as well. */
	if (!attached)
		pair->packet_bytes = 0;
}

/* The host may hand over only what the driver said it can take, and only where it looks. */
static void settle(struct virtio_net *net)
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
	(void)ioctl(net->pairs[0].tap.fd, TUNSETOFFLOAD, flags);
	for (unsigned i = 0; i < net->pairs_len; i++)
		attach(&net->pairs[i], i < net->state.pairs);
	net->settled = true;
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
static enum delivery deliver(struct pair *pair, struct virtq *q)
{
	struct virtio_net *net = pair->net;
	struct {
		uint16_t head;
		uint32_t bytes;
	} used[BUFFERS_MAX];
	unsigned max = virtio_has(&net->dev, VIRTIO_NET_F_MRG_RXBUF) ? BUFFERS_MAX : 1, n = 0;
	struct virtq_chain chain;
	uint8_t *count = NULL;
	uint16_t seen;
	size_t done = 0;

	while (done < pair->packet_bytes && n < max && virtq_pop(q, &chain)) {
		if (n == 0)
			count = count_field(&chain);
		if (n == 0 && !count) {
			virtq_break(q, "receive buffer without room for a header");
			return NO_BUFFERS;
		}
		done += virtq_chain_write(&chain, pair->packet + done, pair->packet_bytes - done);
		used[n].head = chain.head;
		used[n++].bytes = chain.written_bytes;
	}
	if (done < pair->packet_bytes && n < max) {
		seen = q->state.avail_next;
		for (; n > 0; n--)
			virtq_unpop(q);
		return virtq_unmute_beyond(q, seen) ? MORE_BUFFERS : NO_BUFFERS;
	}
	if (done < pair->packet_bytes) { /* too large for this driver: dropped */
		for (; n > 0; n--)
			virtq_unpop(q);
	} else if (count) {
		__le16 number = htole16((uint16_t)n);

		memcpy(count, &number, sizeof(number));
	}
	for (unsigned i = 0; i < n; i++)
		virtq_push(q, used[i].head, used[i].bytes);
	pair->packet_bytes = 0;

	return DELIVERED;
}

/* The next packet of the tap. False when there is none. */
static bool read_packet(struct pair *pair)
{
	ssize_t n = read(pair->tap.fd, pair->packet, sizeof(pair->packet));

	/* A tap that was taken away is readable for ever. */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		pair->gone = true;
	if (n <= 0)
		return false;
	if ((size_t)n > HEAD_BYTES)
		pair->packet_bytes = (size_t)n;

	return true;
}

static void receive(struct pair *pair)
{
	struct virtio_net *net = pair->net;
	struct virtq *q = &net->dev.queues[receive_queue(pair)];
	bool stalled = false;

	if (!virtio_running(&net->dev) || !virtq_running(q) || pair->gone ||
	    pair->index >= net->state.pairs) {
		loop_del(net->dev.env.loop, &pair->tap);
		return;
	}
	virtq_mute(q);
	for (unsigned i = 0; i < PACKETS_AT_A_TIME && !stalled; i++) {
		if (pair->packet_bytes == 0 && !read_packet(pair))
			break;
		if (pair->packet_bytes > 0 && deliver(pair, q) == NO_BUFFERS)
			stalled = true;
	}
	(void)loop_watch(net->dev.env.loop, &pair->tap, stalled || pair->gone ? 0 : EPOLLIN);
	virtio_signal(&net->dev, receive_queue(pair));
	/* One that is held back for the others' turn, which the tap does not tell of again. */
	if (pair->packet_bytes > 0 && !stalled)
		virtio_ring(&net->dev, receive_queue(pair));
}

static enum virtio_verdict transmit(struct virtio_device *dev, unsigned queue,
				    struct virtq_chain *chain)
{
	struct pair *pair = &net_of(dev)->pairs[queue / 2];
	struct virtio_net_hdr_mrg_rxbuf head;
	struct iovec iov[VIRTQ_SIZE_MAX + 1] = { { &head, sizeof(head) } };
	ssize_t n = -1;

	if (virtq_chain_read(chain, &head, sizeof(head)) == sizeof(head) &&
	    chain->readable_bytes > 0 && chain->readable_bytes <= PACKET_MAX_BYTES) {
		head.num_buffers = 0;
		memcpy(&iov[1], chain->readable, chain->readable_len * sizeof(iov[0]));
		do
			n = writev(pair->out.fd, iov, (int)chain->readable_len + 1);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno == EAGAIN) {
			(void)loop_watch(dev->env.loop, &pair->out, EPOLLOUT);
			return VIRTIO_LATER;
		}
	}

	return VIRTIO_DONE;
}

/* How many pairs the driver uses from now on. False when it cannot be so. */
static bool set_pairs(struct virtio_net *net, struct virtq_chain *chain)
{
	struct virtio_net_ctrl_hdr head;
	struct virtio_net_ctrl_mq body;
	uint16_t pairs;

	if (virtq_chain_read(chain, &head, sizeof(head)) < sizeof(head) ||
	    head.class != VIRTIO_NET_CTRL_MQ || head.cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
	    virtq_chain_read(chain, &body, sizeof(body)) < sizeof(body))
		return false;
	pairs = le16toh(body.virtqueue_pairs);
	if (pairs < 1 || pairs > net->pairs_len || !virtio_has(&net->dev, VIRTIO_NET_F_MQ))
		return false;
	net->state.pairs = pairs;
	settle(net);
	for (unsigned i = 0; i < pairs; i++)
		receive(&net->pairs[i]);

	return true;
}

static enum virtio_verdict control(struct virtio_device *dev, unsigned queue UNUSED,
				   struct virtq_chain *chain)
{
	virtio_net_ctrl_ack ack = set_pairs(net_of(dev), chain) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;

	(void)virtq_chain_write(chain, &ack, sizeof(ack));

	return VIRTIO_DONE;
}

static bool kick(struct virtio_device *dev, unsigned queue)
{
	struct virtio_net *net = net_of(dev);

	if (!net->settled)
		settle(net);
	if (queue == control_queue(net))
		return virtio_drain(dev, queue, control);
	if (queue / 2 >= net->pairs_len)
		return false;
	if (queue % 2)
		return virtio_drain(dev, queue, transmit);
	receive(&net->pairs[queue / 2]);

	return false;
}

static void on_tap(void *ctx, uint32_t events UNUSED)
{
	struct pair *pair = ctx;

	receive(pair);
	virtio_check(&pair->net->dev);
}

static void on_out(void *ctx, uint32_t events UNUSED)
{
	struct pair *pair = ctx;
	struct virtio_device *dev = &pair->net->dev;

	loop_del(dev->env.loop, &pair->out);
	virtio_ring(dev, transmit_queue(pair));
}

static bool reset(struct virtio_device *dev)
{
	struct virtio_net *net = net_of(dev);

	for (unsigned i = 0; i < net->pairs_len; i++)
		net->pairs[i].packet_bytes = 0;
	net->state.pairs = 1;
	net->settled = false;

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
	 VIRTIO_FEATURE(VIRTIO_NET_F_MTU))

static int init_pair(struct pair *pair, struct err *err)
{
	int head_bytes = HEAD_BYTES;

	pair->out.fd = fcntl(pair->tap.fd, F_DUPFD_CLOEXEC, 3);
	if (pair->out.fd < 0)
		return err_sys(err, "net: duplicate the tap");
	/* A socket that carries packets in place of a tap has no such setting. */
	if (ioctl(pair->tap.fd, TUNSETVNETHDRSZ, &head_bytes) < 0 && errno != ENOTTY)
		return err_sys(err, "net: set the size of headers");
	if (fd_set_nonblock(pair->tap.fd, 1) < 0)
		return err_sys(err, "net: make the tap non-blocking");

	return 0;
}

static int init(struct virtio_net *net, const struct virtio_env *env,
		const struct virtio_net_options *options, struct err *err)
{
	uint16_t sizes[2 * VIRTIO_NET_PAIRS_MAX + 1];
	struct virtio_spec spec = {
		.name = "net",
		.ops = &ops,
		.type = VIRTIO_ID_NET,
		.class_code = PCI_CLASS_ETHERNET,
		.features = FEATURES,
		.queue_sizes = sizes,
		.queues_len = 2 * net->pairs_len,
		.config = &net->config,
		.config_bytes = offsetof(struct virtio_net_config, speed),
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		sizes[i] = QUEUE_SIZE;
	if (net->pairs_len > 1) {
		spec.features |=
			VIRTIO_FEATURE(VIRTIO_NET_F_MQ) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ);
		spec.queues_len++;
	}
	memcpy(net->config.mac, options->mac, sizeof(net->config.mac));
	net->config.mtu = htole16(options->mtu ? options->mtu : DEFAULT_MTU);
	net->config.max_virtqueue_pairs = htole16((uint16_t)net->pairs_len);
	net->state.pairs = 1;
	for (unsigned i = 0; i < net->pairs_len && r == 0; i++)
		r = init_pair(&net->pairs[i], err);
	for (unsigned i = 1; i < net->pairs_len && r == 0; i++)
		attach(&net->pairs[i], false);

	return r < 0 ? r : virtio_init(&net->dev, &spec, env, err);
}

static void take_pairs(struct virtio_net *net, const struct virtio_net_options *options)
{
	for (unsigned i = 0; i < options->fds_len; i++) {
		struct pair *pair = &net->pairs[net->pairs_len++];

		*pair = (struct pair){
			.net = net,
			.index = i,
			.tap = { .fd = options->fds[i], .fn = on_tap, .ctx = pair },
			.out = { .fd = -1, .fn = on_out, .ctx = pair },
			.attached = true,
		};
	}
}

int virtio_net_new(const struct virtio_env *env, const struct virtio_net_options *options,
		   struct virtio_net **ret, struct err *err)
{
	size_t fds_len = MIN(options->fds_len, (size_t)VIRTIO_NET_PAIRS_MAX);
	bool possible = options->fds_len >= 1 && options->fds_len == fds_len;
	struct virtio_net *net = calloc(1, sizeof(*net));
	int r;

	if (net && possible)
		net->pairs = calloc(fds_len, sizeof(*net->pairs));
	if (!net || !net->pairs) {
		for (size_t i = 0; i < fds_len; i++)
			fd_close(options->fds[i]);
		free(net);
		return possible
			       ? err_set(err, ENOMEM, "net: no memory")
			       : err_set(err, EINVAL, "net: %zu pairs of queues", options->fds_len);
	}
	net->dev.env = *env;
	take_pairs(net, options);
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
	for (unsigned i = 0; i < net->pairs_len; i++) {
		struct pair *pair = &net->pairs[i];

		loop_del(net->dev.env.loop, &pair->tap);
		loop_del(net->dev.env.loop, &pair->out);
		fd_close(pair->tap.fd);
		fd_close(pair->out.fd);
	}
	virtio_done(&net->dev);
	free(net->pairs);
	free(net);
}

void virtio_net_save(const struct virtio_net *net, struct virtio_net_state *ret)
{
	*ret = net->state;
}

void virtio_net_load(struct virtio_net *net, const struct virtio_net_state *state)
{
	unsigned pairs = MIN((unsigned)state->pairs, net->pairs_len);

	net->state.pairs = (uint16_t)MAX(pairs, 1U);
	net->settled = false;
}

struct virtio_device *virtio_net_device(struct virtio_net *net)
{
	return &net->dev;
}
