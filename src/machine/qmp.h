/* SPDX-License-Identifier: Apache-2.0
 *
 * qmp.h - QEMU's control protocol: one command at a time over a socket
 */
#ifndef MACHINE_QMP_H
#define MACHINE_QMP_H

#include "base/err.h"
#include "base/strbuf.h"

/* A connection; @fd is owned by it. */
struct qmp {
	int fd;
	bool greeted;
	unsigned owed; /* answers that have not been read: one to each command */
	struct strbuf in;
};

#define QMP_LINE_MAX_BYTES (64 * KIB)

/* Take up the socket @fd (given). */
void qmp_init(struct qmp *qmp, int fd);
void qmp_done(struct qmp *qmp);

/**
 * qmp_command() - Execute a command and wait for its answer
 * @qmp:	connection
 * @name:	command
 * @arguments:	its arguments as a JSON object, or NULL
 * @err:	what QEMU said; may be NULL
 *
 * QEMU may be in the hands of its guest: its answers are bounded in size and time, and only
 * whether it agreed is used.
 *
 * Return: 0, -ETIMEDOUT, or another negative errno.
 */
int qmp_command(struct qmp *qmp, const char *name, const char *arguments, struct err *err);

/* Have QEMU tell events from its start on, without waiting for it. 0 or a negative errno. */
int qmp_ask_for_events(struct qmp *qmp);

/**
 * qmp_shutdown_reason() - Why QEMU has ended, of one that was asked for events
 * @qmp:	connection
 * @buf:	reason of its event SHUTDOWN, such as "guest-reset"; "" when there was none
 * @buf_bytes:	size of @buf
 *
 * Reads what has arrived, and waits for nothing.
 */
void qmp_shutdown_reason(struct qmp *qmp, char *buf, size_t buf_bytes);

#endif
