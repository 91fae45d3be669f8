/* SPDX-License-Identifier: Apache-2.0
 *
 * uart.h - a serial port (16550A), as far as a kernel's console needs it
 *
 * Output goes to a descriptor byte by byte. One that blocks holds the guest up; of one that does
 * not block, what it does not take is lost. The transmitter is always empty, and the interrupt that
 * says so is raised as the hardware does: once when it is enabled or a byte has been sent, until
 * the guest has looked.
 *
 * Input waits in a small buffer until the guest reads it. When the buffer is full the giver stops,
 * and is told on a descriptor when the guest has read it all.
 */
#ifndef VMM_UART_H
#define VMM_UART_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/confine.h"

#define UART_PORTS 8
#define UART_INPUT_BYTES 64

/* All of it, as a snapshot keeps it. */
struct uart_state {
	uint8_t divisor[2];
	uint8_t interrupt_enable, line_control, modem_control, scratch, fifo_control;
	bool empty_pending; /* the guest has not seen yet that the transmitter is empty */
	uint8_t input[UART_INPUT_BYTES]; /* a ring */
	uint8_t input_start, input_len;
};

/* A serial port. */
struct uart {
	struct uart_state state;
	int out_fd;	  /* borrowed, or -1 */
	int irq_fd;	  /* borrowed */
	int room_fd;	  /* eventfd, borrowed: raised when the input has been read; or -1 */
	bool giver_waits; /* for that */
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

/* Give input, at most uart_room() bytes. True: the buffer is full, wait for @room_fd. */
bool uart_receive(struct uart *uart, const uint8_t *data, size_t len);

#endif
