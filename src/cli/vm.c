/* SPDX-License-Identifier: Apache-2.0
 *
 * vm.c - hull vm run: any kernel, its console on the terminal
 */
#include <errno.h>

#include "base/strv.h"
#include "cli/commands.h"
#include "engine/bare.h"

#define CPUS_MAX 128

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

static int run_vm(struct cli *cli, const void *args, char **words, int words_len, struct err *err)
{
	const struct vm_args *a = args;
	const struct engine_bare bare = {
		.kernel = a->kernel,
		.initrd = a->initrd,
		.cmdline = a->cmdline,
		.machine = a->machine,
		.disks = &a->disks,
		.memory_bytes = (uint64_t)a->memory_bytes,
		.cpus = (uint64_t)a->cpus,
	};

	(void)cli;
	(void)words;
	(void)words_len;
	if (!a->kernel || !*a->kernel) {
		err_setk(err, ERR_USAGE, EINVAL, "no kernel is named");
		err_hint(err, "hull vm run --kernel FILE; 'hull run --isolation vm' runs an image");
		return -EINVAL;
	}
	if (a->memory_bytes < (int64_t)MIB)
		return err_setk(err, ERR_USAGE, EINVAL, "less than 1 MiB of memory");
	if (a->cpus < 1 || a->cpus > CPUS_MAX)
		return err_setk(err, ERR_USAGE, EINVAL, "a machine has 1 to %d processors",
				CPUS_MAX);

	return engine_bare_run(&bare, err);
}

const struct command command_vm_run = {
	.usage = "[OPTIONS] --kernel FILE",
	.summary = "Boot any kernel in a machine of its own, its console on the terminal",
	.opts = vm_opts,
	.args_bytes = sizeof(struct vm_args),
	.flags = COMMAND_RUNS,
	.run = run_vm,
};
