/* SPDX-License-Identifier: Apache-2.0
 *
 * logfile.h - the log of a workload: format, and the writing side
 *
 * A log is a stream of bytes that is cut into files: PATH is written, PATH.1 is the one before
 * it, and so on. Each file begins with a line that tells its place in the stream, so that a
 * reader knows, to the byte, what rotation took away from it:
 *
 *	{"hullLog":1,"offset":10485633}
 *	{"time":"2026-11-26T00:47:39.123456789Z","stream":"stdout","log":"a line\n"}
 *	{"partial":true,"time":...,"stream":"stderr","log":"a line of more than 16 KiB"}
 *	{"time":...,"stream":"stdout","b64":"/w8K"}		what is not text
 *	{"lost":4096}						bytes that could not be written
 */
#ifndef MONITOR_LOGFILE_H
#define MONITOR_LOGFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct monitor_log;
struct logfile;

#define LOGFILE_SPLIT_BYTES ((size_t)(16 * KIB))
/* No line of a log is longer: every byte of an entry escaped, and what stands around it. */
#define LOGFILE_LINE_MAX (6 * LOGFILE_SPLIT_BYTES + 256)

/**
 * logfile_open() - Continue a log, or begin one
 * @log:	where and how; borrowed; @log->path is not NULL
 * @ret:	released by logfile_close()
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int logfile_open(const struct monitor_log *log, struct logfile **ret, struct err *err);

/**
 * logfile_write() - Append what a process wrote
 * @lf:		NULL does nothing
 * @stream:	1: stdout, 2: stderr
 * @bytes:	any bytes
 * @len:	their number
 *
 * A line without its end is kept back until it ends or reaches LOGFILE_SPLIT_BYTES. What cannot be
 * written is counted, and the count is written once there is room again.
 *
 * Return: how many bytes of entries that made.
 */
size_t logfile_write(struct logfile *lf, int stream, const char *bytes, size_t len);

/* Write lines that have not ended and close; NULL allowed. */
void logfile_close(struct logfile *lf);

/* Place in the stream at which the file @fd begins; 0 when it does not say. */
uint64_t logfile_offset(int fd);

#endif
