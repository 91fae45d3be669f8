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
#include "base/mem.h"
#include "base/parse.h"
#include "base/strv.h"
#include "image/bootstrap.h"
#include "image/guest.h"
#include "image/import.h"
#include "image/progress.h"
#include "image/save.h"
#include "image/verify.h"
#include "store/store.h"

struct options {
	const char *root, *run_root;
	bool quiet;
};

static const char help[] =
	"usage: hull-image [--root DIR] [--run-root DIR] [--log-level LEVEL] [-q|--quiet] COMMAND\n"
	"\n"
	"  import [--name NAME] [--change TEXT]... [--keep-blobs] [--max-ratio N] PATH\n"
	"  save [-o FILE] IMAGE\n"
	"  bootstrap busybox | debian[:SUITE] [--include PACKAGES] [--name NAME]\n"
	"  guest --kernel FILE [--modules DIR] --agent FILE --out DIR\n"
	"  verify\n"
	"  --version | --help\n";

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
	if (!kernel || !agent || !out || optind != argc)
		return usage(err, "guest --kernel FILE [--modules DIR] --agent FILE --out DIR");

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

/* One line a name, as docker load prints it; with --quiet the ids alone, for scripts. */
static void print_loaded(const struct options *options, const struct import_result *result)
{
	const struct strv *loaded = &result->names;

	for (size_t i = 0; options->quiet && i < result->ids.len; i++)
		printf("%s\n", result->ids.items[i]);
	if (options->quiet)
		return;
	for (size_t i = 0; i < loaded->len; i++)
		printf(strncmp(loaded->items[i], "sha256:", 7) == 0 ? "Loaded image ID: %s\n"
								    : "Loaded image: %s\n",
		       loaded->items[i]);
}

static int cmd_import(const struct options *options, int argc, char **argv, struct err *err)
{
	static const struct option longopts[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "change", required_argument, NULL, 'c' },
		{ "keep-blobs", no_argument, NULL, 'k' },
		{ "max-ratio", required_argument, NULL, 'r' },
		{ 0 },
	};
	auto_done(import_request) request = { 0 };
	auto_done(import_result) result = { 0 };
	struct progress_screen screen;
	struct progress progress;
	uint64_t max_ratio;
	struct store *s;
	int c, r;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'n':
			request.name = optarg;
			break;
		case 'c':
			if (strv_add(&request.changes, optarg) < 0)
				return err_set(err, ENOMEM, "out of memory");
			break;
		case 'k':
			request.keep_blobs = true;
			break;
		case 'r':
			if (parse_slice_u64(slice_of(optarg), 1, UINT32_MAX, &max_ratio) < 0)
				return usage(err, "--max-ratio takes a whole number");
			request.max_ratio = (unsigned)max_ratio;
			break;
		default:
			return usage(err, "unknown option of import");
		}
	}
	if (optind + 1 != argc)
		return usage(err, "import [--name NAME] [--change TEXT]... PATH");
	request.path = argv[optind];
	r = open_store(options, &s, err);
	if (r < 0)
		return r;
	progress_init(&progress, &screen, options->quiet);
	r = import_path(s, &request, &progress, &result, err);
	store_close(s);
	/* Layers that came in before the failure go with the next writer: be that one. */
	if (r < 0 && open_store(options, &s, NULL) == 0)
		store_close(s);
	print_loaded(options, &result);

	return r;
}

static int cmd_save(const struct options *options, int argc, char **argv, struct err *err)
{
	auto_done(strv) refs = { 0 };
	struct progress_screen screen;
	struct progress progress;
	const char *path = "-";
	struct store *s;
	int c, r;

	while ((c = getopt(argc, argv, "o:")) != -1) {
		if (c != 'o')
			return usage(err, "unknown option of save");
		path = optarg;
	}
	if (optind >= argc)
		return usage(err, "save -o FILE IMAGE...");
	for (c = optind; c < argc; c++)
		if (strv_add(&refs, argv[c]) < 0)
			return err_set(err, ENOMEM, "out of memory");
	r = store_open(options->root, options->run_root, 0, &s, err);
	if (r < 0)
		return r;
	progress_init(&progress, &screen, options->quiet);
	r = save_images(s, &refs, path, &progress, err);
	store_close(s);

	return r;
}

/* "busybox", "debian" or "debian:SUITE". */
static int bootstrap(struct store *s, const char *what, struct bootstrap_debian *want,
		     struct progress *progress, struct import_result *result, struct err *err)
{
	char id[STORE_DIGEST_BYTES];
	auto_free char *name = NULL;
	int r;

	if (strcmp(what, "busybox") == 0) {
		if (want->include.len > 0)
			return usage(err, "--include is for debian");
		name = mem_strdup(want->name ? want->name : "busybox:latest");
		r = bootstrap_busybox(s, name, progress, id, err);
	} else if (strcmp(what, "debian") == 0 || strncmp(what, "debian:", 7) == 0) {
		want->suite = what[6] ? what + 7 : NULL;
		r = bootstrap_debian(s, want, progress, &name, id, err);
	} else {
		return usage(err, "only busybox and debian can be bootstrapped");
	}

	if (r == 0)
		r = strv_add(&result->names, name);

	return r < 0 ? r : strv_add(&result->ids, id);
}

static int cmd_bootstrap(const struct options *options, int argc, char **argv, struct err *err)
{
	static const struct option longopts[] = {
		{ "include", required_argument, NULL, 'i' },
		{ "name", required_argument, NULL, 'n' },
		{ 0 },
	};
	auto_done(bootstrap_debian) want = { 0 };
	auto_done(import_result) result = { 0 };
	struct progress_screen screen;
	struct progress progress;
	struct store *s;
	int c, r;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'i':
			if (strv_add(&want.include, optarg) < 0)
				return err_set(err, ENOMEM, "out of memory");
			break;
		case 'n':
			want.name = optarg;
			break;
		default:
			return usage(err, "unknown option of bootstrap");
		}
	}
	if (optind + 1 != argc)
		return usage(err, "bootstrap busybox, or bootstrap debian[:SUITE]");
	r = open_store(options, &s, err);
	if (r < 0)
		return r;
	progress_init(&progress, &screen, options->quiet);
	r = bootstrap(s, argv[optind], &want, &progress, &result, err);
	store_close(s);
	print_loaded(options, &result);

	return r;
}

static const struct {
	const char *name, *doing;
	int (*run)(const struct options *options, int argc, char **argv, struct err *err);
} commands[] = {
	{ "import", "import the image", cmd_import },
	{ "save", "save the image", cmd_save },
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

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(help, stdout);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("hull-image " HULL_VERSION);
		return 0;
	}
	/* A child or a reader that is gone shows as an error of the write. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (dispatch(argc, argv, &doing, &err) >= 0)
		return 0;
	fprintf(stderr, "hull: cannot %s: %s\n", doing, err_text(&err, text, sizeof(text)));
	if (err.hint[0])
		fprintf(stderr, "hint: %s\n", err.hint);

	return 1;
}
