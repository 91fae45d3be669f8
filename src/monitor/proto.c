/* SPDX-License-Identifier: Apache-2.0
 *
 * proto.c - framing between a monitor and its clients
 */
#include "monitor/proto.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

/* Frames up to this size are put together on the stack. */
#define PROTO_SMALL_BYTES 2048

/* Wait until @sock_fd takes bytes. 0, -EAGAIN or -ETIMEDOUT. */
static int wait_room(int sock_fd, int64_t deadline_ns)
{
	struct pollfd poll_fd = { .fd = sock_fd, .events = POLLOUT };
	int n;

	if (deadline_ns == 0)
		return -EAGAIN;
	do {
		n = poll(&poll_fd, 1, clock_poll_ms(deadline_ns));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	return n == 0 ? -ETIMEDOUT : 0;
}

int proto_send(int sock_fd, const struct proto_msg *msg, int64_t deadline_ns)
{
	struct proto_header header = {
		.magic = PROTO_MAGIC,
		.type = (uint16_t)msg->type,
		.fds_len = (uint16_t)msg->fds_len,
		.len = (uint32_t)msg->len,
	};
	char small[PROTO_SMALL_BYTES];
	auto_free char *large = NULL;
	char *frame = small;
	size_t len = sizeof(header) + msg->len, sent = 0;

	if (msg->len > PROTO_MAX_BYTES || msg->fds_len > FD_PASS_MAX)
		return -EMSGSIZE;
	if (len > sizeof(small)) {
		large = malloc(len);
		if (!large)
			return -ENOMEM;
		frame = large;
	}
	memcpy(frame, &header, sizeof(header));
	if (msg->len > 0)
		memcpy(frame + sizeof(header), msg->body, msg->len);

	while (sent < len) {
		/* The descriptors are gone with the first byte. */
		ssize_t n = fd_send(sock_fd, frame + sent, len - sent, msg->fds,
				    sent == 0 ? msg->fds_len : 0);

		if (n == -EAGAIN) {
			int r = wait_room(sock_fd, deadline_ns);

			if (r < 0)
				return r;
			continue;
		}
		if (n < 0)
			return n == -ECONNRESET ? -EPIPE : (int)n;
		sent += (size_t)n;
	}

	return 0;
}

int proto_send_reply(int sock_fd, enum proto_type to, int r, uint32_t value, const struct err *err)
{
	bool with_err = err && r < 0;
	struct {
		struct proto_reply reply;
		struct err err;
	} body = { .reply = { .to = (uint32_t)to, .r = r, .value = value } };
	struct proto_msg msg = {
		.type = PROTO_REPLY,
		.body = &body,
		.len = with_err ? sizeof(body) : sizeof(body.reply),
	};

	_Static_assert(offsetof(__typeof__(body), err) == sizeof(struct proto_reply),
		       "the error follows without a gap");
	if (with_err)
		body.err = *err;

	return proto_send(sock_fd, &msg, 0);
}

int proto_send_document(int sock_fd, enum proto_type to, const void *document, size_t len)
{
	const struct proto_reply reply = { .to = (uint32_t)to };
	auto_free char *body = malloc(sizeof(reply) + len);
	struct proto_msg msg = { .type = PROTO_REPLY, .body = body, .len = sizeof(reply) + len };

	if (!body)
		return -ENOMEM;
	memcpy(body, &reply, sizeof(reply));
	memcpy(body + sizeof(reply), document, len);

	return proto_send(sock_fd, &msg, 0);
}

void proto_reader_done(struct proto_reader *in)
{
	for (size_t i = 0; i < in->fds_len; i++)
		fd_close(in->fds[i]);
	free(in->body);
	in->body = NULL;
	in->header_got = in->body_got = in->fds_len = 0;
}

static int read_header(struct proto_reader *in, int sock_fd)
{
	while (in->header_got < sizeof(in->header)) {
		size_t got = 0;
		ssize_t n = fd_recv(sock_fd, (char *)&in->header + in->header_got,
				    sizeof(in->header) - in->header_got, in->fds + in->fds_len,
				    FD_PASS_MAX - in->fds_len, &got);

		if (n == 0 || n == -ECONNRESET)
			return -EPIPE;
		if (n < 0)
			return n == -EMSGSIZE ? -EPROTO : (int)n;
		in->fds_len += got;
		in->header_got += (size_t)n;
	}

	return 0;
}

int proto_read(struct proto_reader *in, int sock_fd)
{
	int r = read_header(in, sock_fd);

	if (r < 0)
		return r;
	if (!in->body) {
		if (in->header.magic != PROTO_MAGIC || in->header.len > PROTO_MAX_BYTES ||
		    in->header.fds_len != in->fds_len)
			return -EPROTO;
		in->body = malloc((size_t)in->header.len + 1);
		if (!in->body)
			return -ENOMEM;
	}
	while (in->body_got < in->header.len) {
		ssize_t n =
			recv(sock_fd, in->body + in->body_got, in->header.len - in->body_got, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return -EPIPE;
		if (n < 0)
			return -errno;
		in->body_got += (size_t)n;
	}
	in->body[in->header.len] = '\0';

	return 1;
}

int proto_get(const struct proto_reader *in, void *ret, size_t ret_bytes, struct slice *ret_rest)
{
	if (in->header.len < ret_bytes)
		return -EPROTO;
	memcpy(ret, in->body, ret_bytes);
	*ret_rest = (struct slice){ .at = in->body + ret_bytes, .len = in->header.len - ret_bytes };

	return 0;
}

const char *proto_next_text(struct slice *rest)
{
	const char *text = rest->at;
	const char *end = rest->len > 0 ? memchr(text, '\0', rest->len) : NULL;

	if (!end)
		return NULL;
	rest->at = end + 1;
	rest->len -= (size_t)(end + 1 - text);

	return text;
}

int proto_take_fd(struct proto_reader *in, size_t i)
{
	return i < in->fds_len ? take_fd(in->fds[i]) : -1;
}

int proto_get_err(struct slice from, struct err *ret)
{
	struct err sent;

	if (from.len != sizeof(sent))
		return -EPROTO;
	memcpy(&sent, from.at, sizeof(sent));
	err_sanitize(&sent);
	if (ret)
		*ret = sent;

	return 0;
}

int proto_get_reply(const struct proto_reader *in, struct proto_reply *ret, struct slice *ret_rest,
		    struct err *err)
{
	struct slice rest;

	if (in->header.type != PROTO_REPLY || proto_get(in, ret, sizeof(*ret), &rest) < 0)
		return err_set(err, EPROTO, "the monitor sent something else than a reply");
	*ret_rest = rest;
	if (ret->r >= 0)
		return 0;
	if (ret->r < -4095 || proto_get_err(rest, err) < 0)
		return err_set(err, EPROTO, "the monitor sent a malformed reply");

	return ret->r;
}
