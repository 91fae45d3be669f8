/* SPDX-License-Identifier: Apache-2.0
 *
 * err.c - frames of text in one flat buffer
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/exit.h"

static void PRINTF_LIKE(2, 0) frame_addv(struct err *err, const char *fmt, va_list ap)
{
	size_t room = sizeof(err->frames) - err->used;
	int n;

	if (room < 2)
		return;

	n = vsnprintf(err->frames + err->used, room, fmt, ap);
	if (n < 0)
		return;

	err->used += MIN((size_t)n + 1, room);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -code;

	*err = (struct err){ .code = code };
	va_start(ap, fmt);
	frame_addv(err, fmt, ap);
	va_end(ap);

	return -code;
}

int err_setk(struct err *err, enum err_kind kind, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -code;

	*err = (struct err){ .code = code, .kind = kind };
	va_start(ap, fmt);
	frame_addv(err, fmt, ap);
	va_end(ap);

	return -code;
}

int err_sys(struct err *err, const char *fmt, ...)
{
	int code = errno;
	va_list ap;

	if (!err)
		return -code;

	errno = code;
	err_set(err, code, "%m");
	va_start(ap, fmt);
	frame_addv(err, fmt, ap);
	va_end(ap);

	return -code;
}

int err_wrap(struct err *err, int r, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return r;

	if (!err->code) {
		errno = -r;
		err_set(err, -r, "%m");
	}

	va_start(ap, fmt);
	frame_addv(err, fmt, ap);
	va_end(ap);

	return r;
}

void err_kind(struct err *err, enum err_kind kind)
{
	if (err)
		err->kind = kind;
}

void err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return;

	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}

char *err_text(const struct err *err, char *buf, size_t buf_bytes)
{
	const char *end = err->frames + err->used;
	const char *frame = end;
	size_t len = 0;

	buf[0] = '\0';
	while (frame > err->frames) {
		const char *next = frame - 1;
		int n;

		while (next > err->frames && next[-1] != '\0')
			next--;
		n = snprintf(buf + len, buf_bytes - len, "%s%s", len ? ": " : "", next);
		if (n < 0 || (size_t)n >= buf_bytes - len)
			break;
		len += (size_t)n;
		frame = next;
	}

	return buf;
}

/* Replace what a terminal would obey: C0, DEL, and C1 in UTF-8. NUL separates frames: it stays. */
static void disarm(char *text, size_t len)
{
	unsigned char before = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < ' ' && c != '\0') || c == 0x7f || (before == 0xc2 && c < 0xa0))
			text[i] = '?';
		before = c;
	}
}

void err_sanitize(struct err *err)
{
	if (err->code <= 0 || err->code > 4095)
		err->code = EPROTO;
	if ((unsigned)err->kind > ERR_NO_COMMAND)
		err->kind = ERR_INTERNAL;
	if (err->used > sizeof(err->frames))
		err->used = sizeof(err->frames);
	if (err->used > 0)
		err->frames[err->used - 1] = '\0';
	disarm(err->frames, err->used);
	err->hint[sizeof(err->hint) - 1] = '\0';
	disarm(err->hint, strlen(err->hint));
}

int err_exit_status(const struct err *err)
{
	switch (err->kind) {
	case ERR_CANNOT_EXEC:
		return EXIT_CANNOT_EXEC;
	case ERR_NO_COMMAND:
		return EXIT_NO_COMMAND;
	case ERR_INTERNAL:
	case ERR_USAGE:
	case ERR_NOT_FOUND:
	case ERR_CONFLICT:
	case ERR_UNSUPPORTED:
		break;
	}

	return EXIT_NOT_STARTED;
}
