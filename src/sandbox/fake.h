/* SPDX-License-Identifier: Apache-2.0
 *
 * fake.h - the defects of the fake level
 *
 * For tests only; see fake.c.
 */
#ifndef SANDBOX_FAKE_H
#define SANDBOX_FAKE_H

#include <stdbool.h>

#include "base/err.h"
#include "sandbox/sandbox.h"
#include "spec/sandbox.h"

/* Which processes a defect of a process is about. */
enum fake_scope {
	FAKE_ANY_PROCESS = 0,
	FAKE_EXEC_ONLY,
};

/**
 * struct fake_defect - one way to be wrong
 * @name:	as in HULL_FAKE_DEFECT
 * @spec:	alters the surroundings; NULL: none
 * @process:	alters a process; NULL: none
 * @scope:	which processes
 *
 * With neither function, an operation of fake.c asks fake_has().
 */
struct fake_defect {
	const char *name;
	void (*spec)(struct spec_sandbox *spec);
	void (*process)(struct spec_process *process);
	enum fake_scope scope;
};

/* The chosen defect, NULL when none is chosen, in @ret. 0; -EINVAL for one that does not exist. */
int fake_find(const struct fake_defect **ret, struct err *err);

/* Is this the chosen defect? */
bool fake_has(const char *name);

/* How a stream that passes through fake_pump() is damaged. */
enum fake_damage {
	FAKE_FLIP = 0, /* one bit, after the first mebibyte */
	FAKE_DROP,     /* what the reader does not take at once is lost */
	FAKE_HOLD,     /* the end of the stream is never passed on */
};

/**
 * fake_pump() - Put a process into a stream that damages what passes
 * @fd:		an end as in sandbox_setup.stdio_fds, borrowed
 * @input:	the sandbox reads from it; else it writes
 * @damage:	how
 * @err:	filled in on failure, may be NULL
 *
 * Return: the end to use instead, which the caller owns, or a negative errno.
 */
int fake_pump(int fd, bool input, enum fake_damage damage, struct err *err);

/**
 * fake_leak() - Leave something behind
 * @what:	"process" (it ends by itself after 20 s), "cgroup", "mount" or "file"
 * @dir_fd:	run directory of the sandbox, borrowed
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int fake_leak(const char *what, int dir_fd, struct err *err);

extern const struct sandbox_ops sandbox_fake_ops;

#endif
