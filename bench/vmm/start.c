/* SPDX-License-Identifier: Apache-2.0
 *
 * start.c - start a machine with guest.c as its process 1, give it commands, print their figures
 *
 * The machine is the one that HULL_MACHINE names, made and confined as for a workload. Beside the
 * guest's figures there are those of the host: processor time and exits while the command ran,
 * memory of the hypervisor's process after it (rss and pss include what it maps of a file).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "machine/machine.h"

#define PORT_NAME "bench"
#define DISKS_MAX 8
#define LINE_MAX_BYTES 256
#define CHUNK_BYTES 65536
#define ANSWER_LIMIT_NS (600 * NS_PER_SEC)
#define DEBUGFS_KVM "/sys/kernel/debug/kvm"

struct bench {
	const struct machine_ops *ops;
	struct machine *machine;
	struct machine_disk disks[DISKS_MAX];
	char serials[DISKS_MAX][16];
	int pmems[DISKS_MAX];
	struct machine_config config;
	int port_fd;
};

/* What the host counts. */
struct counters {
	uint64_t cpu_ms, exits;
};

/* A number behind @key in a file of "KEY: N" or "KEY N"; 0 when there is none. */
static uint64_t number_in(const char *path, const char *key)
{
	char line[LINE_MAX_BYTES];
	uint64_t value = 0;
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) == 0) {
			value = strtoull(line + strlen(key) + strspn(line + strlen(key), ": "),
					 NULL, 10);
			break;
		}
	}
	if (file)
		(void)fclose(file);

	return value;
}

static uint64_t cpu_ms(pid_t pid)
{
	char path[64], line[1024] = "";
	unsigned long long user = 0, system = 0;
	FILE *file;
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	(void)!fgets(line, sizeof(line), file);
	(void)fclose(file);
	at = strrchr(line, ')');
	for (int field = 2; at && field < 14; field++)
		at = strchr(at + 1, ' ');
	if (at) {
		char *end;

		user = strtoull(at, &end, 10);
		system = strtoull(end, NULL, 10);
	}

	return (user + system) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* Of all machines: there is one. 0 where debugfs is not mounted. */
static uint64_t exits(void)
{
	return number_in(DEBUGFS_KVM "/exits", "");
}

static struct counters count(const struct bench *bench)
{
	return (struct counters){ .cpu_ms = cpu_ms(bench->ops->pid(bench->machine)),
				  .exits = exits() };
}

static void print_host(const struct bench *bench, struct counters before)
{
	struct counters after = count(bench);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup",
		       bench->ops->pid(bench->machine));
	(void)printf("host-cpu %llu ms\n", (unsigned long long)(after.cpu_ms - before.cpu_ms));
	(void)printf("host-exits %llu exits\n", (unsigned long long)(after.exits - before.exits));
	(void)printf("host-rss %llu KiB\n", (unsigned long long)number_in(path, "Rss"));
	(void)printf("host-pss %llu KiB\n", (unsigned long long)number_in(path, "Pss"));
	(void)printf("host-anonymous %llu KiB\n", (unsigned long long)number_in(path, "Anonymous"));
	(void)fflush(stdout);
}

/* ---- the conversation ---- */

static int wait_for(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, clock_poll_ms(clock_now_ns() + ANSWER_LIMIT_NS)) == 1 ? 0 : -ETIMEDOUT;
}

/* Read and drop, or write zeroes. */
static int stream(int fd, uint64_t bytes, bool out)
{
	static char buf[CHUNK_BYTES];

	while (bytes > 0) {
		size_t len = MIN(bytes, (uint64_t)sizeof(buf));
		ssize_t n;

		if (wait_for(fd, out ? POLLOUT : POLLIN) < 0)
			return -ETIMEDOUT;
		n = out ? send(fd, buf, len, MSG_NOSIGNAL) : recv(fd, buf, len, 0);
		if (n <= 0)
			return -EPIPE;
		bytes -= (uint64_t)n;
	}

	return 0;
}

/* Print what comes up to a line with a dot. */
static int print_answer(int fd)
{
	char line[LINE_MAX_BYTES];
	size_t len = 0;

	for (;;) {
		if (wait_for(fd, POLLIN) < 0)
			return -ETIMEDOUT;
		if (recv(fd, &line[len], 1, 0) != 1)
			return -EPIPE;
		if (line[len] != '\n') {
			len = MIN(len + 1, sizeof(line) - 1);
			continue;
		}
		line[len] = '\0';
		if (strcmp(line, ".") == 0)
			return 0;
		(void)puts(line);
		len = 0;
	}
}

static int obey(struct bench *bench, const char *command)
{
	static const char to[] = "console-out ", from[] = "console-in ";
	struct counters before = count(bench);
	int r = 0;

	if (dprintf(bench->port_fd, "%s\n", command) < 0)
		return -EPIPE;
	if (strncmp(command, to, sizeof(to) - 1) == 0)
		r = stream(bench->port_fd, strtoull(command + sizeof(to) - 1, NULL, 10), false);
	else if (strncmp(command, from, sizeof(from) - 1) == 0)
		r = stream(bench->port_fd, strtoull(command + sizeof(from) - 1, NULL, 10), true);
	if (r == 0)
		r = print_answer(bench->port_fd);
	if (r == 0)
		print_host(bench, before);

	return r;
}

