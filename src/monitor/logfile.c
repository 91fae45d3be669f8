/* SPDX-License-Identifier: Apache-2.0
 *
 * logfile.c - write the log of a workload
 */
#include "monitor/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "monitor/client.h"
#include "wire/json.h"

#define HEADER_MAX_BYTES 80
/* Entries are gathered up to this much before they are written. */
#define FLUSH_BYTES ((size_t)(64 * KIB))
#define STREAMS 2

/* A line that has not ended yet; @text is LOGFILE_SPLIT_BYTES, allocated while it is needed. */
struct open_line {
	char *text;
	size_t len;
};

/**
 * struct logfile - a log that is being written
 * @path:	of the current file
 * @offset:	place of the current file in the stream
 * @size_bytes:	of the current file
 * @lost_bytes:	that could not be written and have not been told of
 * @entries_bytes: that the current logfile_write() has made
 * @out:	entries to be written
 */
struct logfile {
	char *path;
	uint64_t max_bytes;
	uint32_t max_files;
	int fd;
	uint64_t offset, size_bytes, lost_bytes;
	size_t entries_bytes;
	struct open_line lines[STREAMS];
	struct strbuf out;
};

uint64_t logfile_offset(int fd)
{
	char head[HEADER_MAX_BYTES + 1];
	auto_json *json = NULL;
	uint64_t offset = 0;
	ssize_t n = pread(fd, head, HEADER_MAX_BYTES, 0);
	char *end = n > 0 ? memchr(head, '\n', (size_t)n) : NULL;

	if (end && json_parse(head, (size_t)(end - head), "log", &json, NULL) == 0)
		(void)json_get_u64(json, "offset", &offset, NULL);

	return offset;
}

/* Write @len bytes whole or not at all: a part of an entry would spoil the next one. */
static bool append(struct logfile *lf, const char *bytes, size_t len)
{
	if (len == 0)
		return true;
	if (fd_write_all(lf->fd, bytes, len) < 0) {
		/* Should even this fail, readers pass over the torn line. */
		if (ftruncate(lf->fd, (off_t)lf->size_bytes) < 0)
			log_debug("event=log_torn path=%s", lf->path);
		return false;
	}
	lf->size_bytes += len;

	return true;
}

static int begin_file(struct logfile *lf, struct err *err)
{
	lf->fd = open(lf->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
		      0640);
	if (lf->fd < 0)
		return err_sys(err, "open the log '%s'", lf->path);
	lf->size_bytes = 0;

	return 0;
}

/* With the first entry, not before: most workloads write nothing. */
static void write_header(struct logfile *lf)
{
	char head[HEADER_MAX_BYTES];
	int n = snprintf(head, sizeof(head), "{\"hullLog\":1,\"offset\":%llu}\n",
			 (unsigned long long)lf->offset);

	/* Without room for this the file is still a log; it only does not tell its place. */
	(void)append(lf, head, (size_t)n);
}

/* The current file becomes PATH.1, PATH.1 becomes PATH.2 ...; the last one goes. */
static bool rotate(struct logfile *lf)
{
	char from[PATH_MAX], to[PATH_MAX];

	for (uint32_t i = lf->max_files - 1; i > 0; i--) {
		(void)snprintf(to, sizeof(to), "%s.%u", lf->path, i);
		(void)snprintf(from, sizeof(from), i > 1 ? "%s.%u" : "%s", lf->path, i - 1);
		if (rename(from, to) < 0 && errno != ENOENT)
			return false;
	}
	if (lf->max_files <= 1 && unlink(lf->path) < 0)
		return false;
	lf->offset += lf->size_bytes;
	lf->fd = fd_close(lf->fd);

	return begin_file(lf, NULL) == 0;
}

