/* SPDX-License-Identifier: Apache-2.0
 *
 * uart.h - a serial port (16550A), as far as a kernel's console needs it
 *
 * Output goes to a descriptor that does not block, byte by byte. What it does not take waits in the
 * transmitter, which is busy until all of it has gone; a guest that sends more all the same loses
 * that. The interrupt that says that the transmitter is empty is raised as the hardware does: once
 * when it is enabled or the last byte has been sent, until the guest has looked.
 *
 * Input waits in a small buffer until the guest reads it. When the buffer is full the giver stops.
 * A descriptor tells when there is something to do again: when the guest has read all of the
 * buffer, and when the transmitter has become busy.
 */
#ifndef VMM_UART_H
#define VMM_UART_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/confine.h"

#define UART_PORTS 8
#define UART_INPUT_BYTES 64
#define UART_OUTPUT_BYTES 16 /* what drivers send at once when the transmitter is empty */

/* All of it, as a snapshot keeps it. */
struct uart_state {
	uint8_t divisor[2];
	uint8_t interrupt_enable, line_control, modem_control, scratch, fifo_control;
	bool empty_pending; /* the guest has not seen yet that the transmitter is empty */
	uint8_t input[UART_INPUT_BYTES]; /* a ring */
	uint8_t input_start, input_len;
	uint8_t output[UART_OUTPUT_BYTES];
	uint8_t output_len;
};

/* A serial port. */
struct uart {
	struct uart_state state;
	int out_fd;	  /* borrowed, non-blocking, or -1 */
	int irq_fd;	  /* borrowed */
	int wake_fd;	  /* eventfd, borrowed: raised when there is something to do; or -1 */
	bool giver_waits; /* for the input to be read */
};

/* The system calls of its accesses. */
extern const struct confine_list uart_calls;

/* In the state after a reset. */
void uart_init(struct uart *uart, int out_fd, int irq_fd);

/* The guest reads or writes register @offset (0 to UART_PORTS - 1). */
uint8_t uart_read(struct uart *uart, unsigned offset);
void uart_write(struct uart *uart, unsigned offset, uint8_t value);

/* How many bytes of input there is room for. */
size_t uart_room(const struct uart *uart);

/* Give input, at most uart_room() bytes. When it is full then, @giver_waits is set. */
void uart_receive(struct uart *uart, const uint8_t *data, size_t len);

/* Is there output that waits for the descriptor? */
bool uart_is_busy(const struct uart *uart);

/* Send as much of it as the descriptor takes. */
void uart_send(struct uart *uart);

#endif
