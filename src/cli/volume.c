/* SPDX-License-Identifier: Apache-2.0
 *
 * volume.c - hull volume create, ls, inspect, rm
 */
#include "engine/volume.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/format.h"
#include "wire/json.h"

#define LABELS_MAX_BYTES 65536

/* ---- create ---- */

struct create_args {
	const char *driver, *name;
	struct strv labels;
};

static const struct opt create_opts[] = {
	{ 'd', "driver", OPT_TEXT, offsetof(struct create_args, driver), NULL, "local",
	  "Only local is known" },
	{ 0, "label", OPT_LIST, offsetof(struct create_args, labels), "KEY=VALUE", NULL,
	  "Label it" },
	{ 0, "name", OPT_TEXT, offsetof(struct create_args, name), NULL, NULL, "Name it" },
	{ 'o', "opt", OPT_REFUSED, 0, NULL, NULL, "the local driver takes no options here" },
	OPT_END,
};

static int run_create(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct create_args *a = args;
	auto_done(store_volume) v = { 0 };
	struct engine *e;
	int r;

	if (a->name && words_len > 0)
		return err_setk(err, ERR_USAGE, EINVAL, "the name is given twice");
	if (strcmp(a->driver, "local") != 0)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "volume driver '%s' is not known",
				a->driver);
	r = cli_engine(cli, CLI_ENGINE_WRITE, &e, err);
	if (r == 0)
		r = engine_volume_create(e, words_len > 0 ? words[0] : a->name, &a->labels, &v,
					 err);
	if (r == 0)
		printf("%s\n", v.name);

	return r;
}

const struct command command_volume_create = {
	.usage = "[OPTIONS] [VOLUME]",
	.summary = "Make a volume",
	.opts = create_opts,
	.args_bytes = sizeof(struct create_args),
	.max_words = 1,
	.run = run_create,
};

/* ---- ls ---- */

struct list_args {
	struct strv filters;
	const char *format;
	bool quiet;
};

static const struct opt list_opts[] = {
	{ 'f', "filter", OPT_LIST, offsetof(struct list_args, filters), "KEY=VALUE", NULL,
	  "Only volumes with: name, label, dangling, driver" },
	{ 0, "format", OPT_TEXT, offsetof(struct list_args, format), NULL, NULL,
	  "Print table, json, or by a template such as '{{.Name}}'" },
	{ 'q', "quiet", OPT_BOOL, offsetof(struct list_args, quiet), NULL, NULL,
	  "Show names only" },
	OPT_END,
};

static json_t *volume_row(const struct store_volume *v)
{
	auto_done(strbuf) labels = STRBUF_INIT(LABELS_MAX_BYTES);
	json_t *row = json_object();

	for (size_t i = 0; i < v->labels.len; i++)
		(void)strbuf_addf(&labels, "%s%s", i ? "," : "", v->labels.items[i]);
	json_set_text(row, "Driver", "local");
	json_set_text(row, "Name", v->name);
	json_set_text(row, "Labels", strbuf_get(&labels));
	json_set_text(row, "Mountpoint", v->path);
	json_set_text(row, "Scope", "local");

	return row;
}

static int run_list(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	static const struct format_column columns[] = {
		{ "DRIVER", "Driver", false },
		{ "VOLUME NAME", "Name", false },
		{ NULL, NULL, false },
	};
	const struct list_args *a = args;
	auto_done(store_volumes) list = { 0 };
	auto_json *rows = json_array();
	struct engine *e;
	int r = cli_engine(cli, CLI_ENGINE_READ, &e, err);

	(void)words;
	(void)words_len;
	if (r == 0)
		r = engine_volume_list(e, &a->filters, &list, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list.len; i++)
		json_array_append_new(rows, volume_row(&list.items[i]));
	if (a->quiet) {
		format_field(stdout, rows, "Name");
		return 0;
	}

	return format_rows(stdout, a->format, columns, rows, err);
}

const struct command command_volume_list = {
	.usage = "[OPTIONS]",
	.summary = "List volumes",
	.opts = list_opts,
	.args_bytes = sizeof(struct list_args),
	.run = run_list,
};

/* ---- inspect ---- */

static const struct opt inspect_opts[] = { DOCUMENTS_FORMAT_OPT("{{.Mountpoint}}"), OPT_END };

static int run_inspect(struct cli *cli, const void *args, char **words, int words_len,
		       struct err *err)
{
	const struct documents_ask ask = { args, words, words_len, engine_volume_inspect };

	return documents_print(cli, &ask, err);
}

const struct command command_volume_inspect = {
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.summary = "Show everything about volumes",
	.opts = inspect_opts,
	.args_bytes = sizeof(struct documents_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_inspect,
};

/* ---- rm ---- */

struct remove_args {
	bool force;
};

static const struct opt remove_opts[] = {
	{ 'f', "force", OPT_BOOL, offsetof(struct remove_args, force), NULL, NULL,
	  "One that is not there is no error" },
	OPT_END,
};

struct remove {
	struct engine *engine;
	bool force;
};

static int remove_one(void *ctx, const char *word, struct err *err)
{
	const struct remove *remove = ctx;
	int r = engine_volume_remove(remove->engine, word, remove->force, err);

	if (r == 0)
		printf("%s\n", word);

	return r;
}

static int run_remove(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct remove_args *a = args;
	struct remove remove = { .force = a->force };
	int r = cli_engine(cli, CLI_ENGINE_WRITE, &remove.engine, err);

	return r < 0 ? r : cli_each(cli, words, words_len, remove_one, &remove);
}

const struct command command_volume_remove = {
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.summary = "Remove volumes and what is in them",
	.opts = remove_opts,
	.args_bytes = sizeof(struct remove_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_remove,
};
