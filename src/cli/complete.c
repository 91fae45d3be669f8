/* SPDX-License-Identifier: Apache-2.0
 *
 * complete.c - hull internal complete: what a shell offers, out of the tables of the commands
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"

/* The names of commands, or of those in group @group. */
static void print_names(const char *group)
{
	size_t len = strlen(group);

	for (const struct command_name *c = command_names; c->name; c++) {
		if (c->command->flags & COMMAND_HIDDEN)
			continue;
		if (len == 0 && !strchr(c->name, ' '))
			printf("%s\n", c->name);
		else if (len > 0 && strncmp(c->name, group, len) == 0 && c->name[len] == ' ')
			printf("%s\n", c->name + len + 1);
	}
	for (const struct command_group *g = command_groups; len == 0 && g->name; g++)
		if (g->summary)
			printf("%s\n", g->name);
}

/* A line each: "--name", or "--name=" for one that takes a value; short forms likewise. */
static void print_options(const struct command *command)
{
	for (const struct opt *opt = opt_first(command->opts); opt; opt = opt_next(opt)) {
		const char *value = opt->type == OPT_BOOL ? "" : "=";

		if (opt->type == OPT_REFUSED || opt->type == OPT_REFUSED_BOOL)
			continue;
		printf("--%s%s\n", opt->name, value);
		if (opt->letter)
			printf("-%c%s\n", opt->letter, value);
	}
	printf("--help\n");
}

/* What the words name: options of a command, commands of a group, or all commands. */
static int run_complete(struct cli *cli, const void *args, char **words, int words_len,
			struct err *err)
{
	auto_free char *name = words_len > 1   ? mem_printf("%s %s", words[0], words[1])
			       : words_len > 0 ? mem_strdup(words[0])
					       : mem_strdup("");

	(void)cli;
	(void)args;
	(void)err;
	for (const struct command_name *c = command_names; c->name; c++) {
		if (strcmp(c->name, name) == 0) {
			print_options(c->command);
			return 0;
		}
	}
	if (words_len < 2)
		print_names(name);

	return 0;
}

const struct command command_internal_complete = {
	.usage = "[COMMAND [COMMAND]]",
	.summary = "List commands or options, for shells",
	.flags = COMMAND_HIDDEN,
	.max_words = 2,
	.run = run_complete,
};
