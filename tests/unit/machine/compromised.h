/* SPDX-License-Identifier: Apache-2.0
 *
 * compromised.h - what a hull-vmm in the hands of its guest would try, by name
 *
 * The table is shared by the program that tries (compromised.c, a hull-vmm of the tests) and the
 * test that orders and judges (test_compromised.c). A guest orders by a byte written to a port.
 */
#ifndef TESTS_MACHINE_COMPROMISED_H
#define TESTS_MACHINE_COMPROMISED_H

#include <stdbool.h>
#include <stddef.h>

#define PORT_ON_VCPU 0x98 /* try on the thread of the processor that writes */
#define PORT_ON_LOOP 0x99 /* on that of the event loop */
#define PORT_BABBLE 0x9a  /* no attempt: answer what nobody asked, without an end */

/**
 * struct attempt - one thing to try
 * @name:	for the names of tests and for what is said about it
 * @run:	do it in the program's confined thread: 0 or more as it succeeded, or a negative
 * errno
 * @errno_expected: 0: the attempt must end the process by SIGSYS; else it must fail so
 * @loop_only:	makes no sense on the thread of a processor
 */
struct attempt {
	const char *name;
	long (*run)(void);
	int errno_expected;
	bool loop_only;
};

/* Entry 0 does nothing and succeeds: it shows that orders arrive. */
extern const struct attempt attempts[];
extern const size_t attempts_len;

/* Ordered by their places. */
enum {
	ATTEMPT_NOTHING,
	ATTEMPT_FILL_MEMORY, /* must end by the limit of the cgroup */
	ATTEMPTS_SPECIAL,
};

/* What the program captured before it was confined. */
struct blockio;
struct captured {
	struct blockio *io; /* of the first disk */
	int disk_fd;
};
extern struct captured captured;

#endif
