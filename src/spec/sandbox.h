/* SPDX-License-Identifier: Apache-2.0
 *
 * sandbox.h - what a sandbox and the processes in it shall be, whatever isolates it
 *
 * The engine fills these structs, the monitor carries them out through sandbox/, and the
 * guest's agent receives the same document. It names no isolation level: what only one level
 * can do is a field that the other refuses by name. Terms and defaults follow the OCI
 * runtime specification 1.1 (config.md, config-linux.md).
 */
#ifndef SPEC_SANDBOX_H
#define SPEC_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

#define SPEC_ID_HEX 64 /* hexadecimal digits of an identifier */
#define SPEC_UNLIMITED (-1)
#define SPEC_INIT_PATH "/dev/hull-init" /* where a workload finds it */
#define SPEC_PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* One resource limit of setrlimit(2); @resource is RLIMIT_*. */
struct spec_rlimit {
	int resource;
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

/**
 * struct spec_process - one process of a workload
 * @args:	argv; args[0] is looked up in the PATH of @env, inside the root
 * @env:	"NAME=value"
 * @cwd:	absolute; the first process' is made when absent, as Docker does
 * @user:	"", "USER" or "USER:GROUP"; names or numbers, looked up in the root's passwd and
 *		group; "" is 0:0
 * @group_add:	further groups, names or numbers
 * @caps:	bit n is capability n: bounding, effective and permitted set (and ambient for
 *		bits in @ambient); those beyond what the user may hold are dropped by the kernel
 * @ambient:	ambient set, a subset of @caps
 * @rlimits:	limits; a hard limit that this host does not grant is clamped
 * @terminal:	the process gets a controlling terminal of @rows x @cols
 * @no_new_privs: PR_SET_NO_NEW_PRIVS
 * @oom_score_adj: as in proc(5)
 * @init:	run under hull-init as process 1 (docker run --init); first process only
 * @privileged:	exec only: all capabilities, no seccomp
 */
struct spec_process {
	struct strv args, env;
	char *cwd;
	char *user;
	struct strv group_add;
	uint64_t caps, ambient;
	struct spec_rlimit *rlimits;
	size_t rlimits_len;
	bool terminal;
	uint32_t rows, cols;
	bool no_new_privs;
	int32_t oom_score_adj;
	bool init;
	bool privileged;
};

enum spec_mount_type {
	SPEC_MOUNT_BIND = 0, /* @source is an absolute host path: bind mounts and volumes */
	SPEC_MOUNT_TMPFS,
};

enum spec_mount_flags {
	SPEC_MOUNT_READONLY = 1 << 0, /* recursively */
	SPEC_MOUNT_NOEXEC = 1 << 1,
	SPEC_MOUNT_NOSUID = 1 << 2,
	SPEC_MOUNT_NODEV = 1 << 3,
	SPEC_MOUNT_RECURSIVE = 1 << 4, /* rbind */
	SPEC_MOUNT_COPY_UP = 1 << 5,   /* an empty volume takes the image's content at @target */
};

/**
 * struct spec_mount - something mounted into the root
 * @type:	what kind
 * @flags:	enum spec_mount_flags
 * @source:	host path of a bind, directory or file
 * @target:	absolute path in the root; made when absent
 * @size_bytes:	of a tmpfs, 0: the kernel's default
 * @mode:	of a tmpfs' root, 0: 01777
 * @propagation: "rprivate" (default), "rslave", "rshared", "private", "slave", "shared"
 */
struct spec_mount {
	enum spec_mount_type type;
	uint32_t flags;
	char *source, *target;
	uint64_t size_bytes;
	uint32_t mode;
	char *propagation;
};

/* A host device that appears in the root; @perms is a subset of "rwm". */
struct spec_device {
	char *source, *target;
	char *perms;
};

/* A small file of the engine's making (/etc/hosts ...), shown in the root, not in its layers. */
struct spec_file {
	char *target;
	char *data;
	uint32_t mode;
};

/**
 * struct spec_resources - limits; 0 means not limited
 * @memory_bytes: memory of the workload; sizes a machine
 * @memory_swap_bytes: memory and swap together; SPEC_UNLIMITED
 * @cpus_milli:	processor time in thousandths of one processor; a machine has it rounded up
 * @cpu_shares:	relative weight, 2 to 262144
 * @cpuset_cpus: list such as "0-1,3", or NULL
 * @pids_limit:	processes and threads, or SPEC_UNLIMITED
 */
struct spec_resources {
	int64_t memory_bytes;
	int64_t memory_swap_bytes;
	int64_t cpus_milli;
	int64_t cpu_shares;
	char *cpuset_cpus;
	int64_t pids_limit;
};

/* How one kind of namespace is chosen: "" own, "host", or the path of one to join. */
struct spec_namespaces {
	char *pid, *ipc, *net, *uts, *cgroup;
};

enum spec_seccomp {
	SPEC_SECCOMP_DEFAULT = 0,
	SPEC_SECCOMP_UNCONFINED,
	SPEC_SECCOMP_PROFILE, /* @seccomp_profile */
};

/**
 * struct spec_sandbox - one workload's surroundings
 * @id:		SPEC_ID_HEX digits; names the cgroup "hull-ID"
 * @hostname:	UTS host name
 * @process:	the first process; unused when @service
 * @service:	no workload will run: only tools (cp, diff, export) are wanted
 * @uid_base:	first host id of the user namespace
 * @uid_count:	ids mapped, 0 = the host's user namespace
 * @readonly_root: the root filesystem refuses writes
 * @ephemeral:	the writable layer goes with the workload (--rm): it need not survive a crash of
 *		the host, so nothing is synced
 * @privileged:	all devices, nothing masked, cgroup tree writable
 * @shm_bytes:	size of /dev/shm
 * @masked_paths: hidden paths of the root (files: null device, directories: empty tmpfs)
 * @readonly_paths: read-only paths of the root
 * @sysctls:	"name=value"
 * @seccomp_profile: JSON text in Docker's format, with SPEC_SECCOMP_PROFILE
 * @disk_bytes:	size of the writable layer where it is a disk, 0: default
 * @kernel:	host path of a guest kernel, or NULL for the default
 */
struct spec_sandbox {
	char *id;
	char *hostname;
	struct spec_process process;
	bool service;
	uint32_t uid_base, uid_count;
	struct spec_mount *mounts;
	size_t mounts_len;
	struct spec_device *devices;
	size_t devices_len;
	struct spec_file *files;
	size_t files_len;
	struct spec_resources resources;
	struct spec_namespaces ns;
	bool readonly_root;
	bool ephemeral;
	bool privileged;
	uint64_t shm_bytes;
	struct strv masked_paths, readonly_paths, sysctls;
	enum spec_seccomp seccomp;
	char *seccomp_profile;
	uint64_t disk_bytes;
	char *kernel;
};

enum spec_tool_kind {
	SPEC_TOOL_TAR_OUT = 0, /* archive of @path on stdout (docker cp FROM, export) */
	SPEC_TOOL_TAR_IN,      /* archive on stdin is unpacked below directory @path */
	SPEC_TOOL_STAT,	       /* one JSON object on stdout: name, size, mode, mtime, linkTarget */
	SPEC_TOOL_DIFF,	       /* lines "A path", "C path", "D path" on stdout */
	SPEC_TOOL_PS,	       /* process list of the sandbox, JSON on stdout: see ps.c */
};

enum spec_tool_flags {
	SPEC_TOOL_KEEP_OWNER = 1 << 0,	     /* TAR_IN: cp -a */
	SPEC_TOOL_NO_OVERWRITE_DIR = 1 << 1, /* TAR_IN: never a directory by a file, nor back */
	SPEC_TOOL_ROOT_NAMES = 1 << 2,	     /* TAR_OUT: names relative to @path itself (export) */
	SPEC_TOOL_FOLLOW = 1 << 3, /* TAR_OUT, STAT: follow a symlink at the end of @path */
	/*
	 * TAR_IN, of a workload's archive on its host: members are called @name or lie below it,
	 * none is a device, and without KEEP_OWNER none has set-id bits or capabilities.
	 */
	SPEC_TOOL_UNTRUSTED = 1 << 4,
};

/**
 * struct spec_tool - a small built-in job in a sandbox's root, by the same code at every level
 * @kind:	which
 * @flags:	enum spec_tool_flags
 * @path:	absolute, resolved in the root
 * @name:	TAR_OUT: what the archive calls @path instead of its last component; or NULL.
 *		TAR_IN with SPEC_TOOL_UNTRUSTED: the one top member it may have; NULL: any
 */
struct spec_tool {
	enum spec_tool_kind kind;
	uint32_t flags;
	char *path;
	char *name;
};

/* Resource use; counters since the start. What a level cannot measure is -1. */
struct spec_stats {
	int64_t cpu_ns, cpu_user_ns, cpu_system_ns;
	int64_t memory_bytes;	    /* without reclaimable cache */
	int64_t memory_limit_bytes; /* the machine's when not limited */
	int64_t memory_peak_bytes;
	int64_t pids, pids_limit;
	int64_t block_read_bytes, block_write_bytes;
	int64_t oom_kills;
	int64_t cpus; /* processors the workload may use */
};

void spec_process_done(struct spec_process *process);
DEFINE_AUTO_DONE(spec_process)
void spec_sandbox_done(struct spec_sandbox *spec);
DEFINE_AUTO_DONE(spec_sandbox)
void spec_resources_done(struct spec_resources *resources);
DEFINE_AUTO_DONE(spec_resources)
void spec_tool_done(struct spec_tool *tool);
DEFINE_AUTO_DONE(spec_tool)

/**
 * spec_sandbox_encode() - Write the document as JSON
 * @spec:	what to write
 * @ret_text:	one line; the caller frees it
 * @err:	filled in on failure, may be NULL
 *
 * Strings travel as they are: bytes that are not UTF-8 (arguments, paths) are kept, encoded
 * as {"b64": "..."}.
 *
 * Return: 0 or -ENOMEM.
 */
int spec_sandbox_encode(const struct spec_sandbox *spec, char **ret_text, struct err *err);

/**
 * spec_sandbox_decode() - Read and check what spec_sandbox_encode() wrote
 * @text:	JSON
 * @len:	bytes of @text
 * @ret:	filled in; release it with spec_sandbox_done()
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -EINVAL, -EFBIG or -ENOMEM; @ret is untouched on failure.
 */
int spec_sandbox_decode(const char *text, size_t len, struct spec_sandbox *ret, struct err *err);

/* The same for the smaller documents. */
int spec_process_encode(const struct spec_process *process, char **ret_text, struct err *err);
int spec_process_decode(const char *text, size_t len, struct spec_process *ret, struct err *err);
int spec_resources_encode(const struct spec_resources *r, char **ret_text, struct err *err);
int spec_resources_decode(const char *text, size_t len, struct spec_resources *ret,
			  struct err *err);
int spec_tool_encode(const struct spec_tool *tool, char **ret_text, struct err *err);
int spec_tool_decode(const char *text, size_t len, struct spec_tool *ret, struct err *err);
int spec_stats_encode(const struct spec_stats *stats, char **ret_text, struct err *err);
int spec_stats_decode(const char *text, size_t len, struct spec_stats *ret, struct err *err);

#endif
