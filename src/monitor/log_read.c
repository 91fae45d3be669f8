/* SPDX-License-Identifier: Apache-2.0
 *
 * log_read.c - deliver the log of a workload, also while it is written and rotated
 *
 * The files of a log are parts of one stream of bytes (see logfile.h), and a reader is a place
 * in that stream. When a file is read to its end, and is no longer the one that is written, the
 * next one is the file with the smallest offset that is not before our place: no matter how
 * often the names have moved on since. What lies between is what rotation took away.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/parse.h"
#include "monitor/client.h"
#include "monitor/logfile.h"
#include "wire/json.h"

#define READ_BYTES (64 * KIB)
/* The end of a monitor that was killed makes no event in its directory. */
#define LOOK_AGAIN_MS 500

/* How a line begins that is no whole entry. */
#define HEADER_PREFIX "{\"hullLog\""
#define LOST_PREFIX "{\"lost\""
#define PARTIAL_PREFIX "{\"partial\""

/**
 * struct place - a place in the stream
 * @fd:		the file at hand, -1 before the first
 * @offset:	place in the stream at which it begins
 * @pos:	place in it of @buf[@start]
 * @buf:	BUF_BYTES; @start to @end have been read, but not been delivered
 */
struct place {
	int fd;
	uint64_t offset, pos;
	char *buf;
	size_t start, end;
};
#define BUF_BYTES (LOGFILE_LINE_MAX + READ_BYTES)

/**
 * struct reader - a monitor_log_read() under way
 * @skip_lines:	lines to pass over for @query->tail
 * @skip_until:	but none from this place in the stream on
 * @watch_fd:	inotify, or -1
 */
struct reader {
	const struct monitor_log_query *query;
	int (*fn)(void *ctx, const struct monitor_log_entry *entry);
	void (*lost)(void *ctx, uint64_t lost_bytes);
	void *ctx;
	struct place at;
	uint64_t skip_lines, skip_until;
	int watch_fd;
};

/*
 * The first file that begins at @from or later. Its descriptor, -ENOENT when there is none.
 * Newest name first: a file that is renamed meanwhile is then met twice, never missed.
 */
static int open_part(const struct monitor_log *log, uint64_t from, uint64_t *ret_offset)
{
	auto_close int best_fd = -1;
	uint64_t best = 0;

	for (uint32_t i = 0; i < MAX(log->max_files, 1u); i++) {
		char path[PATH_MAX];
		auto_close int fd = -1;
		struct stat st;
		uint64_t offset;

		(void)snprintf(path, sizeof(path), i > 0 ? "%s.%u" : "%s", log->path, i);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
		/* An empty one has nothing to read, and does not tell its offset yet. */
		if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
			continue;
		offset = logfile_offset(fd);
		if (offset < from || (best_fd >= 0 && offset >= best))
			continue;
		fd_close(best_fd);
		best_fd = take_fd(fd);
		best = offset;
	}
	if (best_fd < 0)
		return -ENOENT;
	*ret_offset = best;

	return take_fd(best_fd);
}

static void place_done(struct place *at)
{
	at->fd = fd_close(at->fd);
	free(at->buf);
	at->buf = NULL;
}

static uint64_t place_in_stream(const struct place *at)
{
	return at->offset + at->pos;
}

/* Go to the next file. 1, or 0 when there is none; @ret_gap is what is missing between. */
static int next_part(const struct monitor_log *log, struct place *at, uint64_t *ret_gap)
{
	bool first = at->fd < 0;
	uint64_t end = place_in_stream(at) + (at->end - at->start), offset;
	/* A file is never empty: its successor begins behind it. */
	int fd = open_part(log, first ? 0 : MAX(end, at->offset + 1), &offset);

	if (fd < 0)
		return 0;
	/* What is left of a line that was never ended is lost as well. */
	*ret_gap = first ? 0 : offset - place_in_stream(at);
	fd_close(at->fd);
	at->fd = fd;
	at->offset = offset;
	at->pos = at->start = at->end = 0;

	return 1;
}

