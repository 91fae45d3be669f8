/* SPDX-License-Identifier: Apache-2.0
 *
 * exec.c - hull exec
 */
#include "cli/commands.h"
#include "cli/container_args.h"
#include "cli/streams.h"

struct exec_args {
	bool detach, interactive, tty, privileged;
	const char *detach_keys, *user, *workdir;
	struct strv env, env_file;
};

#define AT(member) offsetof(struct exec_args, member)

static const struct opt exec_opts[] = {
	{ 'd', "detach", OPT_BOOL, AT(detach), NULL, NULL, "Run in the background" },
	{ 0, "detach-keys", OPT_TEXT, AT(detach_keys), "keys", DETACH_KEYS_DEFAULT,
	  "Keys that detach from its terminal" },
	{ 'e', "env", OPT_LIST, AT(env), NULL, NULL, "Set environment variables" },
	{ 0, "env-file", OPT_LIST, AT(env_file), NULL, NULL,
	  "Read environment variables from a file" },
	{ 'i', "interactive", OPT_BOOL, AT(interactive), NULL, NULL, "Keep stdin open" },
	{ 0, "privileged", OPT_BOOL, AT(privileged), NULL, NULL, "Give it all capabilities" },
	{ 't', "tty", OPT_BOOL, AT(tty), NULL, NULL, "Give it a terminal" },
	{ 'u', "user", OPT_TEXT, AT(user), NULL, NULL, "User and group: USER[:GROUP]" },
	{ 'w', "workdir", OPT_TEXT, AT(workdir), "dir", NULL, "Working directory" },
	OPT_END,
};

static int exec_in(struct cli *cli, const struct exec_args *args, const char *container,
		   const struct engine_exec *exec, struct err *err)
{
	const struct streams_args wanted = {
		.with_stdin = args->interactive,
		.detach_keys = args->detach_keys,
	};
	struct cli_streams attached;
	struct engine_end end = { 0 };
	struct engine *e;
	int r = cli_streams_init(&attached, &wanted, err);

	if (r == 0)
		r = cli_engine(cli, CLI_ENGINE_READ, &e, err);
	if (r == 0)
		r = engine_exec(e, container, exec, args->detach ? NULL : &attached.streams, &end,
				err);

	return cli_streams_status(r, &end);
}

static int run_exec(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct exec_args *a = args;
	auto_done(strv) argv = { 0 }, env = { 0 };
	struct engine_exec exec = {
		.args = &argv,
		.env = &env,
		.user = a->user,
		.working_dir = a->workdir,
		.tty = a->tty,
		.open_stdin = a->interactive && !a->detach,
		.privileged = a->privileged,
	};
	int r = cli_streams_check_terminal(a->tty, exec.open_stdin, err);

	for (int i = 1; i < words_len; i++)
		(void)strv_add(&argv, words[i]);
	if (r == 0)
		r = container_env(&a->env, &a->env_file, &env, err);

	return r < 0 ? r : exec_in(cli, a, words[0], &exec, err);
}

const struct command command_exec = {
	.usage = "[OPTIONS] CONTAINER COMMAND [ARG...]",
	.summary = "Run a command in a running container",
	.opts = exec_opts,
	.args_bytes = sizeof(struct exec_args),
	.flags = COMMAND_STOP_AT_FIRST | COMMAND_RUNS,
	.min_words = 2,
	.max_words = COMMAND_MANY,
	.run = run_exec,
};
