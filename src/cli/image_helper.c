/* SPDX-License-Identifier: Apache-2.0
 *
 * image_helper.c - hull import, load, save, image bootstrap: what hull-image does
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "engine/image.h"

#define STANDARD_STREAM "-" /* hull-image reads stdin or writes stdout itself */

/* What a user wrote comes behind "--", so that it never is an option. */
static int add_words(struct strv *argv, char **words, int words_len)
{
	int r = strv_add(argv, "--");

	for (int i = 0; r == 0 && i < words_len; i++)
		r = strv_add(argv, words[i]);

	return r;
}

static int become(const struct cli *cli, bool quiet, const struct strv *argv, struct err *err)
{
	return engine_image_helper(cli->root, cli->run_root, quiet, argv, err);
}

/* ---- import ---- */

struct import_args {
	struct strv changes;
	const char *name, *max_ratio;
	bool keep_blobs, quiet;
};

#define AT(member) offsetof(struct import_args, member)
static const struct opt import_opts[] = {
	{ 'c', "change", OPT_LIST, AT(changes), "INSTRUCTION", NULL,
	  "Dockerfile instruction for a root filesystem: 'CMD [\"sh\"]', 'ENV A=b' ..." },
	{ 0, "keep-blobs", OPT_BOOL, AT(keep_blobs), NULL, NULL,
	  "Keep compressed layers too, for who pushes them again" },
	{ 0, "max-ratio", OPT_TEXT, AT(max_ratio), "N", "200",
	  "Take layers that unpack to N times their size" },
	{ 'm', "message", OPT_REFUSED, 0, NULL, NULL, "the history says what was imported" },
	{ 0, "name", OPT_TEXT, AT(name), "NAME[:TAG]", NULL, "Name of the image" },
	{ 0, "platform", OPT_REFUSED, 0, NULL, NULL, "the image's own is kept" },
	{ 'q', "quiet", OPT_BOOL, AT(quiet), NULL, NULL, "No progress; print the id only" },
	OPT_END,
};
#undef AT

static int run_import(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct import_args *a = args;
	const char *name = a->name ? a->name : words_len > 1 ? words[1] : NULL;
	auto_done(strv) argv = { 0 };
	int r = strv_add(&argv, "import");

	if (r == 0)
		r = strv_add_option(&argv, "--name", name);
	if (r == 0)
		r = strv_add_option(&argv, "--max-ratio", a->max_ratio);
	for (size_t i = 0; r == 0 && i < a->changes.len; i++)
		r = strv_add_option(&argv, "--change", a->changes.items[i]);
	if (r == 0 && a->keep_blobs)
		r = strv_add(&argv, "--keep-blobs");
	if (r == 0)
		r = add_words(&argv, words, 1);

	return r < 0 ? r : become(cli, a->quiet, &argv, err);
}

const struct command command_import = {
	.usage = "[OPTIONS] PATH|- [NAME[:TAG]]",
	.summary = "Make an image of an OCI layout or archive, a Docker archive, or a tar of files",
	.opts = import_opts,
	.args_bytes = sizeof(struct import_args),
	.min_words = 1,
	.max_words = 2,
	.run = run_import,
};

/* ---- load ---- */

struct load_args {
	const char *input;
	bool quiet;
};

static const struct opt load_opts[] = {
	{ 'i', "input", OPT_TEXT, offsetof(struct load_args, input), "FILE", NULL,
	  "Read from a file instead of stdin" },
	{ 'q', "quiet", OPT_BOOL, offsetof(struct load_args, quiet), NULL, NULL, "No progress" },
	OPT_END,
};

static int run_load(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct load_args *a = args;
	auto_done(strv) argv = { 0 };
	int r;

	(void)words;
	(void)words_len;
	if (!a->input && isatty(STDIN_FILENO)) {
		err_setk(err, ERR_USAGE, EINVAL, "stdin is a terminal, not an archive");
		err_hint(err, "name a file: hull load -i FILE");
		return -EINVAL;
	}
	r = strv_add(&argv, "import");
	if (r == 0)
		r = strv_add(&argv, "--");
	if (r == 0)
		r = strv_add(&argv, a->input ? a->input : STANDARD_STREAM);

	return r < 0 ? r : become(cli, a->quiet, &argv, err);
}

const struct command command_load = {
	.usage = "[OPTIONS]",
	.summary = "Load images from an archive, as docker save and hull save write it",
	.opts = load_opts,
	.args_bytes = sizeof(struct load_args),
	.run = run_load,
};

/* ---- save ---- */

struct save_args {
	const char *output;
};

static const struct opt save_opts[] = {
	{ 'o', "output", OPT_TEXT, offsetof(struct save_args, output), "FILE", NULL,
	  "Write to a file instead of stdout" },
	{ 0, "platform", OPT_REFUSED, 0, NULL, NULL, "an image has one platform here" },
	OPT_END,
};

static int run_save(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct save_args *a = args;
	auto_done(strv) argv = { 0 };
	int r;

	if (!a->output && isatty(STDOUT_FILENO)) {
		err_setk(err, ERR_USAGE, EINVAL,
			 "stdout is a terminal: refusing to write an "
			 "archive to it");
		err_hint(err, "use -o FILE, or redirect");
		return -EINVAL;
	}
	r = strv_add(&argv, "save");
	if (r == 0)
		r = strv_add_option(&argv, "-o", a->output ? a->output : STANDARD_STREAM);
	if (r == 0)
		r = add_words(&argv, words, words_len);

	return r < 0 ? r : become(cli, false, &argv, err);
}

const struct command command_save = {
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Write images as an OCI archive, their layers byte for byte as they came",
	.opts = save_opts,
	.args_bytes = sizeof(struct save_args),
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_save,
};

/* ---- bootstrap ---- */

struct bootstrap_args {
	struct strv include;
	const char *name;
	bool quiet;
};

#define AT(member) offsetof(struct bootstrap_args, member)
static const struct opt bootstrap_opts[] = {
	{ 0, "include", OPT_LIST, AT(include), "PACKAGE,...", NULL, "More packages (debian)" },
	{ 0, "name", OPT_TEXT, AT(name), "NAME[:TAG]", NULL,
	  "Name of the image; busybox:latest or debian:SUITE without" },
	{ 'q', "quiet", OPT_BOOL, AT(quiet), NULL, NULL, "No progress" },
	OPT_END,
};
#undef AT

static int run_bootstrap(struct cli *cli, const void *args, char **words, int words_len,
			 struct err *err)
{
	const struct bootstrap_args *a = args;
	auto_done(strv) argv = { 0 };
	int r = strv_add(&argv, "bootstrap");

	for (size_t i = 0; r == 0 && i < a->include.len; i++)
		r = strv_add_option(&argv, "--include", a->include.items[i]);
	if (r == 0)
		r = strv_add_option(&argv, "--name", a->name);
	if (r == 0)
		r = add_words(&argv, words, words_len);

	return r < 0 ? r : become(cli, a->quiet, &argv, err);
}

const struct command command_bootstrap = {
	.usage = "[OPTIONS] busybox|debian[:SUITE]",
	.summary = "Make an image of this machine's own Debian packages",
	.opts = bootstrap_opts,
	.args_bytes = sizeof(struct bootstrap_args),
	.min_words = 1,
	.max_words = 1,
	.run = run_bootstrap,
};
