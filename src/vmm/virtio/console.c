/* SPDX-License-Identifier: Apache-2.0
 *
 * console.c - virtio console with named ports (virtio 1.2, section 5.3)
 *
 * Theory of operation
 *
 * Port N has a receive queue (bytes for the guest) and a transmit queue. A descriptor is watched
 * for input only while the guest has given buffers, and for output only after it has refused
 * bytes; so a side that does not read makes the other one wait, and memory stays as it is.
 *
 * Chains go out several by one call. One that the descriptor takes only in part goes back to the
 * ring with those behind it; sent_bytes says how much of it is out. A guest that changes the chain
 * meanwhile garbles its own stream and no more.
 *
 * A driver with event indices that sends a stream is asked to notify of every fourth chain alone:
 * a doorbell, a wake-up of this thread and an interrupt cost as much as copying what is in one.
 * When it pauses with fewer, a timer finds them. Each time that happens twice as many bytes are
 * needed to be a stream, so that two sides which take turns do not wait for timers.
 *
 * What the guest is to be told by control messages is a set of bits for each port rather than a
 * queue: however often something changes, only the latest is told.
 */
#include "vmm/virtio/console.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"

#define QUEUE_SIZE 64
#define CONTROL_IN 2  /* queue of messages to the guest */
#define CONTROL_OUT 3 /* and of those from it */
#define PCI_CLASS_OTHER_COMMUNICATION 0x078000
/* Whatever the interrupts: more bytes than this at once starve the other devices. */
#define INPUT_BUDGET_BYTES (4 * MIB)
#define BATCH_BYTES (128 * KIB) /* no more chains go out with what has that many */

/* A lull of a millisecond is nothing beside the time that STREAM_MAX_BYTES take. */
#define STREAM_CHAINS 4
#define STREAM_MIN_BYTES (256 * KIB)
#define STREAM_MAX_BYTES (64 * MIB)
#define STREAM_LULL_NS NS_PER_MS

/* In the order in which the guest must be told. */
enum announce {
	ANNOUNCE_ADD = 1 << 0,
	ANNOUNCE_CONSOLE = 1 << 1,
	ANNOUNCE_NAME = 1 << 2,
	ANNOUNCE_OPEN = 1 << 3,
};

struct port {
	struct virtio_console *console;
	unsigned id;
	char name[VIRTIO_CONSOLE_NAME_MAX]; /* "" when it has none */
	bool is_console;
	bool out_gone; /* whoever read it has closed it */
	struct loop_source in, out;
	uint64_t streamed_bytes;   /* sent since the last lull */
	uint64_t stream_min_bytes; /* so many are a stream */
	struct loop_timer lull;	   /* of a stream: fewer chains may be there than are told of */
	struct virtio_console_port_state state;
};

struct virtio_console {
	struct virtio_device dev; /* first, so that the device is the console */
	struct virtio_console_config config;
	size_t ports_len;
	struct port ports[VIRTIO_CONSOLE_PORTS_MAX];
};

const struct confine_list virtio_console_calls =
	CONFINE_LIST(CONFINE_ALLOW(SYS_readv), CONFINE_ALLOW(SYS_writev));

static struct virtio_console *console_of(struct virtio_device *dev)
{
	return (struct virtio_console *)dev;
}

static unsigned receive_queue(const struct port *port)
{
	return port->id == 0 ? 0 : 2 * port->id + 2;
}

static unsigned transmit_queue(const struct port *port)
{
	return receive_queue(port) + 1;
}

static struct port *port_of_queue(struct virtio_console *console, unsigned queue)
{
	return &console->ports[queue < CONTROL_IN ? 0 : queue / 2 - 1];
}

static bool is_open(const struct port *port)
{
	return port->state.guest_open ||
	       !virtio_has(&port->console->dev, VIRTIO_CONSOLE_F_MULTIPORT);
}

static void watch(struct port *port, struct loop_source *source, uint32_t events)
{
	(void)loop_watch(port->console->dev.env.loop, source, events);
}

