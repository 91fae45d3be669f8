/* SPDX-License-Identifier: Apache-2.0
 *
 * files.c - hull cp, diff, export, top
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "base/strbuf.h"
#include "cli/commands.h"
#include "engine/tool.h"
#include "wire/json.h"

/* ---- cp ---- */

struct cp_args {
	bool archive, follow, quiet;
};

static const struct opt cp_opts[] = {
	{ 'a', "archive", OPT_BOOL, offsetof(struct cp_args, archive), NULL, NULL,
	  "Keep owners and groups" },
	{ 'L', "follow-link", OPT_BOOL, offsetof(struct cp_args, follow), NULL, NULL,
	  "Copy what a symlink at the source leads to" },
	{ 'q', "quiet", OPT_BOOL, offsetof(struct cp_args, quiet), NULL, NULL,
	  "Print nothing (nothing is printed anyway)" },
	OPT_END,
};

/*
 * "NAME:PATH" is in a container, unless it starts with "/" or ".", or has no colon. The colon
 * becomes the end of the name. Returns the path, or NULL when @word is a path of the host.
 */
static char *split_container(char *word)
{
	char *colon = strchr(word, ':');

	if (!colon || word[0] == '/' || word[0] == '.' || colon == word)
		return NULL;
	*colon = '\0';

	return colon + 1;
}

static int run_cp(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct cp_args *a = args;
	char *from = split_container(words[0]), *to = split_container(words[1]);
	const char *host_path = from ? words[1] : words[0];
	struct engine_copy copy = {
		.container = from ? words[0] : words[1],
		.path = from ? from : to,
		.host_path = strcmp(host_path, "-") == 0 ? NULL : host_path,
		.stream_fd = from ? STDOUT_FILENO : STDIN_FILENO,
		.archive = a->archive,
		.follow = a->follow,
	};
	struct engine *e;
	int r;

	(void)words_len;
	if (from && to)
		return err_setk(err, ERR_USAGE, EINVAL,
				"copying between containers is not supported");
	if (!from && !to)
		return err_setk(err, ERR_USAGE, EINVAL,
				"one of the two must be in a container: NAME:PATH");
	if (from && !copy.host_path && isatty(STDOUT_FILENO))
		return err_setk(err, ERR_USAGE, EINVAL,
				"a tar archive is not written to a terminal: redirect it");
	r = cli_engine(cli, CLI_ENGINE_READ, &e, err);
	if (r < 0)
		return r;

	return from ? engine_copy_out(e, &copy, err) : engine_copy_in(e, &copy, err);
}

const struct command command_cp = {
	.usage = "[OPTIONS] CONTAINER:PATH DEST|- (or SRC|- CONTAINER:PATH)",
	.summary = "Copy files between a container and the host",
	.opts = cp_opts,
	.args_bytes = sizeof(struct cp_args),
	.min_words = 2,
	.max_words = 2,
	.run = run_cp,
};

/* ---- diff, export ---- */

static int run_diff(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	struct engine *e;
	int r = cli_engine(cli, CLI_ENGINE_READ, &e, err);

	(void)args;
	(void)words_len;

	return r < 0 ? r : engine_diff(e, words[0], stdout, err);
}

const struct command command_diff = {
	.usage = "CONTAINER",
	.summary = "List what a container has changed in its image's files",
	.min_words = 1,
	.max_words = 1,
	.run = run_diff,
};

struct export_args {
	const char *output;
};

static const struct opt export_opts[] = {
	{ 'o', "output", OPT_TEXT, offsetof(struct export_args, output), "file", NULL,
	  "Write to a file instead of stdout" },
	OPT_END,
};

static int export_to_file(struct engine *e, const char *container, const char *path,
			  struct err *err)
{
	auto_done(output) output = OUTPUT_INIT;
	int r = output_open(&output, path, 0600, err);

	if (r == 0)
		r = engine_export(e, container, output.fd, err);

	return r < 0 ? r : output_finish(&output, err);
}

static int run_export(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct export_args *a = args;
	struct engine *e;
	int r;

	(void)words_len;
	if (!a->output && isatty(STDOUT_FILENO))
		return err_setk(
			err, ERR_USAGE, EINVAL,
			"a tar archive is not written to a terminal: use -o or redirect it");
	r = cli_engine(cli, CLI_ENGINE_READ, &e, err);
	if (r < 0)
		return r;
	if (a->output)
		return export_to_file(e, words[0], a->output, err);

	return engine_export(e, words[0], STDOUT_FILENO, err);
}

const struct command command_export = {
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Write a container's root filesystem as a tar archive",
	.opts = export_opts,
	.args_bytes = sizeof(struct export_args),
	.min_words = 1,
	.max_words = 1,
	.run = run_export,
};
