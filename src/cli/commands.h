/* SPDX-License-Identifier: Apache-2.0
 *
 * commands.h - every command, one object each; command_table.c names them
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"
#include "cli/command.h"

/* run.c */
extern const struct command command_run, command_create;
/* control.c */
extern const struct command command_start, command_attach, command_stop, command_restart;
extern const struct command command_kill, command_pause, command_unpause, command_wait;
extern const struct command command_rename, command_rm;
/* exec.c, logs.c, ps.c */
extern const struct command command_exec, command_logs, command_ps;
/* inspect.c, top.c, stats.c, update.c, files.c, info.c */
extern const struct command command_inspect, command_container_inspect, command_top;
extern const struct command command_stats, command_update;
extern const struct command command_cp, command_diff, command_export, command_info;
/* internal.c */
extern const struct command command_internal_reap;
/* complete.c */
extern const struct command command_internal_complete;
/* image.c, image_list.c, image_helper.c */
extern const struct command command_images, command_history, command_image_inspect;
extern const struct command command_rmi, command_tag;
extern const struct command command_import, command_load, command_save, command_bootstrap;
/* volume.c */
extern const struct command command_volume_create, command_volume_list, command_volume_inspect;
extern const struct command command_volume_remove;
/* prune.c */
extern const struct command command_container_prune, command_image_prune, command_volume_prune;
extern const struct command command_system_prune;
/* system.c, system_df.c */
extern const struct command command_system_df, command_system_check;
/* vm.c, compare.c */
extern const struct command command_vm_run, command_compare;
/* version.c */
extern const struct command command_version;

#endif
