/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_defects.c - table of the fake level's defects, and those that alter what is asked for
 */
#include "sandbox/fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFECT_VARIABLE "HULL_FAKE_DEFECT"
#define ALL_CAPABILITIES ((1ULL << 41) - 1)
#define DEFAULT_SHM_BYTES (64 * MIB)

static void directory_ignored(struct spec_process *process)
{
	process->cwd = (char *)(uintptr_t) "/";
}

static void user_ignored(struct spec_process *process)
{
	process->user = (char *)(uintptr_t) "";
}

static void groups_ignored(struct spec_process *process)
{
	process->group_add = (struct strv){ 0 };
}

/* Lists lose their first entry: what remains still ends in NULL. */
static void drop_first(struct strv *v)
{
	if (v->len > 0) {
		v->items++;
		v->len--;
	}
}

static void environment_cut(struct spec_process *process)
{
	drop_first(&process->env);
}

static void arguments_cut(struct spec_process *process)
{
	char *command = process->args.items[0];

	if (process->args.len < 2)
		return;
	drop_first(&process->args);
	process->args.items[0] = command;
}

static void capabilities_kept(struct spec_process *process)
{
	process->caps = ALL_CAPABILITIES;
}

static void privileges_grow(struct spec_process *process)
{
	process->no_new_privs = false;
}

static void init_skipped(struct spec_process *process)
{
	process->init = false;
}

static void rlimits_ignored(struct spec_process *process)
{
	process->rlimits_len = 0;
}

static void terminal_missing(struct spec_process *process)
{
	process->terminal = false;
}

static void terminal_fixed(struct spec_process *process)
{
	process->rows = 24;
	process->cols = 80;
}

static void exec_settings_ignored(struct spec_process *process)
{
	directory_ignored(process);
	user_ignored(process);
}

static void exec_unconfined(struct spec_process *process)
{
	process->privileged = true;
	capabilities_kept(process);
	privileges_grow(process);
}

static void seccomp_off(struct spec_sandbox *spec)
{
	spec->seccomp = SPEC_SECCOMP_UNCONFINED;
}

static void processes_shared(struct spec_sandbox *spec)
{
	spec->ns.pid = (char *)(uintptr_t) "host";
}

static void process_limit_ignored(struct spec_sandbox *spec)
{
	spec->resources.pids_limit = 0;
}

static void cpu_limit_ignored(struct spec_sandbox *spec)
{
	spec->resources.cpus_milli = 0;
}

static void mounts_readonly(struct spec_sandbox *spec)
{
	for (size_t i = 0; i < spec->mounts_len; i++)
		spec->mounts[i].flags |= SPEC_MOUNT_READONLY;
}

static void mounts_writable(struct spec_sandbox *spec)
{
	for (size_t i = 0; i < spec->mounts_len; i++)
		spec->mounts[i].flags &= ~(uint32_t)SPEC_MOUNT_READONLY;
}

static void mounts_apart(struct spec_sandbox *spec)
{
	for (size_t i = 0; i < spec->mounts_len; i++)
		spec->mounts[i].type = SPEC_MOUNT_TMPFS;
}

static void volumes_empty(struct spec_sandbox *spec)
{
	for (size_t i = 0; i < spec->mounts_len; i++)
		spec->mounts[i].flags &= ~(uint32_t)SPEC_MOUNT_COPY_UP;
}

static void tmpfs_missing(struct spec_sandbox *spec)
{
	size_t kept = 0;

	for (size_t i = 0; i < spec->mounts_len; i++)
		if (spec->mounts[i].type != SPEC_MOUNT_TMPFS)
			spec->mounts[kept++] = spec->mounts[i];
	spec->mounts_len = kept;
}

static void root_writable(struct spec_sandbox *spec)
{
	spec->readonly_root = false;
}

static void shm_size_ignored(struct spec_sandbox *spec)
{
	spec->shm_bytes = DEFAULT_SHM_BYTES;
}

