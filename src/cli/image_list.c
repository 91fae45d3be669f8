/* SPDX-License-Identifier: Apache-2.0
 *
 * image_list.c - hull images, hull history
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/image_rows.h"
#include "wire/json.h"

struct images_args {
	bool all, digests, no_trunc, quiet;
	const char *format;
	struct strv filters;
};

#define AT(member) offsetof(struct images_args, member)
static const struct opt images_opts[] = {
	{ 'a', "all", OPT_BOOL, AT(all), NULL, NULL, "Accepted for habit: there are no others" },
	{ 0, "digests", OPT_BOOL, AT(digests), NULL, NULL, "Show digests of manifests" },
	{ 'f', "filter", OPT_LIST, AT(filters), "KEY=VALUE", NULL,
	  "Only images with: dangling, label, before, since, until, reference" },
	{ 0, "format", OPT_TEXT, AT(format), NULL, NULL,
	  "Print table, json, or by a template such as '{{.ID}}'" },
	{ 0, "no-trunc", OPT_BOOL, AT(no_trunc), NULL, NULL, "Show whole ids" },
	{ 'q', "quiet", OPT_BOOL, AT(quiet), NULL, NULL, "Show ids only" },
	OPT_END,
};
#undef AT

static int run_images(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct images_args *a = args;
	const struct format_column columns[] = {
		{ "REPOSITORY", "Repository", false },
		{ "TAG", "Tag", false },
		{ "DIGEST", "Digest", !a->digests },
		{ "IMAGE ID", "ID", false },
		{ "CREATED", "CreatedSince", false },
		{ "CREATED AT", "CreatedAt", true },
		{ "SIZE", "Size", false },
		{ "SHARED SIZE", "SharedSize", true },
		{ "UNIQUE SIZE", "UniqueSize", true },
		{ NULL, NULL, false },
	};
	auto_done(engine_images) images = { 0 };
	auto_done(strv) filters = { 0 };
	auto_json *rows = NULL;
	struct engine *e;
	int r = cli_engine(cli, CLI_ENGINE_READ, &e, err);

	if (r == 0)
		r = strv_add_all(&filters, &a->filters);
	if (r == 0 && words_len > 0)
		r = strv_give(&filters, mem_printf("reference=%s", words[0]));
	if (r == 0)
		r = engine_image_list(e, &filters, &images, err);
	if (r < 0)
		return r;
	rows = image_rows(&images, a->no_trunc);
	if (a->quiet) {
		format_field(stdout, rows, "ID");
		return 0;
	}

	return format_rows(stdout, a->format, columns, rows, err);
}

const struct command command_images = {
	.usage = "[OPTIONS] [REPOSITORY[:TAG]]",
	.summary = "List images",
	.opts = images_opts,
	.args_bytes = sizeof(struct images_args),
	.max_words = 1,
	.run = run_images,
};

/* ---- history ---- */

struct history_args {
	bool human, no_trunc, quiet;
	const char *format;
};

#define AT(member) offsetof(struct history_args, member)
static const struct opt history_opts[] = {
	{ 0, "format", OPT_TEXT, AT(format), NULL, NULL,
	  "Print table, json, or by a template such as '{{.CreatedBy}}'" },
	{ 'H', "human", OPT_BOOL, AT(human), NULL, "true", "Print sizes and dates for people" },
	{ 0, "no-trunc", OPT_BOOL, AT(no_trunc), NULL, NULL, "Do not shorten" },
	{ 'q', "quiet", OPT_BOOL, AT(quiet), NULL, NULL, "Show ids only" },
	OPT_END,
};
#undef AT

#define MISSING "<missing>"
#define CREATED_BY_CHARS 45

/* Shortened to what a table has room for, never within a character. */
static char *shorten(const char *text)
{
	size_t len = 0, chars = 0;

	while (text[len] && chars < CREATED_BY_CHARS) {
		len++;
		while (((unsigned char)text[len] & 0xc0) == 0x80)
			len++;
		chars++;
	}

	return text[len] ? mem_printf("%.*s…", (int)len, text) : mem_strdup(text);
}

static json_t *history_row(const struct history_args *a, const struct spec_history *step,
			   const char *id, uint64_t size_bytes)
{
	auto_free char *created_by =
		a->no_trunc ? mem_strdup(step->created_by) : shorten(step->created_by);
	char when[IMAGE_TIME_BYTES], size[FORMAT_TEXT_BYTES];
	int64_t created_ns = 0;
	json_t *row = json_object();

	(void)clock_parse_rfc3339(step->created, &created_ns);
	json_set_text(row, "ID", id);
	json_set_text(row, "CreatedAt", image_time(created_ns, when));
	json_set_text(row, "CreatedSince",
		      a->human ? image_ago(created_ns, when) : image_time(created_ns, when));
	json_set_text(row, "CreatedBy", created_by);
	if (a->human)
		(void)format_bytes(size_bytes, size);
	else
		(void)snprintf(size, sizeof(size), "%llu", (unsigned long long)size_bytes);
	json_set_text(row, "Size", size);
	json_set_text(row, "Comment", step->comment);

	return row;
}

/* Newest first; a step that made a layer has that layer's size, top to bottom. */
static json_t *history_rows(const struct history_args *a, const struct engine_image *image)
{
	char nothing[1] = "";
	const struct spec_history none = { nothing, nothing, nothing, nothing, false };
	const struct spec_image *config = &image->config;
	size_t steps = MAX(config->history_len, 1U), layer = store_image_own_layers(&image->row);
	auto_free char *id = mem_strdup(image->row.id);
	json_t *rows = json_array();

	if (!a->no_trunc)
		id[strlen("sha256:") + IMAGE_SHORT_ID] = '\0';
	for (size_t i = steps; i > 0; i--) {
		const struct spec_history *step =
			config->history_len ? &config->history[i - 1] : &none;
		uint64_t size_bytes = 0;

		if (!step->empty_layer && layer > 0)
			size_bytes = image->row.layers[--layer].file_bytes;
		json_array_append_new(rows, history_row(a, step,
							i < steps     ? MISSING
							: a->no_trunc ? id
								      : id + strlen("sha256:"),
							size_bytes));
	}

	return rows;
}

static int run_history(struct cli *cli, const void *args, char **words, int words_len,
		       struct err *err)
{
	static const struct format_column columns[] = {
		{ "IMAGE", "ID", false },
		{ "CREATED", "CreatedSince", false },
		{ "CREATED AT", "CreatedAt", true },
		{ "CREATED BY", "CreatedBy", false },
		{ "SIZE", "Size", false },
		{ "COMMENT", "Comment", false },
		{ NULL, NULL, false },
	};
	const struct history_args *a = args;
	auto_done(engine_image) image = { 0 };
	auto_json *rows = NULL;
	struct engine *e;
	int r = cli_engine(cli, CLI_ENGINE_READ, &e, err);

	(void)words_len;
	if (r == 0)
		r = engine_image_find(e, words[0], &image, err);
	if (r < 0)
		return r;
	rows = history_rows(a, &image);
	if (a->quiet) {
		format_field(stdout, rows, "ID");
		return 0;
	}

	return format_rows(stdout, a->format, columns, rows, err);
}

const struct command command_history = {
	.usage = "[OPTIONS] IMAGE",
	.summary = "Show how an image was made",
	.opts = history_opts,
	.args_bytes = sizeof(struct history_args),
	.min_words = 1,
	.max_words = 1,
	.run = run_history,
};
