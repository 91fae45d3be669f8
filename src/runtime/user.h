/* SPDX-License-Identifier: Apache-2.0
 *
 * user.h - who a process is: names and numbers looked up in the root's own files
 */
#ifndef RUNTIME_USER_H
#define RUNTIME_USER_H

#include <limits.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"

#define USER_MAX_GROUPS 512

/* Ids in the workload's user namespace; @home: directory, "/" when nothing tells. */
struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_MAX_GROUPS];
	size_t groups_len;
	char home[PATH_MAX];
};

/**
 * user_find() - Look a user up
 * @root_fd:	root with /etc/passwd and /etc/group, which may be absent
 * @name:	"", "USER" or "USER:GROUP", names or numbers; NULL is ""
 * @group_add:	further groups
 * @ret:	filled in; @groups holds the primary group too, so that a file which denies its
 *		group something cannot be had by dropping it
 * @err:	kind USAGE when a name is unknown or a number out of range
 *
 * Return: 0 or a negative errno.
 */
int user_find(int root_fd, const char *name, const struct strv *group_add, struct user *ret,
	      struct err *err);

#endif
