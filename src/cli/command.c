/* SPDX-License-Identifier: Apache-2.0
 *
 * command.c - from the words of a command line to a command's function
 */
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

static const struct command_group *find_group(const char *name)
{
	for (const struct command_group *g = command_groups; g->name; g++)
		if (strcmp(g->name, name) == 0)
			return g;

	return NULL;
}

static const struct command_name *find_command(const char *name)
{
	for (const struct command_name *c = command_names; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;

	return NULL;
}

static int group_help(const struct command_group *group, FILE *out)
{
	size_t len = strlen(group->name);

	fprintf(out, "Usage: hull %s COMMAND\n\n%s\n\nCommands:\n", group->name,
		group->summary ? group->summary : "What programs of Hull call");
	for (const struct command_name *c = command_names; c->name; c++)
		if (strncmp(c->name, group->name, len) == 0 && c->name[len] == ' ' &&
		    !(c->command->flags & COMMAND_HIDDEN))
			fprintf(out, "  %-12s %s\n", c->name + len + 1, c->command->summary);
	fprintf(out, "\nRun 'hull %s COMMAND --help' for the options of a command.\n", group->name);

	return out == stdout ? 0 : 125;
}

static int command_help(const struct command_name *name)
{
	const struct command *c = name->command;

	printf("Usage: hull %s%s%s\n\n%s\n", name->name, *c->usage ? " " : "", c->usage,
	       c->summary);
	for (const struct command_name *other = command_names; other->name; other++)
		if (other->command == c && other != name)
			printf("Also called: hull %s\n", other->name);
	if (opt_first(c->opts)) {
		printf("\nOptions:\n");
		opt_help(c->opts, stdout);
	}

	return 0;
}

static int usage_error(const struct command_name *name, int words_len, struct err *err)
{
	const struct command *c = name->command;

	if (c->max_words == 0)
		err_setk(err, ERR_USAGE, EINVAL, "'hull %s' accepts no arguments", name->name);
	else if (words_len < c->min_words)
		err_setk(err, ERR_USAGE, EINVAL, "'hull %s' requires %s%d argument%s", name->name,
			 c->max_words == c->min_words ? "" : "at least ", c->min_words,
			 c->min_words == 1 ? "" : "s");
	else
		err_setk(err, ERR_USAGE, EINVAL, "'hull %s' takes at most %d argument%s",
			 name->name, c->max_words, c->max_words == 1 ? "" : "s");
	err_hint(err, "usage: hull %s %s", name->name, c->usage);

	return -EINVAL;
}

static const struct opt no_opts[] = { OPT_END };

static int run_command(struct cli *cli, const struct command_name *name, char **argv, int argc)
{
	const struct command *c = name->command;
	const struct opt *opts = c->opts ? c->opts : no_opts;
	auto_free void *args = mem_calloc(1, c->args_bytes);
	struct err err = ERR_INIT;
	struct opt_words words = {
		.argv = argv,
		.argc = argc,
		.stop_at_first = c->flags & COMMAND_STOP_AT_FIRST,
	};
	int r;

	opt_defaults(opts, args);
	r = opt_parse(opts, args, &words, &err);
	cli->command = r < 0 ? NULL : c;
	if (r < 0) {
		if (!err.hint[0])
			err_hint(&err, "see 'hull %s --help'", name->name);
	} else if (words.help) {
		r = command_help(name);
	} else if (words.argc < c->min_words ||
		   (c->max_words != COMMAND_MANY && words.argc > c->max_words)) {
		r = usage_error(name, words.argc, &err);
	} else {
		argv[words.argc] = NULL;
		r = c->run(cli, args, argv, words.argc, &err);
	}
	opt_release(opts, args);
	if (r < 0)
		return cli_fail(cli, &err);

	return r;
}

int command_main(struct cli *cli, char **argv, int argc)
{
	const struct command_group *group = find_group(argv[0]);
	const struct command_name *name = NULL;
	struct err err = ERR_INIT;
	int taken = 1;

	if (group && argc > 1 && argv[1][0] != '-') {
		auto_free char *both = mem_printf("%s %s", argv[0], argv[1]);

		name = find_command(both);
		taken = 2;
	}
	if (!name && taken == 1)
		name = find_command(argv[0]);
	if (name)
		return run_command(cli, name, argv + taken, argc - taken);
	if (group && argc == 1)
		return group_help(group, stderr);
	if (group && strcmp(argv[1], "--help") == 0)
		return group_help(group, stdout);
	if (group)
		err_setk(&err, ERR_USAGE, EINVAL, "'%s' is not a command of 'hull %s'", argv[1],
			 argv[0]);
	else
		err_setk(&err, ERR_USAGE, EINVAL, "'%s' is not a hull command", argv[0]);
	err_hint(&err, "see 'hull%s%s --help'", group ? " " : "", group ? argv[0] : "");

	return cli_fail(cli, &err);
}
