/* SPDX-License-Identifier: Apache-2.0
 *
 * panic.c - the reason of a panic, as the guest's kernel prints it on the serial port
 */
#include "vmm/panic.h"

#include <stdio.h>
#include <string.h>

#define MARK "Kernel panic - not syncing: "

static void end_line(struct panic_watch *watch)
{
	const char *found;

	watch->line[watch->len] = '\0';
	watch->len = 0;
	found = strstr(watch->line, MARK);
	/* The first is the cause: a panic may meet another on its way. */
	if (found && watch->reason[0] == '\0')
		(void)snprintf(watch->reason, sizeof(watch->reason), "%s", found + strlen(MARK));
}

void panic_watch_byte(struct panic_watch *watch, uint8_t byte)
{
	if (byte == '\n' || byte == '\r')
		end_line(watch);
	else if (watch->len < sizeof(watch->line) - 1)
		watch->line[watch->len++] = byte < ' ' || byte > '~' ? '?' : (char)byte;
}
