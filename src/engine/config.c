/* SPDX-License-Identifier: Apache-2.0
 *
 * config.c - the container document's members, as a table for spec/'s codec
 */
#include "engine/config.h"

#include <string.h>

#include "base/mem.h"
#include "spec/shape.h"

#define TEXT_MAX_BYTES 65536
#define LIST_MAX 65536

static const char *const mount_types[] = { "bind", "volume", "tmpfs", NULL };

static const struct spec_field mount_fields[] = {
	SPEC_ENUM(engine_mount, type, "type", mount_types),
	SPEC_U32(engine_mount, flags, "flags", UINT32_MAX),
	SPEC_TEXT(engine_mount, source, "source", TEXT_MAX_BYTES),
	SPEC_TEXT(engine_mount, target, "target", TEXT_MAX_BYTES),
	SPEC_TEXT(engine_mount, propagation, "propagation", TEXT_MAX_BYTES),
	SPEC_U64(engine_mount, size_bytes, "sizeBytes"),
	SPEC_U32(engine_mount, mode, "mode", 07777),
	SPEC_BOOL(engine_mount, no_copy, "noCopy"),
	SPEC_BOOL(engine_mount, anonymous, "anonymous"),
	SPEC_BOOL(engine_mount, make_source, "makeSource"),
};

static const struct spec_shape mount_shape = SPEC_SHAPE(engine_mount, "mount", mount_fields);

static const struct spec_field modes_fields[] = {
	SPEC_TEXT(engine_modes, network, "network", TEXT_MAX_BYTES),
	SPEC_TEXT(engine_modes, userns, "userns", TEXT_MAX_BYTES),
	SPEC_TEXT(engine_modes, pid, "pid", TEXT_MAX_BYTES),
	SPEC_TEXT(engine_modes, ipc, "ipc", TEXT_MAX_BYTES),
	SPEC_TEXT(engine_modes, uts, "uts", TEXT_MAX_BYTES),
	SPEC_TEXT(engine_modes, cgroupns, "cgroupns", TEXT_MAX_BYTES),
};

static const struct spec_shape modes_shape = SPEC_SHAPE(engine_modes, "modes", modes_fields);

static const struct spec_field config_fields[] = {
	SPEC_TEXT(engine_config, hostname, "hostname", TEXT_MAX_BYTES),
	SPEC_TEXT(engine_config, user, "user", TEXT_MAX_BYTES),
	SPEC_TEXT(engine_config, working_dir, "workingDir", TEXT_MAX_BYTES),
	SPEC_TEXT(engine_config, stop_signal, "stopSignal", TEXT_MAX_BYTES),
	SPEC_STRV(engine_config, entrypoint, "entrypoint", LIST_MAX),
	SPEC_STRV(engine_config, cmd, "cmd", LIST_MAX),
	SPEC_STRV(engine_config, env, "env", LIST_MAX),
	SPEC_STRV(engine_config, labels, "labels", LIST_MAX),
	SPEC_BOOL(engine_config, tty, "tty"),
	SPEC_BOOL(engine_config, open_stdin, "openStdin"),
	SPEC_BOOL(engine_config, stdin_once, "stdinOnce"),
	SPEC_BOOL(engine_config, auto_remove, "autoRemove"),
	SPEC_BOOL(engine_config, init, "init"),
	SPEC_BOOL(engine_config, privileged, "privileged"),
	SPEC_BOOL(engine_config, readonly_root, "readonlyRoot"),
	SPEC_I64(engine_config, stop_timeout_s, "stopTimeout", INT64_MIN, INT64_MAX),
	SPEC_LIST(engine_config, mounts, "mounts", &mount_shape, 4096),
	SPEC_OBJECT(engine_config, modes, "modes", &modes_shape),
	SPEC_STRV(engine_config, cap_add, "capAdd", LIST_MAX),
	SPEC_STRV(engine_config, cap_drop, "capDrop", LIST_MAX),
	SPEC_STRV(engine_config, devices, "devices", LIST_MAX),
	SPEC_STRV(engine_config, ulimits, "ulimits", LIST_MAX),
	SPEC_STRV(engine_config, group_add, "groupAdd", LIST_MAX),
	SPEC_STRV(engine_config, sysctls, "sysctls", LIST_MAX),
	SPEC_STRV(engine_config, add_hosts, "addHosts", LIST_MAX),
	SPEC_OBJECT(engine_config, resources, "resources", &spec_resources_shape),
	SPEC_U64(engine_config, shm_bytes, "shmBytes"),
	SPEC_I64(engine_config, oom_score_adj, "oomScoreAdj", INT64_MIN, INT64_MAX),
	SPEC_TEXT(engine_config, seccomp, "seccomp", 4 * MIB),
	SPEC_BOOL(engine_config, new_privileges, "newPrivileges"),
	SPEC_BOOL(engine_config, unmasked, "unmasked"),
	SPEC_U64(engine_config, disk_bytes, "diskBytes"),
	SPEC_TEXT(engine_config, kernel, "kernel", TEXT_MAX_BYTES),
	SPEC_U64(engine_config, log_max_bytes, "logMaxBytes"),
	SPEC_U64(engine_config, log_max_files, "logMaxFiles"),
};

static const struct spec_shape config_shape =
	SPEC_SHAPE(engine_config, "container config", config_fields);

void engine_config_done(struct engine_config *config)
{
	spec_shape_done(&config_shape, config);
}

void engine_mount_done(struct engine_mount *mount)
{
	spec_shape_done(&mount_shape, mount);
}

int engine_config_encode(const struct engine_config *config, char **ret_text, struct err *err)
{
	return spec_shape_encode(&config_shape, config, ret_text, err);
}

int engine_config_decode(const char *text, struct engine_config *ret, struct err *err)
{
	return spec_shape_decode(&config_shape, text, strlen(text), ret, err);
}

void engine_config_give_mount(struct engine_config *config, struct engine_mount *mount)
{
	config->mounts =
		mem_realloc(config->mounts, config->mounts_len + 1, sizeof(*config->mounts));
	config->mounts[config->mounts_len++] = *mount;
	*mount = (struct engine_mount){ 0 };
}
