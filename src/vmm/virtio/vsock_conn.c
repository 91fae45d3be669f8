/* SPDX-License-Identifier: Apache-2.0
 *
 * vsock_conn.c - the host's side of the connections: sockets, never waited for
 *
 * Bytes of the guest that a socket does not take are buffered, no more than the guest was told
 * there is room for. Bytes for the guest stay in the socket until it has room.
 */
#include "vmm/virtio/vsock_priv.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmmproto/vmmproto.h"

#define FIRST_HOST_PORT 0x40000000U

const struct confine_list virtio_vsock_calls = CONFINE_LIST(
	CONFINE_ALLOW(SYS_recvfrom), CONFINE_ALLOW(SYS_sendto), CONFINE_ALLOW(SYS_recvmsg),
	CONFINE_ALLOW(SYS_shutdown), CONFINE_ALLOW(SYS_close));

static void on_socket(void *ctx, uint32_t events);

struct vsock_conn *vsock_find(struct virtio_vsock *vsock, uint32_t guest_port, uint32_t host_port)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		struct vsock_conn *conn = &vsock->conns[i];

		if (conn->state != VSOCK_FREE && conn->guest_port == guest_port &&
		    conn->host_port == host_port)
			return conn;
	}

	return NULL;
}

struct vsock_conn *vsock_take(struct virtio_vsock *vsock, enum vsock_state state)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		struct vsock_conn *conn = &vsock->conns[i];

		if (conn->state != VSOCK_FREE)
			continue;
		*conn = (struct vsock_conn){
			.vsock = vsock,
			.state = state,
			.source = { .fd = -1, .fn = on_socket, .ctx = conn },
		};
		return conn;
	}

	return NULL;
}

static void close_socket(struct vsock_conn *conn)
{
	loop_del(conn->vsock->dev.env.loop, &conn->source);
	conn->source.fd = fd_close(conn->source.fd);
	free(take_ptr(conn->buffer));
	conn->buffer_len = 0;
	conn->readable = false;
}

/* False when the starter has gone, or does not read. */
static bool tell(const struct virtio_vsock *vsock, const struct vmmproto_vsock_msg *msg)
{
	return vsock->starter.fd >= 0 && send(vsock->starter.fd, msg, sizeof(*msg),
					      MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(*msg);
}

/* Whether the starter hears it or not: the stream that it holds tells the same. */
static void answer(const struct virtio_vsock *vsock, uint32_t token, uint32_t error)
{
	const struct vmmproto_vsock_msg msg = { .kind = VMMPROTO_VSOCK_ANSWER,
						.token = token,
						.error = error };

	(void)tell(vsock, &msg);
}

void vsock_drop(struct vsock_conn *conn)
{
	if (conn->state == VSOCK_FREE)
		return;
	if (conn->state == VSOCK_ASKED_GUEST)
		answer(conn->vsock, conn->token, ECONNREFUSED);
	close_socket(conn);
	conn->state = VSOCK_FREE;
}

void vsock_drop_all(struct virtio_vsock *vsock)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		vsock_drop(&vsock->conns[i]);
}

void vsock_abort(struct vsock_conn *conn)
{
	close_socket(conn);
	conn->pending = VSOCK_RESET;
}

void vsock_watch(struct vsock_conn *conn)
{
	struct loop *loop = conn->vsock->dev.env.loop;
	uint32_t events = 0;

	if (conn->source.fd < 0)
		return;
	if (!conn->readable && !conn->ended && conn->state != VSOCK_ASKED_GUEST)
		events |= EPOLLIN;
	if (conn->buffer_len > 0)
		events |= EPOLLOUT;
	if (events == 0)
		loop_del(loop, &conn->source);
	else if (conn->source.events == 0)
		(void)loop_add(loop, &conn->source, events);
	else
		(void)loop_mod(loop, &conn->source, events);
}

void vsock_accepted(struct vsock_conn *conn)
{
	answer(conn->vsock, conn->token, 0);
	conn->state = VSOCK_OPEN;
	vsock_watch(conn);
}

int vsock_ask_host(struct vsock_conn *conn)
{
	struct virtio_vsock *vsock = conn->vsock;
	struct vmmproto_vsock_msg msg = { .kind = VMMPROTO_VSOCK_CONNECT, .port = conn->host_port };

	msg.token = conn->token = vsock->next_token++;

	return tell(vsock, &msg) ? 0 : -ECONNREFUSED;
}

