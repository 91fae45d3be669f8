/* SPDX-License-Identifier: Apache-2.0
 *
 * panic.h - the reason of a panic, as the guest's kernel prints it on the serial port
 *
 * Only a hint for people: anything in the guest that may write to the port can say the same. What
 * ends a machine as panicked is the panic port (chipset.h), or nothing.
 */
#ifndef VMM_PANIC_H
#define VMM_PANIC_H

#include <stddef.h>
#include <stdint.h>

#define PANIC_LINE_BYTES 256

/* The line that is being printed, and the reason; "" as long as there is none. */
struct panic_watch {
	char line[PANIC_LINE_BYTES];
	size_t len;
	char reason[PANIC_LINE_BYTES];
};

/* The guest has printed a byte. */
void panic_watch_byte(struct panic_watch *watch, uint8_t byte);

#endif
