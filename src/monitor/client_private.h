/* SPDX-License-Identifier: Apache-2.0
 *
 * client_private.h - the client's end of a connection
 */
#ifndef MONITOR_CLIENT_PRIVATE_H
#define MONITOR_CLIENT_PRIVATE_H

#include "monitor/client.h"
#include "monitor/proto.h"

/**
 * struct monitor_client - a connection to a monitor
 * @sock_fd:	non-blocking
 * @run_dir:	for the exit record, should the monitor be gone before it answers
 * @pid:	the monitor when it is our child, else 0
 * @in:		frame that is being received
 * @whole:	@in has been handed out, and goes with the next one
 * @has_end:	an end came while a reply was waited for: it is in @ended
 */
struct monitor_client {
	int sock_fd;
	char *run_dir;
	pid_t pid;
	struct proto_reader in;
	bool whole;
	bool has_end;
	struct proto_ended ended;
};

/* A client of @sock_fd, which is taken even on failure. NULL: no memory. */
struct monitor_client *monitor_client_new(int sock_fd, const char *run_dir, pid_t pid);

/* Send one frame; -EPIPE with its reason when the monitor is gone. */
int monitor_client_send(struct monitor_client *c, const struct proto_msg *msg, struct err *err);

/**
 * monitor_client_receive() - Wait for the next frame
 * @c:		connection; the frame is in @c->in until the next call
 * @deadline_ns: -1: for ever
 * @err:	filled in on failure
 *
 * Return: 0; -ETIMEDOUT; -EPIPE: the monitor is gone; -EPROTO; another negative errno.
 */
int monitor_client_receive(struct monitor_client *c, int64_t deadline_ns, struct err *err);

/**
 * monitor_client_call() - Send a request and wait for its reply
 * @c:		connection
 * @msg:	request
 * @deadline_ns: -1: for ever
 * @ret_reply:	reply, may be NULL; what follows it is borrowed from @c
 * @err:	filled in on failure, also with the monitor's own reason
 *
 * Return: 0 or a negative errno.
 */
int monitor_client_call(struct monitor_client *c, const struct proto_msg *msg, int64_t deadline_ns,
			struct proto_reply *ret_reply, struct err *err);

/* Now and MONITOR_REPLY_MS. */
int64_t monitor_reply_deadline(void);

/* Keep a frame PROTO_ENDED of @c->in in @c->ended. 0 or -EPROTO. */
int monitor_client_keep_end(struct monitor_client *c, struct err *err);

/* Take the end that was kept. 0, or -EPROTO when it is not that of @proc. */
int monitor_client_take_end(struct monitor_client *c, uint32_t proc, struct monitor_end *ret,
			    struct err *err);

/* The monitor is gone: -EPIPE, or 0 when process 0 is meant and left its exit record. */
int monitor_client_lost(struct monitor_client *c, uint32_t proc, struct monitor_end *ret,
			struct err *err);

#endif