/* ---- start ---- */

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		log_error("%s: %s", path, strerror(errno));

	return fd;
}

static bool add_disk(struct bench *bench, const char *path, bool readonly)
{
	size_t n = bench->config.disks_len;

	if (n == DISKS_MAX)
		return false;
	(void)snprintf(bench->serials[n], sizeof(bench->serials[n]), "disk%zu", n);
	bench->disks[n] =
		(struct machine_disk){ .fd = open_file(path, readonly ? O_RDONLY : O_RDWR),
				       .serial = bench->serials[n],
				       .readonly = readonly };
	bench->config.disks_len++;

	return bench->disks[n].fd >= 0;
}

static bool add_pmem(struct bench *bench, const char *path)
{
	size_t n = bench->config.pmems_len;

	if (n == DISKS_MAX)
		return false;
	bench->pmems[n] = open_file(path, O_RDONLY);
	bench->config.pmems_len++;

	return bench->pmems[n] >= 0;
}

static bool take_option(struct bench *bench, int option)
{
	struct machine_config *config = &bench->config;
	uint64_t number = 0;

	switch (option) {
	case 'k':
		config->kernel_fd = open_file(optarg, O_RDONLY);
		return config->kernel_fd >= 0;
	case 'i':
		config->initrd_fd = open_file(optarg, O_RDONLY);
		return config->initrd_fd >= 0;
	case 'c':
		config->console_fd = open_file(optarg, O_WRONLY | O_CREAT | O_APPEND);
		return config->console_fd >= 0;
	case 'W':
		config->cmdline = optarg;
		return true;
	case 'd':
		return add_disk(bench, optarg, true);
	case 'w':
		return add_disk(bench, optarg, false);
	case 'p':
		return add_pmem(bench, optarg);
	case 'm':
		if (parse_u64(optarg, 1, 1024 * 1024, &number) < 0)
			return false;
		config->memory_bytes = number * MIB;
		return true;
	case 'n':
		if (parse_u64(optarg, 1, MACHINE_CPUS_MAX, &number) < 0)
			return false;
		config->cpus = (unsigned)number;
		return true;
	default:
		return false;
	}
}

static int run(struct bench *bench, char *const *commands, struct err *err)
{
	auto_close int probe_fd = -1;
	int socks[2], r = machine_choose(&bench->ops, &probe_fd, err);
	int64_t start_ns;
	char words[512];

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(err, "make a socket pair");
	bench->port_fd = socks[0];
	bench->config.stream_fd = socks[1];
	start_ns = clock_now_ns();
	r = bench->ops->start(&bench->config, &bench->machine, err);
	fd_close(socks[1]);
	if (r < 0)
		return r;
	(void)printf("machine %s %d\n", bench->ops->describe(bench->machine),
		     bench->ops->pid(bench->machine));
	(void)printf("host-start %.3f ms\n", (double)(clock_now_ns() - start_ns) / 1e6);
	probe_fd = fd_close(probe_fd);
	r = print_answer(bench->port_fd);
	(void)fflush(stdout);
	for (; *commands && r == 0; commands++)
		r = obey(bench, *commands);
	if (r < 0) {
		bench->ops->last_words(bench->machine, words, sizeof(words));
		return err_set(err, -r, "the guest does not answer: %s", words);
	}

	return 0;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = { { "kernel", required_argument, NULL, 'k' },
						 { "initrd", required_argument, NULL, 'i' },
						 { "console", required_argument, NULL, 'c' },
						 { "disk", required_argument, NULL, 'd' },
						 { "writable-disk", required_argument, NULL, 'w' },
						 { "pmem", required_argument, NULL, 'p' },
						 { "cmdline", required_argument, NULL, 'W' },
						 { "memory-mib", required_argument, NULL, 'm' },
						 { "cpus", required_argument, NULL, 'n' },
						 { 0 } };
	static struct bench bench = { .config = { .memory_bytes = 512 * MIB,
						  .cpus = 1,
						  .kernel_fd = -1,
						  .initrd_fd = -1,
						  .console_fd = -1,
						  .cgroup_fd = -1,
						  .port_name = PORT_NAME } };
	struct err err = ERR_INIT;
	char text[1024];
	int option, r;

	log_set_program("vmm-bench");
	bench.config.disks = bench.disks;
	bench.config.pmems = bench.pmems;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(&bench, option))
			return 125;
	if (bench.config.kernel_fd < 0 || bench.config.initrd_fd < 0) {
		(void)fputs(
			"usage: vmm-bench --kernel FILE --initrd FILE [--memory-mib N] [--cpus N]\n"
			"  [--disk FILE] [--writable-disk FILE] [--pmem FILE] [--console FILE]\n"
			"  [--cmdline TEXT] COMMAND...\n",
			stderr);
		return 125;
	}
	r = run(&bench, argv + optind, &err);
	if (r < 0)
		log_error("%s", err_text(&err, text, sizeof(text)));
	if (bench.machine)
		bench.ops->free(bench.machine);

	return r < 0 ? 1 : 0;
}
