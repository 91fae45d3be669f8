/* SPDX-License-Identifier: Apache-2.0
 *
 * serial.c - the console behind the serial port
 *
 * A byte is taken off the socket only when the serial port has room for it: what the guest does not
 * read stays with whoever sends it. What the console does not take stays in the serial port, whose
 * transmitter is busy meanwhile: no thread waits for either.
 */
#include "vmm/serial.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* Not watched while there is nothing to wait for: its end would be told again and again. */
static void watch(struct serial *serial)
{
	uint32_t events = serial->reads && !serial->uart->giver_waits ? EPOLLIN : 0;

	if (uart_is_busy(serial->uart))
		events |= EPOLLOUT;
	(void)loop_watch(serial->loop, &serial->console, events);
}

static void take_input(struct serial *serial)
{
	uint8_t bytes[UART_INPUT_BYTES];
	/* With read(2), which the filter of this thread allows. */
	ssize_t n = read(serial->console.fd, bytes, uart_room(serial->uart));

	if (n > 0)
		uart_receive(serial->uart, bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		serial->reads = false;
}

static void on_console(void *ctx, uint32_t events)
{
	struct serial *serial = ctx;

	if (serial->reads && !serial->uart->giver_waits && (events & ~(uint32_t)EPOLLOUT))
		take_input(serial);
	if (uart_is_busy(serial->uart))
		uart_send(serial->uart);
	watch(serial);
}

static void on_wake(void *ctx, uint32_t events)
{
	struct serial *serial = ctx;
	uint64_t count;

	(void)events;
	(void)!read(serial->wake.fd, &count, sizeof(count));
	watch(serial);
}

int serial_init(struct serial *serial, struct loop *loop, struct uart *uart, int console_fd,
		struct err *err)
{
	struct stat st;
	int r;

	*serial = (struct serial){
		.loop = loop,
		.uart = uart,
		.reads = fstat(console_fd, &st) == 0 && S_ISSOCK(st.st_mode),
		.console = { .fd = console_fd, .fn = on_console, .ctx = serial },
		.wake = { .fd = -1, .fn = on_wake, .ctx = serial },
	};
	if (console_fd < 0)
		return 0;
	if (fd_set_nonblock(console_fd, 1) < 0)
		return err_sys(err, "make the console non-blocking");
	serial->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (serial->wake.fd < 0)
		return err_sys(err, "make an eventfd");
	uart->wake_fd = serial->wake.fd;
	r = loop_add(loop, &serial->wake, EPOLLIN);
	if (r == 0 && serial->reads)
		r = loop_add(loop, &serial->console, EPOLLIN);

	return r < 0 ? err_set(err, -r, "watch the console") : 0;
}

void serial_done(struct serial *serial)
{
	if (!serial->loop)
		return;
	loop_del(serial->loop, &serial->console);
	loop_del(serial->loop, &serial->wake);
	serial->wake.fd = fd_close(serial->wake.fd);
	serial->uart->wake_fd = -1;
}
