/* SPDX-License-Identifier: Apache-2.0
 *
 * tar_file.c - an archive that goes to a descriptor, in large pieces
 */
#include "wire/tar_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

#define BUFFER_BYTES ((size_t)(128 * KIB))

int tar_file_init(struct tar_file *f, int fd, struct err *err)
{
	*f = (struct tar_file){ .fd = fd, .buf = malloc(BUFFER_BYTES) };

	return f->buf ? 0 : err_set(err, ENOMEM, "out of memory");
}

void tar_file_done(struct tar_file *f)
{
	free(f->buf);
	f->buf = NULL;
}

int tar_file_write(void *ctx, const void *buf, size_t len, struct err *err)
{
	struct tar_file *f = ctx;
	const char *from = buf;

	while (len > 0) {
		size_t take = MIN(len, BUFFER_BYTES - f->used_bytes);
		int r;

		memcpy(f->buf + f->used_bytes, from, take);
		f->used_bytes += take;
		from += take;
		len -= take;
		r = f->used_bytes == BUFFER_BYTES ? tar_file_flush(f, err) : 0;
		if (r < 0)
			return r;
	}

	return 0;
}

int tar_file_flush(struct tar_file *f, struct err *err)
{
	int r = fd_write_all(f->fd, f->buf, f->used_bytes);

	f->used_bytes = 0;

	return r < 0 ? err_wrap(err, r, "write the archive") : 0;
}
