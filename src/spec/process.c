/* SPDX-License-Identifier: Apache-2.0
 *
 * process.c - one process of a workload as JSON
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "spec/sandbox.h"
#include "spec/shape.h"

#define PROCESS_MAX_STRINGS 65536
#define PROCESS_MAX_GROUPS 65536 /* NGROUPS_MAX */
#define PROCESS_MAX_PATH 4095	 /* PATH_MAX without its NUL */
#define PROCESS_MAX_USER 511	 /* two names of LOGIN_NAME_MAX and a colon */
#define TERMINAL_MAX 65535	 /* struct winsize */

/* As in getrlimit(2), config.md "rlimits". */
static const char *const rlimit_names[] = {
	[RLIMIT_CPU] = "RLIMIT_CPU",
	[RLIMIT_FSIZE] = "RLIMIT_FSIZE",
	[RLIMIT_DATA] = "RLIMIT_DATA",
	[RLIMIT_STACK] = "RLIMIT_STACK",
	[RLIMIT_CORE] = "RLIMIT_CORE",
	[RLIMIT_RSS] = "RLIMIT_RSS",
	[RLIMIT_NPROC] = "RLIMIT_NPROC",
	[RLIMIT_NOFILE] = "RLIMIT_NOFILE",
	[RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK",
	[RLIMIT_AS] = "RLIMIT_AS",
	[RLIMIT_LOCKS] = "RLIMIT_LOCKS",
	[RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING",
	[RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE",
	[RLIMIT_NICE] = "RLIMIT_NICE",
	[RLIMIT_RTPRIO] = "RLIMIT_RTPRIO",
	[RLIMIT_RTTIME] = "RLIMIT_RTTIME",
	NULL,
};

static const struct spec_field rlimit_fields[] = {
	SPEC_ENUM(spec_rlimit, resource, "type", rlimit_names),
	SPEC_U64(spec_rlimit, soft, "soft"),
	SPEC_U64(spec_rlimit, hard, "hard"),
};

static int rlimit_check(const void *thing, struct err *err)
{
	const struct spec_rlimit *rlimit = thing;

	if (rlimit->soft > rlimit->hard)
		return err_setk(err, ERR_USAGE, EINVAL, "%s: soft limit is above the hard limit",
				rlimit_names[rlimit->resource]);

	return 0;
}

static const struct spec_shape rlimit_shape =
	SPEC_SHAPE(spec_rlimit, "resource limit", rlimit_fields, .check = rlimit_check);

static const struct spec_field process_fields[] = {
	SPEC_STRV(spec_process, args, "args", PROCESS_MAX_STRINGS),
	SPEC_STRV(spec_process, env, "env", PROCESS_MAX_STRINGS),
	SPEC_TEXT(spec_process, cwd, "cwd", PROCESS_MAX_PATH),
	SPEC_TEXT(spec_process, user, "user", PROCESS_MAX_USER),
	SPEC_STRV(spec_process, group_add, "groupAdd", PROCESS_MAX_GROUPS),
	SPEC_U64(spec_process, caps, "capabilities"),
	SPEC_U64(spec_process, ambient, "ambient"),
	SPEC_LIST(spec_process, rlimits, "rlimits", &rlimit_shape, RLIM_NLIMITS),
	SPEC_BOOL(spec_process, terminal, "terminal"),
	SPEC_U32(spec_process, rows, "rows", TERMINAL_MAX),
	SPEC_U32(spec_process, cols, "cols", TERMINAL_MAX),
	SPEC_BOOL(spec_process, no_new_privs, "noNewPrivileges"),
	SPEC_I32(spec_process, oom_score_adj, "oomScoreAdj", -1000, 1000),
	SPEC_BOOL(spec_process, init, "init"),
	SPEC_BOOL(spec_process, privileged, "privileged"),
};

/* Whether there is anything to run depends on who asks: see the callers. */
static int process_check(const void *thing, struct err *err)
{
	const struct spec_process *process = thing;

	for (size_t i = 0; i < process->env.len; i++) {
		const char *equals = strchr(process->env.items[i], '=');

		if (!equals || equals == process->env.items[i])
			return err_setk(err, ERR_USAGE, EINVAL,
					"environment entry %zu is not NAME=value", i);
	}
	if ((process->ambient & ~process->caps) != 0)
		return err_setk(err, ERR_USAGE, EINVAL,
				"an ambient capability is not among the capabilities");

	return process->cwd ? spec_check_absolute(process->cwd, "working directory", err) : 0;
}

const struct spec_shape spec_process_shape =
	SPEC_SHAPE(spec_process, "process specification", process_fields, .check = process_check);

void spec_process_done(struct spec_process *process)
{
	spec_shape_done(&spec_process_shape, process);
}

int spec_process_encode(const struct spec_process *process, char **ret_text, struct err *err)
{
	return spec_shape_encode(&spec_process_shape, process, ret_text, err);
}

int spec_process_decode(const char *text, size_t len, struct spec_process *ret, struct err *err)
{
	auto_done(spec_process) process = { 0 };
	int r = spec_shape_decode(&spec_process_shape, text, len, &process, err);

	if (r < 0)
		return r;
	if (process.args.len == 0)
		return err_setk(err, ERR_USAGE, EINVAL, "process specification has no arguments");
	*ret = process;
	process = (struct spec_process){ 0 };

	return 0;
}
