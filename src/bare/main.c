/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - hull-machine: a kernel of the user's in a machine of its own, its console on the
 * terminal
 *
 * "hull vm run" becomes this program. It is the machine's starter, and nothing of the machine is
 * recorded or made anywhere: when this process ends, however it does, the kernel ends the machine
 * with it (machine.h), and there is nothing to clear up.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bare/console.h"
#include "bare/files.h"
#include "base/exit.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/strv.h"
#include "machine/machine.h"

/* Linux checks timers before it has a console, and a host with QEMU's TCG may be late with them. */
#define CMDLINE "console=ttyS0 panic=-1 no_timer_check"
#define DISKS_MAX 16

/* How the machine ended; the man page of hull-vm-run lists these and those of base/exit.h. */
enum {
	STATUS_POWER_OFF = 0,
	STATUS_RESET = 2,
	STATUS_PANIC = 3,
	STATUS_TRIPLE_FAULT = 4,
	STATUS_UNKNOWN = 5,
};

static const char help[] = "Usage: hull-machine --kernel FILE [OPTIONS], for hull vm run\n\n"
			   "  --cmdline TEXT    Command line of the kernel\n"
			   "  --cpus N          Processors\n"
			   "  --disk FILE[:ro]  Raw disk; may be given more than once\n"
			   "  --initrd FILE     Initramfs\n"
			   "  --kernel FILE     ELF kernel with a PVH entry, or bzImage\n"
			   "  --machine NAME    Hypervisor\n"
			   "  --memory BYTES    Memory\n"
			   "  --version         Print the version and quit\n";

struct options {
	const char *kernel, *initrd, *cmdline, *machine;
	uint64_t memory_bytes, cpus;
	struct strv disks;
};

/* The user's files, open. */
struct files {
	int kernel_fd, initrd_fd;
	struct machine_disk disks[DISKS_MAX];
	char serials[DISKS_MAX][8];
	size_t disks_len;
};

static void files_done(struct files *files)
{
	fd_close(files->kernel_fd);
	fd_close(files->initrd_fd);
	for (size_t i = 0; i < files->disks_len; i++)
		fd_close(files->disks[i].fd);
}
DEFINE_AUTO_DONE(files)

static int open_files(const struct options *options, struct files *ret, struct err *err)
{
	ret->kernel_fd = files_open_kernel(options->kernel, err);
	if (ret->kernel_fd < 0)
		return ret->kernel_fd;
	if (options->initrd) {
		ret->initrd_fd = files_open_initrd(options->initrd, err);
		if (ret->initrd_fd < 0)
			return ret->initrd_fd;
	}
	if (options->disks.len > DISKS_MAX)
		return err_setk(err, ERR_USAGE, E2BIG, "a machine has at most %d disks", DISKS_MAX);
	for (size_t i = 0; i < options->disks.len; i++) {
		struct machine_disk *disk = &ret->disks[i];

		disk->fd = files_open_disk(options->disks.items[i], &disk->readonly, err);
		if (disk->fd < 0)
			return disk->fd;
		ret->disks_len++;
		(void)snprintf(ret->serials[i], sizeof(ret->serials[i]), "disk%u",
			       (unsigned)i % DISKS_MAX);
		disk->serial = ret->serials[i];
	}

	return 0;
}

static int tell_end(const struct machine_ops *ops, struct machine *m)
{
	static const struct {
		int status;
		const char *text;
	} ends[] = {
		[MACHINE_END_UNKNOWN] = { STATUS_UNKNOWN, "its hypervisor was killed" },
		[MACHINE_END_POWER_OFF] = { STATUS_POWER_OFF, NULL },
		[MACHINE_END_RESET] = { STATUS_RESET, "the guest has asked for a reset" },
		[MACHINE_END_PANIC] = { STATUS_PANIC, "the guest's kernel has panicked" },
		[MACHINE_END_TRIPLE_FAULT] = { STATUS_TRIPLE_FAULT, "triple fault" },
	};
	enum machine_end end = ops->end(m);
	const char *text = ends[end].text;
	char words[512];

	ops->last_words(m, words, sizeof(words));
	if (*words && (end == MACHINE_END_UNKNOWN || end == MACHINE_END_PANIC))
		text = words;
	if (text)
		fprintf(stderr, "hull: the machine has ended: %s\n", text);

	return ends[end].status;
}

/* What press() needs. */
struct button {
	const struct machine_ops *ops;
	struct machine *machine;
};

static bool press(void *ctx)
{
	const struct button *button = ctx;

	return button->ops->press_button(button->machine, NULL) == 0;
}