/* The message of the lowest bit of @bits into @chain. */
static void write_message(struct port *port, uint8_t bits, struct virtq_chain *chain)
{
	struct virtio_console_control head = { .id = htole32(port->id), .value = htole16(1) };
	const void *body = NULL;
	size_t body_len = 0;
	uint16_t event = VIRTIO_CONSOLE_PORT_ADD;

	switch (bits & -bits) {
	case ANNOUNCE_CONSOLE:
		event = VIRTIO_CONSOLE_CONSOLE_PORT;
		break;
	case ANNOUNCE_NAME:
		event = VIRTIO_CONSOLE_PORT_NAME;
		body = port->name;
		body_len = strlen(port->name);
		break;
	case ANNOUNCE_OPEN:
		event = VIRTIO_CONSOLE_PORT_OPEN;
		head.value = htole16(!port->state.host_closed);
		break;
	default:
		break;
	}
	head.event = htole16(event);
	(void)virtq_chain_write(chain, &head, sizeof(head));
	(void)virtq_chain_write(chain, body, body_len);
}

/* Tell the guest what it has given buffers for. */
static void send_messages(struct virtio_console *console)
{
	struct virtq *q = &console->dev.queues[CONTROL_IN];
	struct virtq_chain chain;

	for (size_t i = 0; i < console->ports_len; i++) {
		struct port *port = &console->ports[i];

		while (port->state.announce) {
			if (!virtq_pop(q, &chain) && !(virtq_unmute(q) && virtq_pop(q, &chain)))
				goto out;
			write_message(port, port->state.announce, &chain);
			port->state.announce &= (uint8_t)(port->state.announce - 1);
			virtq_push(q, chain.head, chain.written_bytes);
		}
	}
out:
	virtio_signal(&console->dev, CONTROL_IN);
}

static void announce(struct port *port, uint8_t bits)
{
	if (!virtio_has(&port->console->dev, VIRTIO_CONSOLE_F_MULTIPORT))
		return;
	port->state.announce |= bits;
	if (virtio_running(&port->console->dev))
		send_messages(port->console);
}

static void close_input(struct port *port)
{
	watch(port, &port->in, 0);
	port->state.host_closed = true;
	announce(port, ANNOUNCE_OPEN);
}

enum input {
	INPUT_MORE, /* try again */
	INPUT_WAIT, /* watch the descriptor */
	INPUT_STOP, /* until the guest gives buffers */
};

static enum input read_once(struct port *port, struct virtq *q, size_t *budget)
{
	struct virtq_chain chain;
	ssize_t n = 0;

	if (!virtq_pop(q, &chain)) {
		--*budget; /* chains may be feigned */
		return virtq_unmute(q) ? INPUT_MORE : INPUT_STOP;
	}
	if (chain.writable_len > 0)
		n = readv(port->in.fd, chain.writable, (int)chain.writable_len);
	if (n > 0) {
		bool drained = (size_t)n < chain.writable_bytes;

		virtq_chain_filled(&chain, (size_t)n);
		virtq_push(q, chain.head, chain.written_bytes);
		*budget -= MIN((size_t)n, *budget);
		return drained ? INPUT_WAIT : INPUT_MORE;
	}
	if (chain.writable_len == 0) {
		virtq_break(q, "receive buffer without room");
		return INPUT_STOP;
	}
	virtq_unpop(q);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return INPUT_WAIT;
	close_input(port); /* the end, or an error that will not go away */

	return INPUT_STOP;
}

/* Pass on what the descriptor has and the guest has room for. */
static void receive(struct port *port)
{
	struct virtio_device *dev = &port->console->dev;
	struct virtq *q = &dev->queues[receive_queue(port)];
	size_t budget = INPUT_BUDGET_BYTES;
	enum input next = INPUT_MORE;

	if (!virtio_running(dev) || !virtq_running(q) || !is_open(port) || port->in.fd < 0 ||
	    port->state.host_closed) {
		watch(port, &port->in, 0);
		return;
	}
	virtq_mute(q);
	while (next == INPUT_MORE && budget > 0)
		next = read_once(port, q, &budget);
	watch(port, &port->in, next == INPUT_STOP ? 0 : EPOLLIN);
	virtio_signal(dev, receive_queue(port));
}

