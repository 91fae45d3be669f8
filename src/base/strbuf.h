/* SPDX-License-Identifier: Apache-2.0
 *
 * strbuf.h - a growing string with a ceiling
 *
 * Invariants: @text is NULL or NUL-terminated at @len; @len <= @max_bytes. An append that
 * would pass the ceiling, or for which there is no memory, changes nothing and sets @failed;
 * all later appends are then refused, so that one check at the end is enough.
 */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/macro.h"

struct strbuf {
	char *text;
	size_t len;
	size_t room; /* bytes allocated */
	size_t max_bytes;
	bool failed;
};

/* A buffer that never holds more than @max bytes (its NUL not counted). */
#define STRBUF_INIT(max)           \
	{                          \
		.max_bytes = (max) \
	}

/* Release the memory. The buffer is then empty and may be used again. */
void strbuf_done(struct strbuf *sb);
DEFINE_AUTO_DONE(strbuf)

/* Append; 0, or -ENOSPC (ceiling, now or earlier) or -ENOMEM, with the buffer unchanged. */
int strbuf_add(struct strbuf *sb, const void *bytes, size_t len);
int strbuf_adds(struct strbuf *sb, const char *text);
int strbuf_addc(struct strbuf *sb, char c);
int strbuf_addf(struct strbuf *sb, const char *fmt, ...) PRINTF_LIKE(2, 3);
int strbuf_addv(struct strbuf *sb, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* Forget the content, keep the memory; clears @failed too. */
void strbuf_reset(struct strbuf *sb);

/* Drop the first @len bytes (at most all). */
void strbuf_consume(struct strbuf *sb, size_t len);

/* The text, "" when nothing was ever added; borrowed, valid until the next change. */
const char *strbuf_get(const struct strbuf *sb);

/* The text as a heap string that the caller owns; NULL if an append failed or memory is out. */
char *strbuf_take(struct strbuf *sb);

#endif
