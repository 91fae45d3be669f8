/* SPDX-License-Identifier: Apache-2.0
 *
 * inspect.c - hull inspect, hull container inspect
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/format.h"
#include "engine/container.h"
#include "engine/image.h"
#include "engine/volume.h"
#include "wire/json.h"

struct inspect_args {
	const char *format, *type;
	bool size;
};

#define AT(member) offsetof(struct inspect_args, member)

static const struct opt container_inspect_opts[] = {
	{ 'f', "format", OPT_TEXT, AT(format), NULL, NULL, "json, or a template" },
	{ 's', "size", OPT_BOOL, AT(size), NULL, NULL, "Show the size of the writable layer" },
	OPT_END,
};

static const struct opt inspect_opts[] = {
	{ 0, "type", OPT_TEXT, AT(type), NULL, NULL, "Look only for a container, image or volume" },
	OPT_MORE(container_inspect_opts),
};

/* One kind after another, as long as there is none of that name. */
static int inspect_any(struct engine *e, const struct inspect_args *args, const char *ref,
		       json_t **ret, struct err *err)
{
	const char *type = args->type;
	int r = -ENOENT;

	if (!type || strcmp(type, "container") == 0)
		r = engine_inspect(e, ref, args->size, ret, err);
	if (r == -ENOENT && (!type || strcmp(type, "image") == 0))
		r = engine_image_inspect(e, ref, ret, err);
	if (r == -ENOENT && (!type || strcmp(type, "volume") == 0))
		r = engine_volume_inspect(e, ref, ret, err);
	if (r == -ENOENT && !type) {
		*err = (struct err)ERR_INIT;
		r = err_setk(err, ERR_NOT_FOUND, ENOENT, "no such object: %s", ref);
	}

	return r;
}

static int check_type(const char *type, struct err *err)
{
	if (!type || strcmp(type, "container") == 0 || strcmp(type, "image") == 0 ||
	    strcmp(type, "volume") == 0)
		return 0;

	return err_setk(err, ERR_USAGE, EINVAL,
			"invalid --type '%s': expected container, image or volume", type);
}

/* What is found is printed even when something else is not. */
static int inspect_all(struct cli *cli, const struct inspect_args *args, char **words,
		       int words_len, struct err *err)
{
	auto_json *documents = json_array();
	struct engine *e;
	int status = 0, r = cli_engine(cli, CLI_ENGINE_READ, &e, err);

	for (int i = 0; i < words_len && r == 0; i++) {
		struct err why = ERR_INIT;
		json_t *document = NULL;

		if (inspect_any(e, args, words[i], &document, &why) == 0)
			json_array_append_new(documents, document);
		else if (status == 0)
			status = cli_fail(cli, &why);
		else
			(void)cli_fail(cli, &why);
	}
	if (r == 0 && (json_array_size(documents) > 0 || !args->format))
		r = format_documents(stdout, args->format, documents, err);

	return r < 0 ? r : status;
}

static int run_inspect(struct cli *cli, const void *args, char **words, int words_len,
		       struct err *err)
{
	const struct inspect_args *a = args;
	int r = check_type(a->type, err);

	return r < 0 ? r : inspect_all(cli, a, words, words_len, err);
}

static int run_container_inspect(struct cli *cli, const void *args, char **words, int words_len,
				 struct err *err)
{
	struct inspect_args a = *(const struct inspect_args *)args;

	a.type = "container";

	return inspect_all(cli, &a, words, words_len, err);
}

const struct command command_inspect = {
	.usage = "[OPTIONS] NAME [NAME...]",
	.summary = "Show everything about containers, images or volumes",
	.opts = inspect_opts,
	.args_bytes = sizeof(struct inspect_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_inspect,
};

const struct command command_container_inspect = {
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Show everything about containers",
	.opts = container_inspect_opts,
	.args_bytes = sizeof(struct inspect_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_container_inspect,
};