/* Chains whose bytes go out by one call. */
struct batch {
	struct iovec iov[2 * QUEUE_SIZE];
	int iov_len;
	uint16_t heads[QUEUE_SIZE];
	size_t bytes[QUEUE_SIZE]; /* of each chain */
	unsigned chains_len;
	size_t total_bytes;
};

static void gather(struct port *port, struct virtq *q, struct batch *batch)
{
	struct virtq_chain chain;

	batch->iov_len = 0;
	batch->chains_len = 0;
	batch->total_bytes = 0;
	/* A chain has at most as many buffers as the queue has entries. */
	while (batch->chains_len < QUEUE_SIZE && batch->iov_len <= QUEUE_SIZE &&
	       batch->total_bytes < BATCH_BYTES && virtq_pop(q, &chain)) {
		if (batch->chains_len == 0)
			virtq_chain_skip(&chain, port->state.sent_bytes);
		for (unsigned i = 0; i < chain.readable_len; i++)
			batch->iov[batch->iov_len++] = chain.readable[i];
		batch->heads[batch->chains_len] = chain.head;
		batch->bytes[batch->chains_len++] = chain.readable_bytes;
		batch->total_bytes += chain.readable_bytes;
	}
}

/* The first @bytes of @batch are out: its other chains go back to the ring. */
static void settle(struct port *port, struct virtq *q, const struct batch *batch, size_t bytes)
{
	unsigned i = 0;

	for (; i < batch->chains_len && batch->bytes[i] <= bytes; i++) {
		bytes -= batch->bytes[i];
		port->state.sent_bytes = 0;
		virtq_push(q, batch->heads[i], 0);
	}
	port->state.sent_bytes += bytes;
	for (; i < batch->chains_len; i++)
		virtq_unpop(q);
}

/* False when the descriptor takes nothing for now. */
static bool send_batch(struct port *port, struct virtq *q, const struct batch *batch)
{
	size_t sent_bytes = batch->total_bytes;
	ssize_t n;

	if (batch->total_bytes > 0 && !port->out_gone && port->out.fd >= 0) {
		do
			n = writev(port->out.fd, batch->iov, batch->iov_len);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno == EAGAIN) {
			watch(port, &port->out, EPOLLOUT);
			settle(port, q, batch, 0);
			return false;
		}
		if (n < 0)
			port->out_gone = true;
		else
			sent_bytes = (size_t)n;
	}
	settle(port, q, batch, sent_bytes);

	return true;
}

/* Linux waits for each chain that a terminal sends; a short queue may not hold enough of them. */
static bool is_stream(const struct port *port, const struct virtq *q)
{
	return port->streamed_bytes >= port->stream_min_bytes && q->event_index &&
	       !port->is_console && q->state.size >= 2 * STREAM_CHAINS;
}

/* All is sent. True when more has come meanwhile. */
static bool rest(struct port *port, struct virtq *q)
{
	if (!is_stream(port, q))
		return virtq_unmute(q);
	if (virtq_unmute_after(q, STREAM_CHAINS))
		return true;
	loop_timer_arm(port->console->dev.env.loop, &port->lull, clock_now_ns() + STREAM_LULL_NS);

	return false;
}

static void on_lull(void *ctx)
{
	struct port *port = ctx;
	struct virtio_device *dev = &port->console->dev;
	unsigned queue = transmit_queue(port);

	port->streamed_bytes = 0;
	/* One that stands still or starts anew has its bell rung when it goes on. */
	if (!virtio_running(dev) || !virtq_unmute(&dev->queues[queue]))
		return;
	port->stream_min_bytes = MIN(port->stream_min_bytes * 2, STREAM_MAX_BYTES);
	virtio_ring(dev, queue);
}

