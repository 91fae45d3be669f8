/* SPDX-License-Identifier: Apache-2.0
 *
 * compare.c - hull compare
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/output.h"
#include "cli/commands.h"
#include "cli/compare_view.h"
#include "wire/json.h"

#define LIMIT_MAX_S 3600

struct compare_args {
	const char *format, *plot;
	int64_t repeat, limit_s;
};

#define AT(member) offsetof(struct compare_args, member)

static const struct opt compare_opts[] = {
	{ 0, "format", OPT_TEXT, AT(format), NULL, "table", "table or json" },
	{ 0, "limit", OPT_INT, AT(limit_s), "seconds", "120", "How long a start may take" },
	{ 0, "plot", OPT_TEXT, AT(plot), "file", NULL, "Also draw it into an SVG file" },
	{ 'n', "repeat", OPT_INT, AT(repeat), NULL, "3",
	  "How often each is measured; the middle counts" },
	OPT_END,
};

static int check(const struct compare_args *args, struct err *err)
{
	if (strcmp(args->format, "table") != 0 && strcmp(args->format, "json") != 0)
		return err_setk(err, ERR_USAGE, EINVAL, "invalid --format '%s': table or json",
				args->format);
	if (args->repeat < 1 || args->repeat > COMPARE_REPEAT_MAX)
		return err_setk(err, ERR_USAGE, EINVAL, "invalid --repeat: 1 to %d",
				COMPARE_REPEAT_MAX);
	if (args->limit_s < 1 || args->limit_s > LIMIT_MAX_S)
		return err_setk(err, ERR_USAGE, EINVAL, "invalid --limit: 1 to %d seconds",
				LIMIT_MAX_S);

	return 0;
}

static void print_progress(const char *row, unsigned round)
{
	fprintf(stderr, "round %u: %s\n", round + 1, row);
}

/* "busybox: uname -r" */
static char *make_title(char **words, int words_len)
{
	char *title = mem_strdup(words[0]);

	for (int i = 1; i < words_len; i++) {
		char *longer = mem_printf("%s%s %s", title, i == 1 ? ":" : "", words[i]);

		free(title);
		title = longer;
	}

	return title;
}

static int write_plot(struct output *output, const char *title, const struct compare_result *result,
		      struct err *err)
{
	auto_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return err_set(err, ENOMEM, "out of memory");
	compare_plot(out, title, result);
	if (fclose(out) != 0)
		return err_set(err, ENOMEM, "out of memory");
	if (fd_write_all(output->fd, text, len) < 0)
		return err_sys(err, "write '%s'", output->path);

	return output_finish(output, err);
}

static void print_result(const struct compare_args *args, const char *image,
			 const struct compare_result *result)
{
	auto_json *json = NULL;

	if (strcmp(args->format, "table") == 0) {
		compare_table(stdout, result);
		return;
	}
	json = compare_json(image, result);
	(void)json_dumpf(json, stdout, JSON_INDENT(2));
	fputc('\n', stdout);
}

static int measure(const struct cli *cli, const struct compare_args *args, char **words,
		   int words_len, struct compare_result *result, struct err *err)
{
	struct strv command = { 0 };
	struct compare_request request = {
		.image = words[0],
		.command = &command,
		.repeat = (unsigned)args->repeat,
		.limit_ns = args->limit_s * NS_PER_SEC,
		.progress = isatty(STDERR_FILENO) ? print_progress : NULL,
	};
	int r = 0;

	for (int i = 1; i < words_len && r == 0; i++)
		r = strv_add(&command, words[i]);
	if (r == 0)
		r = engine_compare(cli->root, cli->run_root, &request, result, err);
	strv_done(&command);

	return r;
}

static int run_compare(struct cli *cli, const void *args, char **words, int words_len,
		       struct err *err)
{
	const struct compare_args *a = args;
	auto_free struct compare_result *result = mem_calloc(1, sizeof(*result));
	auto_free char *title = NULL;
	auto_done(output) plot = OUTPUT_INIT;
	int r = check(a, err);

	/* "IMAGE -- COMMAND": what begins the command is no part of it. */
	if (words_len > 1 && strcmp(words[1], "--") == 0) {
		memmove(&words[1], &words[2], (size_t)(words_len - 1) * sizeof(*words));
		words_len--;
	}
	title = make_title(words, words_len);
	/* Before minutes are spent on what cannot be written. */
	if (r == 0 && a->plot)
		r = output_open(&plot, a->plot, 0644, err);
	if (r == 0)
		r = measure(cli, a, words, words_len, result, err);
	if (r == 0 && a->plot)
		r = write_plot(&plot, title, result, err);
	if (r == 0)
		print_result(a, words[0], result);

	return r > 0 ? EXIT_SIGNAL + r : r;
}

const struct command command_compare = {
	.usage = "[OPTIONS] IMAGE [--] [COMMAND [ARGUMENT...]]",
	.summary = "Measure an image at every isolation level of this host, side by side",
	.opts = compare_opts,
	.args_bytes = sizeof(struct compare_args),
	.flags = COMMAND_STOP_AT_FIRST | COMMAND_RUNS,
	.min_words = 1,
	.max_words = COMMAND_MANY,
	.run = run_compare,
};
