/* SPDX-License-Identifier: Apache-2.0
 *
 * ns.h - processes in namespaces: clone3(2), pidfds, maps of user namespaces
 *
 * All of it is for single-threaded processes.
 */
#ifndef LINUX_NS_H
#define LINUX_NS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/**
 * ns_fork() - fork() with namespaces, a pidfd and a cgroup
 * @clone_flags: CLONE_NEW*, CLONE_PARENT ...
 * @cgroup_fd:	directory of a v2 cgroup for the child, or -1: the caller's
 * @ret_pidfd:	O_CLOEXEC descriptor of the child, the caller owns it; set in the parent only
 * @err:	filled in on failure, may be NULL
 *
 * Signal handlers are reset in the child. The child should not allocate more than it must.
 *
 * Return: 0 in the child, the pid in the parent, or a negative errno.
 */
pid_t ns_fork(uint64_t clone_flags, int cgroup_fd, int *ret_pidfd, struct err *err);

/**
 * ns_map_ids() - Write uid_map and gid_map of a new user namespace: id N is host id base + N
 * @pid:	process in the namespace
 * @base:	first host id
 * @count:	ids
 * @ret_userns_fd: the namespace; the caller owns it
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int ns_map_ids(pid_t pid, uint32_t base, uint32_t count, int *ret_userns_fd, struct err *err);

/* Send @signo to the process behind @pidfd. 0 or a negative errno. */
int ns_signal(int pidfd, int signo);

/* True while the process behind @pidfd has not ended. */
bool ns_alive(int pidfd);

/**
 * ns_become_root() - Take id 0 of the user namespace this process is in; no groups
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int ns_become_root(struct err *err);

#endif