/* As virtio_drain(), but with several chains at a time: who reads them is woken less often. */
static bool transmit(struct port *port)
{
	struct virtio_device *dev = &port->console->dev;
	struct virtq *q = &dev->queues[transmit_queue(port)];
	unsigned budget = VIRTIO_BUDGET;
	struct batch batch;
	bool more = true;

	virtq_mute(q);
	loop_timer_disarm(dev->env.loop, &port->lull);
	while (more && budget > 0) {
		gather(port, q, &batch);
		budget -= MIN(MAX(batch.chains_len, 1U), budget);
		if (batch.chains_len == 0)
			more = rest(port, q);
		else if (!send_batch(port, q, &batch))
			more = false;
		else
			port->streamed_bytes += batch.total_bytes;
	}
	virtio_signal(dev, transmit_queue(port));

	return more;
}

static enum virtio_verdict control_chain(struct virtio_device *dev, unsigned queue UNUSED,
					 struct virtq_chain *chain)
{
	struct virtio_console *console = console_of(dev);
	struct virtio_console_control message;
	struct port *port;
	uint32_t id;
	bool yes;

	if (virtq_chain_read(chain, &message, sizeof(message)) < sizeof(message))
		return VIRTIO_DONE;
	yes = le16toh(message.value) == 1;
	if (le16toh(message.event) == VIRTIO_CONSOLE_DEVICE_READY) {
		for (size_t i = 0; yes && i < console->ports_len; i++)
			announce(&console->ports[i], ANNOUNCE_ADD);
		return VIRTIO_DONE;
	}
	id = le32toh(message.id);
	if (id >= console->ports_len)
		return VIRTIO_DONE;
	port = &console->ports[id];
	if (le16toh(message.event) == VIRTIO_CONSOLE_PORT_READY && yes) {
		uint8_t bits = ANNOUNCE_OPEN;

		if (port->is_console)
			bits |= ANNOUNCE_CONSOLE;
		if (port->name[0])
			bits |= ANNOUNCE_NAME;
		announce(port, bits);
	} else if (le16toh(message.event) == VIRTIO_CONSOLE_PORT_OPEN) {
		port->state.guest_open = yes;
		receive(port);
	}

	return VIRTIO_DONE;
}

static bool kick(struct virtio_device *dev, unsigned queue)
{
	struct virtio_console *console = console_of(dev);

	if (queue == CONTROL_IN) {
		send_messages(console);
		return false;
	}
	if (queue == CONTROL_OUT)
		return virtio_drain(dev, queue, control_chain);
	if (queue % 2 == 0) {
		receive(port_of_queue(console, queue));
		return false;
	}

	return transmit(port_of_queue(console, queue));
}

static void on_input(void *ctx, uint32_t events UNUSED)
{
	struct port *port = ctx;

	receive(port);
	virtio_check(&port->console->dev);
}

static void on_output(void *ctx, uint32_t events UNUSED)
{
	struct port *port = ctx;

	watch(port, &port->out, 0);
	/* Through the bell, which knows whether the device still runs. */
	virtio_ring(&port->console->dev, transmit_queue(port));
}

static bool reset(struct virtio_device *dev)
{
	struct virtio_console *console = console_of(dev);

	/* What is watched stays so until it has something to say to nobody: this is a vCPU thread.
	 */
	for (size_t i = 0; i < console->ports_len; i++) {
		struct port *port = &console->ports[i];

		port->streamed_bytes = 0;
		port->state = (struct virtio_console_port_state){
			.host_closed = port->state.host_closed,
		};
	}

	return true;
}

static const struct virtio_ops ops = {
	.kick = kick,
	.reset = reset,
};

