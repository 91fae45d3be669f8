/* SPDX-License-Identifier: Apache-2.0
 *
 * commands.h - every command, one object each; command_table.c names them
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/command.h"

/* run.c */
extern const struct command command_run, command_create;
/* control.c */
extern const struct command command_start, command_attach, command_stop, command_restart;
extern const struct command command_kill, command_pause, command_unpause, command_wait;
extern const struct command command_rename, command_rm;
/* exec.c, logs.c, ps.c */
extern const struct command command_exec, command_logs, command_ps;
/* internal.c */
extern const struct command command_internal_reap;
/* version.c */
extern const struct command command_version;

#endif