/* A program of the host wants a port of the guest. */
static void take_connect(struct virtio_vsock *vsock, const struct vmmproto_vsock_msg *msg, int *fd)
{
	struct vsock_conn *conn = NULL;

	if (*fd >= 0 && virtio_running(&vsock->dev))
		conn = vsock_take(vsock, VSOCK_ASKED_GUEST);
	if (!conn) {
		answer(vsock, msg->token, *fd < 0 ? EBADF : ECONNREFUSED);
		return;
	}
	conn->source.fd = take_fd(*fd);
	conn->token = msg->token;
	conn->guest_port = msg->port;
	conn->host_port = FIRST_HOST_PORT + vsock->next_port++ % FIRST_HOST_PORT;
	conn->pending = VSOCK_REQUEST;
}

static void take_answer(struct virtio_vsock *vsock, const struct vmmproto_vsock_msg *msg, int *fd)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		struct vsock_conn *conn = &vsock->conns[i];

		if (conn->state != VSOCK_ASKED_HOST || conn->token != msg->token ||
		    conn->pending & VSOCK_RESET)
			continue;
		if (msg->error || *fd < 0) {
			vsock_abort(conn);
			return;
		}
		conn->source.fd = take_fd(*fd);
		conn->state = VSOCK_OPEN;
		conn->pending |= VSOCK_RESPONSE;
		vsock_watch(conn);
		return;
	}
}

/* Gone, or talking nonsense: nobody is asked any more. */
static void forget_starter(struct virtio_vsock *vsock)
{
	loop_del(vsock->dev.env.loop, &vsock->starter);
	vsock->starter.fd = fd_close(vsock->starter.fd);
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		if (vsock->conns[i].state == VSOCK_ASKED_HOST)
			vsock_abort(&vsock->conns[i]);
}

void vsock_on_starter(void *ctx, uint32_t events UNUSED)
{
	struct virtio_vsock *vsock = ctx;
	struct vmmproto_vsock_msg msg;
	size_t fds_len = 0;
	int fd = -1;
	ssize_t n = fd_recv(vsock->starter.fd, &msg, sizeof(msg), &fd, 1, &fds_len);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == sizeof(msg) && msg.kind == VMMPROTO_VSOCK_CONNECT)
		take_connect(vsock, &msg, &fd);
	else if (n == sizeof(msg) && msg.kind == VMMPROTO_VSOCK_ANSWER)
		take_answer(vsock, &msg, &fd);
	else
		forget_starter(vsock);
	if (fds_len > 0)
		fd_close(fd);
	vsock_pump(vsock);
}

int vsock_add_data(struct vsock_conn *conn, struct virtq_chain *chain, size_t len)
{
	if (!conn->buffer) {
		conn->buffer = malloc(VSOCK_BUFFER_BYTES);
		conn->buffer_at = 0;
	}
	if (!conn->buffer)
		return -ENOMEM;
	if (conn->buffer_at + conn->buffer_len + len > VSOCK_BUFFER_BYTES) {
		memmove(conn->buffer, conn->buffer + conn->buffer_at, conn->buffer_len);
		conn->buffer_at = 0;
	}
	(void)virtq_chain_read(chain, conn->buffer + conn->buffer_at + conn->buffer_len, len);
	conn->buffer_len += len;

	return 0;
}

void vsock_flush(struct vsock_conn *conn)
{
	static const uint32_t both = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;

	while (conn->buffer_len > 0) {
		ssize_t n = send(conn->source.fd, conn->buffer + conn->buffer_at, conn->buffer_len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			vsock_abort(conn);
		if (n < 0)
			break;
		conn->buffer_at += (size_t)n;
		conn->buffer_len -= (size_t)n;
		conn->fwd += (uint32_t)n;
	}
	if (conn->source.fd < 0)
		return;
	if (conn->fwd - conn->told_fwd >= VSOCK_BUFFER_BYTES / 2)
		conn->pending |= VSOCK_CREDIT;
	if (conn->buffer_len == 0) {
		free(take_ptr(conn->buffer));
		if ((conn->guest_shut & both) == both)
			vsock_abort(conn);
		else if (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)
			(void)shutdown(conn->source.fd, SHUT_WR);
	}
	vsock_watch(conn);
}

size_t vsock_read_data(struct vsock_conn *conn, size_t max)
{
	struct virtio_vsock *vsock = conn->vsock;
	ssize_t n = recv(conn->source.fd, vsock->data, MIN(max, sizeof(vsock->data)), MSG_DONTWAIT);

	if (n > 0)
		return (size_t)n;
	conn->readable = false;
	if (n == 0) {
		conn->ended = true;
		conn->pending |= VSOCK_SHUTDOWN;
	} else if (errno != EAGAIN && errno != EINTR) {
		vsock_abort(conn);
	}
	vsock_watch(conn);

	return 0;
}

static void on_socket(void *ctx, uint32_t events)
{
	struct vsock_conn *conn = ctx;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		conn->readable = !conn->ended;
	/* Gone while it is owed something: the next write finds out. */
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		vsock_flush(conn);
	vsock_watch(conn);
	vsock_pump(conn->vsock);
}