/* Take the descriptors of @config over. */
static int init_port(struct virtio_console *console, unsigned id,
		     const struct virtio_console_port_config *config, struct err *err)
{
	struct port *port = &console->ports[id];
	int out_fd = config->out_fd;

	/* A descriptor is watched once: reading and writing one socket needs a second one. */
	if (out_fd >= 0 && out_fd == config->in_fd)
		out_fd = fcntl(out_fd, F_DUPFD_CLOEXEC, 3);
	*port = (struct port){
		.console = console,
		.id = id,
		.is_console = config->console,
		.in = { .fd = config->in_fd, .fn = on_input, .ctx = port },
		.out = { .fd = out_fd, .fn = on_output, .ctx = port },
		.stream_min_bytes = STREAM_MIN_BYTES,
		.lull = { .fn = on_lull, .ctx = port },
		.state = { .host_closed = config->in_fd < 0 && config->out_fd < 0 },
	};
	if (config->out_fd >= 0 && out_fd < 0)
		return err_sys(err, "console: duplicate a descriptor");
	if (config->name && strlen(config->name) >= sizeof(port->name))
		return err_set(err, ENAMETOOLONG, "console: name of port %u", id);
	if (config->name)
		(void)snprintf(port->name, sizeof(port->name), "%s", config->name);
	/* The second descriptor of a socket shares this with the first. */
	if ((config->in_fd >= 0 && fd_set_nonblock(config->in_fd, 1) < 0) ||
	    (config->out_fd >= 0 && config->out_fd != config->in_fd &&
	     fd_set_nonblock(config->out_fd, 1) < 0))
		return err_sys(err, "console: make port %u non-blocking", id);

	return 0;
}

int virtio_console_new(const struct virtio_env *env, const struct virtio_console_port_config *ports,
		       size_t ports_len, struct virtio_console **ret, struct err *err)
{
	struct virtio_console *console = calloc(1, sizeof(*console));
	uint16_t sizes[2 * VIRTIO_CONSOLE_PORTS_MAX + 2];
	struct virtio_spec spec = {
		.name = "console",
		.ops = &ops,
		.type = VIRTIO_ID_CONSOLE,
		.class_code = PCI_CLASS_OTHER_COMMUNICATION,
		.features = VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT),
		.queue_sizes = sizes,
		.queues_len = (unsigned)(2 * ports_len + 2),
		.vectors = VIRTIO_SHARED_VECTORS,
		.config_bytes = sizeof(console->config),
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		sizes[i] = QUEUE_SIZE;
	if (!console || ports_len < 1 || ports_len > VIRTIO_CONSOLE_PORTS_MAX)
		r = err_set(err, console ? EINVAL : ENOMEM, "console of %zu ports", ports_len);
	for (unsigned i = 0; i < ports_len; i++) {
		if (r == 0)
			console->ports_len = i + 1;
		if (r == 0) {
			r = init_port(console, i, &ports[i], err);
		} else {
			fd_close(ports[i].in_fd);
			fd_close(ports[i].out_fd);
		}
	}
	if (r == 0) {
		console->config.max_nr_ports = htole32((uint32_t)ports_len);
		spec.config = &console->config;
		r = virtio_init(&console->dev, &spec, env, err);
	}
	if (r < 0) {
		virtio_console_free(console);
		return r;
	}
	*ret = console;

	return 0;
}

void virtio_console_free(struct virtio_console *console)
{
	if (!console)
		return;
	for (size_t i = 0; i < console->ports_len; i++) {
		struct port *port = &console->ports[i];

		watch(port, &port->in, 0);
		watch(port, &port->out, 0);
		loop_timer_disarm(console->dev.env.loop, &port->lull);
		fd_close(port->in.fd);
		fd_close(port->out.fd);
	}
	virtio_done(&console->dev);
	free(console);
}

struct virtio_device *virtio_console_device(struct virtio_console *console)
{
	return &console->dev;
}

void virtio_console_save(const struct virtio_console *console, struct virtio_console_state *ret)
{
	*ret = (struct virtio_console_state){ 0 };
	for (size_t i = 0; i < console->ports_len; i++)
		ret->ports[i] = console->ports[i].state;
}

void virtio_console_load(struct virtio_console *console, const struct virtio_console_state *state)
{
	for (size_t i = 0; i < console->ports_len; i++)
		console->ports[i].state = state->ports[i];
}
