/* SPDX-License-Identifier: Apache-2.0
 *
 * cli.h - what every command uses: the engine, and the way to say what went wrong
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/err.h"

struct command;
struct engine;

/**
 * struct cli - what came before the name of the command
 * @root:	store, absolute
 * @run_root:	what a reboot forgets, absolute
 * @command:	what runs, NULL until its options are understood
 * @engine:	opened by cli_engine(), NULL before
 */
struct cli {
	const char *root, *run_root;
	const struct command *command;
	struct engine *engine;
};

/* Print "hull: TEXT" and "hint: TEXT" on stderr. Returns the exit status that fits the command. */
int cli_fail(const struct cli *cli, const struct err *err);

enum cli_engine_flags {
	CLI_ENGINE_READ = 0,
	CLI_ENGINE_WRITE = 1 << 0, /* repair what a crash left first: commands that change things */
	CLI_ENGINE_HURRY = 1 << 1, /* run, create, the record of an end: as ENGINE_HURRY */
};

/**
 * cli_engine() - The engine, opened when first asked for
 * @cli:	settings
 * @flags:	enum cli_engine_flags; those of the first call count
 * @ret:	borrowed
 * @err:	filled in on failure
 *
 * Return: 0 or a negative errno.
 */
int cli_engine(struct cli *cli, unsigned flags, struct engine **ret, struct err *err);

/**
 * cli_each() - Do @fn for every word, going on after failures
 * @cli:	settings
 * @words:	@words_len names
 * @words_len:	their number
 * @fn:		0 or a negative errno with @err
 * @ctx:	for @fn
 *
 * Failures are printed. Return: 0, or the exit status of the first failure.
 */
int cli_each(const struct cli *cli, char **words, int words_len,
	     int (*fn)(void *ctx, const char *word, struct err *err), void *ctx);

#endif
