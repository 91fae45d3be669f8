/* SPDX-License-Identifier: Apache-2.0
 *
 * sysctl.c - inside: kernel parameters that belong to the workload's own namespaces
 *
 * Written through a procfs of our own, which no symlink of the image can replace. A parameter
 * that would reach beyond the workload is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/build.h"

/* Which namespace a parameter belongs to; a prefix that ends in '/' or a whole name. */
static const struct {
	const char *name;
	uint64_t flag;
} OWNERS[] = {
	{ "net/", CLONE_NEWNET },
	{ "fs/mqueue/", CLONE_NEWIPC },
	{ "kernel/msgmax", CLONE_NEWIPC },
	{ "kernel/msgmnb", CLONE_NEWIPC },
	{ "kernel/msgmni", CLONE_NEWIPC },
	{ "kernel/sem", CLONE_NEWIPC },
	{ "kernel/shmall", CLONE_NEWIPC },
	{ "kernel/shmmax", CLONE_NEWIPC },
	{ "kernel/shmmni", CLONE_NEWIPC },
	{ "kernel/shm_rmid_forced", CLONE_NEWIPC },
	{ "kernel/domainname", CLONE_NEWUTS },
};

/* The network of a guest is the workload's, although no namespace is made for it. */
static bool owns(const struct build *b, uint64_t flag)
{
	return build_owns(b, flag) || (flag == CLONE_NEWNET && b->setup->share_net);
}

static bool allowed(const struct build *b, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(OWNERS); i++) {
		const char *owner = OWNERS[i].name;
		size_t len = strlen(owner);
		bool match = owner[len - 1] == '/' ? strncmp(name, owner, len) == 0
						   : strcmp(name, owner) == 0;

		if (match)
			return owns(b, OWNERS[i].flag);
	}

	return false;
}

static int write_sysctl(int proc_fd, const char *name, const char *value, struct err *err)
{
	char path[PATH_MAX];
	auto_close int fd = -1;
	int n = snprintf(path, sizeof(path), "sys/%s", name);
	ssize_t written;

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ENAMETOOLONG, "sysctl '%s' is too long", name);
	fd = fd_open_in(proc_fd, path, O_WRONLY, 0, err);
	if (fd < 0)
		return err_wrap(err, fd, "sysctl '%s'", name);
	written = write(fd, value, strlen(value));
	if (written < 0)
		return err_sys(err, "set sysctl '%s' to '%s'", name, value);

	return 0;
}

/* "name=value" with '.' or '/' between the parts of the name. */
static int set_one(const struct build *b, int proc_fd, const char *assignment, struct err *err)
{
	const char *equals = strchr(assignment, '=');
	char name[256];
	size_t len = equals ? (size_t)(equals - assignment) : 0;
	int r;

	if (len == 0 || len >= sizeof(name))
		return err_setk(err, ERR_USAGE, EINVAL, "sysctl '%s' is not NAME=VALUE",
				assignment);
	memcpy(name, assignment, len);
	name[len] = '\0';
	if (!strchr(name, '/'))
		for (size_t i = 0; i < len; i++)
			name[i] = name[i] == '.' ? '/' : name[i];
	if (strstr(name, "..") || !allowed(b, name))
		return err_setk(err, ERR_USAGE, EPERM,
				"sysctl '%s' is not the workload's own to set", assignment);
	r = write_sysctl(proc_fd, name, equals + 1, err);
	if (r < 0)
		err_kind(err, ERR_USAGE);

	return r;
}

int rootfs_set_sysctls(const struct build *b, int proc_fd, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;
	int r = 0;

	if (build_owns(b, CLONE_NEWUTS) && spec->hostname &&
	    sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_sys(err, "set the host name");
	for (size_t i = 0; r == 0 && i < spec->sysctls.len; i++)
		r = set_one(b, proc_fd, spec->sysctls.items[i], err);

	return r;
}
