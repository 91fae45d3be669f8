/* SPDX-License-Identifier: Apache-2.0
 *
 * test_chipset.c - the serial port, sleep and reset registers, and ports where nothing is
 */
#include "vmm/chipset.h"

#include <linux/serial_reg.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"
#include "vmm/layout.h"
#include "vmm/serial.h"

struct fixture {
	struct irq_router router;
	struct chipset chipset;
	int pipe_fds[2];
	unsigned pulses[IRQ_PINS];
};

static void on_pulse(void *ctx, unsigned pin)
{
	struct fixture *f = ctx;

	assert_in_range(pin, 0, IRQ_PINS - 1);
	f->pulses[pin]++;
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ 0 };
	*state = &f;
	if (pipe(f.pipe_fds) < 0 || fd_set_nonblock(f.pipe_fds[0], 1) < 0 ||
	    irq_router_init(&f.router, -1, NULL) < 0)
		return -1;
	f.router.on_pulse = on_pulse;
	f.router.ctx = &f;

	return chipset_init(&f.chipset, &f.router, f.pipe_fds[1], NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	chipset_done(&f->chipset);
	irq_router_done(&f->router);
	fd_close(f->pipe_fds[0]);
	fd_close(f->pipe_fds[1]);

	return 0;
}

static void out(struct fixture *f, unsigned port, uint8_t value)
{
	chipset_write(&f->chipset, (uint16_t)port, &value, 1);
}

static uint8_t in(struct fixture *f, unsigned port)
{
	uint8_t value = 0xff;

	chipset_read(&f->chipset, (uint16_t)port, &value, 1);

	return value;
}

static bool is_raised(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t count;

	return poll(&pfd, 1, 0) == 1 && read(fd, &count, sizeof(count)) == sizeof(count);
}

/* As printk does: look whether there is room, write. */
static void test_output(void **state)
{
	struct fixture *f = *state;
	char text[16] = "";

	for (const char *c = "hello\n"; *c; c++) {
		assert_true(in(f, LAYOUT_COM1 + UART_LSR) & UART_LSR_THRE);
		out(f, LAYOUT_COM1 + UART_TX, (uint8_t)*c);
	}
	assert_int_equal(read(f->pipe_fds[0], text, sizeof(text)), 6);
	assert_string_equal(text, "hello\n");
	assert_false(is_raised(f->chipset.uart_fd));
}

/* Nobody reads: the guest goes on, the transmitter is busy until it is read, nothing is lost. */
static void test_full_console(void **state)
{
	struct fixture *f = *state;
	struct serial serial;
	struct loop loop;
	unsigned sent = 0, got = 0;
	uint8_t byte;

	assert_int_equal(loop_init(&loop, NULL), 0);
	assert_int_equal(
		serial_init(&serial, &loop, &f->chipset.uart, f->chipset.uart.out_fd, NULL), 0);
	out(f, LAYOUT_COM1 + UART_IER, UART_IER_THRI);
	while (in(f, LAYOUT_COM1 + UART_LSR) & UART_LSR_THRE) {
		assert_true(sent < 10 * MIB);
		out(f, LAYOUT_COM1 + UART_TX, (uint8_t)sent++);
	}
	(void)in(f, LAYOUT_COM1 + UART_IIR);
	(void)is_raised(f->chipset.uart_fd);
	for (int i = 1; i < UART_OUTPUT_BYTES; i++)
		out(f, LAYOUT_COM1 + UART_TX, (uint8_t)sent++);
	out(f, LAYOUT_COM1 + UART_TX, 'x'); /* too many */
	assert_false(in(f, LAYOUT_COM1 + UART_LSR) & (UART_LSR_THRE | UART_LSR_TEMT));
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IIR), UART_IIR_NO_INT);
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_once(&loop, 0, NULL), 0);
	assert_false(is_raised(f->chipset.uart_fd));
	while (read(f->pipe_fds[0], &byte, 1) == 1) {
		assert_int_equal(byte, (uint8_t)got++);
		assert_int_equal(loop_once(&loop, 0, NULL), 0);
	}
	assert_int_equal(got, sent);
	assert_true(is_raised(f->chipset.uart_fd));
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IIR), UART_IIR_THRI);
	assert_true(in(f, LAYOUT_COM1 + UART_LSR) & UART_LSR_THRE);
	serial_done(&serial);
	loop_done(&loop);
}

