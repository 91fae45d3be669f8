/* SPDX-License-Identifier: Apache-2.0
 *
 * sandbox.c - a workload's surroundings as JSON
 */
#include "spec/sandbox.h"

#include <errno.h>
#include <string.h>

#include "spec/shape.h"

#define SANDBOX_MAX_PATH 4095 /* PATH_MAX without its NUL */
#define SANDBOX_MAX_MOUNTS 4096
#define SANDBOX_MAX_DEVICES 4096
#define SANDBOX_MAX_FILES 256
#define SANDBOX_MAX_PATHS 4096 /* masked, read-only */
#define SANDBOX_MAX_SYSCTLS 1024
#define SANDBOX_MAX_FILE_BYTES 1048576
#define SANDBOX_MAX_PROFILE_BYTES 2097152
#define SANDBOX_MAX_HOSTNAME 64 /* HOST_NAME_MAX */
#define SANDBOX_MAX_WORD 32
#define MODE_MAX 07777
#define MOUNT_ALL_FLAGS                                                                   \
	(SPEC_MOUNT_READONLY | SPEC_MOUNT_NOEXEC | SPEC_MOUNT_NOSUID | SPEC_MOUNT_NODEV | \
	 SPEC_MOUNT_RECURSIVE | SPEC_MOUNT_COPY_UP)

static int refuse(struct err *err, const char *what, const char *value)
{
	return err_setk(err, ERR_USAGE, EINVAL, "%s '%s' is not valid", what, value ? value : "");
}

/* Something is put there: absolute, and not the root itself. */
static int check_target(const char *path, const char *what, struct err *err)
{
	int r = spec_check_absolute(path, what, err);

	return r == 0 && path[strspn(path, "/.")] == '\0' ? refuse(err, what, path) : r;
}

/* ---- mounts ---- */

static const char *const mount_types[] = {
	[SPEC_MOUNT_BIND] = "bind",
	[SPEC_MOUNT_TMPFS] = "tmpfs",
	NULL,
};

static const struct spec_field mount_fields[] = {
	SPEC_ENUM(spec_mount, type, "type", mount_types),
	SPEC_U32(spec_mount, flags, "flags", MOUNT_ALL_FLAGS),
	SPEC_TEXT(spec_mount, source, "source", SANDBOX_MAX_PATH),
	SPEC_TEXT(spec_mount, target, "target", SANDBOX_MAX_PATH),
	SPEC_U64(spec_mount, size_bytes, "sizeBytes"),
	SPEC_U32(spec_mount, mode, "mode", MODE_MAX),
	SPEC_TEXT(spec_mount, propagation, "propagation", SANDBOX_MAX_WORD),
};

static int mount_check(const void *thing, struct err *err)
{
	static const char *const propagations[] = {
		"rprivate", "rslave", "rshared", "private", "slave", "shared",
	};
	const struct spec_mount *mount = thing;
	bool known = !mount->propagation || !mount->propagation[0];
	int r = check_target(mount->target, "mount target", err);

	if (r == 0 && mount->type == SPEC_MOUNT_BIND)
		r = spec_check_absolute(mount->source, "mount source", err);
	if (r < 0)
		return r;
	for (size_t i = 0; !known && i < ARRAY_SIZE(propagations); i++)
		known = strcmp(mount->propagation, propagations[i]) == 0;

	return known ? 0 : refuse(err, "mount propagation", mount->propagation);
}

static const struct spec_shape mount_shape =
	SPEC_SHAPE(spec_mount, "mount", mount_fields, .check = mount_check);

/* ---- devices and files ---- */

static const struct spec_field device_fields[] = {
	SPEC_TEXT(spec_device, source, "source", SANDBOX_MAX_PATH),
	SPEC_TEXT(spec_device, target, "target", SANDBOX_MAX_PATH),
	SPEC_TEXT(spec_device, perms, "perms", SANDBOX_MAX_WORD),
};

static int device_check(const void *thing, struct err *err)
{
	const struct spec_device *device = thing;
	int r = spec_check_absolute(device->source, "device", err);

	if (r == 0)
		r = check_target(device->target, "device target", err);
	if (r < 0)
		return r;
	if (!device->perms || !device->perms[0] ||
	    device->perms[strspn(device->perms, "rwm")] != '\0')
		return refuse(err, "device permissions", device->perms);

	return 0;
}

static const struct spec_shape device_shape =
	SPEC_SHAPE(spec_device, "device", device_fields, .check = device_check);

static const struct spec_field file_fields[] = {
	SPEC_TEXT(spec_file, target, "target", SANDBOX_MAX_PATH),
	SPEC_TEXT(spec_file, data, "data", SANDBOX_MAX_FILE_BYTES),
	SPEC_U32(spec_file, mode, "mode", MODE_MAX),
};

static int file_check(const void *thing, struct err *err)
{
	const struct spec_file *file = thing;

	return check_target(file->target, "file target", err);
}

static const struct spec_shape file_shape =
	SPEC_SHAPE(spec_file, "file", file_fields, .check = file_check);

/* ---- namespaces ---- */

static const struct spec_field namespaces_fields[] = {
	SPEC_TEXT(spec_namespaces, pid, "pid", SANDBOX_MAX_PATH),
	SPEC_TEXT(spec_namespaces, ipc, "ipc", SANDBOX_MAX_PATH),
	SPEC_TEXT(spec_namespaces, net, "net", SANDBOX_MAX_PATH),
	SPEC_TEXT(spec_namespaces, uts, "uts", SANDBOX_MAX_PATH),
	SPEC_TEXT(spec_namespaces, cgroup, "cgroup", SANDBOX_MAX_PATH),
};

