/* SPDX-License-Identifier: Apache-2.0
 *
 * config.h - what a container is: the document that its row in the store keeps
 *
 * It is complete: the image's defaults have been merged in, names of volumes chosen, so that a
 * start needs the document, the image's layers and nothing else. Numbers that the user did not
 * give are 0, texts NULL.
 */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "spec/sandbox.h"

enum engine_mount_type {
	ENGINE_MOUNT_BIND = 0,
	ENGINE_MOUNT_VOLUME,
	ENGINE_MOUNT_TMPFS,
};

/**
 * struct engine_mount - a bind mount, a volume or a tmpfs
 * @type:	which
 * @flags:	enum spec_mount_flags; SPEC_MOUNT_COPY_UP is worked out at the start
 * @source:	host path of a bind; name of a volume, NULL while an anonymous one has none
 * @target:	absolute path in the container
 * @propagation: as in spec_mount, or NULL
 * @size_bytes:	of a tmpfs
 * @mode:	of a tmpfs
 * @no_copy:	an empty volume stays empty
 * @anonymous:	the volume goes with the container
 * @make_source: -v: a bind source that is absent is made, as a directory
 */
struct engine_mount {
	enum engine_mount_type type;
	uint32_t flags;
	char *source, *target;
	char *propagation;
	uint64_t size_bytes;
	uint32_t mode;
	bool no_copy, anonymous, make_source;
};

/* Where a container finds the host's things instead of its own: "", "host", "container:ID". */
struct engine_modes {
	char *network; /* "none" or "host" */
	char *userns;  /* "private" or "host" */
	char *pid, *ipc, *uts, *cgroupns;
};

/**
 * struct engine_config - one container; the names are those of docker run's options
 * @cmd:	arguments after @entrypoint, the image's if the user gave none
 * @labels:	"key=value"
 * @stop_timeout_s: -1: not given
 * @auto_remove: --rm
 * @resources:	limits as given; what they leave open is decided at each start
 * @seccomp:	"default", "unconfined", or the text of a profile
 * @unmasked:	--security-opt systempaths=unconfined
 * @disk_bytes:	--storage-opt size=
 * @log_max_bytes: size at which the log is rotated
 * @log_max_files: rotated files kept
 */
struct engine_config {
	char *hostname, *user, *working_dir, *stop_signal;
	struct strv entrypoint, cmd, env, labels;
	bool tty, open_stdin, stdin_once, auto_remove, init, privileged, readonly_root;
	int64_t stop_timeout_s;
	struct engine_mount *mounts;
	size_t mounts_len;
	struct engine_modes modes;
	struct strv cap_add, cap_drop, devices, ulimits, group_add, sysctls, add_hosts;
	struct spec_resources resources;
	uint64_t shm_bytes;
	int64_t oom_score_adj;
	char *seccomp;
	bool new_privileges, unmasked;
	uint64_t disk_bytes;
	char *kernel;
	uint64_t log_max_bytes, log_max_files;
};

void engine_config_done(struct engine_config *config);
DEFINE_AUTO_DONE(engine_config)

/* As JSON; the caller frees @ret_text. 0 or -ENOMEM. */
int engine_config_encode(const struct engine_config *config, char **ret_text, struct err *err);

/* @ret is untouched on failure. 0 or a negative errno. */
int engine_config_decode(const char *text, struct engine_config *ret, struct err *err);

/* Append; @mount is moved into the list. */
void engine_config_give_mount(struct engine_config *config, struct engine_mount *mount);

void engine_mount_done(struct engine_mount *mount);
DEFINE_AUTO_DONE(engine_mount)

#endif
