/* SPDX-License-Identifier: Apache-2.0
 *
 * sync.h - what a process being built and its builder tell each other
 *
 * One SOCK_SEQPACKET pair per process, closed by its exec: the end of the stream after
 * SYNC_GO is the sign of success.
 */
#ifndef RUNTIME_SYNC_H
#define RUNTIME_SYNC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum sync_kind {
	SYNC_MAPPED = 1, /* down: ids are mapped, cgroups are made */
	SYNC_MOUNTS,	 /* down, with mount descriptors */
	SYNC_READY,	 /* up: waits for SYNC_GO; with the descriptors in @has */
	SYNC_GO,	 /* down */
	SYNC_FAILED,	 /* up: @err tells why; the process ends */
};

enum sync_fds {
	SYNC_HAS_DEVPTS = 1 << 0,
	SYNC_HAS_TTY = 1 << 1,
};
/* Descriptors of one message. */
#define SYNC_MAX_FDS 128

/* @uid, @gid: who the process will be, in its user namespace (SYNC_READY). */
struct sync_msg {
	enum sync_kind kind;
	unsigned has;
	uid_t uid;
	gid_t gid;
	struct err err; /* SYNC_FAILED only */
};

/* Make a pair, both ends above 2 and O_CLOEXEC. 0 or a negative errno. */
int sync_pair(int ret_fds[2], struct err *err);

/* Send @msg with descriptors. 0, the failure that the other side ended with, or -EPIPE. */
int sync_send(int fd, const struct sync_msg *msg, const int *fds, size_t fds_len, struct err *err);

/**
 * sync_receive() - Receive a message of one kind
 * @fd:		socket
 * @kind:	what must come; SYNC_FAILED is always understood and becomes this call's failure
 * @ret:	the message
 * @ret_fds:	room for SYNC_MAX_FDS descriptors that the caller then owns; NULL: none are awaited
 * @ret_fds_len: their number; NULL with @ret_fds
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0; -EPIPE when the other side has ended; another negative errno.
 */
int sync_receive(int fd, enum sync_kind kind, struct sync_msg *ret, int *ret_fds,
		 size_t *ret_fds_len, struct err *err);

#endif
