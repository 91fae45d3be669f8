/* SPDX-License-Identifier: Apache-2.0
 *
 * state.h - the files of a run directory, as the monitor writes them
 *
 * Readers are in client.h. The lock is an open file description lock: it is given up by the
 * kernel with the last descriptor, and F_OFD_GETLK asks for it without ever taking it, so that a
 * reader cannot be in the way of a monitor that starts.
 */
#ifndef MONITOR_STATE_H
#define MONITOR_STATE_H

#include "monitor/client.h"

/**
 * state_lock() - Take the liveness lock and forget what an earlier run left
 * @dir_fd:	run directory, borrowed
 * @err:	kind CONFLICT when another monitor holds it
 *
 * Return: a descriptor the caller owns and keeps, or a negative errno; -EBUSY.
 */
int state_lock(int dir_fd, struct err *err);

/* Replace the "state" file: phase, pids, start time and machine of @state. */
int state_write(int dir_fd, const struct monitor_state *state, struct err *err);

/* Write the exit record, whole. */
int state_write_exit(int dir_fd, const struct monitor_state *state, struct err *err);

/* Remove what state_write() and state_listen() made: nothing was ever started here. */
void state_forget(int dir_fd);

/* A listening, non-blocking socket "ctl" in @dir_fd that the caller owns, or a negative errno. */
int state_listen(int dir_fd, struct err *err);

/*
 * A connection to "ctl", non-blocking: -ECONNREFUSED or -ENOENT when nobody listens, -EAGAIN while
 * too many wait.
 */
int state_connect(int dir_fd);

/* 1 while a monitor holds the lock of @dir_fd, 0 when none does, or a negative errno. */
int state_is_locked(int dir_fd);

#endif
