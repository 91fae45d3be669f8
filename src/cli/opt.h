/* SPDX-License-Identifier: Apache-2.0
 *
 * opt.h - command line options, declared in tables and parsed as Docker's users expect
 *
 * Accepted: --name value, --name=value, -n value, -nvalue, -n=value, combined shorts (-it),
 * --bool and --bool=false, and "--" before what only looks like an option. A table lists also
 * the options that Docker has and Hull does not: they are refused with their reason, since an
 * option that is silently ignored is a promise that is silently broken.
 */
#ifndef CLI_OPT_H
#define CLI_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

enum opt_type {
	OPT_BOOL = 0,	  /* bool */
	OPT_TEXT,	  /* const char *, borrowed from argv */
	OPT_LIST,	  /* struct strv, one entry each time it is given */
	OPT_SIZE,	  /* int64_t bytes; "-1" is -1 */
	OPT_INT,	  /* int64_t */
	OPT_MILLI,	  /* int64_t, thousandths of what is written: "1.5" is 1500 */
	OPT_REFUSED,	  /* known to Docker's users, not to Hull; @help is the reason */
	OPT_REFUSED_BOOL, /* the same for one that takes no value */
};

/**
 * struct opt - one option
 * @letter:	short form, or 0
 * @name:	long form without its dashes
 * @type:	what it takes and where that goes
 * @offset:	of the member of the target struct
 * @arg:	word for its value in --help; NULL: by type
 * @def:	default, as the user would write it; NULL: all zeroes
 * @help:	one line; OPT_REFUSED: why Hull does not take it
 * @more:	only where @name is NULL, the end of a table: another table that belongs to it
 */
struct opt {
	char letter;
	const char *name;
	enum opt_type type;
	size_t offset;
	const char *arg;
	const char *def;
	const char *help;
	const struct opt *more;
};

#define OPT_END              \
	{                    \
		.name = NULL \
	}
#define OPT_MORE(table)                       \
	{                                     \
		.name = NULL, .more = (table) \
	}

/* The first option of a table that is not empty, and the one after @opt; NULL at the end. */
const struct opt *opt_first(const struct opt *table);
const struct opt *opt_next(const struct opt *opt);

/**
 * opt_defaults() - Give every member that has a default its value
 * @opts:	table, ends with OPT_END or OPT_MORE
 * @target:	zeroed struct that the offsets refer to
 */
void opt_defaults(const struct opt *opts, void *target);

/**
 * struct opt_words - words of a command line
 * @argv:	the words; reordered so that those that are no options come first
 * @argc:	their number, then the number of those that are no options
 * @stop_at_first: the first word that is no option ends the options (run, exec)
 * @help:	set when --help was given; nothing after it is then looked at
 */
struct opt_words {
	char **argv;
	int argc;
	bool stop_at_first;
	bool help;
};

/**
 * opt_parse() - Take the options out of a command line
 * @opts:	table, ends with OPT_END or OPT_MORE
 * @target:	struct that the offsets refer to
 * @words:	the command line
 * @err:	kind USAGE, names the option
 *
 * Return: 0 or -EINVAL.
 */
int opt_parse(const struct opt *opts, void *target, struct opt_words *words, struct err *err);

/* Release the lists in @target. */
void opt_release(const struct opt *opts, void *target);

/* Print the options as --help shows them. */
void opt_help(const struct opt *opts, FILE *out);

#endif