/* Write the first @len bytes of @lf->out, or count them as lost. */
static void flush(struct logfile *lf, size_t len)
{
	char note[64];

	if (len == 0)
		return;
	if (lf->size_bytes == 0)
		write_header(lf);
	if (lf->lost_bytes > 0) {
		int n = snprintf(note, sizeof(note), "{\"lost\":%llu}\n",
				 (unsigned long long)lf->lost_bytes);

		if (append(lf, note, (size_t)n))
			lf->lost_bytes = 0;
	}
	if (lf->lost_bytes > 0 || !append(lf, lf->out.text, len))
		lf->lost_bytes += len;
	strbuf_consume(&lf->out, len);
}

/* Bytes of the UTF-8 sequence at @at; 0 when it is none, or is cut short by @len. */
static size_t utf8_sequence(const unsigned char *at, size_t len)
{
	uint32_t code;
	size_t n;

	if (at[0] < 0x80)
		return 1;
	n = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] > 0xf4 || n > len)
		return 0;
	code = at[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	/* Overlong forms, surrogates, and beyond Unicode. */
	if ((n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)) ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;

	return n;
}

/* Is it better kept as text? Not when it is no UTF-8, nor when it is mostly control characters. */
static bool is_text(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t controls = 0;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence(at + i, len - i);

		if (n == 0)
			return false;
		controls += at[i] < '\t';
		i += n;
	}

	return controls <= 4 + len / 16;
}

static void add_escaped(struct strbuf *out, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t plain = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		(void)strbuf_add(out, text + plain, i - plain);
		plain = i + 1;
		if (c == '\n')
			(void)strbuf_adds(out, "\\n");
		else if (c < 0x20)
			(void)strbuf_add(
				out, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
		else
			(void)strbuf_add(out, (char[]){ '\\', (char)c }, 2);
	}
	(void)strbuf_add(out, text + plain, len - plain);
}

static void add_entry(struct strbuf *out, const char *head, const char *text, size_t len,
		      bool partial)
{
	(void)strbuf_adds(out, partial ? "{\"partial\":true," : "{");
	(void)strbuf_adds(out, head);
	if (is_text(text, len)) {
		(void)strbuf_adds(out, "\"log\":\"");
		add_escaped(out, text, len);
	} else {
		auto_free char *digits = base64_encode(text, len);

		(void)strbuf_adds(out, "\"b64\":\"");
		(void)strbuf_adds(out, digits ? digits : "");
	}
	(void)strbuf_adds(out, "\"}\n");
}

/* One entry into @lf->out, which is written when it has become long or the file is full. */
static void emit(struct logfile *lf, const char *head, const char *text, size_t len, bool partial)
{
	size_t before = lf->out.len;

	add_entry(&lf->out, head, text, len, partial);
	if (lf->out.failed) {
		size_t left = before;

		/* No memory: what came before is good. */
		lf->out.failed = false;
		lf->out.len = left;
		lf->lost_bytes += len;
		return;
	}
	lf->entries_bytes += lf->out.len - before;
	if (lf->max_bytes > 0 && lf->size_bytes + lf->out.len > lf->max_bytes &&
	    lf->size_bytes + before > HEADER_MAX_BYTES) {
		flush(lf, before);
		if (!rotate(lf) && lf->fd < 0)
			(void)begin_file(lf, NULL);
	}
	if (lf->out.len >= FLUSH_BYTES)
		flush(lf, lf->out.len);
}

/* Where to cut @len bytes so that no character is split, if they are text at all. */
static size_t cut_at(const char *text, size_t len)
{
	for (size_t back = 1; back < 4 && back < len; back++) {
		unsigned char c = (unsigned char)text[len - back];

		if (c < 0x80)
			break;
		if (c >= 0xc0)
			return utf8_sequence((const unsigned char *)text + len - back, back) == 0
				       ? len - back
				       : len;
	}

	return len;
}

