/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup.h - one control group per workload, in every hierarchy this host has
 *
 * v1, v2 and both side by side (hybrid): the group "NAME" lies directly below the root of every
 * v1 hierarchy and of the v2 mount, and a controller is used where the host has it. What both
 * versions can do (kill, freeze, tell that nothing is left) is done through v2.
 */
#ifndef LINUX_CGROUP_H
#define LINUX_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define CGROUP_MAX_HIERARCHIES 20
#define CGROUP_PATH_BYTES 256

enum cgroup_controllers {
	CGROUP_CPU = 1 << 0,
	CGROUP_CPUACCT = 1 << 1, /* v1 only; part of CGROUP_CPU in v2 */
	CGROUP_CPUSET = 1 << 2,
	CGROUP_MEMORY = 1 << 3,
	CGROUP_DEVICES = 1 << 4, /* v1 only; a BPF program in v2 */
	CGROUP_FREEZER = 1 << 5, /* v1 only; built in in v2 */
	CGROUP_IO = 1 << 6,	 /* blkio in v1 */
	CGROUP_PIDS = 1 << 7,
};

/* The group in one hierarchy. @mount_len bytes of @path are the hierarchy's mount point. */
struct cgroup_dir {
	char path[CGROUP_PATH_BYTES];
	size_t mount_len;
	unsigned controllers;
	bool v2;
};

/**
 * struct cgroup - the group in all hierarchies; plain memory
 * @dirs:	v2 first if there is one
 * @dirs_len:	their number
 */
struct cgroup {
	struct cgroup_dir dirs[CGROUP_MAX_HIERARCHIES];
	size_t dirs_len;
};

/**
 * cgroup_find() - Where a group of that name lies on this host, whether it exists or not
 * @name:	one path component
 * @ret:	filled in
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0; -ENOENT when no cgroup filesystem is mounted; another negative errno.
 */
int cgroup_find(const char *name, struct cgroup *ret, struct err *err);

/* The directory of the hierarchy with @controller, or NULL. v1 wins where both have it. */
const struct cgroup_dir *cgroup_dir_of(const struct cgroup *cg, unsigned controller);
/* The v2 directory, or NULL. */
const struct cgroup_dir *cgroup_v2(const struct cgroup *cg);

/**
 * cgroup_make_v2() - Make the v2 directory, enabling the controllers we use above it
 * @cg:		group
 * @ret_fd:	O_PATH descriptor for ns_fork(), the caller owns it; -1 without v2
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno; -EEXIST.
 */
int cgroup_make_v2(const struct cgroup *cg, int *ret_fd, struct err *err);

/* Make the v1 directories, after the v2 one. 0 or a negative errno; -EEXIST without v2. */
int cgroup_make_v1(const struct cgroup *cg, struct err *err);

/**
 * cgroup_join() - Move this single-threaded process into the group
 * @cg:		group
 * @and_v2:	also in v2, where ns_fork() has not done it already
 * @err:	filled in on failure, may be NULL
 *
 * Must be done by the process itself: moving another one waits for an RCU grace period (10 ms)
 * to exclude a change of its threads, moving the calling thread does not.
 *
 * Return: 0 or a negative errno.
 */
int cgroup_join(const struct cgroup *cg, bool and_v2, struct err *err);

/* Are there processes in the group? 0 or a negative errno. */
int cgroup_populated(const struct cgroup *cg, bool *ret, struct err *err);

/* SIGKILL to every process of the group. 0 or a negative errno. */
int cgroup_kill(const struct cgroup *cg, struct err *err);

/**
 * cgroup_freeze() - Stop or continue every process of the group
 * @cg:		group
 * @frozen:	stop
 * @err:	filled in on failure, may be NULL
 *
 * Waits until it is so, for 10 s at most; a freeze that did not succeed is taken back.
 *
 * Return: 0, -ETIMEDOUT, or another negative errno.
 */
int cgroup_freeze(const struct cgroup *cg, bool frozen, struct err *err);

/**
 * cgroup_pids() - Processes of the group and of those below it
 * @cg:		group
 * @ret_pids:	heap array the caller frees
 * @ret_len:	its length
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int cgroup_pids(const struct cgroup *cg, pid_t **ret_pids, size_t *ret_len, struct err *err);

/**
 * cgroup_remove() - Remove the group and those below it, once their processes have ended
 * @cg:		group; directories that do not exist are skipped
 * @err:	filled in on failure, may be NULL
 *
 * Waits for processes that are ending, 10 s at most.
 *
 * Return: 0, -EBUSY, or another negative errno.
 */
int cgroup_remove(const struct cgroup *cg, struct err *err);

/* Read or write a file of one directory; a file that does not exist is -ENOENT. */
int cgroup_write(const struct cgroup_dir *dir, const char *file, const char *text, struct err *err);
int cgroup_read(const struct cgroup_dir *dir, const char *file, char *buf, size_t buf_bytes,
		struct err *err);

/**
 * struct cgroup_limits - 0: leave as it is; CGROUP_UNLIMITED
 * @memory_bytes: memory
 * @swap_bytes:	memory and swap together
 * @cpus_milli:	thousandths of a processor
 * @cpu_shares:	2 to 262144, 1024 is normal
 * @cpus:	list such as "0-1,3", or NULL
 * @pids:	processes and threads
 */
struct cgroup_limits {
	int64_t memory_bytes, swap_bytes;
	int64_t cpus_milli, cpu_shares;
	const char *cpus;
	int64_t pids;
};
#define CGROUP_UNLIMITED (-1)

/* 0 or a negative errno; -ENOTSUP when the host lacks the controller. */
int cgroup_set_limits(const struct cgroup *cg, const struct cgroup_limits *limits, struct err *err);

/* Counters; -1: this host does not tell. */
struct cgroup_stats {
	int64_t cpu_ns, cpu_user_ns, cpu_system_ns;
	int64_t memory_bytes, memory_limit_bytes, memory_peak_bytes;
	int64_t pids, pids_limit;
	int64_t block_read_bytes, block_write_bytes;
	int64_t oom_kills;
};

/* Whatever can be read; 0. */
int cgroup_get_stats(const struct cgroup *cg, struct cgroup_stats *ret);

/* A device that may be used; -1 as number: any. */
struct cgroup_device {
	char type; /* 'c' or 'b' */
	int major, minor;
	bool read, write, mknod;
};

/* Allow these devices and no others. 0 or a negative errno. */
int cgroup_set_devices(const struct cgroup *cg, const struct cgroup_device *allow, size_t allow_len,
		       struct err *err);

#endif
