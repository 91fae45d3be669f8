/* SPDX-License-Identifier: Apache-2.0
 *
 * output.h - a file that the user names, written whole or not at all
 */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include <sys/types.h>

#include "base/err.h"

/**
 * struct output - a file on its way
 * @fd:		what is to be written to
 * @path:	as the user says, borrowed
 * @part:	where it is until it is whole; NULL: it is written in place
 */
struct output {
	int fd;
	const char *path;
	char *part;
};

#define OUTPUT_INIT      \
	{                \
		.fd = -1 \
	}

/**
 * output_open() - Find out whether it can be written, and begin
 * @o:		OUTPUT_INIT
 * @path:	the user's
 * @mode:	permission bits of a new file
 * @err:	filled in on failure, may be NULL
 *
 * What is there and no plain file (a device, a fifo, a link such as /dev/stdout) is written to:
 * renaming a file over it would take it away from everyone.
 *
 * Return: 0 or a negative errno.
 */
int output_open(struct output *o, const char *path, mode_t mode, struct err *err);

/* It is whole: give it its name. 0 or a negative errno. */
int output_finish(struct output *o, struct err *err);

/* Forget it. Unless it was finished, what was there before is still there. */
void output_done(struct output *o);
DEFINE_AUTO_DONE(output)

#endif
