/* SPDX-License-Identifier: Apache-2.0
 *
 * generation.c - boot a kernel in hull-vmm, and give it a new generation whenever it says "again"
 *
 * What the guest prints goes to standard output, of which a line "again" is the order. The
 * hypervisor is a child, driven over its control socket as a starter does: confined, but in no
 * jail. Exit status: 0 when the guest has switched itself off, else 1. It ends with its parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "vmm/control.h"

#define ORDER "again\r\n" /* as it comes out of a serial port */

static NORETURN void fail(const char *what)
{
	fprintf(stderr, "generation: %s: %s\n", what, strerror(errno));
	exit(1);
}

static NORETURN void be_hypervisor(int control_fd)
{
	struct control *control = calloc(1, sizeof(*control));

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	_exit(control && control_serve(control, control_fd, NULL) == 0 ? 0 : 1);
}

static void take(int control_fd, struct vmmproto_msg *ret)
{
	uint8_t packet[sizeof(*ret) + 64];
	ssize_t n = recv(control_fd, packet, sizeof(packet), 0);

	*ret = (struct vmmproto_msg){ 0 };
	if (n <= 0 || vmmproto_decode(packet, (size_t)n, ret) < 0)
		fail("the hypervisor has gone");
}

static void ask(int control_fd, struct vmmproto_msg *msg)
{
	static uint8_t packet[VMMPROTO_PACKET_MAX_BYTES];
	int n = vmmproto_encode(msg, packet, sizeof(packet));
	struct vmmproto_msg answer;

	if (n < 0 || send(control_fd, packet, (size_t)n, MSG_NOSIGNAL) != n)
		fail("ask the hypervisor");
	take(control_fd, &answer);
	errno = (int)answer.code;
	if (answer.type != VMMPROTO_REPLY || answer.code)
		fail(answer.text);
}

/* Pass on what the guest prints until there is no more. */
static void listen_to(FILE *console, int control_fd)
{
	struct vmmproto_msg again = { .type = VMMPROTO_NEW_GENERATION };
	char line[1024];

	while (fgets(line, sizeof(line), console)) {
		(void)fputs(line, stdout);
		if (strcmp(line, ORDER) == 0)
			ask(control_fd, &again);
	}
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		fail(path);

	return fd;
}

int main(int argc, char *argv[])
{
	static struct vmmproto_config config = { .memory_bytes = 256 * MIB,
						 .cpus = 1,
						 .cmdline = "console=ttyS0 panic=-1" };
	struct vmmproto_msg make = { .type = VMMPROTO_CONFIG, .config = &config };
	struct vmmproto_msg start = { .type = VMMPROTO_START }, end;
	int control_fds[2], console_fds[2];
	FILE *console;

	if (argc != 3) {
		(void)fputs("usage: generation KERNEL INITRD\n", stderr);
		return 1;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	config.kvm_fd = open_file("/dev/kvm", O_RDWR);
	config.kernel_fd = open_file(argv[1], O_RDONLY);
	config.initrd_fd = open_file(argv[2], O_RDONLY);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control_fds) < 0 ||
	    pipe2(console_fds, O_CLOEXEC) < 0)
		fail("make a socket and a pipe");
	config.console_fd = console_fds[1];
	switch (fork()) {
	case -1:
		fail("fork");
	case 0:
		fd_close(control_fds[0]);
		be_hypervisor(control_fds[1]);
	default:
		break;
	}
	fd_close(control_fds[1]);
	fd_close(console_fds[1]);
	ask(control_fds[0], &make);
	ask(control_fds[0], &start);
	console = fdopen(console_fds[0], "r");
	if (!console)
		fail("read the console");
	listen_to(console, control_fds[0]);
	take(control_fds[0], &end);

	return end.type == VMMPROTO_END && end.end == VMMPROTO_END_POWER_OFF ? 0 : 1;
}
