/* SPDX-License-Identifier: Apache-2.0
 *
 * serial.h - the console behind the serial port: output as fast as it is taken, input no faster
 * than the guest reads it
 */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include "base/err.h"
#include "loop/loop.h"
#include "vmm/uart.h"

/**
 * struct serial - what is watched for a serial port
 * @loop:	borrowed
 * @uart:	borrowed
 * @reads:	the console gives input
 * @console:	the console
 * @wake:	the guest has done something that changes what is waited for
 */
struct serial {
	struct loop *loop;
	struct uart *uart;
	bool reads;
	struct loop_source console, wake;
};

/**
 * serial_init() - Connect a serial port with its console
 * @serial:	must not move any more; released with serial_done(), also after a failure
 * @loop:	calls us, with whatever lock guards @uart
 * @uart:	serial port
 * @console_fd:	borrowed, made non-blocking. A socket is read as well; anything else, and -1, gives
 *		no input
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int serial_init(struct serial *serial, struct loop *loop, struct uart *uart, int console_fd,
		struct err *err);
void serial_done(struct serial *serial);

#endif
