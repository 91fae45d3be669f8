/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - hull-vmm: one virtual machine on KVM
 *
 * Its starter has put it into namespaces, a cgroup and an environment without anything, has
 * forbidden it new privileges (filters would need a capability otherwise), and hands it open
 * descriptors: the control socket by its number on the command line, all others by their numbers in
 * messages (vmmproto.h). It leaves for an empty root and gives its capabilities up before it reads
 * the first of them, and makes the guest run only under its filters (confine.h).
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "linux/caps.h"
#include "vmm/control.h"

#define EMPTY_DIR "/empty"
#define HEAP_STEP_BYTES ((int)(512 * KIB))

static int leave_host(struct err *err)
{
	if (chroot(EMPTY_DIR) < 0 || chdir("/") < 0)
		return err_sys(err, "change the root to '" EMPTY_DIR "'");

	return caps_set(0, 0, err);
}

int main(int argc, char *argv[])
{
	struct control control = { 0 };
	struct err err = ERR_INIT;
	char text[512];
	uint64_t fd;

	log_set_program("hull-vmm");
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("hull-vmm " HULL_VERSION);
		return 0;
	}
	if (argc != 3 || strcmp(argv[1], "--control") != 0 ||
	    parse_u64(argv[2], 3, INT32_MAX, &fd) < 0) {
		(void)fputs("usage: hull-vmm --version | --control FD, for hull-monitor\n",
			    argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
		return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 125;
	}
	/* One heap, grown in large steps: each of the others, and each small step, is a call. */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
	(void)signal(SIGPIPE, SIG_IGN);
	if (leave_host(&err) == 0)
		(void)control_serve(&control, (int)fd, &err);
	if (err.code) {
		log_error("%s", err_text(&err, text, sizeof(text)));
		_exit(125);
	}
	_exit(0);
}
