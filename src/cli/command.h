/* SPDX-License-Identifier: Apache-2.0
 *
 * command.h - what a command of hull is
 *
 * A command is a constant: its options are a table, its words are counted, its --help is
 * generated. command_table.c gives commands their names ("run", "container run").
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stddef.h>

#include "base/err.h"
#include "cli/opt.h"

struct cli;

enum command_flags {
	COMMAND_STOP_AT_FIRST = 1 << 0, /* options end at the first word: run, exec */
	COMMAND_HIDDEN = 1 << 1,	/* not listed in help or completion */
	COMMAND_RUNS = 1 << 2,		/* fails with 125 to 127, not 1: run, create, exec */
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

#endif
