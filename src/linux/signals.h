/* SPDX-License-Identifier: Apache-2.0
 *
 * signals.h - the signals of this process, read from a descriptor for a while
 */
#ifndef LINUX_SIGNALS_H
#define LINUX_SIGNALS_H

#include <signal.h>

#include "base/err.h"

/**
 * struct signals - what was taken, to be given back
 * @fd:		readable when one has come; -1: none are taken
 * @old_mask:	signal mask before
 */
struct signals {
	int fd;
	sigset_t old_mask;
};

/* Add those that end a process from outside: not what came ignored (nohup), which stays so. */
void signals_add_ending(sigset_t *set);

/**
 * signals_take() - Block signals, to be read with signals_next()
 * @s:		filled in
 * @wanted:	which
 * @err:	filled in on failure, may be NULL
 *
 * SIGPIPE is blocked, too, until signals_done() lets it strike.
 *
 * Return: 0 or a negative errno.
 */
int signals_take(struct signals *s, const sigset_t *wanted, struct err *err);

/* The next signal, 0 when there is none. */
int signals_next(struct signals *s);

/* Put the mask back; harmless when done already. */
void signals_done(struct signals *s);

#endif
