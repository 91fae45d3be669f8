/* SPDX-License-Identifier: Apache-2.0
 *
 * serial.c - input of the serial port
 *
 * A byte is taken off the socket only when the serial port has room for it: what the guest does not
 * read stays with whoever sends it.
 */
#include "vmm/serial.h"

#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* Not watched while there is no room: its end would be told again and again. */
static void on_data(void *ctx, uint32_t events)
{
	struct serial_input *input = ctx;
	uint8_t bytes[UART_INPUT_BYTES];
	/* With read(2), which the filter of this thread allows. It does not wait: see @events. */
	ssize_t n = read(input->data.fd, bytes, uart_room(input->uart));

	(void)events;
	if (n <= 0 || uart_receive(input->uart, bytes, (size_t)n))
		loop_del(input->loop, &input->data);
	if (n <= 0)
		input->data.fd = -1;
}

static void on_room(void *ctx, uint32_t events)
{
	struct serial_input *input = ctx;
	uint64_t count;

	(void)events;
	(void)!read(input->room.fd, &count, sizeof(count));
	if (input->data.fd >= 0 && input->data.events == 0)
		(void)loop_add(input->loop, &input->data, EPOLLIN);
}

int serial_input_init(struct serial_input *input, struct loop *loop, struct uart *uart,
		      int console_fd, struct err *err)
{
	struct stat st;
	int r;

	*input = (struct serial_input){
		.loop = loop,
		.uart = uart,
		.data = { .fd = -1, .fn = on_data, .ctx = input },
		.room = { .fd = -1, .fn = on_room, .ctx = input },
	};
	if (console_fd < 0 || fstat(console_fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return 0;
	input->room.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (input->room.fd < 0)
		return err_sys(err, "make an eventfd");
	input->data.fd = console_fd;
	uart->room_fd = input->room.fd;
	r = loop_add(loop, &input->room, EPOLLIN);
	if (r == 0)
		r = loop_add(loop, &input->data, EPOLLIN);

	return r < 0 ? err_set(err, -r, "watch the console") : 0;
}

void serial_input_done(struct serial_input *input)
{
	if (!input->loop)
		return;
	loop_del(input->loop, &input->data);
	loop_del(input->loop, &input->room);
	input->room.fd = fd_close(input->room.fd);
	input->uart->room_fd = -1;
}
