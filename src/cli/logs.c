/* SPDX-License-Identifier: Apache-2.0
 *
 * logs.c - hull logs
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/parse.h"
#include "cli/commands.h"
#include "engine/container.h"

struct logs_args {
	bool follow, timestamps;
	const char *tail, *since, *until;
};

#define AT(member) offsetof(struct logs_args, member)

static const struct opt logs_opts[] = {
	{ 'f', "follow", OPT_BOOL, AT(follow), NULL, NULL, "Go on until the container ends" },
	{ 0, "since", OPT_TEXT, AT(since), "time", NULL,
	  "From a time (2026-11-26T10:00:00Z) or an age (10m) on" },
	{ 'n', "tail", OPT_TEXT, AT(tail), "lines", "all", "Lines from the end" },
	{ 't', "timestamps", OPT_BOOL, AT(timestamps), NULL, NULL, "Show the time of each line" },
	{ 0, "until", OPT_TEXT, AT(until), "time", NULL, "Up to a time or an age" },
	{ 0, "details", OPT_REFUSED_BOOL, 0, NULL, NULL, "logs keep no attributes" },
	OPT_END,
};

/* What a stream is in the middle of. */
struct printer {
	bool timestamps;
	bool in_line[3]; /* by stream */
};

static int write_text(int fd, const char *text, size_t len)
{
	int r = fd_write_all(fd, text, len);

	return r == -EPIPE ? -ECANCELED : r;
}

static int print_stamp(struct printer *p, int stream, int fd, int64_t wall_ns)
{
	char stamp[CLOCK_RFC3339_BYTES];
	int r;

	if (!p->timestamps || p->in_line[stream])
		return 0;
	clock_rfc3339(wall_ns, stamp);
	r = write_text(fd, stamp, strlen(stamp));

	return r < 0 ? r : write_text(fd, " ", 1);
}

static int print_entry(void *ctx, int stream, int64_t wall_ns, const char *text, size_t text_len)
{
	struct printer *p = ctx;
	int fd = stream == STDERR_FILENO ? STDERR_FILENO : STDOUT_FILENO;
	int r;

	if (text_len == 0)
		return 0;
	r = print_stamp(p, fd, fd, wall_ns);
	if (r == 0)
		r = write_text(fd, text, text_len);
	p->in_line[fd] = text[text_len - 1] != '\n';

	return r;
}

static void print_lost(void *ctx, uint64_t lost_bytes)
{
	(void)ctx;
	fprintf(stderr, "hull: %llu bytes of the log were rotated away before they were read\n",
		(unsigned long long)lost_bytes);
}

/* A date, or date and time, of the local time zone. */
static bool read_local_time(const char *text, int64_t *ret_wall_ns)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);
		time_t seconds = end && !*end ? mktime(&tm) : -1;

		if (seconds < 0)
			continue;
		*ret_wall_ns = (int64_t)seconds * NS_PER_SEC;
		return true;
	}

	return false;
}

/* RFC 3339, a local time, seconds since 1970, or how long ago. */
static int read_time(const char *option, const char *text, int64_t *ret_wall_ns, struct err *err)
{
	struct slice rest = slice_of(text), seconds;
	uint64_t value;
	int64_t age_ns;

	if (!text)
		return 0;
	if (clock_parse_rfc3339(text, ret_wall_ns) == 0 || read_local_time(text, ret_wall_ns))
		return 0;
	(void)slice_next(&rest, '.', &seconds);
	if (seconds.len > 8 && parse_slice_u64(seconds, 1, INT64_MAX / NS_PER_SEC, &value) == 0) {
		*ret_wall_ns = (int64_t)value * NS_PER_SEC;
		return 0;
	}
	if (parse_duration(text, &age_ns) == 0) {
		*ret_wall_ns = clock_wall_ns() - age_ns;
		return 0;
	}

	return err_setk(
		err, ERR_USAGE, EINVAL,
		"invalid --%s '%s': expected a time such as 2026-11-26T10:00:00Z, or an age "
		"such as 10m",
		option, text);
}

static int read_query(const struct logs_args *args, struct engine_log_query *ret, struct err *err)
{
	int r;

	*ret = (struct engine_log_query){ .follow = args->follow, .tail = -1 };
	if (strcmp(args->tail, "all") != 0 && strcmp(args->tail, "-1") != 0 &&
	    parse_i64(args->tail, 0, INT64_MAX, &ret->tail) < 0)
		return err_setk(err, ERR_USAGE, EINVAL,
				"invalid --tail '%s': expected a number or all", args->tail);
	r = read_time("since", args->since, &ret->since_wall_ns, err);

	return r < 0 ? r : read_time("until", args->until, &ret->until_wall_ns, err);
}

static int run_logs(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct logs_args *a = args;
	struct printer printer = { .timestamps = a->timestamps };
	const struct engine_log_reader reader = {
		.entry = print_entry,
		.lost = print_lost,
		.ctx = &printer,
	};
	struct engine_log_query query;
	struct engine *e;
	int r = read_query(a, &query, err);

	(void)words_len;
	if (r == 0)
		r = cli_engine(cli, CLI_ENGINE_READ, &e, err);
	if (r == 0)
		r = engine_logs(e, words[0], &query, &reader, err);

	/* Whoever read our output has seen enough. */
	return r == -ECANCELED ? 0 : r;
}

const struct command command_logs = {
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Print what a container has written",
	.opts = logs_opts,
	.args_bytes = sizeof(struct logs_args),
	.min_words = 1,
	.max_words = 1,
	.run = run_logs,
};
