/* SPDX-License-Identifier: Apache-2.0
 *
 * system.c - hull system check
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "engine/system.h"

struct check_args {
	bool repair, quiet;
};

static const struct opt check_opts[] = {
	{ 'q', "quiet", OPT_BOOL, offsetof(struct check_args, quiet), NULL, NULL,
	  "Print findings only" },
	{ 0, "repair", OPT_BOOL, offsetof(struct check_args, repair), NULL, NULL,
	  "Mend what can be mended; also read every layer again" },
	OPT_END,
};

static void print_finding(void *ctx, const char *what, bool mended)
{
	(void)ctx;
	printf("%s: %s\n", mended ? "mended" : "found", what);
}

#define STATUS_FINDINGS 1

static int run_check(struct cli *cli, const void *args, char **words, int words_len,
		     struct err *err)
{
	const struct check_args *a = args;
	struct engine *e;
	int left, r = cli_engine(cli, a->repair ? CLI_ENGINE_WRITE : CLI_ENGINE_READ, &e, err);

	(void)words;
	(void)words_len;
	if (r < 0)
		return r;
	left = engine_check(e, a->repair, print_finding, NULL, err);
	if (left < 0)
		return left;
	if (left == 0 && !a->quiet)
		printf("The store is in order.\n");
	if (left > 0 && !a->repair)
		fprintf(stderr, "hint: hull system check --repair mends what can be mended\n");

	return left == 0 ? 0 : STATUS_FINDINGS;
}

const struct command command_system_check = {
	.usage = "[OPTIONS]",
	.summary = "Compare records, files and mounts; finds what crashes and disks damaged",
	.opts = check_opts,
	.args_bytes = sizeof(struct check_args),
	.run = run_check,
};
