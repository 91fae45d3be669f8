/* SPDX-License-Identifier: Apache-2.0
 *
 * control.c - hull start, stop, restart, kill, pause, unpause, wait, rename, rm
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/streams.h"
#include "engine/lookup.h"

/* Options of all of them, and what cli_each() passes on. */
struct control_args {
	bool attach, interactive, force, volumes, sig_proxy;
	const char *detach_keys, *signal;
	int64_t timeout_s;
};

struct control {
	struct engine *engine;
	const struct control_args *args;
	int signo;
};

#define AT(member) offsetof(struct control_args, member)

static int prepare(struct cli *cli, const struct control_args *args, struct control *ret,
		   struct err *err)
{
	/* rm --force is what people turn to after a crash. */
	int r = cli_engine(cli, args && args->force ? CLI_ENGINE_WRITE : CLI_ENGINE_READ,
			   &ret->engine, err);

	ret->args = args;
	ret->signo = 0;
	if (r == 0 && args && args->signal) {
		r = lookup_signal(args->signal, err);
		ret->signo = MAX(r, 0);
	}

	return MIN(r, 0);
}

/* Do @fn for each word; those that went well are printed. */
static int for_each(struct cli *cli, const struct control_args *args, char **words, int words_len,
		    int (*fn)(void *ctx, const char *word, struct err *err), struct err *err)
{
	struct control control;
	int r = prepare(cli, args, &control, err);

	return r < 0 ? r : cli_each(cli, words, words_len, fn, &control);
}

static int done(int r, const char *word)
{
	if (r == 0)
		printf("%s\n", word);

	return r;
}

/* ---- start ---- */

static const struct opt start_opts[] = {
	{ 'a', "attach", OPT_BOOL, AT(attach), NULL, NULL, "Attach its output, wait for its end" },
	{ 'i', "interactive", OPT_BOOL, AT(interactive), NULL, NULL, "Attach stdin too" },
	{ 0, "detach-keys", OPT_TEXT, AT(detach_keys), "keys", DETACH_KEYS_DEFAULT,
	  "Keys that detach from its terminal" },
	{ 0, "sig-proxy", OPT_BOOL, AT(sig_proxy), NULL, "true", "Pass signals on to it" },
	{ 0, "checkpoint", OPT_REFUSED, 0, NULL, NULL, "there are no checkpoints yet" },
	OPT_END,
};

static int start_one(void *ctx, const char *word, struct err *err)
{
	const struct control *control = ctx;

	return done(engine_start(control->engine, word, NULL, NULL, err), word);
}

static int start_attached(struct cli *cli, const struct control_args *args, const char *word,
			  struct err *err)
{
	const struct streams_args wanted = {
		.with_stdin = args->interactive,
		.sig_proxy = args->sig_proxy,
		.detach_keys = args->detach_keys,
	};
	struct cli_streams attached;
	struct engine_end end = { 0 };
	struct engine *e;
	int r = cli_streams_init(&attached, &wanted, err);

	if (r == 0)
		r = cli_engine(cli, CLI_ENGINE_READ, &e, err);
	if (r == 0)
		r = engine_start(e, word, &attached.streams, &end, err);

	return cli_streams_status(r, &end);
}

static int run_start(struct cli *cli, const void *args, char **words, int words_len,
		     struct err *err)
{
	const struct control_args *a = args;

	if (!a->attach && !a->interactive)
		return for_each(cli, a, words, words_len, start_one, err);
	if (words_len > 1)
		return err_setk(err, ERR_USAGE, EINVAL,
				"you cannot start and attach multiple containers at once");

	return start_attached(cli, a, words[0], err);
}

