/* SPDX-License-Identifier: Apache-2.0
 *
 * update.c - hull update
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "engine/container.h"

struct update_args {
	int64_t memory_bytes, memory_swap_bytes, cpus_milli, cpu_shares, pids_limit;
	const char *cpuset_cpus;
};

#define AT(member) offsetof(struct update_args, member)
#define NO_BLKIO "block devices cannot be throttled yet"

static const struct opt update_opts[] = {
	{ 'c', "cpu-shares", OPT_INT, AT(cpu_shares), NULL, NULL,
	  "Relative weight of its CPU use" },
	{ 0, "cpus", OPT_MILLI, AT(cpus_milli), NULL, NULL, "Number of CPUs" },
	{ 0, "cpuset-cpus", OPT_TEXT, AT(cpuset_cpus), NULL, NULL, "CPUs it may use (0-3, 0,1)" },
	{ 'm', "memory", OPT_SIZE, AT(memory_bytes), NULL, NULL, "Memory limit" },
	{ 0, "memory-swap", OPT_SIZE, AT(memory_swap_bytes), NULL, NULL,
	  "Limit of memory and swap together, -1 for unlimited swap" },
	{ 0, "pids-limit", OPT_INT, AT(pids_limit), NULL, NULL, "Limit of processes, -1 for none" },
	{ 0, "blkio-weight", OPT_REFUSED, 0, NULL, NULL, NO_BLKIO },
	{ 0, "cpu-period", OPT_REFUSED, 0, NULL, NULL, "use --cpus" },
	{ 0, "cpu-quota", OPT_REFUSED, 0, NULL, NULL, "use --cpus" },
	{ 0, "cpu-rt-period", OPT_REFUSED, 0, NULL, NULL, "there is no real-time scheduling" },
	{ 0, "cpu-rt-runtime", OPT_REFUSED, 0, NULL, NULL, "there is no real-time scheduling" },
	{ 0, "cpuset-mems", OPT_REFUSED, 0, NULL, NULL, "memory nodes cannot be chosen yet" },
	{ 0, "kernel-memory", OPT_REFUSED, 0, NULL, NULL, "Linux has given it up: use --memory" },
	{ 0, "memory-reservation", OPT_REFUSED, 0, NULL, NULL, "there are hard limits only" },
	{ 0, "restart", OPT_REFUSED, 0, NULL, NULL, "workloads are not restarted by Hull yet" },
	OPT_END,
};

struct update {
	struct engine *engine;
	struct spec_resources changes;
};

static int update_one(void *ctx, const char *word, struct err *err)
{
	const struct update *update = ctx;
	int r = engine_update(update->engine, word, &update->changes, err);

	if (r == 0)
		printf("%s\n", word);

	return r;
}

static int run_update(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct update_args *a = args;
	auto_free char *cpuset_cpus = mem_strdup(a->cpuset_cpus);
	struct update update = {
		.changes = {
			.memory_bytes = a->memory_bytes,
			.memory_swap_bytes = a->memory_swap_bytes,
			.cpus_milli = a->cpus_milli,
			.cpu_shares = a->cpu_shares,
			.pids_limit = a->pids_limit,
			.cpuset_cpus = cpuset_cpus,
		},
	};
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
	.opts = update_opts,
	.args_bytes = sizeof(struct update_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_update,
};
