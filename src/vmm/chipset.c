/* SPDX-License-Identifier: Apache-2.0
 *
 * chipset.c - what is behind the ports: serial port, sleep, reset, power button
 */
#include "vmm/chipset.h"

#include <linux/serial_reg.h>

#include "base/fd.h"
#include "vmm/layout.h"

/* Sleep control: the enable bit, and the type that \_S5 of the DSDT says. */
#define SLEEP_ENABLE 0x20
#define SLEEP_TYPE(value) ((value) >> 2 & 7)
#define SLEEP_TYPE_OFF 5

/* A PC's other ways to reset, which kernels without our ACPI tables take. */
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define RESET_CONTROL 0xcf9
#define RESET_CONTROL_CPU 0x04

/* What a kernel may tell through the panic port, and what it told. */
#define PANICKED 0x01

int chipset_init(struct chipset *chipset, struct irq_router *router, int console_fd,
		 struct err *err)
{
	*chipset = (struct chipset){ .router = router, .uart_fd = -1 };
	chipset->uart_fd = irq_new_pin(router, LAYOUT_COM1_IRQ, err);
	if (chipset->uart_fd < 0)
		return chipset->uart_fd;
	uart_init(&chipset->uart, console_fd, chipset->uart_fd);

	return 0;
}

void chipset_done(struct chipset *chipset)
{
	chipset->uart_fd = fd_close(chipset->uart_fd);
}

static uint8_t read_port(struct chipset *chipset, uint16_t port)
{
	if (port >= LAYOUT_COM1 && port < LAYOUT_COM1 + UART_PORTS)
		return uart_read(&chipset->uart, port - LAYOUT_COM1);
	switch (port) {
	/* An update in progress that never ends would be seen in 0xff. */
	case LAYOUT_RTC_DATA:
	/* Nor is a keyboard controller busy that does not exist. */
	case KEYBOARD_COMMAND:
	case LAYOUT_SLEEP_CONTROL:
	case LAYOUT_SLEEP_STATUS:
	case RESET_CONTROL:
		return 0;
	/* That alone: one that hands over to a crash kernel goes on, and ends as that one ends. */
	case LAYOUT_PANIC:
		return PANICKED;
	default:
		return 0xff;
	}
}

void chipset_read(struct chipset *chipset, uint16_t port, uint8_t *data, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		data[i] = read_port(chipset, (uint16_t)(port + i));
}

static void write_port(struct chipset *chipset, uint16_t port, uint8_t value)
{
	if (port >= LAYOUT_COM1 && port < LAYOUT_COM1 + UART_PORTS) {
		if (port == LAYOUT_COM1 + UART_TX &&
		    !(chipset->uart.state.line_control & UART_LCR_DLAB))
			panic_watch_byte(&chipset->panic, value);
		uart_write(&chipset->uart, port - LAYOUT_COM1, value);
		return;
	}
	switch (port) {
	case LAYOUT_SLEEP_CONTROL:
		if ((value & SLEEP_ENABLE) && SLEEP_TYPE(value) == SLEEP_TYPE_OFF)
			chipset->wish = CHIPSET_POWER_OFF;
		break;
	case LAYOUT_RESET:
		chipset->wish = CHIPSET_RESET;
		break;
	case LAYOUT_PANIC:
		if (value & PANICKED)
			chipset->wish = CHIPSET_PANIC;
		break;
	case KEYBOARD_COMMAND:
		if (value == KEYBOARD_RESET)
			chipset->wish = CHIPSET_RESET;
		break;
	case RESET_CONTROL:
		if (value & RESET_CONTROL_CPU)
			chipset->wish = CHIPSET_RESET;
		break;
	default:
		break;
	}
}

void chipset_write(struct chipset *chipset, uint16_t port, const uint8_t *data, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		write_port(chipset, (uint16_t)(port + i), data[i]);
}

void chipset_press_button(const struct chipset *chipset)
{
	irq_pulse(chipset->router, LAYOUT_BUTTON_IRQ);
}

void chipset_tell_generation(const struct chipset *chipset)
{
	irq_pulse(chipset->router, LAYOUT_GENERATION_IRQ);
}
