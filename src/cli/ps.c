/* SPDX-License-Identifier: Apache-2.0
 *
 * ps.c - hull ps
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/ps_filter.h"
#include "engine/container.h"
#include "wire/json.h"

#define SHORT_ID 12
#define COMMAND_CHARS 20
#define CELL_MAX_BYTES 65536

struct ps_args {
	bool all, quiet, no_trunc, size, latest;
	const char *format;
	struct strv filters;
	int64_t last;
};

#define AT(member) offsetof(struct ps_args, member)

static const struct opt ps_opts[] = {
	{ 'a', "all", OPT_BOOL, AT(all), NULL, NULL, "Also those that do not run" },
	{ 'f', "filter", OPT_LIST, AT(filters), NULL, NULL,
	  "name=, id=, label=, status=, exited=, ancestor=, volume=, network=, before=, since=, "
	  "isolation=" },
	{ 0, "format", OPT_TEXT, AT(format), NULL, NULL, "table, json, or a template" },
	{ 'n', "last", OPT_INT, AT(last), NULL, "-1", "The last N created, whatever they do" },
	{ 'l', "latest", OPT_BOOL, AT(latest), NULL, NULL, "The last one created" },
	{ 0, "no-trunc", OPT_BOOL, AT(no_trunc), NULL, NULL, "Do not shorten ids and commands" },
	{ 'q', "quiet", OPT_BOOL, AT(quiet), NULL, NULL, "Only ids" },
	{ 's', "size", OPT_BOOL, AT(size), NULL, NULL, "Show the size of writable layers" },
	OPT_END,
};

static const struct format_column columns[] = {
	{ "CONTAINER ID", "ID", false },     { "IMAGE", "Image", false },
	{ "COMMAND", "Command", false },     { "CREATED", "RunningFor", false },
	{ "STATUS", "Status", false },	     { "PORTS", "Ports", false },
	{ "ISOLATION", "Isolation", false }, { "NAMES", "Names", false },
	{ "CREATED AT", "CreatedAt", true }, { NULL, NULL, false },
};

static const struct format_column columns_with_size[] = {
	{ "CONTAINER ID", "ID", false },
	{ "IMAGE", "Image", false },
	{ "COMMAND", "Command", false },
	{ "CREATED", "RunningFor", false },
	{ "STATUS", "Status", false },
	{ "PORTS", "Ports", false },
	{ "ISOLATION", "Isolation", false },
	{ "NAMES", "Names", false },
	{ "SIZE", "Size", false },
	{ "CREATED AT", "CreatedAt", true },
	{ NULL, NULL, false },
};

/* "\"sh -c echo\"", cut to COMMAND_CHARS bytes of what is inside. */
static void set_command(json_t *row, const struct engine_config *config, bool whole)
{
	auto_done(strbuf) text = STRBUF_INIT(CELL_MAX_BYTES);
	auto_free char *cell = NULL;

	for (size_t i = 0; i < config->entrypoint.len; i++)
		strbuf_addf(&text, "%s%s", text.len ? " " : "", config->entrypoint.items[i]);
	for (size_t i = 0; i < config->cmd.len; i++)
		strbuf_addf(&text, "%s%s", text.len ? " " : "", config->cmd.items[i]);
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.text[i] < ' ')
			text.text[i] = ' ';
	if (whole || text.len <= COMMAND_CHARS)
		cell = mem_printf("\"%s\"", strbuf_get(&text));
	else
		cell = mem_printf("\"%.*s\xe2\x80\xa6\"", COMMAND_CHARS - 1, strbuf_get(&text));
	json_set_text(row, "Command", cell);
}

static void set_status(json_t *row, const struct engine_state *state)
{
	int64_t now = clock_wall_ns();
	auto_free char *text = NULL;
	char age[FORMAT_TEXT_BYTES];

	switch (state->status) {
	case ENGINE_CREATED:
		text = mem_strdup("Created");
		break;
	case ENGINE_RUNNING:
	case ENGINE_PAUSED:
		text = mem_printf("Up %s%s", format_age(now - state->started_wall_ns, age),
				  state->status == ENGINE_PAUSED ? " (Paused)" : "");
		break;
	case ENGINE_EXITED:
		text = mem_printf("Exited (%d) %s ago%s%s", state->exit_status,
				  format_age(now - state->finished_wall_ns, age),
				  state->error[0] ? ", " : "",
				  strcmp(state->error, "monitor lost") == 0 ? state->error
				  : state->error[0]			    ? "with an error"
									    : "");
		break;
	}
	json_set_text(row, "Status", text);
	json_set_text(row, "State", engine_status_name(state->status));
}

