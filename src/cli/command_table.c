/* SPDX-License-Identifier: Apache-2.0
 *
 * command_table.c - the names of all commands, in the order in which help lists them
 */
#include "cli/commands.h"

const struct command_group command_groups[] = {
	{ NULL, NULL },
};

const struct command_name command_names[] = {
	{ "version", &command_version },
	{ NULL, NULL },
};
