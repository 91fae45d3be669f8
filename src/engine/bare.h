/* SPDX-License-Identifier: Apache-2.0
 *
 * bare.h - machines without an image: a kernel of the user's, its console on the terminal
 */
#ifndef ENGINE_BARE_H
#define ENGINE_BARE_H

#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

/**
 * struct engine_bare - what to boot; all of it is borrowed
 * @kernel:	file
 * @initrd:	file, or NULL
 * @cmdline:	of the kernel; NULL: the default
 * @machine:	hypervisor by name; NULL: the host's
 * @disks:	"FILE" or "FILE:ro"
 * @memory_bytes: of the machine
 * @cpus:	processors
 */
struct engine_bare {
	const char *kernel, *initrd, *cmdline, *machine;
	const struct strv *disks;
	uint64_t memory_bytes;
	uint64_t cpus;
};

/**
 * engine_bare_run() - Become the program that runs the machine
 * @bare:	what
 * @err:	filled in on failure
 *
 * The store is not used, and nothing is recorded: the machine ends with this process.
 *
 * Return: only on failure, with a negative errno.
 */
int engine_bare_run(const struct engine_bare *bare, struct err *err);

#endif
