/* SPDX-License-Identifier: Apache-2.0
 *
 * commands.h - every command, one object each; command_table.c names them
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/command.h"

extern const struct command command_version;

#endif
