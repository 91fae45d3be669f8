/* SPDX-License-Identifier: Apache-2.0
 *
 * tar_file.h - an archive that goes to a descriptor, in large pieces
 */
#ifndef WIRE_TAR_FILE_H
#define WIRE_TAR_FILE_H

#include <stddef.h>

#include "base/err.h"
#include "base/macro.h"

/**
 * struct tar_file - destination of a writer
 * @fd:		borrowed; may be set until the first byte is written
 * @buf:	bytes that wait
 * @used_bytes:	their number
 */
struct tar_file {
	int fd;
	char *buf;
	size_t used_bytes;
};

/* 0 or -ENOMEM. */
int tar_file_init(struct tar_file *f, int fd, struct err *err);

/* NULL members allowed. What waits is lost. */
void tar_file_done(struct tar_file *f);
DEFINE_AUTO_DONE(tar_file)

/* A tar_write_fn; @ctx is the struct tar_file. Blocks as the descriptor does. */
int tar_file_write(void *ctx, const void *buf, size_t len, struct err *err);

/* Write what waits. 0 or a negative errno. */
int tar_file_flush(struct tar_file *f, struct err *err);

#endif
