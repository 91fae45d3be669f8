/* SPDX-License-Identifier: Apache-2.0
 *
 * system.c - hull system prune, check; hull container prune
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "cli/commands.h"
#include "cli/confirm.h"
#include "cli/format.h"
#include "cli/image.h"
#include "engine/system.h"

#define WARNING_MAX_BYTES 512

/* ---- prune ---- */

struct prune_args {
	bool all, force, volumes;
	struct strv filters;
};

#define AT(member) offsetof(struct prune_args, member)
static const struct opt prune_opts[] = {
	{ 'a', "all", OPT_BOOL, AT(all), NULL, NULL,
	  "All images that no container uses, not only those without a name" },
	{ 0, "filter", OPT_LIST, AT(filters), "KEY=VALUE", NULL, "Only with: until, label" },
	{ 'f', "force", OPT_BOOL, AT(force), NULL, NULL, "Do not ask" },
	{ 0, "volumes", OPT_BOOL, AT(volumes), NULL, NULL, "Anonymous volumes too" },
	OPT_END,
};
static const struct opt container_prune_opts[] = {
	{ 0, "filter", OPT_LIST, AT(filters), "KEY=VALUE", NULL, "Only with: until, label" },
	{ 'f', "force", OPT_BOOL, AT(force), NULL, NULL, "Do not ask" },
	OPT_END,
};
#undef AT

static void print_list(const char *heading, const struct strv *list)
{
	if (list->len == 0)
		return;
	printf("%s:\n", heading);
	for (size_t i = 0; i < list->len; i++)
		printf("%s\n", list->items[i]);
	printf("\n");
}

static int prune(struct cli *cli, unsigned flags, const struct strv *filters, struct err *err)
{
	auto_done(engine_pruned) pruned = { 0 };
	char text[FORMAT_TEXT_BYTES];
	struct engine *e;
	int r = cli_engine(cli, CLI_ENGINE_WRITE, &e, err);

	if (r == 0)
		r = engine_prune(e, flags, filters, &pruned, err);
	print_list("Deleted Containers", &pruned.containers);
	print_list("Deleted Volumes", &pruned.volumes);
	if (pruned.images.untagged.len + pruned.images.deleted.len > 0) {
		printf("Deleted Images:\n");
		image_print_removed(&pruned.images, false);
		printf("\n");
	}
	if (r == 0)
		printf("Total reclaimed space: %s\n", format_bytes(pruned.bytes, text));

	return r;
}

static bool confirm_system(const struct prune_args *a)
{
	auto_done(strbuf) text = STRBUF_INIT(WARNING_MAX_BYTES);

	(void)strbuf_addf(&text, "This will remove:\n  - all stopped containers\n%s  - all %s\n",
			  a->volumes ? "  - all anonymous volumes that no container uses\n" : "",
			  a->all ? "images that no container uses" : "images without a name");

	return confirm(strbuf_get(&text));
}

static int run_prune(struct cli *cli, const void *args, char **words, int words_len,
		     struct err *err)
{
	const struct prune_args *a = args;
	unsigned flags = ENGINE_PRUNE_CONTAINERS | ENGINE_PRUNE_IMAGES;

	(void)words;
	(void)words_len;
	flags |= a->all ? ENGINE_PRUNE_ALL_IMAGES : 0U;
	flags |= a->volumes ? ENGINE_PRUNE_VOLUMES : 0U;
	if (!a->force && !confirm_system(a))
		return 0;

	return prune(cli, flags, &a->filters, err);
}

const struct command command_system_prune = {
	.usage = "[OPTIONS]",
	.summary = "Remove what is not used",
	.opts = prune_opts,
	.args_bytes = sizeof(struct prune_args),
	.run = run_prune,
};

static int run_container_prune(struct cli *cli, const void *args, char **words, int words_len,
			       struct err *err)
{
	const struct prune_args *a = args;

	(void)words;
	(void)words_len;
	if (!a->force && !confirm("This will remove all stopped containers."))
		return 0;

	return prune(cli, ENGINE_PRUNE_CONTAINERS, &a->filters, err);
}

const struct command command_container_prune = {
	.usage = "[OPTIONS]",
	.summary = "Remove all stopped containers",
	.opts = container_prune_opts,
	.args_bytes = sizeof(struct prune_args),
	.run = run_container_prune,
};

/* ---- check ---- */

struct check_args {
	bool repair, quiet;
};

static const struct opt check_opts[] = {
	{ 'q', "quiet", OPT_BOOL, offsetof(struct check_args, quiet), NULL, NULL,
	  "Print findings only" },
	{ 0, "repair", OPT_BOOL, offsetof(struct check_args, repair), NULL, NULL,
	  "Mend what can be mended; also read every layer again" },
	OPT_END,
};

static void print_finding(void *ctx, const char *what, bool mended)
{
	(void)ctx;
	printf("%s: %s\n", mended ? "mended" : "found", what);
}

#define STATUS_FINDINGS 1

static int run_check(struct cli *cli, const void *args, char **words, int words_len,
		     struct err *err)
{
	const struct check_args *a = args;
	struct engine *e;
	int left, r = cli_engine(cli, a->repair ? CLI_ENGINE_WRITE : CLI_ENGINE_READ, &e, err);

	(void)words;
	(void)words_len;
	if (r < 0)
		return r;
	left = engine_check(e, a->repair, print_finding, NULL, err);
	if (left < 0)
		return left;
	if (left == 0 && !a->quiet)
		printf("The store is in order.\n");
	if (left > 0 && !a->repair)
		fprintf(stderr, "hint: hull system check --repair mends what can be mended\n");

	return left == 0 ? 0 : STATUS_FINDINGS;
}

const struct command command_system_check = {
	.usage = "[OPTIONS]",
	.summary = "Compare records, files and mounts; finds what crashes and disks damaged",
	.opts = check_opts,
	.args_bytes = sizeof(struct check_args),
	.run = run_check,
};
