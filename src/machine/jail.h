/* SPDX-License-Identifier: Apache-2.0
 *
 * jail.h - start a helper program where it sees nothing but what it is given
 *
 * The program gets namespaces of its own (mount, pid, net, ipc, uts), a root that holds only
 * the listed mounts, the listed descriptors, /dev/null as its input and output, and a pipe as
 * its stderr. It is killed when its starter ends.
 */
#ifndef MACHINE_JAIL_H
#define MACHINE_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"

struct cgroup;

/**
 * struct jail_mount - a directory or file of the host that the program sees
 * @target:	absolute, one component, or two of which the first is then made: "/share/file"
 * @source:	trusted host path, or NULL: @fd
 * @fd:		of the directory or file
 * @attrs:	MOUNT_ATTR_* to set; what the source forbids stays forbidden
 * @recursive:	with what is mounted below
 */
struct jail_mount {
	const char *target, *source;
	int fd;
	uint64_t attrs;
	bool recursive;
};

enum jail_flags {
	JAIL_USERNS = 1 << 0, /* JAIL_UID in a user namespace of its own, where it is root */
	JAIL_KVM = 1 << 1,    /* a /dev/kvm that it may open */
	JAIL_PROC = 1 << 2,   /* a /proc of its own */
};

#define JAIL_UID 65534 /* the host's "nobody" */

/**
 * struct jail - what to start and where; all of it is borrowed
 * @argv:	absolute path of the program on the host and in the jail, and arguments
 * @mounts:	beside the system's programs and libraries, which are always there, read-only
 * @mounts_len:	their number
 * @fds:	descriptors the program inherits, under the same numbers
 * @fds_len:	their number
 * @flags:	enum jail_flags
 * @caps:	capabilities it keeps
 * @cgroup:	group it is born into, made already; or NULL
 * @cgroup_fd:	its v2 directory, or -1
 */
struct jail {
	const struct strv *argv;
	const struct jail_mount *mounts;
	size_t mounts_len;
	const int *fds;
	size_t fds_len;
	unsigned flags;
	uint64_t caps;
	const struct cgroup *cgroup;
	int cgroup_fd;
};

/* A running one. */
struct jail_child {
	pid_t pid;
	int pidfd;
	int stderr_fd; /* non-blocking */
};

/**
 * jail_spawn() - Start a program in a jail
 * @jail:	what and where
 * @ret:	released with jail_child_done()
 * @err:	filled in on failure, may be NULL
 *
 * Blocks until the program has been executed. The caller must be single-threaded.
 *
 * Return: 0 or a negative errno.
 */
int jail_spawn(const struct jail *jail, struct jail_child *ret, struct err *err);

/* Kill it, wait for its end, close the descriptors. A zeroed struct with -1 descriptors is fine. */
void jail_child_done(struct jail_child *child);

/* The end of what it wrote to stderr, as one line without control characters. */
void jail_last_words(const struct jail_child *child, char *buf, size_t buf_bytes);

#endif
