/* SPDX-License-Identifier: Apache-2.0
 *
 * err.h - why an operation failed
 *
 * A struct err is plain memory: no allocation, nothing to release, safe between clone()
 * and exec() of a single-threaded parent, and a child can write() it whole to its parent.
 * Functions that can fail return 0 (or a count) or a negative errno and take a struct err
 * as their last parameter; NULL means that the caller wants no text.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

#include "base/macro.h"

enum err_kind {
	ERR_INTERNAL = 0, /* our fault or the host's:	exit 125, HTTP 500 */
	ERR_USAGE,	  /* the request is malformed:	exit 125, HTTP 400 */
	ERR_NOT_FOUND,	  /* the named object is absent:	exit 125, HTTP 404 */
	ERR_CONFLICT,	  /* wrong state, or name taken:	exit 125, HTTP 409 */
	ERR_UNSUPPORTED,  /* host lacks a feature:	exit 125, HTTP 501 */
	ERR_CANNOT_EXEC,  /* found, not executable:	exit 126, HTTP 400 */
	ERR_NO_COMMAND,	  /* command not in the image:	exit 127, HTTP 400 */
};

/**
 * struct err - one failure, root cause first
 * @code:	errno value, > 0; 0 while nothing has failed
 * @kind:	what the caller should do about it; set where that is known
 * @used:	bytes used in @frames
 * @frames:	NUL-separated texts, root cause first; too long drops the newest
 * @hint:	one sentence of advice for the user, or ""
 */
struct err {
	int code;
	enum err_kind kind;
	size_t used;
	char frames[640];
	char hint[240];
};

#define ERR_INIT          \
	{                 \
		.code = 0 \
	}

/* Start a failure. Returns -@code. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Start a failure whose @kind is known. Returns -@code. */
int err_setk(struct err *err, enum err_kind kind, int code, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* As err_set(), with the current errno and its text: "@fmt: Permission denied". */
int err_sys(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Add what we were doing. Returns @r, so that callers can return it. */
int err_wrap(struct err *err, int r, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Say what the caller should do about it. */
void err_kind(struct err *err, enum err_kind kind);

/* Give the user one sentence of advice; the last one given wins. */
void err_hint(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/**
 * err_text() - Join the frames, outermost first, as "a: b: c"
 * @err:	error to describe
 * @buf:	destination, always NUL-terminated
 * @buf_bytes:	size of @buf in bytes, > 0
 *
 * Return: @buf
 */
char *err_text(const struct err *err, char *buf, size_t buf_bytes);

/**
 * err_sanitize() - Make a struct err that came over a wire safe to use
 * @err:	bytes that were read into the struct; every field is brought into its range
 */
void err_sanitize(struct err *err);

/* Exit status of a command that failed with @err: 125, 126 or 127. */
int err_exit_status(const struct err *err);

#endif
