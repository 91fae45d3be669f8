/* SPDX-License-Identifier: Apache-2.0
 *
 * terminal.h - the local terminal and signals of an attached client
 */
#ifndef MONITOR_TERMINAL_H
#define MONITOR_TERMINAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/err.h"

/**
 * struct terminal - what was changed, to be put back
 * @raw_fd:	terminal in raw mode, or -1; borrowed
 * @saved:	its modes before
 * @signal_fd:	signals of this process are read here, or -1
 * @old_mask:	signal mask before
 */
struct terminal {
	int raw_fd;
	struct termios saved;
	int signal_fd;
	sigset_t old_mask;
};

/**
 * terminal_init() - Take the signals of this process, and put the terminal into raw mode
 * @t:		filled in
 * @raw_fd:	terminal, or -1
 * @forward:	also take the signals that a workload may want
 * @err:	filled in on failure, may be NULL
 *
 * SIGPIPE is blocked until terminal_done(), which lets it strike: so that a closed stdout ends
 * this process as usual, but never leaves a terminal raw.
 *
 * Return: 0 or a negative errno.
 */
int terminal_init(struct terminal *t, int raw_fd, bool forward, struct err *err);

/* Put everything back; harmless when done already. */
void terminal_done(struct terminal *t);

/* Raw mode again: after SIGCONT the shell has set its own. */
void terminal_set_raw(struct terminal *t);

/* Size of the terminal in characters: 0 or a negative errno. */
int terminal_size(const struct terminal *t, uint16_t *ret_rows, uint16_t *ret_cols);

/* The next signal, 0 when there is none. */
int terminal_next_signal(struct terminal *t);

/* Put everything back, then end this process by @signo. Returns if that is not its effect. */
void terminal_die(struct terminal *t, int signo);

#endif
