/* SPDX-License-Identifier: Apache-2.0
 *
 * prune.c - hull container, image, volume and system prune
 */
#include <stdio.h>

#include "base/strbuf.h"
#include "cli/commands.h"
#include "cli/confirm.h"
#include "cli/format.h"
#include "cli/image.h"
#include "engine/system.h"

#define WARNING_MAX_BYTES 512

struct prune_args {
	bool all, force, volumes;
	struct strv filters;
};

#define AT(member) offsetof(struct prune_args, member)
#define PRUNE_ALL(help)                                         \
	{                                                       \
		'a', "all", OPT_BOOL, AT(all), NULL, NULL, help \
	}
#define PRUNE_FILTER(help)                                                  \
	{                                                                   \
		0, "filter", OPT_LIST, AT(filters), "KEY=VALUE", NULL, help \
	}
#define PRUNE_FORCE                                                         \
	{                                                                   \
		'f', "force", OPT_BOOL, AT(force), NULL, NULL, "Do not ask" \
	}

static const struct opt system_opts[] = {
	PRUNE_ALL("All images that no container uses, not only those without a name"),
	PRUNE_FILTER("Only with: until, label"),
	PRUNE_FORCE,
	{ 0, "volumes", OPT_BOOL, AT(volumes), NULL, NULL, "Anonymous volumes too" },
	OPT_END,
};
static const struct opt container_opts[] = {
	PRUNE_FILTER("Only with: until, label"),
	PRUNE_FORCE,
	OPT_END,
};
static const struct opt image_opts[] = {
	PRUNE_ALL("All images that no container uses, not only those without a name"),
	PRUNE_FILTER("Only images with: until, label, dangling"),
	PRUNE_FORCE,
	OPT_END,
};
static const struct opt volume_opts[] = {
	PRUNE_ALL("Also those that have been given a name"),
	PRUNE_FILTER("Only volumes with: label"),
	PRUNE_FORCE,
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

/* @flags: enum engine_prune_flags; asks first, unless told not to. */
static int prune(struct cli *cli, const struct prune_args *a, unsigned flags, const char *warning,
		 struct err *err)
{
	auto_done(engine_pruned) pruned = { 0 };
	char text[FORMAT_TEXT_BYTES];
	struct engine *e;
	int r;

	if (!a->force && !confirm(warning))
		return 0;
	r = cli_engine(cli, CLI_ENGINE_WRITE, &e, err);
	if (r == 0)
		r = engine_prune(e, flags, &a->filters, &pruned, err);
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

static int run_system(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct prune_args *a = args;
	auto_done(strbuf) warning = STRBUF_INIT(WARNING_MAX_BYTES);
	unsigned flags = ENGINE_PRUNE_CONTAINERS | ENGINE_PRUNE_IMAGES;

	(void)words;
	(void)words_len;
	flags |= a->all ? ENGINE_PRUNE_ALL_IMAGES : 0U;
	flags |= a->volumes ? ENGINE_PRUNE_VOLUMES : 0U;
	(void)strbuf_addf(&warning, "This will remove:\n  - all stopped containers\n%s  - all %s\n",
			  a->volumes ? "  - all anonymous volumes that no container uses\n" : "",
			  a->all ? "images that no container uses" : "images without a name");

	return prune(cli, a, flags, strbuf_get(&warning), err);
}

const struct command command_system_prune = {
	.usage = "[OPTIONS]",
	.summary = "Remove what is not used",
	.opts = system_opts,
	.args_bytes = sizeof(struct prune_args),
	.run = run_system,
};

static int run_container(struct cli *cli, const void *args, char **words, int words_len,
			 struct err *err)
{
	(void)words;
	(void)words_len;

	return prune(cli, args, ENGINE_PRUNE_CONTAINERS, "This will remove all stopped containers.",
		     err);
}

const struct command command_container_prune = {
	.usage = "[OPTIONS]",
	.summary = "Remove all stopped containers",
	.opts = container_opts,
	.args_bytes = sizeof(struct prune_args),
	.run = run_container,
};

static int run_image(struct cli *cli, const void *args, char **words, int words_len,
		     struct err *err)
{
	const struct prune_args *a = args;

	(void)words;
	(void)words_len;
	if (a->all)
		return prune(cli, a, ENGINE_PRUNE_IMAGES | ENGINE_PRUNE_ALL_IMAGES,
			     "This will remove all images that no container uses.", err);

	return prune(cli, a, ENGINE_PRUNE_IMAGES, "This will remove all images without a name.",
		     err);
}

const struct command command_image_prune = {
	.usage = "[OPTIONS]",
	.summary = "Remove images that are not used",
	.opts = image_opts,
	.args_bytes = sizeof(struct prune_args),
	.run = run_image,
};

static int run_volume(struct cli *cli, const void *args, char **words, int words_len,
		      struct err *err)
{
	const struct prune_args *a = args;

	(void)words;
	(void)words_len;
	if (a->all)
		return prune(cli, a, ENGINE_PRUNE_VOLUMES | ENGINE_PRUNE_ALL_VOLUMES,
			     "This will remove all volumes that no container uses.", err);

	return prune(cli, a, ENGINE_PRUNE_VOLUMES,
		     "This will remove all anonymous volumes that no container uses.", err);
}

const struct command command_volume_prune = {
	.usage = "[OPTIONS]",
	.summary = "Remove volumes that are not used",
	.opts = volume_opts,
	.args_bytes = sizeof(struct prune_args),
	.run = run_volume,
};
