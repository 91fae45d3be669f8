/* SPDX-License-Identifier: Apache-2.0
 *
 * strbuf.c - a growing string with a ceiling
 */
#include "base/strbuf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROOM_MIN 64

void strbuf_done(struct strbuf *sb)
{
	if (!sb)
		return;
	free(sb->text);
	*sb = (struct strbuf)STRBUF_INIT(sb->max_bytes);
}

static int strbuf_grow(struct strbuf *sb, size_t more)
{
	size_t need, room;
	char *text;

	if (sb->failed)
		return -ENOSPC;
	if (more > sb->max_bytes - sb->len) {
		sb->failed = true;
		return -ENOSPC;
	}
	need = sb->len + more + 1;
	if (need <= sb->room)
		return 0;
	room = MIN(sb->room * 2, sb->max_bytes + 1);
	room = MAX(room, need);
	room = MAX(room, (size_t)ROOM_MIN);
	text = realloc(sb->text, room);
	if (!text) {
		sb->failed = true;
		return -ENOMEM;
	}
	sb->text = text;
	sb->room = room;

	return 0;
}

int strbuf_add(struct strbuf *sb, const void *bytes, size_t len)
{
	int r = strbuf_grow(sb, len);

	if (r < 0)
		return r;
	if (len > 0)
		memcpy(sb->text + sb->len, bytes, len);
	sb->len += len;
	sb->text[sb->len] = '\0';

	return 0;
}

int strbuf_adds(struct strbuf *sb, const char *text)
{
	return strbuf_add(sb, text, strlen(text));
}

int strbuf_addc(struct strbuf *sb, char c)
{
	return strbuf_add(sb, &c, 1);
}

int strbuf_addv(struct strbuf *sb, const char *fmt, va_list ap)
{
	va_list again;
	int n, r;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0) {
		sb->failed = true;
		return -EINVAL;
	}
	r = strbuf_grow(sb, (size_t)n);
	if (r < 0)
		return r;
	(void)vsnprintf(sb->text + sb->len, sb->room - sb->len, fmt, ap);
	sb->len += (size_t)n;

	return 0;
}

int strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = strbuf_addv(sb, fmt, ap);
	va_end(ap);

	return r;
}

void strbuf_reset(struct strbuf *sb)
{
	sb->len = 0;
	sb->failed = false;
	if (sb->text)
		sb->text[0] = '\0';
}

void strbuf_consume(struct strbuf *sb, size_t len)
{
	len = MIN(len, sb->len);
	if (len == 0)
		return;
	memmove(sb->text, sb->text + len, sb->len - len + 1);
	sb->len -= len;
}

const char *strbuf_get(const struct strbuf *sb)
{
	return sb->text ? sb->text : "";
}

char *strbuf_take(struct strbuf *sb)
{
	char *text;

	if (sb->failed)
		return NULL;
	text = sb->text ? sb->text : strdup("");
	sb->text = NULL;
	sb->len = sb->room = 0;

	return text;
}
