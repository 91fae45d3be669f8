/* SPDX-License-Identifier: Apache-2.0
 *
 * image.c - hull rmi, tag, image inspect
 */
#include "cli/image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/documents.h"

void image_print_removed(const struct engine_image_removed *removed, bool capital)
{
	for (size_t i = 0; i < removed->untagged.len; i++)
		printf("%s: %s\n", capital ? "Untagged" : "untagged", removed->untagged.items[i]);
	for (size_t i = 0; i < removed->deleted.len; i++)
		printf("%s: %s\n", capital ? "Deleted" : "deleted", removed->deleted.items[i]);
}

/* ---- rmi ---- */

struct rmi_args {
	bool force;
};

static const struct opt rmi_opts[] = {
	{ 'f', "force", OPT_BOOL, offsetof(struct rmi_args, force), NULL, NULL,
	  "Also with several names, or used by stopped containers (which keep its layers)" },
	{ 0, "no-prune", OPT_REFUSED_BOOL, 0, NULL, NULL, "there are no parent images to keep" },
	OPT_END,
};

struct rmi {
	struct engine *engine;
	bool force;
};

static int rmi_one(void *ctx, const char *word, struct err *err)
{
	const struct rmi *rmi = ctx;
	auto_done(engine_image_removed) removed = { 0 };
	int r = engine_image_remove(rmi->engine, word, rmi->force, &removed, err);

	image_print_removed(&removed, true);

	return r;
}

static int run_rmi(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct rmi_args *a = args;
	struct rmi rmi = { .force = a->force };
	int r = cli_engine(cli, CLI_ENGINE_WRITE, &rmi.engine, err);

	return r < 0 ? r : cli_each(cli, words, words_len, rmi_one, &rmi);
}

const struct command command_rmi = {
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Remove images",
	.opts = rmi_opts,
	.args_bytes = sizeof(struct rmi_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_rmi,
};

/* ---- tag ---- */

static int run_tag(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	struct engine *e;
	int r = cli_engine(cli, CLI_ENGINE_WRITE, &e, err);

	(void)args;
	(void)words_len;

	return r < 0 ? r : engine_image_tag(e, words[0], words[1], err);
}

const struct command command_tag = {
	.usage = "IMAGE NAME[:TAG]",
	.summary = "Give an image one more name",
	.min_words = 2,
	.max_words = 2,
	.run = run_tag,
};

/* ---- inspect ---- */

static const struct opt inspect_opts[] = { DOCUMENTS_FORMAT_OPT("{{.Id}}"), OPT_END };

static int run_inspect(struct cli *cli, const void *args, char **words, int words_len,
		       struct err *err)
{
	const struct documents_ask ask = { args, words, words_len, engine_image_inspect };

	return documents_print(cli, &ask, err);
}

const struct command command_image_inspect = {
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Show everything about images",
	.opts = inspect_opts,
	.args_bytes = sizeof(struct documents_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_inspect,
};
