/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.c - static program that a test puts into a root: tries one thing, tells how it went
 *
 * Prints "ok" or the name of the error.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define X32_BIT 0x40000000
#define EAT_STEP (1 << 20)
#define EAT_PAGE 4096

static long int80(long nr)
{
#if defined(__x86_64__)
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr) : "memory", "r8", "r9", "r10", "r11");
	if (r < 0 && r > -4096) {
		errno = (int)-r;
		return -1;
	}
	return r;
#else
	(void)nr;
	errno = ENOSYS;
	return -1;
#endif
}

static long open_fds(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0) {
			errno = EBADFD;
			return -1;
		}
	}

	return 0;
}

static long open_device(mode_t type, unsigned major_nr, unsigned minor_nr)
{
	int fd;

	(void)unlink("/tmp/node");
	if (mknod("/tmp/node", type | 0600, makedev(major_nr, minor_nr)) < 0)
		return -1;
	fd = open("/tmp/node", O_RDONLY | O_NONBLOCK);
	(void)unlink("/tmp/node");

	return fd;
}

/* Until the kernel ends us. Volatile: clang leaves out what fills memory that nobody reads. */
static long eat_memory(void)
{
	for (;;) {
		volatile char *part = malloc(EAT_STEP);

		if (!part)
			return -1;
		for (size_t i = 0; i < EAT_STEP; i += EAT_PAGE)
			part[i] = 1;
	}
}

static long fork_until(void)
{
	for (int i = 0; i < 1000; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return -1;
		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
	}

	return 0;
}

static long bind_port(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = 80 << 8 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_addr.s_addr = 0x0100007f;

	return bind(fd, (struct sockaddr *)&addr, sizeof(addr));
}

static long groups_are(int argc, char **argv)
{
	gid_t groups[64];
	int n = getgroups(64, groups);
	char text[16];

	for (int i = 0; i < n; i++)
		printf("%u ", groups[i]);
	(void)snprintf(text, sizeof(text), "%d", n);

	return argc > 2 && strcmp(argv[2], text) == 0 ? 0 : -1;
}

static long tty_size(void)
{
	struct winsize size;

	if (ioctl(0, TIOCGWINSZ, &size) < 0)
		return -1;
	printf("%u x %u ", size.ws_row, size.ws_col);

	return 0;
}

static long try(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	char sti = 'x';

	if (strcmp(what, "af_alg") == 0)
		return socket(AF_ALG, SOCK_SEQPACKET, 0);
	if (strcmp(what, "af_vsock") == 0)
		return socket(AF_VSOCK, SOCK_STREAM, 0);
	if (strcmp(what, "af_inet6") == 0)
		return socket(AF_INET6, SOCK_STREAM, 0);
	if (strcmp(what, "ping") == 0)
		return socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	if (strcmp(what, "port80") == 0)
		return bind_port();
	if (strcmp(what, "int80") == 0)
		return int80(20);
	if (strcmp(what, "x32") == 0)
		return syscall(X32_BIT | SYS_getpid);
	if (strcmp(what, "unknown") == 0)
		return syscall(1000);
	if (strcmp(what, "clone3") == 0)
		return syscall(SYS_clone3, NULL, 0);
	if (strcmp(what, "clone_newuser") == 0)
		return syscall(SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0);
	if (strcmp(what, "unshare") == 0)
		return unshare(CLONE_NEWUSER);
	if (strcmp(what, "mount") == 0)
		return mount("x", "/tmp", "tmpfs", 0, NULL);
	if (strcmp(what, "keyctl") == 0)
		return syscall(SYS_keyctl, 0, -3, 0);
	if (strcmp(what, "bpf") == 0)
		return syscall(SYS_bpf, 0, NULL, 0);
	if (strcmp(what, "io_uring") == 0)
		return syscall(SYS_io_uring_setup, 1, NULL);
	if (strcmp(what, "userfaultfd") == 0)
		return syscall(SYS_userfaultfd, 0);
	if (strcmp(what, "tiocsti") == 0)
		return ioctl(0, TIOCSTI, &sti);
	if (strcmp(what, "fds") == 0)
		return open_fds();
	if (strcmp(what, "disk") == 0)
		return open_device(S_IFBLK, 254, 0);
	if (strcmp(what, "mem") == 0)
		return open_device(S_IFCHR, 1, 1);
	if (strcmp(what, "null") == 0)
		return open_device(S_IFCHR, 1, 3);
	if (strcmp(what, "eat") == 0)
		return eat_memory();
	if (strcmp(what, "fork") == 0)
		return fork_until();
	if (strcmp(what, "groups") == 0)
		return groups_are(argc, argv);
	if (strcmp(what, "tty") == 0)
		return tty_size();
	errno = EINVAL;

	return -1;
}

int main(int argc, char **argv)
{
	long r = try(argc, argv);

	printf("%s\n", r < 0 ? strerrorname_np(errno) : "ok");

	return r < 0;
}
