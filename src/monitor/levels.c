/* SPDX-License-Identifier: Apache-2.0
 *
 * levels.c - what the engine needs to know of each isolation level
 *
 * A table of its own, not a member of sandbox_ops: hull links this file, but no backend.
 */
#include <string.h>

#include "base/macro.h"
#include "monitor/client.h"

static const struct monitor_level levels[] = {
	{
		.name = "container",
		.layers = MONITOR_LAYER_MOUNTS,
		.userns = true,
		.host_net = true,
		.host_namespaces = true,
		.devices = true,
		.min_memory_bytes = 6 * MIB,
	},
	{
		.name = "vm",
		.layers = MONITOR_LAYER_FILES,
		.host_net_why = "a virtual machine has a network stack of its own",
		.machine = true,
		.default_memory_bytes = 512 * MIB,
		.min_memory_bytes = 96 * MIB,
		.max_cpus = 128,
	},
	/* The container level with one defect, for the tests: not in any list, but it can be named.
	 */
	{
		.name = "fake",
		.layers = MONITOR_LAYER_MOUNTS,
		.userns = true,
		.host_net = true,
		.host_namespaces = true,
		.devices = true,
		.min_memory_bytes = 6 * MIB,
	},
};

const struct monitor_level *monitor_levels(size_t *ret_len)
{
	*ret_len = ARRAY_SIZE(levels) - 1;

	return levels;
}

const struct monitor_level *monitor_level_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(levels[i].name, name) == 0)
			return &levels[i];

	return NULL;
}
