/* SPDX-License-Identifier: Apache-2.0
 *
 * console.h - the console of a machine on the terminal of this process
 */
#ifndef BARE_CONSOLE_H
#define BARE_CONSOLE_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/err.h"

#define CONSOLE_ESCAPE 0x1d /* ^], typed at a terminal, ends it */

/* How long a machine whose power button has been pressed may take, as with docker stop. */
#define CONSOLE_OFF_LIMIT_NS (10 * NS_PER_SEC)

/**
 * struct console - what is connected; all of it is borrowed
 * @machine_fd:	socket behind the machine's serial port, non-blocking
 * @death_fd:	readable once the machine has ended
 * @in_fd:	input; its end is not the machine's
 * @out_fd:	output; is waited for, and never written to when that would block
 * @press:	called at the first SIGTERM: presses the machine's power button. True: it may take
 *		CONSOLE_OFF_LIMIT_NS to end by itself; NULL: there is none
 * @ctx:	for @press
 */
struct console {
	int machine_fd, death_fd;
	int in_fd, out_fd;
	bool (*press)(void *ctx);
	void *ctx;
};

/**
 * console_run() - Pass bytes on until the machine has ended or somebody wants it to
 * @console:	what
 * @err:	filled in on failure, may be NULL
 *
 * A terminal is raw meanwhile and is put back before the return. Nothing is lost: who cannot take
 * more is waited for.
 *
 * Return: 0 when the machine has ended and all that it wrote was written; the number of the signal
 *	   that came (SIGINT for the escape character, SIGPIPE when nobody reads the output); or a
 *	   negative errno.
 */
int console_run(const struct console *console, struct err *err);

#endif
