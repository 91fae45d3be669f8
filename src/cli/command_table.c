/* SPDX-License-Identifier: Apache-2.0
 *
 * command_table.c - the names of all commands, in the order in which help lists them
 */
#include "cli/commands.h"

const struct command_group command_groups[] = {
	{ "container", "Containers and virtual machines" },
	{ "image", "Images" },
	{ "volume", "Volumes" },
	{ "system", "Disk space, clearing up, checking" },
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
	{ "images", &command_images },
	{ "import", &command_import },
	{ "load", &command_load },
	{ "save", &command_save },
	{ "tag", &command_tag },
	{ "rmi", &command_rmi },
	{ "history", &command_history },
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

	{ "container prune", &command_container_prune },

	{ "image ls", &command_images },
	{ "image list", &command_images },
	{ "image import", &command_import },
	{ "image load", &command_load },
	{ "image bootstrap", &command_bootstrap },
	{ "image save", &command_save },
	{ "image tag", &command_tag },
	{ "image inspect", &command_image_inspect },
	{ "image history", &command_history },
	{ "image rm", &command_rmi },
	{ "image prune", &command_image_prune },

	{ "volume create", &command_volume_create },
	{ "volume ls", &command_volume_list },
	{ "volume list", &command_volume_list },
	{ "volume inspect", &command_volume_inspect },
	{ "volume rm", &command_volume_remove },
	{ "volume prune", &command_volume_prune },

	{ "system df", &command_system_df },
	{ "system prune", &command_system_prune },
	{ "system check", &command_system_check },

	{ "internal reap", &command_internal_reap },
	{ NULL, NULL },
};
