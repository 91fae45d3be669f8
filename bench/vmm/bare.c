/* SPDX-License-Identifier: Apache-2.0
 *
 * bare.c - start a machine by hull-vmm without its jail, so that a tool can watch it
 *
 * The machine is as start.c makes it: a kernel, an initramfs, a port and a read-only disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "vmmproto/vmmproto.h"

#define PROGRAM_ARGS_MAX 32

static bool describe(char *const *words, struct vmmproto_config *ret, int *ret_port_fd)
{
	uint64_t memory_mib;
	int socks[2];

	if (parse_u64(words[0], 1, 1024 * 1024, &memory_mib) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, socks) < 0)
		return false;
	*ret_port_fd = socks[0];
	*ret = (struct vmmproto_config){ .memory_bytes = memory_mib * MIB,
					 .cpus = 1,
					 .kvm_fd = open("/dev/kvm", O_RDWR),
					 .kernel_fd = open(words[1], O_RDONLY),
					 .initrd_fd = open(words[2], O_RDONLY),
					 .console_fd = -1,
					 .ports_len = 1,
					 .disks_len = 1 };
	ret->ports[0] = (struct vmmproto_port){ .name = "bench", .fd = socks[1] };
	ret->disks[0] = (struct vmmproto_disk){ .serial = "disk0",
						.readonly = true,
						.fd = open(words[3], O_RDONLY) };
	(void)snprintf(ret->cmdline, sizeof(ret->cmdline), "%s", words[4]);

	return ret->kvm_fd >= 0 && ret->kernel_fd >= 0 && ret->initrd_fd >= 0 &&
	       ret->disks[0].fd >= 0;
}

static bool ask(int fd, const struct vmmproto_msg *msg)
{
	static uint8_t packet[VMMPROTO_PACKET_MAX_BYTES];
	int n = vmmproto_encode(msg, packet, sizeof(packet));

	return n > 0 && send(fd, packet, (size_t)n, MSG_NOSIGNAL) == n;
}

/* Both requests at once: it takes one after the other, and may never answer the second. */
static int run(char *const *program, struct vmmproto_config *config)
{
	struct vmmproto_msg msg = { .type = VMMPROTO_CONFIG, .seq = 1, .config = config };
	char *argv[PROGRAM_ARGS_MAX + 3] = { 0 }, number[16], control[] = "--control";
	int socks[2], status, n = 0;
	pid_t pid;

	while (program[n] && n < PROGRAM_ARGS_MAX) {
		argv[n] = program[n];
		n++;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks) < 0)
		return 1;
	(void)snprintf(number, sizeof(number), "%d", socks[1]);
	argv[n++] = control;
	argv[n] = number;
	pid = fork();
	if (pid == 0) {
		fd_close(socks[0]);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	fd_close(socks[1]);
	if (pid < 0 || !ask(socks[0], &msg))
		return 1;
	msg = (struct vmmproto_msg){ .type = VMMPROTO_START, .seq = 2 };
	if (!ask(socks[0], &msg) || waitpid(pid, &status, 0) != pid)
		return 1;

	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char *argv[])
{
	static struct vmmproto_config config;
	int port_fd;

	log_set_program("vmm-bench-bare");
	if (argc < 7) {
		(void)fputs(
			"usage: vmm-bench-bare MEMORY-MIB KERNEL INITRD DISK CMDLINE PROGRAM...\n",
			stderr);
		return 125;
	}
	if (!describe(argv + 1, &config, &port_fd)) {
		log_error("%s", strerror(errno));
		return 1;
	}

	return run(argv + 6, &config);
}
