/* SPDX-License-Identifier: Apache-2.0
 *
 * command_table.c - the names of all commands, in the order in which help lists them
 */
#include "cli/commands.h"

const struct command_group command_groups[] = {
	{ "container", "Containers and virtual machines" },
	{ "internal", NULL }, /* not listed */
	{ NULL, NULL },
};

const struct command_name command_names[] = {
	{ "run", &command_run },
	{ "create", &command_create },
	{ "ps", &command_ps },
	{ "logs", &command_logs },
	{ "exec", &command_exec },
	{ "start", &command_start },
	{ "stop", &command_stop },
	{ "kill", &command_kill },
	{ "restart", &command_restart },
	{ "rm", &command_rm },
	{ "attach", &command_attach },
	{ "wait", &command_wait },
	{ "pause", &command_pause },
	{ "unpause", &command_unpause },
	{ "rename", &command_rename },
	{ "version", &command_version },

	{ "container run", &command_run },
	{ "container create", &command_create },
	{ "container ls", &command_ps },
	{ "container list", &command_ps },
	{ "container ps", &command_ps },
	{ "container logs", &command_logs },
	{ "container exec", &command_exec },
	{ "container start", &command_start },
	{ "container stop", &command_stop },
	{ "container kill", &command_kill },
	{ "container restart", &command_restart },
	{ "container rm", &command_rm },
	{ "container attach", &command_attach },
	{ "container wait", &command_wait },
	{ "container pause", &command_pause },
	{ "container unpause", &command_unpause },
	{ "container rename", &command_rename },

	{ "internal reap", &command_internal_reap },
	{ NULL, NULL },
};
