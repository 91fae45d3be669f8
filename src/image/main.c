/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - hull-image: the helper that links decompressors and unpacks images
 *
 * It is executed by hull in its own place, so it speaks to the user as hull does: one line
 * "hull: cannot ...: ..." and a hint.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/strv.h"
#include "image/bootstrap.h"
#include "image/guest.h"
#include "image/progress.h"
#include "store/store.h"
#include "image/verify.h"
#include "store/store.h"

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

static void print_finding(void *ctx, const char *what, bool mended)
{
	(void)ctx;
	printf("%s: %s\n", mended ? "mended" : "found", what);
}

/* Run by hull system check --repair, which passes the lines on. */
static int cmd_verify(const struct options *options, int argc, char **argv, struct err *err)
{
	struct store *store;
	int r;

	(void)argv;
	if (argc != 1)
		return usage(err, "verify takes no arguments");
	r = store_open(options->root, options->run_root, STORE_WRITER, &store, err);
	if (r < 0)
		return r;
	r = verify_layers(store, print_finding, NULL, err);
	store_close(store);

	return r;
}

static int open_store(const struct options *options, struct store **ret, struct err *err)
{
	return store_open(options->root, options->run_root, STORE_WRITER, ret, err);
}

static int run_busybox(const struct options *options, const char *name, struct progress *progress,
		       struct err *err)
{
	char id[STORE_DIGEST_BYTES];
	struct store *s;
	int r = open_store(options, &s, err);

	if (r < 0)
		return r;
	name = name ? name : "busybox:latest";
	r = bootstrap_busybox(s, name, progress, id, err);
	store_close(s);
	if (r == 0)
		printf("Loaded image: %s\n", name);

	return r;
}

static int cmd_bootstrap(const struct options *options, int argc, char **argv, struct err *err)
{
	static const struct option longopts[] = {
		{ "include", required_argument, NULL, 'i' },
		{ "name", required_argument, NULL, 'n' },
		{ 0 },
	};
	const char *include = NULL, *name = NULL;
	struct progress progress;
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'i':
			include = optarg;
			break;
		case 'n':
			name = optarg;
			break;
		default:
			return usage(err, "unknown option of bootstrap");
		}
	}
	if (optind + 1 != argc)
		return usage(err, "bootstrap busybox, or bootstrap debian[:SUITE]");
	progress_init(&progress, options->quiet);
	if (strcmp(argv[optind], "busybox") == 0)
		return run_busybox(options, name, &progress, err);

	return usage(err, "only busybox and debian can be bootstrapped");
}

static const struct {
	const char *name, *doing;
	int (*run)(const struct options *options, int argc, char **argv, struct err *err);
} commands[] = {
	{ "bootstrap", "bootstrap the image", cmd_bootstrap },
	{ "guest", "make the guest kernel ready", cmd_guest },
	{ "verify", "verify the store's layers", cmd_verify },
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

	/* A child or a reader that is gone shows as an error of the write. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (dispatch(argc, argv, &doing, &err) >= 0)
		return 0;
	fprintf(stderr, "hull: cannot %s: %s\n", doing, err_text(&err, text, sizeof(text)));
	if (err.hint[0])
		fprintf(stderr, "hint: %s\n", err.hint);

	return err_exit_status(&err);
}
