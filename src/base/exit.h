/* SPDX-License-Identifier: Apache-2.0
 *
 * exit.h - exit statuses, as shells and docker tell them
 */
#ifndef BASE_EXIT_H
#define BASE_EXIT_H

#include <sys/wait.h>

/* The command's own are everything else. */
enum {
	EXIT_NOT_STARTED = 125,
	EXIT_CANNOT_EXEC = 126,
	EXIT_NO_COMMAND = 127,
	EXIT_SIGNAL = 128, /* and its number */
};

/* 0..255 of a status as from waitpid(). */
static inline int exit_status_of(int wstatus)
{
	return WIFSIGNALED(wstatus) ? EXIT_SIGNAL + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

#endif
