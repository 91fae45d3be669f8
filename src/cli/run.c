/* SPDX-License-Identifier: Apache-2.0
 *
 * run.c - hull run, hull create
 */
#include <stdio.h>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/container_args.h"
#include "cli/streams.h"

#define AT(member) offsetof(struct container_args, member)

static const struct opt run_opts[] = {
	{ 'd', "detach", OPT_BOOL, AT(detach), NULL, NULL, "Run in the background, print the id" },
	{ 0, "detach-keys", OPT_TEXT, AT(detach_keys), "keys", DETACH_KEYS_DEFAULT,
	  "Keys that detach from its terminal" },
	{ 0, "sig-proxy", OPT_BOOL, AT(sig_proxy), NULL, "true", "Pass signals on to it" },
	OPT_MORE(container_opts),
};

static const struct opt create_opts[] = {
	OPT_MORE(container_opts),
};

/* What is told between the record and the start. */
struct created {
	const struct container_args *args;
	char id[SPEC_ID_HEX + 1];
};

static int on_created(void *ctx, const char *id, struct err *err)
{
	struct created *created = ctx;

	(void)snprintf(created->id, sizeof(created->id), "%s", id);

	return container_write_cidfile(created->args->cidfile, id, err);
}

static void on_built(void *ctx, const struct engine_container *c)
{
	(void)ctx;
	log_info("container=%.12s isolation=%s machine=%s", c->row.id, c->row.level,
		 c->state.machine);
}

static int run_request(struct cli *cli, const struct container_args *args,
		       struct engine_request *request, struct err *err)
{
	const struct streams_args wanted = {
		.with_stdin = args->interactive,
		.sig_proxy = args->sig_proxy,
		.detach_keys = args->detach_keys,
	};
	struct cli_streams attached;
	struct created created = { .args = args };
	struct engine_caller caller = {
		.streams = args->detach ? NULL : &attached.streams,
		.created = on_created,
		.built = log_get_level() >= LOG_INFO ? on_built : NULL,
		.ctx = &created,
	};
	struct engine_end end = { 0 };
	struct engine *e;
	int r = cli_streams_check_terminal(args->tty, args->interactive && !args->detach, err);

	if (r == 0)
		r = cli_streams_init(&attached, &wanted, err);
	if (r == 0)
		r = cli_engine(cli, CLI_ENGINE_HURRY, &e, err);
	if (r == 0)
		r = engine_run(e, request, &caller, &end, err);
	if (r == 0 && args->detach)
		printf("%s\n", created.id);

	return cli_streams_status(r, &end);
}

static int run_run(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	struct engine_request request;
	int r = container_request(args, words, words_len, &request, err);

	if (r == 0)
		r = run_request(cli, args, &request, err);
	engine_config_done(&request.config);

	return r;
}

static int run_create(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct container_args *a = args;
	auto_done(engine_container) c = { 0 };
	struct engine_request request;
	struct engine *e;
	int r = container_request(a, words, words_len, &request, err);

	if (r == 0)
		r = cli_engine(cli, CLI_ENGINE_HURRY, &e, err);
	if (r == 0)
		r = engine_create(e, &request, &c, err);
	engine_config_done(&request.config);
	if (r == 0)
		r = container_write_cidfile(a->cidfile, c.row.id, err);
	if (r == 0)
		printf("%s\n", c.row.id);

	return r;
}

const struct command command_run = {
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Create a container or virtual machine of an image and run it",
	.opts = run_opts,
	.args_bytes = sizeof(struct container_args),
	.flags = COMMAND_STOP_AT_FIRST | COMMAND_RUNS,
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_run,
};

const struct command command_create = {
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Create a container without starting it",
	.opts = create_opts,
	.args_bytes = sizeof(struct container_args),
	.flags = COMMAND_STOP_AT_FIRST | COMMAND_RUNS,
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_create,
};