static int namespaces_check(const void *thing, struct err *err)
{
	const struct spec_namespaces *ns = thing;
	const char *const choices[] = { ns->pid, ns->ipc, ns->net, ns->uts, ns->cgroup };

	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		const char *choice = choices[i];

		if (choice && choice[0] && choice[0] != '/' && strcmp(choice, "host") != 0)
			return refuse(err, "namespace", choice);
	}

	return 0;
}

static const struct spec_shape namespaces_shape = SPEC_SHAPE(
	spec_namespaces, "choice of namespaces", namespaces_fields, .check = namespaces_check);

/* ---- the whole ---- */

static const char *const seccomp_names[] = {
	[SPEC_SECCOMP_DEFAULT] = "default",
	[SPEC_SECCOMP_UNCONFINED] = "unconfined",
	[SPEC_SECCOMP_PROFILE] = "profile",
	NULL,
};

static const struct spec_field sandbox_fields[] = {
	SPEC_TEXT(spec_sandbox, id, "id", SPEC_ID_HEX),
	SPEC_TEXT(spec_sandbox, hostname, "hostname", SANDBOX_MAX_HOSTNAME),
	SPEC_OBJECT(spec_sandbox, process, "process", &spec_process_shape),
	SPEC_BOOL(spec_sandbox, service, "service"),
	SPEC_U32(spec_sandbox, uid_base, "uidBase", UINT32_MAX),
	SPEC_U32(spec_sandbox, uid_count, "uidCount", UINT32_MAX),
	SPEC_LIST(spec_sandbox, mounts, "mounts", &mount_shape, SANDBOX_MAX_MOUNTS),
	SPEC_LIST(spec_sandbox, devices, "devices", &device_shape, SANDBOX_MAX_DEVICES),
	SPEC_LIST(spec_sandbox, files, "files", &file_shape, SANDBOX_MAX_FILES),
	SPEC_OBJECT(spec_sandbox, resources, "resources", &spec_resources_shape),
	SPEC_OBJECT(spec_sandbox, ns, "namespaces", &namespaces_shape),
	SPEC_BOOL(spec_sandbox, readonly_root, "readonlyRoot"),
	SPEC_BOOL(spec_sandbox, ephemeral, "ephemeral"),
	SPEC_BOOL(spec_sandbox, privileged, "privileged"),
	SPEC_U64(spec_sandbox, shm_bytes, "shmBytes"),
	SPEC_STRV(spec_sandbox, masked_paths, "maskedPaths", SANDBOX_MAX_PATHS),
	SPEC_STRV(spec_sandbox, readonly_paths, "readonlyPaths", SANDBOX_MAX_PATHS),
	SPEC_STRV(spec_sandbox, sysctls, "sysctls", SANDBOX_MAX_SYSCTLS),
	SPEC_ENUM(spec_sandbox, seccomp, "seccomp", seccomp_names),
	SPEC_TEXT(spec_sandbox, seccomp_profile, "seccompProfile", SANDBOX_MAX_PROFILE_BYTES),
	SPEC_U64(spec_sandbox, disk_bytes, "diskBytes"),
	SPEC_TEXT(spec_sandbox, kernel, "kernel", SANDBOX_MAX_PATH),
};

static int check_paths(const struct strv *paths, const char *what, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < paths->len; i++)
		r = spec_check_absolute(paths->items[i], what, err);

	return r;
}

static int check_sysctls(const struct strv *sysctls, struct err *err)
{
	for (size_t i = 0; i < sysctls->len; i++) {
		const char *equals = strchr(sysctls->items[i], '=');

		if (!equals || equals == sysctls->items[i])
			return refuse(err, "sysctl", sysctls->items[i]);
	}

	return 0;
}

static int sandbox_check(const void *thing, struct err *err)
{
	const struct spec_sandbox *spec = thing;
	uint32_t uid_end;
	int r = check_paths(&spec->masked_paths, "masked path", err);

	if (r == 0)
		r = check_paths(&spec->readonly_paths, "read-only path", err);
	if (r == 0)
		r = check_sysctls(&spec->sysctls, err);
	if (r == 0 && spec->kernel)
		r = spec_check_absolute(spec->kernel, "kernel", err);
	if (r < 0)
		return r;
	/* It becomes part of a cgroup's name. */
	if (!spec->id || strspn(spec->id, "0123456789abcdef") != SPEC_ID_HEX)
		return refuse(err, "id", spec->id);
	/* Id UINT32_MAX is "no change" to chown(2) and cannot be mapped. */
	if (add_overflows(spec->uid_base, spec->uid_count, &uid_end))
		return err_setk(err, ERR_USAGE, EINVAL, "the range of user ids is not valid");
	if (!spec->service && spec->process.args.len == 0)
		return err_setk(err, ERR_USAGE, EINVAL, "there is nothing to run");
	if ((spec->seccomp == SPEC_SECCOMP_PROFILE) != (spec->seccomp_profile != NULL))
		return err_setk(err, ERR_USAGE, EINVAL,
				"a seccomp profile and the choice of one must come together");

	return 0;
}

static const struct spec_shape sandbox_shape =
	SPEC_SHAPE(spec_sandbox, "sandbox specification", sandbox_fields, .check = sandbox_check);

void spec_sandbox_done(struct spec_sandbox *spec)
{
	spec_shape_done(&sandbox_shape, spec);
}

int spec_sandbox_encode(const struct spec_sandbox *spec, char **ret_text, struct err *err)
{
	return spec_shape_encode(&sandbox_shape, spec, ret_text, err);
}

int spec_sandbox_decode(const char *text, size_t len, struct spec_sandbox *ret, struct err *err)
{
	return spec_shape_decode(&sandbox_shape, text, len, ret, err);
}
