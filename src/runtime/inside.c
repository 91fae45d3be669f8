/* SPDX-License-Identifier: Apache-2.0
 *
 * inside.c - process 1 builds its own surroundings, then becomes the user's program
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/mounts.h"
#include "linux/ns.h"
#include "runtime/build.h"
#include "runtime/process.h"
#include "runtime/sync.h"

/* Namespaces that process 1 makes itself, while its maker is busy outside. */
#define OWN_WORK (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS)
/*
 * Those that keep something of the process that makes them: the cgroup it is in is the root of
 * what it sees, its id owns /dev/mqueue.
 */
#define OWN_LATE (CLONE_NEWCGROUP | CLONE_NEWIPC)

static int loopback_up(struct err *err)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (fd < 0)
		return err_sys(err, "make a socket");
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_sys(err, "bring up the loopback interface");

	return 0;
}

static int enter_namespaces(const struct build *b, int sync_fd, struct err *err)
{
	static const struct mount_change private = { .propagation = MS_SLAVE, .recursive = true };
	struct sync_msg msg;
	int r;

	if (unshare((int)(CLONE_NEWNS | (b->own & OWN_WORK))) < 0)
		return err_sys(err, "make namespaces");
	r = mount_change(AT_FDCWD, "/", &private, err);
	if (r == 0 && build_owns(b, CLONE_NEWNET))
		r = loopback_up(err);
	if (r == 0)
		r = sync_receive(sync_fd, SYNC_MAPPED, &msg, NULL, NULL, err);
	/* Still the host's root as the cgroup files see it. */
	if (r == 0)
		r = cgroup_join(&b->rt->cgroup, b->rt->cgroup_fd < 0 || msg.has, err);
	if (r == 0 && b->setup->spec->uid_count)
		r = ns_become_root(err);
	if (r < 0)
		return r;
	if (unshare((int)(b->own & OWN_LATE)) < 0)
		return err_sys(err, "make cgroup and IPC namespaces");

	return 0;
}

/* The mounts come in the order of their slots. */
static int receive_mounts(struct build *b, int sync_fd, struct err *err)
{
	int fds[SYNC_MAX_FDS];
	struct sync_msg msg;
	size_t len = 0, at = 0;

	for (size_t i = 0; i < b->slots_len; i++) {
		if (b->slots[i] != SLOT_AWAITED)
			continue;
		if (at == len) {
			int r = sync_receive(sync_fd, SYNC_MOUNTS, &msg, fds, &len, err);

			if (r < 0)
				return r;
			if (len == 0)
				return err_set(err, EPROTO, "a mount is missing");
			at = 0;
		}
		b->slots[i] = fds[at++];
	}

	return 0;
}

/* Tell the outside that we wait, with what it needs of ours. */
static int report_ready(const struct process *p, int sync_fd, int devpts_fd, int master_fd,
			struct err *err)
{
	struct sync_msg msg = { .kind = SYNC_READY, .uid = p->user.uid, .gid = p->user.gid };
	int fds[2];
	size_t len = 0;

	fds[len++] = devpts_fd;
	msg.has = SYNC_HAS_DEVPTS;
	if (master_fd >= 0) {
		fds[len++] = master_fd;
		msg.has |= SYNC_HAS_TTY;
	}

	return sync_send(sync_fd, &msg, fds, len, err);
}

/* Hold the namespaces for the tools that will join them; ends with the outside. */
static int serve(int sync_fd, struct err *err)
{
	struct sync_msg msg;
	int r = sync_receive(sync_fd, SYNC_GO, &msg, NULL, NULL, err);

	if (r == 0)
		r = process_keep_only(NULL, 0, err);
	while (r == 0)
		(void)pause();

	return r;
}

static int become_program(struct build *b, int sync_fd, int devpts_fd, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;
	struct process p = {
		.spec = &spec->process,
		.filter = b->rt->confined ? &b->rt->filter : NULL,
		.under_init = spec->process.init,
		.stdio_fds = { b->setup->stdio_fds[0], b->setup->stdio_fds[1],
			       b->setup->stdio_fds[2] },
		.sync_fd = sync_fd,
		.slave_fd = -1,
	};
	int master_fd = -1, r = 0;
	struct sync_msg msg;

	if (!spec->service)
		r = process_prepare(&p, devpts_fd, &master_fd, err);
	if (r == 0 && p.slave_fd >= 0)
		r = process_show_console(&p, b->slots[SLOT_DEV], err);
	if (r == 0)
		r = report_ready(&p, sync_fd, devpts_fd, master_fd, err);
	if (r < 0)
		return r;
	if (spec->service)
		return serve(sync_fd, err);
	r = sync_receive(sync_fd, SYNC_GO, &msg, NULL, NULL, err);

	return r < 0 ? r : process_exec(&p, err);
}

int build_inside(struct build *b, int sync_fd, struct err *err)
{
	struct rootfs fs;
	int r;

	r = process_start_clean(err);
	if (r == 0)
		r = enter_namespaces(b, sync_fd, err);
	if (r == 0)
		r = rootfs_prepare(b, &fs, err);
	if (r == 0)
		r = receive_mounts(b, sync_fd, err);
	if (r == 0)
		r = rootfs_assemble(b, &fs, err);
	if (r == 0)
		r = mount_switch_root(b->slots[SLOT_OVERLAY], err);

	return r < 0 ? r : become_program(b, sync_fd, fs.devpts_fd, err);
}