/* Whoever read it has gone: what waits, and all that follows, goes nowhere. */
static void test_console_goes(void **state)
{
	struct fixture *f = *state;
	struct serial serial;
	struct loop loop;

	assert_int_equal(loop_init(&loop, NULL), 0);
	assert_int_equal(
		serial_init(&serial, &loop, &f->chipset.uart, f->chipset.uart.out_fd, NULL), 0);
	for (unsigned sent = 0; in(f, LAYOUT_COM1 + UART_LSR) & UART_LSR_THRE; sent++) {
		assert_true(sent < 10 * MIB);
		out(f, LAYOUT_COM1 + UART_TX, 'x');
	}
	f->pipe_fds[0] = fd_close(f->pipe_fds[0]);
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_once(&loop, 0, NULL), 0);
	for (int i = 0; i < 2 * UART_OUTPUT_BYTES; i++) {
		assert_true(in(f, LAYOUT_COM1 + UART_LSR) & UART_LSR_THRE);
		out(f, LAYOUT_COM1 + UART_TX, 'x');
	}
	serial_done(&serial);
	loop_done(&loop);
}

/* As the driver does for programs: the interrupt says when, reading its cause clears it. */
static void test_transmit_interrupt(void **state)
{
	struct fixture *f = *state;

	out(f, LAYOUT_COM1 + UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IIR), 0xc0 | UART_IIR_NO_INT);
	out(f, LAYOUT_COM1 + UART_IER, UART_IER_THRI);
	assert_true(is_raised(f->chipset.uart_fd));
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IIR), 0xc0 | UART_IIR_THRI);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IIR), 0xc0 | UART_IIR_NO_INT);
	out(f, LAYOUT_COM1 + UART_TX, 'a');
	assert_true(is_raised(f->chipset.uart_fd));
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IIR), 0xc0 | UART_IIR_THRI);
	out(f, LAYOUT_COM1 + UART_IER, 0);
	out(f, LAYOUT_COM1 + UART_TX, 'b');
	assert_false(is_raised(f->chipset.uart_fd));
}

/* Nothing is lost and nothing overtakes: the giver stops when the buffer is full. */
static void test_input(void **state)
{
	struct fixture *f = *state;
	struct uart *uart = &f->chipset.uart;
	auto_close int room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint8_t bytes[UART_INPUT_BYTES];

	uart->wake_fd = room_fd;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i + 1);
	assert_false(in(f, LAYOUT_COM1 + UART_LSR) & UART_LSR_DR);
	for (int round = 0; round < 3; round++) {
		uart_receive(uart, bytes, 10);
		assert_true(in(f, LAYOUT_COM1 + UART_LSR) & UART_LSR_DR);
		assert_int_equal(uart_room(uart), sizeof(bytes) - 10);
		uart_receive(uart, bytes, sizeof(bytes) - 10);
		assert_true(uart->giver_waits);
		assert_int_equal(uart_room(uart), 0);
		for (size_t i = 0; i < sizeof(bytes); i++) {
			assert_false(is_raised(room_fd));
			assert_int_equal(in(f, LAYOUT_COM1 + UART_RX), i < 10 ? i + 1 : i - 10 + 1);
		}
		assert_true(is_raised(room_fd));
		assert_false(in(f, LAYOUT_COM1 + UART_LSR) & UART_LSR_DR);
	}
	/* Nothing is there: no byte of before comes again. */
	assert_int_equal(in(f, LAYOUT_COM1 + UART_RX), 0);
	uart_receive(uart, bytes, sizeof(bytes));
	assert_true(uart->giver_waits);
	out(f, LAYOUT_COM1 + UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_true(is_raised(room_fd));
	assert_int_equal(uart_room(uart), sizeof(bytes));
}

/* Input comes before the empty transmitter; what came while it was off is told when it is on. */
static void test_receive_interrupt(void **state)
{
	struct fixture *f = *state;
	struct uart *uart = &f->chipset.uart;

	uart_receive(uart, (const uint8_t *)"a", 1);
	assert_false(is_raised(f->chipset.uart_fd));
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IIR), UART_IIR_NO_INT);
	out(f, LAYOUT_COM1 + UART_IER, UART_IER_RDI);
	assert_true(is_raised(f->chipset.uart_fd));
	out(f, LAYOUT_COM1 + UART_IER, UART_IER_RDI | UART_IER_THRI);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IIR), UART_IIR_RDI);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_RX), 'a');
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IIR), UART_IIR_THRI);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IIR), UART_IIR_NO_INT);
	(void)is_raised(f->chipset.uart_fd);
	uart_receive(uart, (const uint8_t *)"b", 1);
	assert_true(is_raised(f->chipset.uart_fd));
}

