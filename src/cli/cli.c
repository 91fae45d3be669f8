/* SPDX-License-Identifier: Apache-2.0
 *
 * cli.c - what every command uses: the engine, and the way to say what went wrong
 */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/command.h"
#include "engine/engine.h"

int cli_fail(const struct cli *cli, const struct err *err)
{
	char text[sizeof(err->frames)];

	fflush(stdout);
	fprintf(stderr, "hull: %s\n", err_text(err, text, sizeof(text)));
	if (err->hint[0])
		fprintf(stderr, "hint: %s\n", err->hint);

	/* As Docker does it: 1, unless it could be taken for a workload's, or nothing was tried. */
	return cli->command && !(cli->command->flags & COMMAND_RUNS) ? 1 : err_exit_status(err);
}

int cli_engine(struct cli *cli, unsigned flags, struct engine **ret, struct err *err)
{
	if (!cli->engine) {
		unsigned engine_flags = (flags & CLI_ENGINE_WRITE ? ENGINE_REPAIR : 0) |
					(flags & CLI_ENGINE_HURRY ? ENGINE_HURRY : 0);
		int r = engine_open(cli->root, cli->run_root, engine_flags, &cli->engine, err);

		if (r < 0)
			return r;
	}
	*ret = cli->engine;

	return 0;
}

int cli_each(const struct cli *cli, char **words, int words_len,
	     int (*fn)(void *ctx, const char *word, struct err *err), void *ctx)
{
	int status = 0;

	for (int i = 0; i < words_len; i++) {
		struct err err = ERR_INIT;

		if (fn(ctx, words[i], &err) < 0) {
			int failed = cli_fail(cli, &err);

			status = status ? status : failed;
		}
	}

	return status;
}
