/* SPDX-License-Identifier: Apache-2.0
 *
 * system_df.c - hull system df
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/image_rows.h"
#include "engine/container.h"
#include "engine/system.h"
#include "engine/volume.h"
#include "wire/json.h"

struct df_args {
	bool verbose;
	const char *format;
};

static const struct opt df_opts[] = {
	{ 0, "format", OPT_TEXT, offsetof(struct df_args, format), NULL, NULL,
	  "Print table, json, or by a template such as '{{.Size}}'" },
	{ 'v', "verbose", OPT_BOOL, offsetof(struct df_args, verbose), NULL, NULL,
	  "Show every image, container and volume" },
	OPT_END,
};

/* One line of the summary. */
struct df_line {
	const char *type;
	uint64_t total, active, bytes, reclaimable_bytes;
};

static void set_u64(json_t *row, const char *field, uint64_t value)
{
	char text[FORMAT_TEXT_BYTES];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	json_set_text(row, field, text);
}

static json_t *summary_row(const struct df_line *line)
{
	char size[FORMAT_TEXT_BYTES], text[2 * FORMAT_TEXT_BYTES];
	json_t *row = json_object();

	json_set_text(row, "Type", line->type);
	set_u64(row, "TotalCount", line->total);
	set_u64(row, "Active", line->active);
	json_set_text(row, "Size", format_bytes(line->bytes, size));
	format_bytes(line->reclaimable_bytes, size);
	if (line->bytes > 0)
		(void)snprintf(text, sizeof(text), "%s (%llu%%)", size,
			       (unsigned long long)(line->reclaimable_bytes * 100 / line->bytes));
	else
		(void)snprintf(text, sizeof(text), "%s", size);
	json_set_text(row, "Reclaimable", text);
	/* The exact figures, for whoever compares them with du(1). */
	json_set_i64(row, "SizeBytes", (int64_t)line->bytes);
	json_set_i64(row, "ReclaimableBytes", (int64_t)line->reclaimable_bytes);

	return row;
}

