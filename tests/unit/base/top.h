/* SPDX-License-Identifier: Apache-2.0
 *
 * top.h - one temporary directory for all tests of a program
 */
#ifndef TESTS_UNIT_BASE_TOP_H
#define TESTS_UNIT_BASE_TOP_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/path.h"
#include "check.h"

static char top[64];
static int top_fd;

static inline int top_setup(void **state)
{
	const char *dir = getenv("TMPDIR");

	(void)state;
	(void)snprintf(top, sizeof(top), "%.40s/hull-test-XXXXXX", dir ? dir : "/tmp");
	if (!mkdtemp(top))
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return top_fd < 0 ? -1 : 0;
}

static inline int top_teardown(void **state)
{
	(void)state;
	fd_close(top_fd);

	return path_rmtree(AT_FDCWD, top, NULL);
}

#endif
