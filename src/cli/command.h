/* SPDX-License-Identifier: Apache-2.0
 *
 * command.h - what a command of hull is, and what it may use
 *
 * A command is a constant: its options are a table, its words are counted, its --help is
 * generated. command_table.c gives commands their names ("run", "container run").
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stddef.h>

#include "base/err.h"
#include "cli/opt.h"

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

enum command_flags {
	COMMAND_STOP_AT_FIRST = 1 << 0, /* options end at the first word: run, exec */
	COMMAND_HIDDEN = 1 << 1,	/* not listed in help or completion */
	COMMAND_RUNS = 1 << 2,		/* ends as a workload does: 125 to 127 when there is none */
};

#define COMMAND_MANY (-1)

/**
 * struct command - one command
 * @usage:	what follows its name, such as "[OPTIONS] CONTAINER [CONTAINER...]"
 * @summary:	one line
 * @opts:	its options; NULL: none
 * @args_bytes:	size of the struct that @opts fill in; it is zeroed, given the defaults, parsed
 *		into, passed to @run and released
 * @flags:	enum command_flags
 * @min_words, @max_words: how many words it takes beside options; COMMAND_MANY: no limit
 * @run:	does it; @words are NULL-terminated. Returns an exit status, 0..255, having
 *		said on stderr what went wrong, or a negative errno with @err filled in
 */
struct command {
	const char *usage;
	const char *summary;
	const struct opt *opts;
	size_t args_bytes;
	unsigned flags;
	int min_words, max_words;
	int (*run)(struct cli *cli, const void *args, char **words, int words_len, struct err *err);
};

/* A name by which a command is called; "GROUP NAME" for those in a group. */
struct command_name {
	const char *name;
	const struct command *command;
};

/* All names, in the order of the help; ends with a NULL name. */
extern const struct command_name command_names[];

/* Groups ("container", "image" ...) with their summaries (NULL: not listed); ends with a NULL name.
 */
struct command_group {
	const char *name, *summary;
};
extern const struct command_group command_groups[];

/**
 * command_main() - Find the command that @argv names, parse its options, run it
 * @cli:	settings from before the name
 * @argv:	the name and what follows, NULL-terminated; reordered
 * @argc:	number of words
 *
 * Prints errors. Return: exit status.
 */
int command_main(struct cli *cli, char **argv, int argc);

/* Print "hull: TEXT" and "hint: TEXT" on stderr. Returns the exit status that fits the command. */
int cli_fail(const struct cli *cli, const struct err *err);

enum cli_engine_flags {
	CLI_ENGINE_READ = 0,
	CLI_ENGINE_WRITE = 1 << 0, /* repair what a crash left first: commands that change things */
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
