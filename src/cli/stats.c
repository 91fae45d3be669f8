/* SPDX-License-Identifier: Apache-2.0
 *
 * stats.c - hull stats
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "engine/container.h"
#include "wire/json.h"

#define SHORT_ID 12

struct stats_args {
	bool all, no_stream, no_trunc;
	const char *format;
};

#define AT(member) offsetof(struct stats_args, member)

static const struct opt stats_opts[] = {
	{ 'a', "all", OPT_BOOL, AT(all), NULL, NULL, "Also those that do not run" },
	{ 0, "format", OPT_TEXT, AT(format), NULL, NULL, "table, json, or a template" },
	{ 0, "no-stream", OPT_BOOL, AT(no_stream), NULL, NULL, "Print once" },
	{ 0, "no-trunc", OPT_BOOL, AT(no_trunc), NULL, NULL, "Do not shorten ids" },
	OPT_END,
};

static const struct format_column columns[] = {
	{ "CONTAINER ID", "ID", false },
	{ "NAME", "Name", false },
	{ "CPU %", "CPUPerc", false },
	{ "MEM USAGE / LIMIT", "MemUsage", false },
	{ "MEM %", "MemPerc", false },
	{ "NET I/O", "NetIO", false },
	{ "BLOCK I/O", "BlockIO", false },
	{ "PIDS", "PIDs", false },
	{ "ISOLATION", "Isolation", false },
	{ "CONTAINER", "Container", true },
	{ NULL, NULL, false },
};

/* One workload, seen twice. */
struct sample {
	char *ref;
	struct spec_stats before, now;
	int64_t before_ns, now_ns;
	int times;
};

struct samples {
	struct sample *items;
	size_t len;
};

static void samples_done(struct samples *samples)
{
	for (size_t i = 0; i < samples->len; i++)
		free(samples->items[i].ref);
	free(samples->items);
}
DEFINE_AUTO_DONE(samples)

static struct sample *find_sample(struct samples *samples, const char *ref)
{
	for (size_t i = 0; i < samples->len; i++)
		if (strcmp(samples->items[i].ref, ref) == 0)
			return &samples->items[i];
	samples->items = mem_realloc(samples->items, samples->len + 1, sizeof(*samples->items));
	samples->items[samples->len] = (struct sample){ .ref = mem_strdup(ref) };

	return &samples->items[samples->len++];
}

static double cpu_pct(const struct sample *s)
{
	int64_t wall_ns = s->now_ns - s->before_ns;

	if (s->times < 2 || wall_ns <= 0 || s->now.cpu_ns < 0 || s->before.cpu_ns < 0)
		return 0;

	return 100.0 * (double)(s->now.cpu_ns - s->before.cpu_ns) / (double)wall_ns;
}

static void set_printf(json_t *row, const char *field, char *text)
{
	json_set_text(row, field, text);
	free(text);
}

/* What a level cannot measure is "--", as in Docker. */
static void set_pair(json_t *row, const char *field, int64_t a, int64_t b,
		     char *(*fn)(uint64_t, char *))
{
	char first[FORMAT_TEXT_BYTES] = "--", second[FORMAT_TEXT_BYTES] = "--";

	if (a >= 0)
		fn((uint64_t)a, first);
	if (b >= 0)
		fn((uint64_t)b, second);
	set_printf(row, field, mem_printf("%s / %s", first, second));
}

static void fill_row(json_t *row, const struct sample *s)
{
	const struct spec_stats *now = &s->now;

	set_printf(row, "CPUPerc", mem_printf("%.2f%%", cpu_pct(s)));
	set_pair(row, "MemUsage", now->memory_bytes, now->memory_limit_bytes, format_bytes_iec);
	if (now->memory_bytes >= 0 && now->memory_limit_bytes > 0)
		set_printf(row, "MemPerc",
			   mem_printf("%.2f%%", 100.0 * (double)now->memory_bytes /
							(double)now->memory_limit_bytes));
	else
		json_set_text(row, "MemPerc", "--");
	set_pair(row, "BlockIO", now->block_read_bytes, now->block_write_bytes, format_bytes);
	if (now->pids >= 0)
		set_printf(row, "PIDs", mem_printf("%lld", (long long)now->pids));
	else
		json_set_text(row, "PIDs", "--");
}

