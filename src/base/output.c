/* SPDX-License-Identifier: Apache-2.0
 *
 * output.c - a file that the user names, written whole or not at all
 */
#include "base/output.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/rand.h"

int output_open(struct output *o, const char *path, mode_t mode, struct err *err)
{
	char random[13] = "";
	struct stat st;
	int r;

	o->path = path;
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	} else {
		rand_hex(random, sizeof(random) - 1);
		o->part = mem_printf("%s.%s.part", path, random);
		o->fd = open(o->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	}
	if (o->fd >= 0)
		return 0;
	r = err_sys(err, "write '%s'", path);
	free(take_ptr(o->part));

	return r;
}

int output_finish(struct output *o, struct err *err)
{
	struct stat st;

	if (o->part) {
		if (rename(o->part, o->path) < 0)
			return err_sys(err, "write '%s'", o->path);
		free(take_ptr(o->part));
	} else if (fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode) &&
		   ftruncate(o->fd, lseek(o->fd, 0, SEEK_CUR)) < 0) {
		/* A link to a file that may have been longer. */
		return err_sys(err, "write '%s'", o->path);
	}

	return 0;
}

void output_done(struct output *o)
{
	o->fd = fd_close(o->fd);
	if (o->part)
		(void)unlink(o->part);
	free(take_ptr(o->part));
}