const struct command command_start = {
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Start containers that are created or have ended",
	.opts = start_opts,
	.args_bytes = sizeof(struct control_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_start,
};

/* ---- attach ---- */

static const struct opt attach_opts[] = {
	{ 0, "no-stdin", OPT_BOOL, AT(force), NULL, NULL, "Do not attach stdin" },
	{ 0, "detach-keys", OPT_TEXT, AT(detach_keys), "keys", DETACH_KEYS_DEFAULT,
	  "Keys that detach from its terminal" },
	{ 0, "sig-proxy", OPT_BOOL, AT(sig_proxy), NULL, "true", "Pass signals on to it" },
	OPT_END,
};

static int run_attach(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct control_args *a = args;
	const struct streams_args wanted = {
		.with_stdin = !a->force,
		.sig_proxy = a->sig_proxy,
		.detach_keys = a->detach_keys,
	};
	struct cli_streams attached;
	struct engine_end end = { 0 };
	struct engine *e;
	int r = cli_streams_init(&attached, &wanted, err);

	(void)words_len;
	if (r == 0)
		r = cli_engine(cli, CLI_ENGINE_READ, &e, err);
	if (r == 0)
		r = engine_attach(e, words[0], &attached.streams, &end, err);

	return cli_streams_status(r, &end);
}

const struct command command_attach = {
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Attach the terminal to a running container",
	.opts = attach_opts,
	.args_bytes = sizeof(struct control_args),
	.min_words = 1,
	.max_words = 1,
	.run = run_attach,
};

/* ---- stop, restart, kill ---- */

static const struct opt stop_opts[] = {
	{ 's', "signal", OPT_TEXT, AT(signal), NULL, NULL, "Signal to send first" },
	{ 't', "timeout", OPT_INT, AT(timeout_s), "seconds", "-1",
	  "Time from that signal to SIGKILL; -1: the container's own, else 10" },
	{ 0, "time", OPT_INT, AT(timeout_s), "seconds", NULL, "The same as --timeout" },
	OPT_END,
};

static int stop_one(void *ctx, const char *word, struct err *err)
{
	const struct control *control = ctx;

	return done(
		engine_stop(control->engine, word, control->signo, control->args->timeout_s, err),
		word);
}

static int run_stop(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	return for_each(cli, args, words, words_len, stop_one, err);
}

const struct command command_stop = {
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Stop running containers",
	.opts = stop_opts,
	.args_bytes = sizeof(struct control_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_stop,
};

static int restart_one(void *ctx, const char *word, struct err *err)
{
	const struct control *control = ctx;

	return done(engine_restart(control->engine, word, control->signo, control->args->timeout_s,
				   err),
		    word);
}

static int run_restart(struct cli *cli, const void *args, char **words, int words_len,
		       struct err *err)
{
	return for_each(cli, args, words, words_len, restart_one, err);
}

const struct command command_restart = {
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Stop containers and start them again",
	.opts = stop_opts,
	.args_bytes = sizeof(struct control_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_restart,
};

static const struct opt kill_opts[] = {
	{ 's', "signal", OPT_TEXT, AT(signal), NULL, "KILL", "Signal to send" },
	OPT_END,
};

static int kill_one(void *ctx, const char *word, struct err *err)
{
	const struct control *control = ctx;

	return done(engine_kill(control->engine, word, control->signo, err), word);
}

static int run_kill(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	return for_each(cli, args, words, words_len, kill_one, err);
}

const struct command command_kill = {
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Send a signal to running containers",
	.opts = kill_opts,
	.args_bytes = sizeof(struct control_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_kill,
};

/* ---- pause, unpause ---- */

static int pause_one(void *ctx, const char *word, struct err *err)
{
	const struct control *control = ctx;

	return done(engine_pause(control->engine, word, true, err), word);
}

static int run_pause(struct cli *cli, const void *args, char **words, int words_len,
		     struct err *err)
{
	(void)args;

	return for_each(cli, NULL, words, words_len, pause_one, err);
}

const struct command command_pause = {
	.usage = "CONTAINER [CONTAINER...]",
	.summary = "Freeze all processes of containers",
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_pause,
};

static int unpause_one(void *ctx, const char *word, struct err *err)
{
	const struct control *control = ctx;

	return done(engine_pause(control->engine, word, false, err), word);
}

static int run_unpause(struct cli *cli, const void *args, char **words, int words_len,
		       struct err *err)
{
	(void)args;

	return for_each(cli, NULL, words, words_len, unpause_one, err);
}

const struct command command_unpause = {
	.usage = "CONTAINER [CONTAINER...]",
	.summary = "Thaw containers that are paused",
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_unpause,
};

/* ---- wait, rename, rm ---- */

static int wait_one(void *ctx, const char *word, struct err *err)
{
	const struct control *control = ctx;
	int status = 0, r = engine_wait(control->engine, word, &status, err);

	if (r == 0) {
		printf("%d\n", status);
		fflush(stdout);
	}

	return r;
}

static int run_wait(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	(void)args;

	return for_each(cli, NULL, words, words_len, wait_one, err);
}

const struct command command_wait = {
	.usage = "CONTAINER [CONTAINER...]",
	.summary = "Wait until containers end, print their exit statuses",
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_wait,
};

static int run_rename(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	struct engine *e;
	int r = cli_engine(cli, CLI_ENGINE_READ, &e, err);

	(void)args;
	(void)words_len;

	return r < 0 ? r : engine_rename(e, words[0], words[1], err);
}

const struct command command_rename = {
	.usage = "CONTAINER NEW_NAME",
	.summary = "Rename a container",
	.min_words = 2,
	.max_words = 2,
	.run = run_rename,
};

static const struct opt rm_opts[] = {
	{ 'f', "force", OPT_BOOL, AT(force), NULL, NULL, "Also one that runs: kill it first" },
	{ 'v', "volumes", OPT_BOOL, AT(volumes), NULL, NULL, "Remove its anonymous volumes too" },
	{ 'l', "link", OPT_REFUSED_BOOL, 0, NULL, NULL, "there are no links" },
	OPT_END,
};

static int rm_one(void *ctx, const char *word, struct err *err)
{
	const struct control *control = ctx;
	unsigned flags = (control->args->force ? ENGINE_REMOVE_FORCE : 0) |
			 (control->args->volumes ? ENGINE_REMOVE_VOLUMES : 0);
	int r = engine_remove(control->engine, word, flags, err);

	/* As in Docker, what is not there needs no force. */
	if (r == -ENOENT && control->args->force) {
		char text[sizeof(err->frames)];

		fprintf(stderr, "hull: %s\n", err_text(err, text, sizeof(text)));
		return 0;
	}

	return done(r, word);
}

static int run_rm(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	return for_each(cli, args, words, words_len, rm_one, err);
}

const struct command command_rm = {
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Remove containers",
	.opts = rm_opts,
	.args_bytes = sizeof(struct control_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_rm,
};
