/* SPDX-License-Identifier: Apache-2.0
 *
 * compare.h - one image and command at every isolation level, measured side by side
 *
 * Theory of operation
 *
 * Each repetition goes through the rows in turn, so that what else the machine does meets all of
 * them. At each row the command runs once, until it says something (start, processor time), and
 * then a program of ours that is built into hull-init ("the probe") tells where it is, rests while
 * its machinery is measured from outside, and measures from inside.
 *
 * The first row is the yardstick: the same programs as plain processes of this host, on the image's
 * files. They run in the mount namespace of a container that holds the files meanwhile, and ends
 * before the next row: what a container or a machine takes alone is what counts there.
 *
 * Nothing outlives us, however we end: what runs is held by its input (probe.h), which ends with
 * us; containers are of the kind that is removed at its end. Only a plain process that makes itself
 * a daemon can: nothing holds it, which is what that row is about.
 */
#ifndef ENGINE_COMPARE_H
#define ENGINE_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

#define COMPARE_REPEAT_MAX 99
#define COMPARE_ROWS_MAX 8

enum compare_figure {
	COMPARE_START_NS,     /* from the call to the first output, or to the end without any */
	COMPARE_RUN_CPU_NS,   /* processor time of a whole run, all processes of this host */
	COMPARE_REST_CPU_PPM, /* of one processor, while the workload rests */
	COMPARE_REST_BYTES,   /* memory (PSS) of all its processes on this host, at rest */
	COMPARE_BEYOND_BYTES, /* that, without what the workload itself takes */
	COMPARE_DISK_BYTES,   /* what a start alone takes in the store */
	COMPARE_CALL_PS,      /* one getppid(2) */
	COMPARE_WRITE_BPS,    /* a file of 32 MiB, written and synced */
	COMPARE_READ_BPS,     /* read again, past its own kernel's page cache */
	COMPARE_FIGURES
};

/* What was measured of one figure, in order. */
struct compare_series {
	int64_t values[COMPARE_REPEAT_MAX];
	size_t len;
};

/**
 * struct compare_row - one way to run it
 * @name:	"process", or an isolation level
 * @machine:	what runs it, such as "qemu-tcg"; "" for those without a machine
 * @kernel:	release of the kernel it sees
 * @shared:	what it has in common with this host
 * @silent:	the command neither said anything nor ended within the limit: its start has no
 * figures
 * @why:	why it was not measured; "" when it was
 * @hint:	what would help
 * @figures:	by enum compare_figure
 */
struct compare_row {
	char name[16], machine[32], kernel[80], shared[200];
	bool silent;
	char why[400], hint[240];
	struct compare_series figures[COMPARE_FIGURES];
};

struct compare_result {
	struct compare_row rows[COMPARE_ROWS_MAX];
	size_t len;
};

/**
 * struct compare_request - what to compare; borrowed
 * @image:	name or id
 * @command:	instead of the image's; empty: the image's
 * @repeat:	1 to COMPARE_REPEAT_MAX
 * @limit_ns:	how long a start may take
 * @progress:	told what is being done, may be NULL
 */
struct compare_request {
	const char *image;
	const struct strv *command;
	unsigned repeat;
	int64_t limit_ns;
	void (*progress)(const char *row, unsigned round);
};

/* Add a value; of more than COMPARE_REPEAT_MAX the rest is dropped. */
void compare_add(struct compare_series *series, int64_t value);

/* The one in the middle, or the lower of two. False when there is none. */
bool compare_median(const struct compare_series *series, int64_t *ret);

/**
 * engine_compare() - Measure
 * @root:	as in engine_open()
 * @run_root:	as in engine_open()
 * @request:	what
 * @ret:	a row for each level, whether it could be measured or not
 * @err:	filled in on failure
 *
 * To be called without an open engine, by a process without children.
 *
 * Return: 0, the number of the signal that ended it, or a negative errno.
 */
int engine_compare(const char *root, const char *run_root, const struct compare_request *request,
		   struct compare_result *ret, struct err *err);

#endif
