/* SPDX-License-Identifier: Apache-2.0
 *
 * vm.c - hull vm run: any kernel, its console on the terminal
 *
 * There is neither image nor store: this becomes hull-machine, which knows what a machine can have.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/path.h"
#include "base/strv.h"
#include "cli/commands.h"

#define PROGRAM "hull-machine"
#define NUMBER_BYTES 24

struct vm_args {
	const char *kernel, *initrd, *cmdline, *machine;
	struct strv disks;
	int64_t memory_bytes, cpus;
};

#define AT(member) offsetof(struct vm_args, member)

static const struct opt vm_opts[] = {
	{ 0, "kernel", OPT_TEXT, AT(kernel), "file", NULL,
	  "ELF kernel with a PVH entry, or bzImage (required)" },
	{ 0, "initrd", OPT_TEXT, AT(initrd), "file", NULL, "Initramfs" },
	{ 0, "disk", OPT_LIST, AT(disks), "file", NULL,
	  "Raw disk: FILE or FILE:ro; may be given more than once" },
	{ 0, "cmdline", OPT_TEXT, AT(cmdline), "text", NULL,
	  "Command line of the kernel (else \"console=ttyS0 panic=-1\")" },
	{ 'm', "memory", OPT_SIZE, AT(memory_bytes), NULL, "512m", "Memory" },
	{ 0, "cpus", OPT_INT, AT(cpus), NULL, "1", "Processors" },
	{ 0, "machine", OPT_TEXT, AT(machine), "name", NULL,
	  "Hypervisor, hull-vmm or qemu, also where it may not run every kernel" },
	OPT_END,
};

static int write_argv(const struct vm_args *a, struct strv *argv)
{
	char memory[NUMBER_BYTES], cpus[NUMBER_BYTES];
	int r = strv_add(argv, PROGRAM);

	(void)snprintf(memory, sizeof(memory), "%" PRId64, a->memory_bytes);
	(void)snprintf(cpus, sizeof(cpus), "%" PRId64, a->cpus);
	if (r == 0)
		r = strv_add_option(argv, "--kernel", a->kernel);
	if (r == 0)
		r = strv_add_option(argv, "--initrd", a->initrd);
	if (r == 0)
		r = strv_add_option(argv, "--cmdline", a->cmdline);
	if (r == 0)
		r = strv_add_option(argv, "--machine", a->machine);
	if (r == 0)
		r = strv_add_option(argv, "--memory", memory);
	if (r == 0)
		r = strv_add_option(argv, "--cpus", cpus);
	for (size_t i = 0; i < a->disks.len && r == 0; i++)
		r = strv_add_option(argv, "--disk", a->disks.items[i]);

	return r;
}

static int run_vm(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct vm_args *a = args;
	auto_done(strv) argv = { 0 };
	char path[PATH_MAX];
	int r;

	(void)cli;
	(void)words;
	(void)words_len;
	if (!a->kernel || !*a->kernel) {
		err_setk(err, ERR_USAGE, EINVAL, "no kernel is named");
		err_hint(err, "hull vm run --kernel FILE; 'hull run --isolation vm' runs an image");
		return -EINVAL;
	}
	r = path_helper(PROGRAM, path, sizeof(path), err);
	if (r < 0)
		return r;
	if (write_argv(a, &argv) < 0)
		return err_set(err, ENOMEM, "out of memory");
	(void)execv(path, strv_argv(&argv));

	return err_sys(err, "execute '%s'", path);
}

const struct command command_vm_run = {
	.usage = "[OPTIONS] --kernel FILE",
	.summary = "Boot any kernel in a machine of its own, its console on the terminal",
	.opts = vm_opts,
	.args_bytes = sizeof(struct vm_args),
	.flags = COMMAND_RUNS,
	.run = run_vm,
};
