/* SPDX-License-Identifier: Apache-2.0
 *
 * info.c - hull info
 */
#include <errno.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/format.h"
#include "engine/info.h"
#include "wire/json.h"

struct info_args {
	const char *format;
};

static const struct opt info_opts[] = {
	{ 'f', "format", OPT_TEXT, offsetof(struct info_args, format), NULL, NULL,
	  "json, or a template" },
	OPT_END,
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_levels(const json_t *info)
{
	const json_t *level;
	size_t i;

	printf("Isolation levels:\n");
	json_array_foreach (json_object_get(info, "Levels"), i, level) {
		bool usable = json_is_true(json_object_get(level, "Usable"));

		printf(" %s: %s%s%s%s\n", text_of(level, "Name"),
		       usable ? "works on this host" : "not on this host: ",
		       text_of(level, "Reason"), *text_of(level, "Remark") ? ", by " : "",
		       text_of(level, "Remark"));
		if (!usable && *text_of(level, "Hint"))
			printf("  hint: %s\n", text_of(level, "Hint"));
	}
}

static void print_info(const json_t *info)
{
	char memory[FORMAT_TEXT_BYTES];

	printf("Containers: %lld\n Running: %lld\n Paused: %lld\n Stopped: %lld\nImages: %lld\n",
	       number_of(info, "Containers"), number_of(info, "ContainersRunning"),
	       number_of(info, "ContainersPaused"), number_of(info, "ContainersStopped"),
	       number_of(info, "Images"));
	printf("Version: %s\n", text_of(info, "ServerVersion"));
	print_levels(info);
	printf("Kernel version: %s\nOperating system: %s\nArchitecture: %s\n"
	       "Cgroup version: %s\nCPUs: %lld\nTotal memory: %s\nName: %s\n"
	       "Store: %s\nRun directory: %s\n",
	       text_of(info, "KernelVersion"), text_of(info, "OperatingSystem"),
	       text_of(info, "Architecture"), text_of(info, "CgroupVersion"),
	       number_of(info, "NCPU"),
	       format_bytes_iec((uint64_t)number_of(info, "MemTotal"), memory),
	       text_of(info, "Name"), text_of(info, "Root"), text_of(info, "RunRoot"));
}

static int run_info(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct info_args *a = args;
	auto_json *info = NULL, *rows = json_array();
	struct engine *e;
	int r = cli_engine(cli, CLI_ENGINE_READ, &e, err);

	(void)words;
	(void)words_len;
	if (r == 0)
		r = engine_info(e, &info, err);
	if (r < 0)
		return r;
	if (!a->format) {
		print_info(info);
		return 0;
	}
	json_array_append(rows, info);

	return format_rows(stdout, a->format, NULL, rows, err);
}

const struct command command_info = {
	.usage = "[OPTIONS]",
	.summary = "Describe this host, the isolation levels it can run, and the store",
	.opts = info_opts,
	.args_bytes = sizeof(struct info_args),
	.run = run_info,
};
