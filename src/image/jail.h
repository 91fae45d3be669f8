/* SPDX-License-Identifier: Apache-2.0
 *
 * jail.h - what a process gives up before it reads bytes from strangers
 *
 * jail_enter() in a single-threaded child: user, network, mount and IPC namespaces of its own,
 * no privilege to gain, no path of the filesystem (Landlock), limits on memory and time, and an
 * end with its parent.
 * jail_seal() once its threads run: from then on nothing but reading and writing descriptors it
 * has, memory, and waiting for its own threads; anything else kills it.
 *
 * Namespaces and Landlock are a second wall, and the host may refuse them; the filter of
 * jail_seal() is the first, and it is not optional.
 */
#ifndef IMAGE_JAIL_H
#define IMAGE_JAIL_H

#include <stdint.h>

#include "base/err.h"
#include "base/macro.h"

#define JAIL_MAX_MEMORY_BYTES (4 * GIB)
#define JAIL_MAX_CPU_SECONDS 7200

/**
 * jail_enter() - Give up all that needs no seccomp filter
 * @file_max_bytes: no file may grow beyond this
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int jail_enter(uint64_t file_max_bytes, struct err *err);

/* Install the filter in all threads. 0 or a negative errno. */
int jail_seal(struct err *err);

#endif