/* A socket's bytes arrive in order, however slowly the guest reads, and their end is no trouble. */
static void test_console_is_read(void **state)
{
	struct fixture *f = *state;
	struct serial serial;
	struct loop loop;
	uint8_t bytes[1000];
	int socks[2];

	assert_int_equal(loop_init(&loop, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	assert_int_equal(serial_init(&serial, &loop, &f->chipset.uart, socks[1], NULL), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	assert_int_equal(write(socks[0], bytes, sizeof(bytes)), sizeof(bytes));
	fd_close(socks[0]);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		for (int turn = 0; !(in(f, LAYOUT_COM1 + UART_LSR) & UART_LSR_DR); turn++) {
			assert_true(turn < 4);
			assert_int_equal(loop_once(&loop, 0, NULL), 0);
		}
		assert_int_equal(in(f, LAYOUT_COM1 + UART_RX), bytes[i]);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_once(&loop, 0, NULL), 0);
	assert_false(in(f, LAYOUT_COM1 + UART_LSR) & UART_LSR_DR);
	serial_done(&serial);
	loop_done(&loop);
	fd_close(socks[1]);
}

/* What drivers do to find out whether there is a port. */
static void test_probing(void **state)
{
	struct fixture *f = *state;

	out(f, LAYOUT_COM1 + UART_SCR, 0xa5);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_SCR), 0xa5);
	out(f, LAYOUT_COM1 + UART_IER, 0xff);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IER), 0x0f);
	out(f, LAYOUT_COM1 + UART_IER, 0);
	out(f, LAYOUT_COM1 + UART_LCR, UART_LCR_DLAB | 3);
	out(f, LAYOUT_COM1 + UART_DLL, 1);
	out(f, LAYOUT_COM1 + UART_DLM, 2);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_DLL), 1);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_DLM), 2);
	out(f, LAYOUT_COM1 + UART_LCR, 3);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_IER), 0);
	out(f, LAYOUT_COM1 + UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(f, LAYOUT_COM1 + UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
}

static void test_ends(void **state)
{
	static const struct {
		uint16_t port;
		uint8_t value;
		enum chipset_wish wish;
	} cases[] = {
		{ LAYOUT_SLEEP_CONTROL, 0x34, CHIPSET_POWER_OFF },
		{ LAYOUT_SLEEP_CONTROL, 0x14, CHIPSET_NOTHING }, /* not enabled */
		{ LAYOUT_SLEEP_CONTROL, 0x24, CHIPSET_NOTHING }, /* another state */
		{ LAYOUT_RESET, 1, CHIPSET_RESET },
		{ 0x64, 0xfe, CHIPSET_RESET },
		{ 0x64, 0xd1, CHIPSET_NOTHING },
		{ 0xcf9, 0x06, CHIPSET_RESET },
		{ 0xcf9, 0x02, CHIPSET_NOTHING },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f->chipset.wish = CHIPSET_NOTHING;
		out(f, cases[i].port, cases[i].value);
		assert_int_equal(f->chipset.wish, cases[i].wish);
	}
}

static void test_nothing_there(void **state)
{
	struct fixture *f = *state;
	uint8_t data[4] = { 0xff, 0xff, 0xff, 0xff };

	assert_int_equal(in(f, 0x2f9), 0xff);
	/* 0xff would be a clock whose update never ends. */
	out(f, LAYOUT_RTC_INDEX, 0x0a);
	assert_int_equal(in(f, LAYOUT_RTC_DATA), 0);
	chipset_read(&f->chipset, 0xffff, data, 4);
	chipset_write(&f->chipset, 0xffff, data, 4);
	for (unsigned port = 0; port <= UINT16_MAX; port++) {
		(void)in(f, port);
		if (port != LAYOUT_RESET && port != LAYOUT_SLEEP_CONTROL)
			out(f, port, 0);
	}
	assert_int_equal(f->chipset.wish, CHIPSET_NOTHING);
}

static void test_button(void **state)
{
	struct fixture *f = *state;

	chipset_press_button(&f->chipset);
	assert_int_equal(f->pulses[LAYOUT_BUTTON_IRQ], 1);
	chipset_tell_generation(&f->chipset);
	assert_int_equal(f->pulses[LAYOUT_GENERATION_IRQ], 1);
	assert_int_equal(f->pulses[LAYOUT_BUTTON_IRQ], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_input),
		TEST(test_receive_interrupt),
		TEST(test_console_is_read),
		TEST(test_output),
		TEST(test_full_console),
		TEST(test_console_goes),
		TEST(test_transmit_interrupt),
		TEST(test_probing),
		TEST(test_ends),
		TEST(test_nothing_there),
		TEST(test_button),
	};

	(void)signal(SIGPIPE, SIG_IGN);

	return cmocka_run_group_tests(tests, NULL, NULL);
}
