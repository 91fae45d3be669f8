/* SPDX-License-Identifier: Apache-2.0
 *
 * jail.c - a filesystem of its own for targets that need files
 */
#include "jail.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "fuzz.h"
#include "linux/mounts.h"

int jail_enter(void)
{
	static const struct mount_opt opts[] = { { "size", "64m" }, { "nr_inodes", "20000" } };
	char uid_map[32], gid_map[32];
	int top_fd;

	(void)snprintf(uid_map, sizeof(uid_map), "0 %u 1", geteuid());
	(void)snprintf(gid_map, sizeof(gid_map), "0 %u 1", getegid());
	fuzz_assert(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
	fuzz_assert(fd_write_file(AT_FDCWD, "/proc/self/setgroups", "deny", NULL) == 0);
	fuzz_assert(fd_write_file(AT_FDCWD, "/proc/self/uid_map", uid_map, NULL) == 0);
	fuzz_assert(fd_write_file(AT_FDCWD, "/proc/self/gid_map", gid_map, NULL) == 0);
	top_fd = mount_new("tmpfs", opts, ARRAY_SIZE(opts), 0, NULL);
	fuzz_assert(top_fd >= 0);

	return top_fd;
}
