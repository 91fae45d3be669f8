/* SPDX-License-Identifier: Apache-2.0
 *
 * bare.c - machines without an image
 */
#include "engine/bare.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/path.h"

#define PROGRAM "hull-machine"

static int add_option(struct strv *argv, const char *name, const char *value)
{
	int r;

	if (!value)
		return 0;
	r = strv_add(argv, name);

	return r < 0 ? r : strv_add(argv, value);
}

static int write_argv(const struct engine_bare *bare, struct strv *argv)
{
	char memory[24], cpus[24];
	int r = strv_add(argv, PROGRAM);

	(void)snprintf(memory, sizeof(memory), "%llu", (unsigned long long)bare->memory_bytes);
	(void)snprintf(cpus, sizeof(cpus), "%llu", (unsigned long long)bare->cpus);
	if (r == 0)
		r = add_option(argv, "--kernel", bare->kernel);
	if (r == 0)
		r = add_option(argv, "--initrd", bare->initrd);
	if (r == 0)
		r = add_option(argv, "--cmdline", bare->cmdline);
	if (r == 0)
		r = add_option(argv, "--machine", bare->machine);
	if (r == 0)
		r = add_option(argv, "--memory", memory);
	if (r == 0)
		r = add_option(argv, "--cpus", cpus);
	for (size_t i = 0; i < bare->disks->len && r == 0; i++)
		r = add_option(argv, "--disk", bare->disks->items[i]);

	return r;
}

int engine_bare_run(const struct engine_bare *bare, struct err *err)
{
	auto_done(strv) argv = { 0 };
	char path[PATH_MAX];
	int r = path_helper(PROGRAM, path, sizeof(path), err);

	if (r < 0)
		return r;
	if (write_argv(bare, &argv) < 0)
		return err_set(err, ENOMEM, "out of memory");
	(void)execv(path, strv_argv(&argv));

	return err_sys(err, "execute '%s'", path);
}
