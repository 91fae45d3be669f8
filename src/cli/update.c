/* SPDX-License-Identifier: Apache-2.0
 *
 * update.c - hull update
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/container_args.h"
#include "engine/container.h"

struct update {
	struct engine *engine;
	const struct spec_resources *changes;
};

static int update_one(void *ctx, const char *word, struct err *err)
{
	const struct update *update = ctx;
	int r = engine_update(update->engine, word, update->changes, err);

	if (r == 0)
		printf("%s\n", word);

	return r;
}

static int run_update(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct limit_args *a = args;
	auto_done(spec_resources) changes = limit_resources(a);
	struct update update = { .changes = &changes };
	int r;

	if (!a->memory_bytes && !a->memory_swap_bytes && !a->cpus_milli && !a->cpu_shares &&
	    !a->pids_limit && !a->cpuset_cpus) {
		err_setk(err, ERR_USAGE, EINVAL, "there is nothing to update");
		err_hint(err, "hull update --help lists the limits that can be changed");
		return -EINVAL;
	}
	r = cli_engine(cli, CLI_ENGINE_READ, &update.engine, err);

	return r < 0 ? r : cli_each(cli, words, words_len, update_one, &update);
}

const struct command command_update = {
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Change the limits of containers, also while they run",
	.opts = limit_opts,
	.args_bytes = sizeof(struct limit_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_update,
};