static int stay(const struct machine_ops *ops, struct machine *m, int console_fd, struct err *err)
{
	struct button button = { ops, m };
	const struct console console = { .machine_fd = console_fd,
					 .death_fd = ops->death_fd(m),
					 .in_fd = STDIN_FILENO,
					 .out_fd = STDOUT_FILENO,
					 .press = press,
					 .ctx = &button };
	int r;

	if (isatty(STDIN_FILENO))
		fprintf(stderr, "hull: %s runs the machine; ^] ends it\n", ops->describe(m));
	r = console_run(&console, err);
	if (r == 0)
		return tell_end(ops, m);

	return r < 0 ? r : EXIT_SIGNAL + r;
}

/* Its exit status, or a negative errno. */
static int run(const struct options *options, struct err *err)
{
	auto_done(files) files = { .kernel_fd = -1, .initrd_fd = -1 };
	auto_close int own_fd = -1, console_fd = -1, probe_fd = -1;
	const struct machine_ops *ops = NULL;
	struct machine *m = NULL;
	struct machine_config config;
	int socks[2], r;

	r = options->machine ? machine_find(options->machine, &ops, err)
			     : machine_choose(&ops, &probe_fd, err);
	if (r == 0)
		r = open_files(options, &files, err);
	if (r < 0)
		return r;
	/* The guest's serial port waits for us, and we for whoever reads. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(err, "make a socket pair");
	own_fd = socks[0];
	console_fd = socks[1];
	(void)fd_set_nonblock(own_fd, 1);
	config = (struct machine_config){ .memory_bytes = options->memory_bytes,
					  .cpus = (unsigned)options->cpus,
					  .kernel_fd = files.kernel_fd,
					  .initrd_fd = files.initrd_fd,
					  .disks = files.disks,
					  .disks_len = files.disks_len,
					  .stream_fd = -1,
					  .console_fd = console_fd,
					  .cmdline = options->cmdline,
					  .cgroup_fd = -1 };
	r = ops->start(&config, &m, err);
	console_fd = fd_close(console_fd);
	probe_fd = fd_close(probe_fd);
	if (r == 0)
		r = stay(ops, m, own_fd, err);
	ops->free(m);

	return r;
}

static int read_memory(const char *text, uint64_t *ret_bytes, struct err *err)
{
	return parse_u64(text, MIB, UINT64_MAX, ret_bytes) == 0
		       ? 0
		       : err_setk(err, ERR_USAGE, EINVAL, "less than 1 MiB of memory");
}

static int read_cpus(const char *text, uint64_t *ret, struct err *err)
{
	return parse_u64(text, 1, MACHINE_CPUS_MAX, ret) == 0
		       ? 0
		       : err_setk(err, ERR_USAGE, EINVAL, "a machine has 1 to %d processors",
				  MACHINE_CPUS_MAX);
}

static int read_options(int argc, char **argv, struct options *ret, struct err *err)
{
	static const struct option longopts[] = {
		{ "cmdline", required_argument, NULL, 'a' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "disk", required_argument, NULL, 'd' },
		{ "initrd", required_argument, NULL, 'i' },
		{ "kernel", required_argument, NULL, 'k' },
		{ "machine", required_argument, NULL, 'M' },
		{ "memory", required_argument, NULL, 'm' },
		{ 0 },
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (c == 'a')
			ret->cmdline = optarg;
		else if (c == 'c')
			r = read_cpus(optarg, &ret->cpus, err);
		else if (c == 'd')
			r = strv_add(&ret->disks, optarg);
		else if (c == 'i')
			ret->initrd = optarg;
		else if (c == 'k')
			ret->kernel = optarg;
		else if (c == 'M')
			ret->machine = optarg;
		else if (c == 'm')
			r = read_memory(optarg, &ret->memory_bytes, err);
		else
			r = err_setk(err, ERR_USAGE, EINVAL, "see hull-machine --help");
	}
	if (r == 0 && (optind < argc || !ret->kernel))
		r = err_setk(err, ERR_USAGE, EINVAL, "a kernel is needed, and no words");

	return r;
}

int main(int argc, char **argv)
{
	struct options options = { .cmdline = CMDLINE, .memory_bytes = 512 * MIB, .cpus = 1 };
	struct err err = ERR_INIT;
	char text[sizeof(err.frames)];
	int r;

	log_set_program("hull-machine");
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(help, stdout);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("hull-machine " HULL_VERSION);
		return 0;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	r = read_options(argc, argv, &options, &err);
	if (r == 0)
		r = run(&options, &err);
	strv_done(&options.disks);
	if (r >= 0)
		return r;
	fprintf(stderr, "hull: %s\n", err_text(&err, text, sizeof(text)));
	if (err.hint[0])
		fprintf(stderr, "hint: %s\n", err.hint);

	return EXIT_NOT_STARTED;
}
