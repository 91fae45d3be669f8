/* SPDX-License-Identifier: Apache-2.0
 *
 * serial.h - input of the serial port: from the console's descriptor to the guest, no faster than
 * read
 */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include "base/err.h"
#include "loop/loop.h"
#include "vmm/uart.h"

/**
 * struct serial_input - a console that is read
 * @loop:	borrowed
 * @uart:	borrowed
 * @data:	the console
 * @room:	the guest has read what it was given
 */
struct serial_input {
	struct loop *loop;
	struct uart *uart;
	struct loop_source data, room;
};

/**
 * serial_input_init() - Read the console, if it is one that can be read
 * @input:	must not move any more; released with serial_input_done(), also after a failure
 * @loop:	calls us, with whatever lock guards @uart
 * @uart:	serial port
 * @console_fd:	borrowed. A socket is read; anything else, and -1, gives no input
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int serial_input_init(struct serial_input *input, struct loop *loop, struct uart *uart,
		      int console_fd, struct err *err);
void serial_input_done(struct serial_input *input);

#endif