/* Read more of the current file behind what there is. Bytes, 0 at its end, or -errno. */
static ssize_t refill(struct place *at)
{
	ssize_t n;

	/* No line of ours is as long: pass over what someone else wrote here. */
	if (at->end - at->start > LOGFILE_LINE_MAX) {
		at->pos += at->end - at->start;
		at->start = at->end;
	}
	memmove(at->buf, at->buf + at->start, at->end - at->start);
	at->end -= at->start;
	at->start = 0;
	n = pread(at->fd, at->buf + at->end, BUF_BYTES - at->end, (off_t)(at->pos + at->end));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	at->end += (size_t)n;

	return n;
}

/*
 * The next whole line of the current file, without its newline; borrowed until the next call.
 * 1, 0 at the end of what is there, or a negative errno.
 */
static int next_line(struct place *at, struct slice *ret_line)
{
	for (;;) {
		const char *line = at->buf + at->start;
		const char *end = memchr(line, '\n', at->end - at->start);
		ssize_t n;

		if (end) {
			*ret_line = (struct slice){ line, (size_t)(end - line) };
			at->start += ret_line->len + 1;
			at->pos += ret_line->len + 1;
			return 1;
		}
		n = refill(at);
		if (n <= 0)
			return (int)n;
	}
}

static bool begins(struct slice line, const char *prefix)
{
	size_t len = strlen(prefix);

	return line.len >= len && memcmp(line.at, prefix, len) == 0;
}

/* Is it the last or only entry of a line of the workload? */
static bool ends_line(struct slice line)
{
	return !begins(line, HEADER_PREFIX) && !begins(line, LOST_PREFIX) &&
	       !begins(line, PARTIAL_PREFIX);
}

/* Count lines from the oldest file on, for --tail. 0 or a negative errno. */
static int count_lines(struct reader *reader)
{
	const struct monitor_log *log = &reader->query->log;
	struct place at = { .fd = -1, .buf = malloc(BUF_BYTES) };
	uint64_t lines = 0, gap, tail = (uint64_t)reader->query->tail;
	struct slice line;
	int r = at.buf ? 0 : -ENOMEM;

	while (r == 0 && next_part(log, &at, &gap))
		while ((r = next_line(&at, &line)) > 0)
			lines += ends_line(line);
	reader->skip_lines = lines > tail ? lines - tail : 0;
	reader->skip_until = place_in_stream(&at);
	place_done(&at);

	return r;
}

/* ---- one entry ---- */

static void tell_lost(struct reader *reader, uint64_t lost_bytes)
{
	if (lost_bytes > 0 && reader->lost)
		reader->lost(reader->ctx, lost_bytes);
}

/* @ret of an entry; text that was kept as base64 is in @ret_bytes, to be freed. */
static int read_entry(const json_t *json, struct monitor_log_entry *ret, char **ret_bytes)
{
	const json_t *log = json_object_get(json, "log"), *b64 = json_object_get(json, "b64");
	const char *when = NULL, *stream = NULL;

	if (json_get_text(json, "time", &when, NULL) < 0 ||
	    json_get_text(json, "stream", &stream, NULL) < 0 || !when || !stream ||
	    clock_parse_rfc3339(when, &ret->wall_ns) < 0)
		return -EINVAL;
	ret->stream = strcmp(stream, "stderr") == 0 ? 2 : 1;
	ret->partial = json_is_true(json_object_get(json, "partial"));
	if (json_is_string(log)) {
		ret->text = json_string_value(log);
		ret->text_len = json_string_length(log);
		return 0;
	}
	if (!json_is_string(b64) || base64_decode(json_string_value(b64), json_string_length(b64),
						  ret_bytes, &ret->text_len) < 0)
		return -EINVAL;
	ret->text = *ret_bytes;

	return 0;
}

static bool is_wanted(const struct monitor_log_query *query, const struct monitor_log_entry *entry)
{
	return entry->wall_ns >= query->since_wall_ns &&
	       (query->until_wall_ns == 0 || entry->wall_ns < query->until_wall_ns);
}