static int print_summary(struct engine *e, const char *format, struct err *err)
{
	static const struct format_column columns[] = {
		{ "TYPE", "Type", false },
		{ "TOTAL", "TotalCount", false },
		{ "ACTIVE", "Active", false },
		{ "SIZE", "Size", false },
		{ "RECLAIMABLE", "Reclaimable", false },
		{ NULL, NULL, false },
	};
	auto_json *rows = json_array();
	struct store_usage u;
	int r = engine_usage(e, &u, err);

	if (r < 0)
		return r;
	const struct df_line lines[] = {
		{ "Images", u.images, u.images_active, u.layers_bytes, u.layers_reclaimable_bytes },
		{ "Containers", u.containers, u.containers_active, u.rw_bytes,
		  u.rw_reclaimable_bytes },
		{ "Local Volumes", u.volumes, u.volumes_active, u.volumes_bytes,
		  u.volumes_reclaimable_bytes },
		/* Database, documents, logs, guest kernels. */
		{ "Other", 0, 0, u.other_bytes, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		json_array_append_new(rows, summary_row(&lines[i]));

	return format_rows(stdout, format, columns, rows, err);
}

static int print_images(struct engine *e, struct err *err)
{
	static const struct format_column columns[] = {
		{ "REPOSITORY", "Repository", false },
		{ "TAG", "Tag", false },
		{ "IMAGE ID", "ID", false },
		{ "CREATED", "CreatedSince", false },
		{ "SIZE", "Size", false },
		{ "SHARED SIZE", "SharedSize", false },
		{ "UNIQUE SIZE", "UniqueSize", false },
		{ "CONTAINERS", "Containers", false },
		{ NULL, NULL, false },
	};
	auto_done(engine_images) images = { 0 };
	auto_json *rows = NULL;
	int r = engine_image_list(e, NULL, &images, err);

	if (r < 0)
		return r;
	rows = image_rows(&images, false);
	printf("Images space usage:\n\n");

	return format_rows(stdout, NULL, columns, rows, err);
}

static int container_row(struct engine *e, const struct engine_container *c, json_t **ret,
			 struct err *err)
{
	char text[IMAGE_TIME_BYTES], size[FORMAT_TEXT_BYTES];
	auto_free char *id = mem_strndup(c->row.id, IMAGE_SHORT_ID);
	uint64_t bytes = 0;
	json_t *row;
	int r = engine_rw_bytes(e, c->row.id, &bytes, err);

	if (r < 0)
		return r;
	row = json_object();
	json_set_text(row, "ID", id);
	json_set_text(row, "Image", c->row.image_ref);
	json_set_text(row, "Size", format_bytes(bytes, size));
	json_set_text(row, "CreatedSince", image_ago(c->row.created_wall_ns, text));
	json_set_text(row, "Status", engine_status_name(c->state.status));
	json_set_text(row, "Names", c->row.name);
	*ret = row;

	return 0;
}

static int print_containers(struct engine *e, struct err *err)
{
	static const struct format_column columns[] = {
		{ "CONTAINER ID", "ID", false }, { "IMAGE", "Image", false },
		{ "SIZE", "Size", false },	 { "CREATED", "CreatedSince", false },
		{ "STATUS", "Status", false },	 { "NAMES", "Names", false },
		{ NULL, NULL, false },
	};
	auto_done(engine_containers) list = { 0 };
	auto_json *rows = json_array();
	int r = engine_list(e, &list, err);

	for (size_t i = 0; r == 0 && i < list.len; i++) {
		json_t *row = NULL;

		r = container_row(e, &list.items[i], &row, err);
		if (r == 0)
			json_array_append_new(rows, row);
	}
	if (r < 0)
		return r;
	printf("\nContainers space usage:\n\n");

	return format_rows(stdout, NULL, columns, rows, err);
}

static int print_volumes(struct engine *e, struct err *err)
{
	static const struct format_column columns[] = {
		{ "VOLUME NAME", "Name", false },
		{ "LINKS", "Links", false },
		{ "SIZE", "Size", false },
		{ NULL, NULL, false },
	};
	auto_done(store_volumes) list = { 0 };
	auto_json *rows = json_array();
	int r = engine_volume_list(e, NULL, &list, err);

	for (size_t i = 0; r == 0 && i < list.len; i++) {
		char size[FORMAT_TEXT_BYTES];
		size_t links = 0;
		uint64_t bytes = 0;
		json_t *row;

		r = engine_volume_links(e, list.items[i].name, &links, err);
		if (r == 0)
			r = engine_volume_bytes(e, list.items[i].name, &bytes, err);
		row = json_object();
		json_set_text(row, "Name", list.items[i].name);
		set_u64(row, "Links", links);
		json_set_text(row, "Size", format_bytes(bytes, size));
		json_array_append_new(rows, row);
	}
	if (r < 0)
		return r;
	printf("\nLocal Volumes space usage:\n\n");

	return format_rows(stdout, NULL, columns, rows, err);
}

static int run_df(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct df_args *a = args;
	struct engine *e;
	int r;

	(void)words;
	(void)words_len;
	if (a->verbose && a->format)
		return err_setk(err, ERR_USAGE, EINVAL, "--verbose has no --format");
	r = cli_engine(cli, CLI_ENGINE_READ, &e, err);
	if (r == 0 && !a->verbose)
		return print_summary(e, a->format, err);
	if (r == 0)
		r = print_images(e, err);
	if (r == 0)
		r = print_containers(e, err);
	if (r == 0)
		r = print_volumes(e, err);

	return r;
}

const struct command command_system_df = {
	.usage = "[OPTIONS]",
	.summary = "Show what is kept on disk; the sum is what du says",
	.opts = df_opts,
	.args_bytes = sizeof(struct df_args),
	.run = run_df,
};
