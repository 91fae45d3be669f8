/* SPDX-License-Identifier: Apache-2.0
 *
 * vm_share.c - bind mounts of a machine: one virtiofsd each, alone with what it serves
 *
 * The daemon listens on a socket that exists by name only while we connect to it, in a
 * directory that only root can enter; the machine gets the connected end. A bind mount of a
 * file is a share of a directory that holds this file and nothing else.
 */
#include "sandbox/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/caps.h"

#define SHARE_PROGRAM "/usr/lib/qemu/virtiofsd"
#define SHARE_SOCKET "share.sock"
#define SHARE_DIR "/share"
#define SHARE_OPEN_FILES_MAX 1000000

/*
 * What it needs to act for the workload's root; to leave for its directory (SYS_CHROOT) and to
 * give these up itself (SETPCAP). It makes no device nodes.
 */
#define SHARE_CAPS                                                                 \
	(CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FOWNER) | \
	 CAPS_BIT(CAP_FSETID) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_SETUID) |      \
	 CAPS_BIT(CAP_SETFCAP) | CAPS_BIT(CAP_SYS_CHROOT) | CAPS_BIT(CAP_SETPCAP))

int vm_share_probe(struct err *err)
{
	int r;

	if (access(SHARE_PROGRAM, X_OK) == 0)
		return 0;
	r = err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
		     "virtiofsd, which serves bind mounts and volumes, is not installed");
	err_hint(err, "apt-get install qemu-system-common");

	return r;
}

/* A listening socket and one connected to it, without a name. */
static int make_sockets(int dir_fd, int *ret_listen_fd, int *ret_sock_fd, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	auto_close int listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_close int sock_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = 0;

	if (listen_fd < 0 || sock_fd < 0)
		return err_sys(err, "make sockets");
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" SHARE_SOCKET,
		       dir_fd);
	(void)unlinkat(dir_fd, SHARE_SOCKET, 0);
	if (bind(listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listen_fd, 1) < 0 ||
	    connect(sock_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		r = err_sys(err, "connect to '" SHARE_SOCKET "'");
	(void)unlinkat(dir_fd, SHARE_SOCKET, 0);
	if (r < 0)
		return r;
	*ret_listen_fd = take_fd(listen_fd);
	*ret_sock_fd = take_fd(sock_fd);

	return 0;
}

static int write_argv(int listen_fd, struct strv *ret)
{
	static const char *const words[] = { SHARE_PROGRAM,    "-o", ("source=" SHARE_DIR), "-o",
					     "sandbox=chroot", "-o", "announce_submounts",  "-o",
					     "cache=auto",     "-o", "modcaps=-mknod",	    "-o",
					     "log_level=err" };
	struct rlimit files = { 0 };
	char text[64];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(words) && r == 0; i++)
		r = strv_add(ret, words[i]);
	if (r == 0) {
		(void)snprintf(text, sizeof(text), "--fd=%d", listen_fd);
		r = strv_add(ret, text);
	}
	/* It keeps a descriptor for each file the guest knows; more than we may have is an error.
	 */
	(void)getrlimit(RLIMIT_NOFILE, &files);
	(void)snprintf(text, sizeof(text), "--rlimit-nofile=%llu",
		       (unsigned long long)MIN(files.rlim_max, (rlim_t)SHARE_OPEN_FILES_MAX));

	return r < 0 ? r : strv_add(ret, text);
}

int vm_share_start(const struct vm_share_place *place, const struct spec_mount *mount,
		   struct vm_share *ret, struct err *err)
{
	auto_close int fd = open(mount->source, O_PATH | O_CLOEXEC);
	auto_close int listen_fd = -1, sock_fd = -1;
	auto_done(strv) argv = { 0 };
	struct vm_share share = { .sock_fd = -1 };
	struct jail_mount jail_mount = { .fd = fd,
					 .attrs = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID,
					 .recursive = mount->flags & SPEC_MOUNT_RECURSIVE };
	struct jail jail = { .argv = &argv,
			     .mounts = &jail_mount,
			     .mounts_len = 1,
			     .fds = &listen_fd,
			     .fds_len = 1,
			     .flags = JAIL_PROC,
			     .caps = SHARE_CAPS,
			     .cgroup = place->cgroup,
			     .cgroup_fd = place->cgroup_fd };
	struct stat st;
	int r = vm_share_probe(err);

	if (r < 0)
		return r;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open '%s'", mount->source);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"'%s' is neither a directory nor a regular file", mount->source);
	share.is_dir = S_ISDIR(st.st_mode);
	jail_mount.target = share.is_dir ? SHARE_DIR : SHARE_DIR "/" VM_SHARE_FILE;
	if (mount->flags & SPEC_MOUNT_READONLY)
		jail_mount.attrs |= MOUNT_ATTR_RDONLY;
	r = make_sockets(place->dir_fd, &listen_fd, &sock_fd, err);
	if (r == 0 && write_argv(listen_fd, &argv) < 0)
		r = err_set(err, ENOMEM, "out of memory");
	if (r == 0)
		r = jail_spawn(&jail, &share.daemon, err);
	if (r < 0)
		return err_wrap(err, r, "share '%s'", mount->source);
	share.sock_fd = take_fd(sock_fd);
	*ret = share;

	return 0;
}

void vm_share_done(struct vm_share *share)
{
	jail_child_done(&share->daemon);
	share->sock_fd = fd_close(share->sock_fd);
}
