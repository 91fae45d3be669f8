/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - hull-image: the helper that links decompressors and unpacks images
 *
 * It is executed by hull in its own place, so it speaks to the user as hull does: one line
 * "hull: cannot ...: ..." and a hint.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/strv.h"
#include "image/guest.h"

struct options {
	const char *root, *run_root;
	bool quiet;
};

static int usage(struct err *err, const char *what)
{
	return err_setk(err, ERR_USAGE, EINVAL, "%s", what);
}

static int cmd_guest(const struct options *options, int argc, char **argv, struct err *err)
{
	static const struct option longopts[] = {
		{ "kernel", required_argument, NULL, 'k' },
		{ "modules", required_argument, NULL, 'm' },
		{ "agent", required_argument, NULL, 'a' },
		{ "out", required_argument, NULL, 'o' },
		{ 0 },
	};
	const char *kernel = NULL, *modules = NULL, *agent = NULL, *out = NULL;
	int c;

	(void)options;
	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'k':
			kernel = optarg;
			break;
		case 'm':
			modules = optarg;
			break;
		case 'a':
			agent = optarg;
			break;
		case 'o':
			out = optarg;
			break;
		default:
			return usage(err, "unknown option of guest");
		}
	}
	if (!kernel || !modules || !agent || !out || optind != argc)
		return usage(err, "guest --kernel FILE --modules DIR --agent FILE --out DIR");

	return guest_build(kernel, modules, agent, out, err);
}

static const struct {
	const char *name, *doing;
	int (*run)(const struct options *options, int argc, char **argv, struct err *err);
} commands[] = {
	{ "guest", "make the guest kernel ready", cmd_guest },
};

static int read_options(int argc, char **argv, struct options *ret, struct err *err)
{
	static const struct option longopts[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "run-root", required_argument, NULL, 'R' },
		{ "log-level", required_argument, NULL, 'l' },
		{ "quiet", no_argument, NULL, 'q' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+q", longopts, NULL)) != -1) {
		switch (c) {
		case 'r':
			ret->root = optarg;
			break;
		case 'R':
			ret->run_root = optarg;
			break;
		case 'l':
			if (log_set_level(optarg) < 0)
				return usage(err, "unknown log level");
			break;
		case 'q':
			ret->quiet = true;
			break;
		default:
			return usage(err, "unknown option");
		}
	}
	if (optind == argc)
		return usage(err, "a command is missing");

	return 0;
}

static int dispatch(int argc, char **argv, const char **ret_doing, struct err *err)
{
	struct options options = { .root = "/var/lib/hull", .run_root = "/run/hull" };
	int first, r = read_options(argc, argv, &options, err);

	if (r < 0)
		return r;
	first = optind;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[first], commands[i].name) != 0)
			continue;
		*ret_doing = commands[i].doing;
		/* 0 starts getopt afresh, in glibc. */
		optind = 0;
		return commands[i].run(&options, argc - first, argv + first, err);
	}

	return usage(err, "unknown command");
}

int main(int argc, char **argv)
{
	const char *doing = "run hull-image";
	struct err err = ERR_INIT;
	char text[sizeof(err.frames) + 64];

	if (dispatch(argc, argv, &doing, &err) >= 0)
		return 0;
	fprintf(stderr, "hull: cannot %s: %s\n", doing, err_text(&err, text, sizeof(text)));
	if (err.hint[0])
		fprintf(stderr, "hint: %s\n", err.hint);

	return err_exit_status(&err);
}
