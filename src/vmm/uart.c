/* SPDX-License-Identifier: Apache-2.0
 *
 * uart.c - a serial port (16550A), as far as a kernel's console needs it
 */
#include "vmm/uart.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define IIR_FIFOS 0xc0 /* the FIFOs are on */

const struct confine_list uart_calls = CONFINE_LIST(CONFINE_ALLOW(SYS_write));

void uart_init(struct uart *uart, int out_fd, int irq_fd)
{
	*uart = (struct uart){ .out_fd = out_fd, .irq_fd = irq_fd, .wake_fd = -1 };
}

static bool divisor_is_selected(const struct uart *uart)
{
	return uart->state.line_control & UART_LCR_DLAB;
}

static void transmitter_is_empty(struct uart *uart)
{
	uart->state.empty_pending = true;
	if (uart->state.interrupt_enable & UART_IER_THRI)
		fd_raise(uart->irq_fd);
}

static void wake(const struct uart *uart)
{
	if (uart->wake_fd >= 0)
		fd_raise(uart->wake_fd);
}

bool uart_is_busy(const struct uart *uart)
{
	return uart->state.output_len > 0;
}

void uart_send(struct uart *uart)
{
	struct uart_state *state = &uart->state;
	ssize_t n = write(uart->out_fd, state->output, state->output_len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Nobody will ever take what anything else refuses. */
	if (n < 0)
		n = state->output_len;
	state->output_len = (uint8_t)(state->output_len - n);
	memmove(state->output, state->output + n, state->output_len);
	if (!uart_is_busy(uart))
		transmitter_is_empty(uart);
}

static void transmit(struct uart *uart, uint8_t byte)
{
	struct uart_state *state = &uart->state;
	bool was_busy = uart_is_busy(uart);

	/* In loopback mode a driver only looks whether there is a port. */
	if ((state->modem_control & UART_MCR_LOOP) || uart->out_fd < 0) {
		transmitter_is_empty(uart);
		return;
	}
	state->empty_pending = false;
	if (state->output_len < UART_OUTPUT_BYTES)
		state->output[state->output_len++] = byte;
	if (was_busy)
		return;
	uart_send(uart);
	if (uart_is_busy(uart))
		wake(uart);
}

/* Loopback connects the outputs with the inputs: drivers test it. */
static uint8_t modem_status(const struct uart *uart)
{
	uint8_t control = uart->state.modem_control, status = 0;

	if (!(control & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	status |= control & UART_MCR_RTS ? UART_MSR_CTS : 0;
	status |= control & UART_MCR_DTR ? UART_MSR_DSR : 0;
	status |= control & UART_MCR_OUT1 ? UART_MSR_RI : 0;
	status |= control & UART_MCR_OUT2 ? UART_MSR_DCD : 0;

	return status;
}

static uint8_t interrupt_identity(struct uart *uart)
{
	uint8_t fifos = uart->state.fifo_control & UART_FCR_ENABLE_FIFO ? IIR_FIFOS : 0;

	if (uart->state.input_len > 0 && (uart->state.interrupt_enable & UART_IER_RDI))
		return fifos | UART_IIR_RDI;
	if (!uart->state.empty_pending || !(uart->state.interrupt_enable & UART_IER_THRI))
		return fifos | UART_IIR_NO_INT;
	uart->state.empty_pending = false;

	return fifos | UART_IIR_THRI;
}

size_t uart_room(const struct uart *uart)
{
	return UART_INPUT_BYTES - uart->state.input_len;
}

void uart_receive(struct uart *uart, const uint8_t *data, size_t len)
{
	struct uart_state *state = &uart->state;

	for (size_t i = 0; i < len && state->input_len < UART_INPUT_BYTES; i++)
		state->input[(state->input_start + state->input_len++) % UART_INPUT_BYTES] =
			data[i];
	if (state->input_len > 0 && (state->interrupt_enable & UART_IER_RDI))
		fd_raise(uart->irq_fd);
	uart->giver_waits = uart_room(uart) == 0;
}

static void input_is_gone(struct uart *uart)
{
	uart->state.input_len = 0;
	if (uart->giver_waits)
		wake(uart);
	uart->giver_waits = false;
}

static uint8_t take_input(struct uart *uart)
{
	struct uart_state *state = &uart->state;
	uint8_t byte;

	if (state->input_len == 0)
		return 0;
	byte = state->input[state->input_start];
	state->input_start = (uint8_t)((state->input_start + 1) % UART_INPUT_BYTES);
	if (--state->input_len == 0)
		input_is_gone(uart);

	return byte;
}

uint8_t uart_read(struct uart *uart, unsigned offset)
{
	switch (offset) {
	case UART_RX:
		return divisor_is_selected(uart) ? uart->state.divisor[0] : take_input(uart);
	case UART_IER:
		return divisor_is_selected(uart) ? uart->state.divisor[1]
						 : uart->state.interrupt_enable;
	case UART_IIR:
		return interrupt_identity(uart);
	case UART_LCR:
		return uart->state.line_control;
	case UART_MCR:
		return uart->state.modem_control;
	case UART_LSR:
		return (uart_is_busy(uart) ? 0 : UART_LSR_TEMT | UART_LSR_THRE) |
		       (uart->state.input_len > 0 ? UART_LSR_DR : 0);
	case UART_MSR:
		return modem_status(uart);
	case UART_SCR:
		return uart->state.scratch;
	default:
		return 0xff;
	}
}

static void enable_interrupts(struct uart *uart, uint8_t enable)
{
	uint8_t before = uart->state.interrupt_enable;

	uart->state.interrupt_enable = enable & 0x0f;
	if ((~before & enable & UART_IER_THRI) && !uart_is_busy(uart))
		transmitter_is_empty(uart);
	if ((~before & enable & UART_IER_RDI) && uart->state.input_len > 0)
		fd_raise(uart->irq_fd);
}

void uart_write(struct uart *uart, unsigned offset, uint8_t value)
{
	switch (offset) {
	case UART_TX:
		if (divisor_is_selected(uart))
			uart->state.divisor[0] = value;
		else
			transmit(uart, value);
		break;
	case UART_IER:
		if (divisor_is_selected(uart))
			uart->state.divisor[1] = value;
		else
			enable_interrupts(uart, value);
		break;
	case UART_FCR:
		uart->state.fifo_control = value;
		if (value & UART_FCR_CLEAR_RCVR)
			input_is_gone(uart);
		break;
	case UART_LCR:
		uart->state.line_control = value;
		break;
	case UART_MCR:
		uart->state.modem_control = value & 0x1f;
		break;
	case UART_SCR:
		uart->state.scratch = value;
		break;
	default:
		break;
	}
}
