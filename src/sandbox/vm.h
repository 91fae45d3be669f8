/* SPDX-License-Identifier: Apache-2.0
 *
 * vm.h - the parts of the vm level: a machine, its helpers, and calls to the agent in it
 */
#ifndef SANDBOX_VM_H
#define SANDBOX_VM_H

#include "agentproto/conn.h"
#include "linux/cgroup.h"
#include "loop/loop.h"
#include "machine/jail.h"
#include "machine/machine.h"
#include "sandbox/sandbox.h"
#include "spec/sandbox.h"

/* ---- disks: vm_disk.c ---- */

#define VM_DISK_DEFAULT_BYTES (10 * GIB)

/* A writable disk that is being made; @pid 0 when it was there already. */
struct vm_disk {
	int fd;
	int dir_fd; /* borrowed */
	pid_t pid;  /* mkfs */
};

/**
 * vm_disk_open() - Open the writable disk of a sandbox; where there is none, start making it
 * @dir_fd:	where it is kept, borrowed until vm_disk_finish()
 * @size_bytes:	of a new one; 0: VM_DISK_DEFAULT_BYTES
 * @ret:	released with vm_disk_done()
 * @err:	filled in on failure, may be NULL
 *
 * The host never mounts it: only the guest's kernel reads what the guest has written.
 *
 * Return: 0 or a negative errno.
 */
int vm_disk_open(int dir_fd, uint64_t size_bytes, struct vm_disk *ret, struct err *err);

/* Wait until it can be used. 0 or a negative errno. */
int vm_disk_finish(struct vm_disk *disk, struct err *err);
void vm_disk_done(struct vm_disk *disk);
DEFINE_AUTO_DONE(vm_disk)

/* ---- shares: vm_share.c ---- */

/* A directory or file of the host, served to the machine by a daemon in a jail. */
struct vm_share {
	struct jail_child daemon;
	int sock_fd; /* connected to it, for the machine; -1 once that has it */
	bool is_dir;
};

#define VM_SHARE_FILE "file" /* name of a file in the share made for it */

/* What all shares of a sandbox have in common; borrowed. */
struct vm_share_place {
	int dir_fd; /* private directory, used while a daemon starts */
	const struct cgroup *cgroup;
	int cgroup_fd;
};

/**
 * vm_share_start() - Start a daemon for one bind mount
 * @place:	where
 * @mount:	what to share
 * @ret:	released with vm_share_done()
 * @err:	filled in on failure, may be NULL
 *
 * The daemon is the host's root, because the workload's root writes a bind mount as the host's
 * root; it sees nothing but the share, and a read-only mount is read-only for it too.
 *
 * Return: 0 or a negative errno.
 */
int vm_share_start(const struct vm_share_place *place, const struct spec_mount *mount,
		   struct vm_share *ret, struct err *err);
void vm_share_done(struct vm_share *share);

/* Is the daemon's program installed? 0, or -ENOTSUP with a hint. */
int vm_share_probe(struct err *err);

#endif
