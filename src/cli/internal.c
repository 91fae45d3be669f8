/* SPDX-License-Identifier: Apache-2.0
 *
 * internal.c - hull internal: what our own programs call
 */
#include "cli/commands.h"
#include "engine/container.h"

static int run_reap(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	struct engine *e;
	int r = cli_engine(cli, CLI_ENGINE_HURRY, &e, err);

	(void)args;
	(void)words_len;

	return r < 0 ? r : engine_reap(e, words[0], err);
}

const struct command command_internal_reap = {
	.usage = "ID",
	.summary = "Record the end of a container that has ended",
	.flags = COMMAND_HIDDEN,
	.min_words = 1,
	.max_words = 1,
	.run = run_reap,
};
