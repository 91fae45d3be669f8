/* SPDX-License-Identifier: Apache-2.0
 *
 * top.c - hull top
 */
#include <errno.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/format.h"
#include "engine/tool.h"
#include "wire/json.h"

#define COLUMNS_MAX 32

/* Rows of cells as objects, for format_rows(). */
static int to_objects(const json_t *titles, const json_t *rows, json_t *ret)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		json_t *object = json_object();
		const json_t *title;
		size_t j;

		json_array_foreach (titles, j, title)
			json_object_set(object, json_string_value(title), json_array_get(row, j));
		json_array_append_new(ret, object);
	}

	return 0;
}

static int run_top(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	struct format_column columns[COLUMNS_MAX + 1] = { 0 };
	auto_json *answer = NULL, *objects = json_array();
	const json_t *titles = NULL, *rows = NULL, *title;
	struct engine *e;
	size_t i;
	int r = cli_engine(cli, CLI_ENGINE_READ, &e, err);

	(void)args;
	(void)words_len;
	if (r == 0)
		r = engine_top(e, words[0], &answer, err);
	if (r == 0)
		r = json_get_array(answer, "titles", &titles, err);
	if (r == 0)
		r = json_get_array(answer, "rows", &rows, err);
	if (r < 0)
		return r;
	json_array_foreach (titles, i, title) {
		if (!json_is_string(title) || i >= COLUMNS_MAX)
			return err_set(err, EPROTO, "malformed list of processes");
		columns[i].heading = columns[i].field = json_string_value(title);
	}
	to_objects(titles, rows, objects);

	return format_rows(stdout, NULL, columns, objects, err);
}

const struct command command_top = {
	.usage = "CONTAINER",
	.summary = "List the processes of a container",
	.min_words = 1,
	.max_words = 1,
	.run = run_top,
};