static int measure(struct engine *e, const struct engine_container *c, struct samples *samples,
		   struct sample **ret, struct err *err)
{
	struct sample *s = find_sample(samples, c->row.id);
	struct spec_stats stats = { 0 };
	int r = 0;

	if (c->state.status == ENGINE_RUNNING || c->state.status == ENGINE_PAUSED)
		r = engine_stats(e, c->row.id, &stats, err);
	if (r < 0)
		return r;
	s->before = s->now;
	s->before_ns = s->now_ns;
	s->now = stats;
	s->now_ns = clock_now_ns();
	s->times++;
	*ret = s;

	return 0;
}

static int add_row(struct engine *e, const struct stats_args *args,
		   const struct engine_container *c, struct samples *samples, json_t *rows,
		   struct err *err)
{
	struct sample *sample = NULL;
	json_t *row;
	int r = measure(e, c, samples, &sample, err);

	/* It ended between the list and the question. */
	if (r == -ESRCH || r == -ENOENT || r == -EPIPE)
		return 0;
	if (r < 0)
		return r;
	row = json_object();
	json_array_append_new(rows, row);
	set_printf(row, "ID", mem_strndup(c->row.id, args->no_trunc ? SPEC_ID_HEX : SHORT_ID));
	set_printf(row, "Container", mem_strndup(c->row.id, SHORT_ID));
	json_set_text(row, "Name", c->row.name);
	json_set_text(row, "Isolation", c->row.level);
	/* Nothing is sent without a network; what the host's carries is not the workload's alone.
	 */
	json_set_text(row, "NetIO",
		      strcmp(c->config.modes.network, "none") == 0 ? "0B / 0B" : "--");
	fill_row(row, sample);

	return 0;
}

static int collect_named(struct engine *e, const struct stats_args *args, char **words,
			 struct samples *samples, json_t *rows, struct err *err)
{
	int r = 0;

	for (; *words && r == 0; words++) {
		auto_done(engine_container) c = { 0 };

		r = engine_find(e, *words, &c, err);
		if (r == 0)
			r = add_row(e, args, &c, samples, rows, err);
	}

	return r;
}

static int collect(struct engine *e, const struct stats_args *args, char **words,
		   struct samples *samples, json_t *rows, struct err *err)
{
	auto_done(engine_containers) list = { 0 };
	int r;

	if (*words)
		return collect_named(e, args, words, samples, rows, err);
	r = engine_list(e, &list, err);
	for (size_t i = 0; i < list.len && r == 0; i++) {
		enum engine_status status = list.items[i].state.status;

		if (args->all || status == ENGINE_RUNNING || status == ENGINE_PAUSED)
			r = add_row(e, args, &list.items[i], samples, rows, err);
	}

	return r;
}

static int run_stats(struct cli *cli, const void *args, char **words, int words_len,
		     struct err *err)
{
	static const struct timespec second = { .tv_sec = 1 };
	const struct stats_args *a = args;
	bool clear = !a->no_stream && isatty(STDOUT_FILENO);
	auto_done(samples) samples = { 0 };
	struct engine *e;
	int r = cli_engine(cli, CLI_ENGINE_READ, &e, err);

	(void)words_len;
	for (int round = 0; r == 0; round++) {
		auto_json *rows = json_array();

		r = collect(e, a, words, &samples, rows, err);
		/* The first round only gives the counters to compare with. */
		if (r == 0 && (round > 0 || !a->no_stream)) {
			if (clear)
				fputs("\033[H\033[2J", stdout);
			r = format_rows(stdout, a->format, columns, rows, err);
			if (fflush(stdout) != 0)
				return 0;
		}
		if (r < 0 || (a->no_stream && round > 0))
			break;
		(void)nanosleep(&second, NULL);
	}

	return r;
}

const struct command command_stats = {
	.usage = "[OPTIONS] [CONTAINER...]",
	.summary = "Show what running containers use",
	.opts = stats_opts,
	.args_bytes = sizeof(struct stats_args),
	.max_words = COMMAND_MANY,
	.run = run_stats,
};
