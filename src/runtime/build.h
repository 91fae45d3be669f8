/* SPDX-License-Identifier: Apache-2.0
 *
 * build.h - how a runtime is put together: by its caller outside, by process 1 inside
 *
 * create.c (outside) and inside.c (process 1) work at the same time:
 *
 *	outside					inside
 *	v2 cgroup, clone	------------>	new mount, net, ipc, uts namespaces
 *	id maps, v1 cgroups	SYNC_MAPPED ->	join v1 cgroups, become root, make filesystems
 *	idmap layers, overlay,			that belong to the namespaces
 *	/dev, bind sources	SYNC_MOUNTS ->	attach all, mask, switch root
 *				<- SYNC_READY	find the user, working directory, terminal
 *	rlimits, stream owners
 *	runtime_start()		SYNC_GO ----->	credentials, seccomp, exec
 *	done			<- end, or SYNC_FAILED
 *
 * Only the outside may map owners and make device nodes, since these need privileges over the
 * host; only the inside may make filesystems that its user namespace owns.
 */
#ifndef RUNTIME_BUILD_H
#define RUNTIME_BUILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "linux/cgroup.h"
#include "linux/seccomp_filter.h"
#include "runtime/runtime.h"

/* What stays of a build; the handle behind runtime.h. */
struct runtime {
	char cgroup_name[SPEC_ID_HEX + 16];
	struct cgroup cgroup;
	int cgroup_fd;	     /* v2 directory, -1: none */
	uint64_t namespaces; /* CLONE_NEW*: those of process 1 that are not its maker's */
	uint32_t uid_base, uid_count;
	pid_t init_pid;
	int init_pidfd;
	bool own_pid;	/* process 1 of a pid namespace of its own */
	int gate_fd;	/* until started */
	int devpts_fd;	/* root of its devpts */
	int *layer_fds; /* the caller's mounts, by numbers of our own */
	size_t layers_len;
	int rw_fd;     /* mount of the directory with upper and work, idmapped */
	int places_fd; /* its layer of places to mount on: closing it early costs a grace period */
	bool paused;
	bool confined; /* processes get @filter */
	struct seccomp_filter filter;
};

/* Mounts that the outside makes and the inside attaches; binds and devices follow. */
enum build_slot {
	SLOT_OVERLAY,
	SLOT_DEV,
	SLOT_INIT,
	SLOT_BINDS
};
#define SLOT_UNUSED (-1)
#define SLOT_AWAITED (-2) /* a descriptor will be there */

/**
 * struct build - state of a build; process 1 has a copy
 * @setup:	the caller's request
 * @rt:		result
 * @own:	CLONE_NEW* of namespaces that are made (CLONE_NEWUSER too)
 * @userns_fd:	outside: the user namespace, -1 without
 * @slots:	descriptors of the mounts, by enum build_slot; owned
 * @slots_len:	their number
 * @bind_fds:	in @slots: one per mount of the spec, used for SPEC_MOUNT_BIND
 * @device_fds:	in @slots: one per device of the spec, used when it lies outside /dev
 */
struct build {
	const struct runtime_setup *setup;
	struct runtime *rt;
	uint64_t own;
	int userns_fd;
	int *slots;
	size_t slots_len;
	int *bind_fds, *device_fds;
};

#define BUILD_INIT_NAME "hull-init" /* in /dev */

/* True when the namespace that @flag (CLONE_NEW*) makes is the sandbox's own. */
static inline bool build_owns(const struct build *b, uint64_t flag)
{
	return b->own & flag;
}

/* ---- outside: layers.c, places.c, dev.c ---- */

/**
 * build_layers() - Idmap the layers and the writable one, make the overlay
 * @b:		with @userns_fd; SLOT_OVERLAY, SLOT_DEV and the runtime's layers are filled in
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int build_layers(struct build *b, struct err *err);

/* Open and idmap the sources of bind mounts, and hull-init; before the layers. 0 or -errno. */
int build_binds(struct build *b, struct err *err);

/* Make the lowest layer, of places to mount on; as the owner-to-be. 0 or a negative errno. */
int build_places(struct build *b, struct err *err);

/* Make /dev with its nodes; build_layers() calls it as the owner-to-be. 0 or a negative errno. */
int build_dev(struct build *b, struct err *err);

/* Tell the cgroup which devices may be used. 0 or a negative errno. */
int build_device_rules(const struct build *b, struct err *err);

/* ---- inside: inside.c, rootfs.c, cgroupfs.c, sysctl.c, copyup.c ---- */

/* Life of process 1 in the new namespaces; returns only with a failure. */
int build_inside(struct build *b, int sync_fd, struct err *err);

/**
 * struct rootfs - filesystems that process 1 makes before it has the root to attach them to
 * @proc_fd:	procfs, or a copy of the host's
 * @sys_fd:	sysfs, or a copy
 * @devpts_fd:	terminals
 * @shm_fd:	tmpfs for /dev/shm, or a copy of the host's or of who shares its IPC namespace
 * @mqueue_fd:	message queues, or a copy of the host's
 * @scratch_fd:	tmpfs that holds small files and the directory shown over masked ones
 */
struct rootfs {
	int proc_fd, sys_fd, devpts_fd, shm_fd, mqueue_fd, scratch_fd;
};

/* Make them. 0 or a negative errno. */
int rootfs_prepare(const struct build *b, struct rootfs *ret, struct err *err);

/* Attach everything, apply sysctls, mask. 0 or a negative errno. */
int rootfs_assemble(const struct build *b, const struct rootfs *fs, struct err *err);

/* Show the cgroups of the workload in its /sys/fs/cgroup. 0 or a negative errno. */
int rootfs_add_cgroups(const struct build *b, int root_fd, struct err *err);

/* Write the spec's sysctls through our own procfs. 0 or a negative errno; kind USAGE. */
int rootfs_set_sysctls(const struct build *b, int proc_fd, struct err *err);

/* Fill the empty directory @to_fd with what is in @from_fd. 0 or a negative errno. */
int rootfs_copy_up(int from_fd, int to_fd, struct err *err);

#endif
