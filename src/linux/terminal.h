/* SPDX-License-Identifier: Apache-2.0
 *
 * terminal.h - the terminal and the signals of a process that relays for its user
 */
#ifndef LINUX_TERMINAL_H
#define LINUX_TERMINAL_H

#include <stdint.h>
#include <termios.h>

#include "base/err.h"
#include "linux/signals.h"

/**
 * struct terminal - what was changed, to be put back
 * @raw_fd:	terminal in raw mode, or -1; borrowed
 * @saved:	its modes before
 * @signals:	of this process
 */
struct terminal {
	int raw_fd;
	struct termios saved;
	struct signals signals;
};
#define TERMINAL_INIT                                  \
	{                                              \
		.raw_fd = -1, .signals = { .fd = -1 }, \
	}

/**
 * terminal_init() - Take the signals of this process, and put the terminal into raw mode
 * @t:		filled in
 * @raw_fd:	terminal, or -1
 * @more:	signals that are wanted in any case
 * @err:	filled in on failure, may be NULL
 *
 * With a terminal also those that would end this process with its terminal still raw, and what a
 * terminal is told by: SIGWINCH, and SIGCONT (terminal_set_raw()). SIGPIPE is blocked, so that a
 * closed stdout ends this process as usual, but never leaves a terminal raw.
 *
 * Return: 0 or a negative errno.
 */
int terminal_init(struct terminal *t, int raw_fd, const sigset_t *more, struct err *err);

/* Put everything back; harmless when done already. */
void terminal_done(struct terminal *t);

/* Raw mode again: after SIGCONT the shell has set its own. */
void terminal_set_raw(struct terminal *t);

/* Size of the terminal in characters: 0 or a negative errno. */
int terminal_size(const struct terminal *t, uint16_t *ret_rows, uint16_t *ret_cols);

/* Put everything back, then end this process by @signo. Returns if that is not its effect. */
void terminal_die(struct terminal *t, int signo);

#endif