static int deliver(struct reader *reader, struct slice line)
{
	struct monitor_log_entry entry = { 0 };
	auto_free char *bytes = NULL;
	auto_json *json = NULL;
	uint64_t lost_bytes = 0;

	if (line.len == 0 || begins(line, HEADER_PREFIX))
		return 0;
	if (reader->skip_lines > 0 && place_in_stream(&reader->at) <= reader->skip_until) {
		reader->skip_lines -= ends_line(line);
		return 0;
	}
	if (json_parse(line.at, line.len, "log entry", &json, NULL) < 0) {
		/* Torn by a kill in the middle of a write. */
		tell_lost(reader, line.len + 1);
		return 0;
	}
	if (begins(line, LOST_PREFIX)) {
		(void)json_get_u64(json, "lost", &lost_bytes, NULL);
		tell_lost(reader, lost_bytes);
		return 0;
	}
	if (read_entry(json, &entry, &bytes) < 0) {
		tell_lost(reader, line.len + 1);
		return 0;
	}

	return is_wanted(reader->query, &entry) ? reader->fn(reader->ctx, &entry) : 0;
}

/* ---- following ---- */

/* Deliver what the current file holds. 0 or a negative number. */
static int drain(struct reader *reader)
{
	struct slice line;
	int r;

	if (reader->at.fd < 0)
		return 0;
	while ((r = next_line(&reader->at, &line)) > 0) {
		r = deliver(reader, line);
		if (r < 0)
			return r;
	}

	return r;
}

/* Is our file still the one that is written? */
static bool is_current(const struct reader *reader)
{
	struct stat ours, named;

	return reader->at.fd >= 0 && fstat(reader->at.fd, &ours) == 0 &&
	       stat(reader->query->log.path, &named) == 0 && ours.st_dev == named.st_dev &&
	       ours.st_ino == named.st_ino;
}

/* Will more be written? */
static bool is_live(const struct monitor_log_query *query)
{
	struct monitor_state state;

	if (query->until_wall_ns > 0 && clock_wall_ns() >= query->until_wall_ns)
		return false;
	if (monitor_read_state(query->run_dir, &state, NULL) < 0)
		return false;

	return state.phase == MONITOR_CREATED || state.phase == MONITOR_RUNNING ||
	       state.phase == MONITOR_PAUSED;
}

static void open_watch(struct reader *reader)
{
	char dir[PATH_MAX];
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", reader->query->log.path);
	slash = strrchr(dir, '/');
	if (!slash)
		return;
	*slash = '\0';
	/* Without it, because of a limit, following is only less prompt. */
	reader->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (reader->watch_fd < 0)
		return;
	(void)inotify_add_watch(reader->watch_fd, dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	(void)inotify_add_watch(reader->watch_fd, reader->query->run_dir, IN_MOVED_TO);
}

static void wait_more(const struct reader *reader)
{
	struct pollfd wait = { .fd = reader->watch_fd, .events = POLLIN };
	char events[4096];

	(void)poll(&wait, 1, LOOK_AGAIN_MS);
	/* Which it was does not matter. */
	while (wait.revents && read(reader->watch_fd, events, sizeof(events)) > 0)
		;
}

static int read_all(struct reader *reader)
{
	const struct monitor_log_query *query = reader->query;

	for (;;) {
		/* Both asked before the reading: what they tell of has been written by then. */
		bool live = query->follow && is_live(query);
		bool current = is_current(reader);
		uint64_t gap = 0;
		int r = drain(reader);

		if (r < 0)
			return r;
		if (!current && next_part(&query->log, &reader->at, &gap)) {
			tell_lost(reader, gap);
			continue;
		}
		if (!live)
			return 0;
		wait_more(reader);
	}
}

int monitor_log_read(const struct monitor_log_query *query,
		     int (*fn)(void *ctx, const struct monitor_log_entry *entry),
		     void (*lost)(void *ctx, uint64_t lost_bytes), void *ctx, struct err *err)
{
	struct reader reader = {
		.query = query,
		.fn = fn,
		.lost = lost,
		.ctx = ctx,
		.at = { .fd = -1 },
		.watch_fd = -1,
	};
	int r = 0;

	if (!query->log.path)
		return err_setk(err, ERR_NOT_FOUND, ENOENT, "no log is kept");
	reader.at.buf = malloc(BUF_BYTES);
	if (!reader.at.buf)
		return err_set(err, ENOMEM, "out of memory");
	if (query->follow)
		open_watch(&reader);
	if (query->tail >= 0)
		r = count_lines(&reader);
	if (r == 0)
		r = read_all(&reader);
	place_done(&reader.at);
	fd_close(reader.watch_fd);
	if (r < 0)
		return err_set(err, -r, "read the log '%s'", query->log.path);

	return 0;
}
