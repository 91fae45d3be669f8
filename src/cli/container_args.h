/* SPDX-License-Identifier: Apache-2.0
 *
 * container_args.h - the options that run and create, and in part update, share
 */
#ifndef CLI_CONTAINER_ARGS_H
#define CLI_CONTAINER_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "cli/opt.h"
#include "engine/container.h"

/* What the options of update fill in, and those of run and create with them. */
struct limit_args {
	int64_t memory_bytes, memory_swap_bytes, cpus_milli, cpu_shares, pids_limit;
	const char *cpuset_cpus;
};

/* What the options of run and create fill in; @limits comes first, for limit_opts. */
struct container_args {
	struct limit_args limits;
	/* of the command */
	bool detach, sig_proxy;
	const char *detach_keys, *cidfile, *pull;
	/* of the container */
	const char *name, *isolation, *entrypoint, *hostname, *user, *workdir, *stop_signal;
	bool interactive, tty, rm, init, privileged, read_only;
	struct strv env, env_file, labels, label_file;
	struct strv volumes, mounts, tmpfs, security_opts, storage_opts, log_opts;
	struct strv cap_add, cap_drop, devices, ulimits, group_add, sysctls, add_hosts;
	const char *network, *userns, *pid, *ipc, *uts, *cgroupns;
	const char *kernel;
	int64_t shm_bytes, stop_timeout_s, oom_score_adj;
};

/* For tables of structs that begin with a struct limit_args. */
extern const struct opt limit_opts[];

/* For tables of struct container_args; with limit_opts. */
extern const struct opt container_opts[];

/* The same as limits of a workload; the caller releases them. */
struct spec_resources limit_resources(const struct limit_args *args);

/**
 * container_request() - Turn options and words into a request
 * @args:	options
 * @words:	image, command, arguments
 * @words_len:	at least 1
 * @ret:	borrows from @args; its config is the caller's to release
 * @err:	kind USAGE
 *
 * Return: 0 or a negative errno.
 */
int container_request(const struct container_args *args, char **words, int words_len,
		      struct engine_request *ret, struct err *err);

/* Append -e and --env-file as NAME=value; a lone NAME takes this process' value, if any. */
int container_env(const struct strv *env, const struct strv *files, struct strv *ret,
		  struct err *err);

/* Write @id to a file that must not exist; NULL path: nothing. 0 or a negative errno. */
int container_write_cidfile(const char *path, const char *id, struct err *err);

#endif