/* Keep the beginning of a line, writing it in parts when it becomes too long. */
static void keep(struct logfile *lf, struct open_line *line, const char *head, const char *bytes,
		 size_t len)
{
	if (!line->text)
		line->text = malloc(LOGFILE_SPLIT_BYTES);
	if (!line->text) {
		lf->lost_bytes += len;
		return;
	}
	while (len > 0) {
		size_t n = MIN(len, LOGFILE_SPLIT_BYTES - line->len), cut;

		memcpy(line->text + line->len, bytes, n);
		line->len += n;
		bytes += n;
		len -= n;
		if (line->len < LOGFILE_SPLIT_BYTES)
			break;
		cut = cut_at(line->text, line->len);
		emit(lf, head, line->text, cut, true);
		line->len -= cut;
		memmove(line->text, line->text + cut, line->len);
	}
}

static void end_line(struct logfile *lf, struct open_line *line, const char *head)
{
	if (line->len > 0)
		emit(lf, head, line->text, line->len, false);
	free(line->text);
	line->text = NULL;
	line->len = 0;
}

static void entry_head(int stream, char *buf, size_t buf_bytes)
{
	char when[CLOCK_RFC3339_BYTES];

	(void)snprintf(buf, buf_bytes, "\"time\":\"%s\",\"stream\":\"%s\",",
		       clock_rfc3339(clock_wall_ns(), when), stream == 1 ? "stdout" : "stderr");
}

size_t logfile_write(struct logfile *lf, int stream, const char *bytes, size_t len)
{
	struct open_line *line;
	char head[96];

	if (!lf || len == 0)
		return 0;
	lf->entries_bytes = 0;
	line = &lf->lines[stream - 1];
	entry_head(stream, head, sizeof(head));
	while (len > 0) {
		const char *end = memchr(bytes, '\n', len);
		size_t n = end ? (size_t)(end - bytes) + 1 : len;

		if (end && line->len == 0 && n <= LOGFILE_SPLIT_BYTES) {
			emit(lf, head, bytes, n, false);
		} else {
			keep(lf, line, head, bytes, n);
			if (end)
				end_line(lf, line, head);
		}
		bytes += n;
		len -= n;
	}
	flush(lf, lf->out.len);

	return lf->entries_bytes;
}

void logfile_close(struct logfile *lf)
{
	char head[96];

	if (!lf)
		return;
	for (int i = 0; i < STREAMS; i++) {
		if (lf->lines[i].len == 0)
			continue;
		entry_head(i + 1, head, sizeof(head));
		end_line(lf, &lf->lines[i], head);
	}
	flush(lf, lf->out.len);
	fd_close(lf->fd);
	strbuf_done(&lf->out);
	free(lf->path);
	free(lf);
}

/* Go on behind what an earlier run wrote, ending a line that it left torn. */
static void continue_file(struct logfile *lf, uint64_t size_bytes)
{
	char last = '\n';

	lf->size_bytes = size_bytes;
	lf->offset = logfile_offset(lf->fd);
	if (pread(lf->fd, &last, 1, (off_t)size_bytes - 1) == 1 && last != '\n')
		(void)append(lf, "\n", 1);
}

int logfile_open(const struct monitor_log *log, struct logfile **ret, struct err *err)
{
	struct logfile *lf = calloc(1, sizeof(*lf));
	struct stat st;
	int r;

	if (!lf)
		return err_set(err, ENOMEM, "out of memory");
	lf->fd = -1;
	lf->path = strdup(log->path);
	lf->max_bytes = log->max_bytes;
	lf->max_files = MAX(log->max_files, 1u);
	lf->out = (struct strbuf)STRBUF_INIT(FLUSH_BYTES + 2 * LOGFILE_LINE_MAX);
	if (!lf->path) {
		r = err_set(err, ENOMEM, "out of memory");
		goto failed;
	}
	r = begin_file(lf, err);
	if (r < 0)
		goto failed;
	if (fstat(lf->fd, &st) == 0 && st.st_size > 0)
		continue_file(lf, (uint64_t)st.st_size);
	*ret = lf;

	return 0;

failed:
	logfile_close(lf);

	return r;
}