static void set_joined(json_t *row, const char *field, const struct strv *words)
{
	auto_done(strbuf) text = STRBUF_INIT(CELL_MAX_BYTES);

	for (size_t i = 0; i < words->len; i++)
		strbuf_addf(&text, "%s%s", i ? "," : "", words->items[i]);
	json_set_text(row, field, strbuf_get(&text));
}

static void set_mounts(json_t *row, const struct engine_config *config)
{
	auto_done(strv) names = { 0 };

	for (size_t i = 0; i < config->mounts_len; i++)
		if (config->mounts[i].source)
			(void)strv_add(&names, config->mounts[i].source);
	set_joined(row, "Mounts", &names);
}

static void set_created(json_t *row, int64_t created_wall_ns)
{
	char age[FORMAT_TEXT_BYTES], text[64] = "";
	auto_free char *ago =
		mem_printf("%s ago", format_age(clock_wall_ns() - created_wall_ns, age));
	time_t seconds = (time_t)(created_wall_ns / NS_PER_SEC);
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	json_set_text(row, "CreatedAt", text);
	json_set_text(row, "RunningFor", ago);
}

static int set_size(struct engine *e, json_t *row, const char *id, struct err *err)
{
	char text[FORMAT_TEXT_BYTES];
	uint64_t bytes = 0;
	int r = engine_rw_bytes(e, id, &bytes, err);

	json_set_text(row, "Size", format_bytes(bytes, text));

	return r;
}

/* As in Docker, also when only the template asks for it: it takes a walk of the layer. */
static bool wants_size(const struct ps_args *args)
{
	return args->size || (args->format && strstr(args->format, ".Size"));
}

static int add_row(struct engine *e, const struct ps_args *args, const struct engine_container *c,
		   json_t *rows, struct err *err)
{
	auto_free char *id = mem_strndup(c->row.id, args->no_trunc ? SPEC_ID_HEX : SHORT_ID);
	json_t *row = json_object();

	json_array_append_new(rows, row);
	json_set_text(row, "ID", id);
	json_set_text(row, "Image", c->row.image_ref);
	set_command(row, &c->config, args->no_trunc);
	set_created(row, c->row.created_wall_ns);
	set_status(row, &c->state);
	json_set_text(row, "Isolation", c->row.level);
	json_set_text(row, "Names", c->row.name);
	json_set_text(row, "Ports", "");
	set_joined(row, "Labels", &c->config.labels);
	set_mounts(row, &c->config);
	json_set_text(row, "Networks", c->config.modes.network);

	return wants_size(args) ? set_size(e, row, c->row.id, err) : 0;
}

static bool is_shown(const struct ps_args *args, const struct ps_filter *filter,
		     const struct engine_container *c)
{
	bool runs = c->state.status == ENGINE_RUNNING || c->state.status == ENGINE_PAUSED;

	return (runs || args->all || args->latest || args->last >= 0 || filter->any_status) &&
	       ps_filter_matches(filter, c);
}

static int run_ps(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct ps_args *a = args;
	int64_t left = a->latest ? 1 : a->last >= 0 ? a->last : INT64_MAX;
	auto_done(engine_containers) list = { 0 };
	auto_done(ps_filter) filter = { 0 };
	auto_json *rows = json_array();
	struct engine *e;
	int r = ps_filter_parse(&a->filters, &filter, err);

	(void)words;
	(void)words_len;
	if (r == 0)
		r = cli_engine(cli, CLI_ENGINE_READ, &e, err);
	if (r == 0)
		r = engine_list(e, &list, err);
	if (r == 0)
		r = ps_filter_resolve(&filter, &list, err);
	for (size_t i = 0; i < list.len && r == 0 && left > 0; i++) {
		if (!is_shown(a, &filter, &list.items[i]))
			continue;
		r = add_row(e, a, &list.items[i], rows, err);
		left--;
	}
	if (r < 0)
		return r;
	if (a->quiet) {
		format_field(stdout, rows, "ID");
		return 0;
	}

	return format_rows(stdout, a->format, a->size ? columns_with_size : columns, rows, err);
}

const struct command command_ps = {
	.usage = "[OPTIONS]",
	.summary = "List containers",
	.opts = ps_opts,
	.args_bytes = sizeof(struct ps_args),
	.run = run_ps,
};
