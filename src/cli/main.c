/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - the program hull: what comes before the name of a command
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "engine/engine.h"

struct global_args {
	const char *root, *run_root, *log_level;
	bool version;
};

static const struct opt global_opts[] = {
	{ 0, "root", OPT_TEXT, offsetof(struct global_args, root), "dir", NULL,
	  "Where images, volumes and containers are kept (HULL_ROOT, else /var/lib/hull)" },
	{ 0, "run-root", OPT_TEXT, offsetof(struct global_args, run_root), "dir", NULL,
	  "Where the state of what runs is kept (HULL_RUN_ROOT, else /run/hull)" },
	{ 'l', "log-level", OPT_TEXT, offsetof(struct global_args, log_level), "level", "warn",
	  "What is logged on stderr: error, warn, info or debug" },
	{ 'v', "version", OPT_BOOL, offsetof(struct global_args, version), NULL, NULL,
	  "Print the version and quit" },
	{ 'H', "host", OPT_REFUSED, 0, NULL, NULL, "there is no daemon to talk to" },
	{ 'c', "context", OPT_REFUSED, 0, NULL, NULL, "there is no daemon to talk to" },
	{ 0, "config", OPT_REFUSED, 0, NULL, NULL, "there is no configuration directory" },
	{ 'D', "debug", OPT_REFUSED_BOOL, 0, NULL, NULL, "use --log-level debug" },
	OPT_END,
};

static int help(FILE *out)
{
	fprintf(out, "Usage: hull [OPTIONS] COMMAND\n\n"
		     "Run any OCI image at the isolation you choose: as a container, or as a "
		     "virtual machine\nwith a kernel of its own "
		     "(hull run --isolation container|vm IMAGE).\n\nCommands:\n");
	for (const struct command_name *c = command_names; c->name; c++)
		if (!strchr(c->name, ' ') && !(c->command->flags & COMMAND_HIDDEN))
			fprintf(out, "  %-12s %s\n", c->name, c->command->summary);
	fprintf(out, "\nGroups:\n");
	for (const struct command_group *g = command_groups; g->name; g++)
		if (g->summary)
			fprintf(out, "  %-12s %s\n", g->name, g->summary);
	fprintf(out, "\nOptions:\n");
	opt_help(global_opts, out);
	fprintf(out, "\nRun 'hull COMMAND --help' for the options of a command.\n");

	return out == stdout ? 0 : 125;
}

/* An absolute form of what the user, the environment or the default says; the caller frees it. */
static char *choose_dir(const char *option, const char *variable, const char *def)
{
	const char *dir = option ? option : secure_getenv(variable);

	return path_absolute(dir && *dir ? dir : def);
}

/* Paths in the environment are as the user sees them, but hull-monitor works in the root. */
static void make_environment_absolute(void)
{
	static const char *const names[] = { "HULL_KERNEL_DIR", "HULL_LIBEXEC", "HULL_VM_CONSOLE" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = secure_getenv(names[i]);
		auto_free char *path = value && *value ? path_absolute(value) : NULL;

		if (path && setenv(names[i], path, 1) < 0)
			abort(); /* no memory */
	}
}

static int run(const struct global_args *args, char **words, int words_len)
{
	auto_free char *root = choose_dir(args->root, "HULL_ROOT", "/var/lib/hull");
	auto_free char *run_root = choose_dir(args->run_root, "HULL_RUN_ROOT", "/run/hull");
	struct cli cli = { .root = root, .run_root = run_root };
	int status = command_main(&cli, words, words_len);

	engine_close(cli.engine);
	if (fflush(stdout) != 0 && status == 0 && errno != EPIPE) {
		fprintf(stderr, "hull: cannot write the output: %m\n");
		status = 125;
	}

	return status;
}

int main(int argc, char **argv)
{
	struct global_args args = { 0 };
	const struct cli no_cli = { 0 };
	struct err err = ERR_INIT;
	struct opt_words words = {
		.argv = argv + 1,
		.argc = argc - 1,
		.stop_at_first = true,
	};

	/* A reader that goes away ends one write, not the program that has to tidy up. */
	signal(SIGPIPE, SIG_IGN);
	opt_defaults(global_opts, &args);
	if (opt_parse(global_opts, &args, &words, &err) < 0)
		return cli_fail(&no_cli, &err);
	if (words.help)
		return help(stdout);
	if (args.version) {
		printf("hull version %s\n", HULL_VERSION);
		return 0;
	}
	make_environment_absolute();
	if (log_set_level(args.log_level) < 0) {
		err_setk(&err, ERR_USAGE, EINVAL, "unknown log level '%s'", args.log_level);
		err_hint(&err, "use error, warn, info or debug");
		return cli_fail(&no_cli, &err);
	}
	if (words.argc == 0)
		return help(stderr);

	return run(&args, words.argv, words.argc);
}
