/* SPDX-License-Identifier: Apache-2.0
 *
 * chipset.h - what is behind the ports: serial port, sleep, reset, power button
 *
 * There is no more: no timer, no clock, no keyboard controller. Their ports answer so that a
 * kernel which looks for them goes on at once.
 */
#ifndef VMM_CHIPSET_H
#define VMM_CHIPSET_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/irq.h"
#include "vmm/panic.h"
#include "vmm/uart.h"

enum chipset_wish {
	CHIPSET_NOTHING = 0,
	CHIPSET_POWER_OFF,
	CHIPSET_RESET,
	CHIPSET_PANIC, /* its kernel has given up */
};

/**
 * struct chipset - all of it
 * @router:	of interrupts, borrowed: for those of the power button and of a new generation
 * @uart:	serial port
 * @uart_fd:	its interrupt
 * @panic:	listens to what the guest writes there
 * @wish:	what the guest has asked for, or met with
 */
struct chipset {
	const struct irq_router *router;
	struct uart uart;
	int uart_fd;
	struct panic_watch panic;
	enum chipset_wish wish;
};

/**
 * chipset_init() - Make it
 * @chipset:	released with chipset_done(), also after a failure
 * @router:	of interrupts
 * @console_fd:	receives what the guest writes to the serial port, borrowed; or -1
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int chipset_init(struct chipset *chipset, struct irq_router *router, int console_fd,
		 struct err *err);
void chipset_done(struct chipset *chipset);

/* The guest reads @bytes (1, 2 or 4) from ports @port and following; @data is all ones. */
void chipset_read(struct chipset *chipset, uint16_t port, uint8_t *data, unsigned bytes);

/* The guest writes. Afterwards @wish may be set. */
void chipset_write(struct chipset *chipset, uint16_t port, const uint8_t *data, unsigned bytes);

/* Tell the guest that the power button has been pressed. */
void chipset_press_button(const struct chipset *chipset);
/* Tell it that what is at LAYOUT_GENERATION has changed. */
void chipset_tell_generation(const struct chipset *chipset);

#endif
