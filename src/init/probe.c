/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.c - what hull compare has run inside
 */
#include "init/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/macro.h"

#define CALLS_LIMIT_NS (200 * NS_PER_MS)
#define CALLS_BATCH 1000
#define FILE_NAME "/.hull-probe"
#define FILE_BLOCKS 32
#define BLOCK_BYTES MIB
#define BLOCK_ALIGN 4096 /* for O_DIRECT */

/* The first line of a small file, "" when it cannot be read. */
static void read_line(const char *path, char *buf, size_t buf_bytes)
{
	FILE *in = fopen(path, "re");

	buf[0] = '\0';
	if (!in)
		return;
	if (!fgets(buf, (int)buf_bytes, in))
		buf[0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	(void)fclose(in);
}

/* The number behind spaces, in text of the kernel's. */
static long digits_of(const char *text)
{
	long value = 0;

	while (*text == ' ' || *text == '\t')
		text++;
	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (*text - '0');

	return value;
}

/* The value of "Pss: N kB" of this process, -1 when the kernel does not say. */
static long own_pss_kib(void)
{
	FILE *in = fopen("/proc/self/smaps_rollup", "re");
	char line[128];
	long kib = -1;

	while (in && kib < 0 && fgets(line, sizeof(line), in))
		if (strncmp(line, "Pss:", 4) == 0)
			kib = digits_of(line + 4);
	if (in)
		(void)fclose(in);

	return kib;
}

static void print_namespaces(void)
{
	static const char *const names[] = { "cgroup", "ipc",  "mnt",  "net",
					     "pid",    "time", "user", "uts" };
	char path[64], link[64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		n = readlink(path, link, sizeof(link) - 1);
		if (n > 0)
			printf(" %.*s", (int)n, link);
	}
}

static void print_place(void)
{
	char boot_id[64];
	struct utsname host;

	read_line("/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	if (uname(&host) < 0)
		host.release[0] = '\0';
	printf("place kernel=%s boot=%s pss_kib=%ld", host.release, boot_id, own_pss_kib());
	print_namespaces();
	printf("\n");
}

/* Of the fastest batch: what else the machine does is not a call's cost. */
static void measure_calls(void)
{
	int64_t began_ns = clock_now_ns(), now_ns = began_ns, best_ns = INT64_MAX;

	while (now_ns - began_ns < CALLS_LIMIT_NS) {
		int64_t batch_ns = now_ns;

		for (int i = 0; i < CALLS_BATCH; i++)
			(void)syscall(SYS_getppid);
		now_ns = clock_now_ns();
		best_ns = MIN(best_ns, now_ns - batch_ns);
	}
	printf("measured call_ps=%lld", (long long)(best_ns * 1000 / CALLS_BATCH));
}

static void print_rate(const char *name, int64_t took_ns)
{
	printf(" %s=%lld", name,
	       (long long)((double)FILE_BLOCKS * BLOCK_BYTES * NS_PER_SEC /
			   (double)MAX(took_ns, (int64_t)1)));
}

static int read_all(int fd, char *block)
{
	int64_t began_ns = clock_now_ns();

	for (int i = 0; i < FILE_BLOCKS; i++)
		if (pread(fd, block, BLOCK_BYTES, i * (off_t)BLOCK_BYTES) != (ssize_t)BLOCK_BYTES)
			return -1;
	print_rate("read_bps", clock_now_ns() - began_ns);

	return 0;
}

/* Written and synced; read past this kernel's page cache, where the file system can. */
static void measure_file(int fd, char *block)
{
	int64_t began_ns = clock_now_ns();
	int direct_fd;

	for (int i = 0; i < FILE_BLOCKS; i++)
		if (write(fd, block, BLOCK_BYTES) != (ssize_t)BLOCK_BYTES)
			return;
	if (fsync(fd) < 0)
		return;
	print_rate("write_bps", clock_now_ns() - began_ns);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	direct_fd = open(FILE_NAME, O_RDONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC);
	if (direct_fd < 0 || read_all(direct_fd, block) < 0)
		(void)read_all(fd, block);
	if (direct_fd >= 0)
		(void)close(direct_fd);
}

static void measure_disk(void)
{
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	char *block = aligned_alloc(BLOCK_ALIGN, BLOCK_BYTES);

	if (fd >= 0 && block) {
		/* Blocks that are all the same would be saved by some disks. */
		for (size_t i = 0; i < BLOCK_BYTES; i++)
			block[i] = (char)(i * 2654435761U >> 13);
		measure_file(fd, block);
	}
	free(block);
	if (fd >= 0) {
		(void)close(fd);
		(void)unlink(FILE_NAME);
	}
}

int probe_measure(void)
{
	char byte;

	print_place();
	if (fflush(stdout) != 0 || read(STDIN_FILENO, &byte, 1) != 1)
		return 0;
	measure_calls();
	measure_disk();
	printf("\n");
	if (fflush(stdout) != 0)
		return 1;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;

	return 0;
}

/* ---- holding ---- */

static NORETURN void run_held(char *const argv[], const sigset_t *mask, int failure_fd,
			      pid_t parent)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC), code;

	if (null_fd >= 0)
		(void)dup2(null_fd, STDIN_FILENO);
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died before it was asked for. */
	if (getppid() != parent)
		_exit(1);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	(void)execvp(argv[0], argv);
	code = errno;
	(void)!write(failure_fd, &code, sizeof(code));
	_exit(1);
}

/* 0 once it has been executed, else why not. */
static int start_held(char *const argv[], const sigset_t *mask, pid_t *ret)
{
	int fds[2], code = 0;
	pid_t self = getpid();

	if (pipe2(fds, O_CLOEXEC) < 0)
		return errno;
	*ret = fork();
	if (*ret == 0)
		run_held(argv, mask, fds[1], self);
	(void)close(fds[1]);
	if (*ret < 0)
		code = EAGAIN;
	else if (read(fds[0], &code, sizeof(code)) != sizeof(code))
		code = 0;
	(void)close(fds[0]);

	return code;
}

/* Its end interrupts the wait for the input's. */
static void on_child(int signo)
{
	(void)signo;
}

int probe_hold(char *const argv[])
{
	struct sigaction action = { .sa_handler = on_child };
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	sigset_t blocked, old, open;
	pid_t pid = -1;
	char byte;
	int code;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &blocked, &old);
	open = old;
	sigdelset(&open, SIGCHLD);
	(void)sigaction(SIGCHLD, &action, NULL);
	code = start_held(argv, &old, &pid);
	if (code != 0) {
		fprintf(stderr, "cannot run '%s': %s\n", argv[0], strerror(code));
		return code == ENOENT ? EXIT_NO_COMMAND : EXIT_CANNOT_EXEC;
	}
	for (;;) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return 0;
		if (ppoll(&pfd, 1, NULL, &open) == 1 && read(STDIN_FILENO, &byte, 1) <= 0)
			break;
	}
	(void)kill(-pid, SIGKILL);

	return 0;
}