static void hostname_ignored(struct spec_sandbox *spec)
{
	spec->hostname = (char *)(uintptr_t) "fake";
}

static void paths_unmasked(struct spec_sandbox *spec)
{
	spec->masked_paths = (struct strv){ 0 };
	spec->readonly_paths = (struct strv){ 0 };
}

static void devices_of_host(struct spec_sandbox *spec)
{
	spec->privileged = true;
}

static void settings_ignored(struct spec_sandbox *spec)
{
	spec->sysctls = (struct strv){ 0 };
}

static const struct fake_defect defects[] = {
	{ "arguments-cut", .process = arguments_cut },
	{ "capabilities-kept", .process = capabilities_kept },
	{ "cpu-limit-ignored", .spec = cpu_limit_ignored },
	{ "devices-of-host", .spec = devices_of_host },
	{ "directory-ignored", .process = directory_ignored },
	{ "environment-cut", .process = environment_cut },
	{ "exec-every-other-killed" },
	{ "exec-refused" },
	{ "exec-settings-ignored", .process = exec_settings_ignored, .scope = FAKE_EXEC_ONLY },
	{ "exec-status-lost" },
	{ "exec-unconfined", .process = exec_unconfined, .scope = FAKE_EXEC_ONLY },
	{ "groups-ignored", .process = groups_ignored },
	{ "hostname-ignored", .spec = hostname_ignored },
	{ "init-skipped", .process = init_skipped },
	{ "kill-lost" },
	{ "layer-lost" },
	{ "layer-shared" },
	{ "leak-cgroup" },
	{ "leak-file" },
	{ "leak-mount" },
	{ "leak-process" },
	{ "mounts-apart", .spec = mounts_apart },
	{ "mounts-readonly", .spec = mounts_readonly },
	{ "mounts-writable", .spec = mounts_writable },
	{ "oom-untold" },
	{ "paths-unmasked", .spec = paths_unmasked },
	{ "pause-ignored" },
	{ "pause-refused" },
	{ "pid-untold" },
	{ "privileges-grow", .process = privileges_grow },
	{ "process-limit-ignored", .spec = process_limit_ignored },
	{ "processes-shared", .spec = processes_shared },
	{ "reasons-lost" },
	{ "rlimits-ignored", .process = rlimits_ignored },
	{ "root-writable", .spec = root_writable },
	{ "seccomp-off", .spec = seccomp_off },
	{ "settings-ignored", .spec = settings_ignored },
	{ "shm-size-ignored", .spec = shm_size_ignored },
	{ "signal-untold" },
	{ "signals-all-term" },
	{ "signals-lost" },
	{ "slow-reader-loses" },
	{ "stats-zero" },
	{ "status-off-by-one" },
	{ "stderr-damaged" },
	{ "stdin-damaged" },
	{ "stdin-held-open" },
	{ "stdin-lost" },
	{ "stdout-damaged" },
	{ "stdout-lost" },
	{ "streams-swapped" },
	{ "terminal-fixed-size", .process = terminal_fixed },
	{ "terminal-missing", .process = terminal_missing },
	{ "terminal-raw" },
	{ "tmpfs-missing", .spec = tmpfs_missing },
	{ "tools-elsewhere" },
	{ "tools-refused" },
	{ "update-ignored" },
	{ "user-ignored", .process = user_ignored },
	{ "volumes-empty", .spec = volumes_empty },
};

bool fake_has(const char *name)
{
	const char *chosen = getenv(DEFECT_VARIABLE);

	return chosen && strcmp(chosen, name) == 0;
}

int fake_find(const struct fake_defect **ret, struct err *err)
{
	const char *chosen = getenv(DEFECT_VARIABLE);

	*ret = NULL;
	if (!chosen || chosen[0] == '\0')
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(defects); i++)
		if (strcmp(defects[i].name, chosen) == 0)
			*ret = &defects[i];

	return *ret ? 0 : err_set(err, EINVAL, "no such defect: '%s'", chosen);
}
