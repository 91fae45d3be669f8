/* SPDX-License-Identifier: Apache-2.0
 *
 * version.c - hull version
 */
#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "cli/commands.h"
#include "cli/format.h"
#include "wire/json.h"

struct version_args {
	const char *format;
};

static const struct opt version_opts[] = {
	{ 'f', "format", OPT_TEXT, offsetof(struct version_args, format), NULL, NULL,
	  "Print json, or by a template such as '{{.Version}}' or '{{.Client.Version}}'" },
	OPT_END,
};

/* There is no server; scripts for other engines ask for its version, or for the client's. */
static void add_parts(json_t *row)
{
	json_t *part = json_deep_copy(row);

	json_object_set(row, "Client", part);
	json_object_set_new(row, "Server", part);
}

static int run_version(struct cli *cli, const void *args, char **words, int words_len,
		       struct err *err)
{
	const struct version_args *a = args;
	auto_json *rows = json_array();
	json_t *row = json_object();
	struct utsname host;

	(void)cli;
	(void)words;
	(void)words_len;
	if (uname(&host) < 0)
		return err_sys(err, "uname");
	json_set_text(row, "Version", HULL_VERSION);
	json_set_text(row, "Os", "linux");
	json_set_text(row, "Arch", host.machine);
	json_set_text(row, "KernelVersion", host.release);
	json_set_text(row, "Compiler", __VERSION__);
	add_parts(row);
	json_array_append_new(rows, row);
	if (a->format)
		return format_rows(stdout, a->format, NULL, rows, err);
	printf("Hull:\n Version:        %s\n OS/Arch:        linux/%s\n Kernel version: %s\n"
	       " Compiler:       %s\n",
	       HULL_VERSION, host.machine, host.release, __VERSION__);

	return 0;
}

const struct command command_version = {
	.usage = "[OPTIONS]",
	.summary = "Show the version of Hull and of the host's kernel",
	.opts = version_opts,
	.args_bytes = sizeof(struct version_args),
	.run = run_version,
};
