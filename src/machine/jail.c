/* SPDX-License-Identifier: Apache-2.0
 *
 * jail.c - a helper program in a root of its own
 *
 * The starter copies the mounts (only where a path is visible can it be copied) and forks into
 * new namespaces. The child, in order: makes its root from an empty tmpfs and the copies and
 * leaves the host's root; takes a user namespace in which one host id is its root (the starter
 * writes the map: the child may not); gives up capabilities; executes. A failure on the way
 * travels to the starter as a struct err.
 */
#include "machine/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/caps.h"
#include "linux/cgroup.h"
#include "linux/mounts.h"
#include "linux/ns.h"

#define JAIL_MOUNTS_MAX 16
#define PIECES_MAX 1024 /* of last words */
#define KVM_MAJOR 10
#define KVM_MINOR 232

/*
 * Where programs and libraries are; those that the host does not have are left out. Without its
 * cache the loader looks for each library in twenty directories.
 */
static const struct jail_mount system_mounts[] = {
	{ .target = "/usr", .source = "/usr", .attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID },
	{ .target = "/lib", .source = "/lib", .attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID },
	{ .target = "/lib64", .source = "/lib64", .attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID },
	{ .target = "/etc/ld.so.cache",
	  .source = "/etc/ld.so.cache",
	  .attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID },
};

/* A mount that is ready to be attached; or, with @fd -1, a symlink that the host has there. */
struct ready {
	const char *target;
	int fd;
	bool is_dir;
	char link[128];
};

struct prepared {
	struct ready mounts[JAIL_MOUNTS_MAX];
	size_t len;
	int sync_fds[2];   /* the child's end, the starter's end */
	int stderr_fds[2]; /* read, write */
	int parent_pidfd;
};

static void prepared_done(struct prepared *p)
{
	for (size_t i = 0; i < p->len; i++)
		fd_close(p->mounts[i].fd);
	fd_close(p->sync_fds[0]);
	fd_close(p->sync_fds[1]);
	fd_close(p->stderr_fds[0]);
	fd_close(p->stderr_fds[1]);
	fd_close(p->parent_pidfd);
}
DEFINE_AUTO_DONE(prepared)

/* ---- the starter's part ---- */

static int prepare_mount(struct prepared *p, const struct jail_mount *mount, struct err *err)
{
	int dir_fd = mount->source ? AT_FDCWD : mount->fd;
	const char *path = mount->source ? mount->source : "";
	struct mount_change change = { .set = mount->attrs,
				       .propagation = MS_PRIVATE,
				       .recursive = mount->recursive };
	struct ready *ready = &p->mounts[p->len];
	struct stat st;
	int r;

	if (p->len == JAIL_MOUNTS_MAX)
		return err_set(err, E2BIG, "too many mounts");
	*ready = (struct ready){ .target = mount->target, .fd = -1 };
	if (fstatat(dir_fd, path, &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "look at '%s'", mount->target);
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(dir_fd, path, ready->link, sizeof(ready->link) - 1);

		if (n < 0)
			return err_sys(err, "read the link '%s'", mount->target);
		p->len++;
		return 0;
	}
	ready->is_dir = S_ISDIR(st.st_mode);
	ready->fd = mount_clone(dir_fd, path, mount->recursive, err);
	if (ready->fd < 0)
		return err_wrap(err, ready->fd, "copy the mount of '%s'", mount->target);
	p->len++;
	r = mount_change(ready->fd, "", &change, err);

	return r < 0 ? err_wrap(err, r, "change the mount of '%s'", mount->target) : 0;
}

static int prepare(struct prepared *p, const struct jail *jail, struct err *err)
{
	int r = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->sync_fds) < 0 ||
	    pipe2(p->stderr_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "make pipes");
	p->parent_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (p->parent_pidfd < 0)
		return err_sys(err, "open our own pidfd");
	for (size_t i = 0; i < ARRAY_SIZE(system_mounts) && r == 0; i++)
		if (faccessat(AT_FDCWD, system_mounts[i].source, F_OK, 0) == 0)
			r = prepare_mount(p, &system_mounts[i], err);
	for (size_t i = 0; i < jail->mounts_len && r == 0; i++)
		r = prepare_mount(p, &jail->mounts[i], err);

	return r;
}

/* What the child says on the way to its exec, which closes the socket. */
enum {
	SAYS_MAP_ME = 'm',
	SAYS_FAILED = 'e'
};

static int map_child(int sync_fd, pid_t pid, struct err *err)
{
	auto_close int userns_fd = -1;
	int r = ns_map_ids(pid, JAIL_UID, 1, &userns_fd, err);

	if (r == 0)
		r = fd_write_all(sync_fd, "g", 1);

	return r < 0 ? err_wrap(err, r, "map its user namespace") : 0;
}

static int follow_child(int sync_fd, pid_t pid, struct err *err)
{
	struct err failure;
	ssize_t n;
	char says;

	while ((n = fd_read_all(sync_fd, &says, 1)) == 1 && says == SAYS_MAP_ME) {
		int r = map_child(sync_fd, pid, err);

		if (r < 0)
			return r;
	}
	if (n == 0)
		return 0;
	if (n < 0 || fd_read_all(sync_fd, &failure, sizeof(failure)) != sizeof(failure))
		return err_set(err, EPIPE, "the child ended early");
	err_sanitize(&failure);
	if (err)
		*err = failure;

	return -failure.code;
}

/* ---- the child's part ---- */

static int attach(int root_fd, const struct ready *mount, struct err *err)
{
	const char *name = mount->target + 1, *slash = strchr(name, '/');
	auto_close int fd = -1;
	char parent[64];

	if (slash) {
		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - name), name);
		if (mkdirat(root_fd, parent, 0755) < 0)
			return err_sys(err, "make '/%s'", parent);
	}
	if (mount->fd < 0)
		return symlinkat(mount->link, root_fd, name) < 0
			       ? err_sys(err, "link '%s'", mount->target)
			       : 0;
	if (mount->is_dir && mkdirat(root_fd, name, 0755) < 0)
		return err_sys(err, "make '%s'", mount->target);
	if (!mount->is_dir) {
		fd = openat(root_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			return err_sys(err, "make '%s'", mount->target);
	}

	return mount_attach(mount->fd, root_fd, name, err);
}

/* /dev/null for everybody, and /dev/kvm for the program alone. */
static int make_nodes(int root_fd, bool with_kvm, struct err *err)
{
	if (mknodat(root_fd, "dev/null", S_IFCHR | 0666, makedev(1, 3)) < 0)
		return err_sys(err, "make '/dev/null'");
	if (with_kvm &&
	    (mknodat(root_fd, "dev/kvm", S_IFCHR | 0600, makedev(KVM_MAJOR, KVM_MINOR)) < 0 ||
	     fchownat(root_fd, "dev/kvm", JAIL_UID, JAIL_UID, AT_SYMLINK_NOFOLLOW) < 0))
		return err_sys(err, "make '/dev/kvm'");

	return 0;
}

static int make_proc(int root_fd, struct err *err)
{
	auto_close int proc_fd = mount_new(
		"proc", NULL, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);

	if (proc_fd < 0)
		return proc_fd;
	if (mkdirat(root_fd, "proc", 0555) < 0)
		return err_sys(err, "make '/proc'");

	return mount_attach(proc_fd, root_fd, "proc", err);
}

/* An empty tmpfs and what is listed; "/empty" and "/run" are there for the programs. */
static int make_root(const struct jail *jail, const struct prepared *p, struct err *err)
{
	static const struct mount_opt opts[] = { { "size", "256k" },
						 { "nr_inodes", "64" },
						 { "mode", "0755" } };
	struct mount_change private = { .propagation = MS_PRIVATE, .recursive = true };
	auto_close int mount_fd =
		mount_new("tmpfs", opts, ARRAY_SIZE(opts), MOUNT_ATTR_NOSUID, err);
	auto_close int root_fd = -1;
	int r = mount_fd;

	if (r >= 0)
		r = mount_change(AT_FDCWD, "/", &private, err);
	if (r >= 0)
		r = mount_attach(mount_fd, AT_FDCWD, "/", err);
	if (r < 0)
		return r;
	/* "/" still names what lies beneath the new mount: only its descriptor leads there. */
	root_fd = openat(mount_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_sys(err, "open the new root");
	if (mkdirat(root_fd, "dev", 0755) < 0 || mkdirat(root_fd, "empty", 0555) < 0 ||
	    mkdirat(root_fd, "run", 0755) < 0 || mkdirat(root_fd, "var", 0755) < 0 ||
	    symlinkat("/run", root_fd, "var/run") < 0)
		return err_sys(err, "make directories");
	for (size_t i = 0; i < p->len && r == 0; i++)
		r = attach(root_fd, &p->mounts[i], err);
	if (r == 0)
		r = make_nodes(root_fd, jail->flags & JAIL_KVM, err);
	if (r == 0 && (jail->flags & JAIL_PROC))
		r = make_proc(root_fd, err);

	return r < 0 ? r : mount_switch_root(root_fd, err);
}

static int enter_userns(int sync_fd, struct err *err)
{
	char byte = SAYS_MAP_ME;

	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(err, "make a user namespace");
	if (fd_write_all(sync_fd, &byte, 1) < 0 || fd_read_all(sync_fd, &byte, 1) != 1)
		return err_set(err, EPIPE, "the starter has gone");

	return ns_become_root(err);
}

/* Whoever loses the race between our starter's end and the signal's registration is caught. */
static int die_with_parent(int parent_pidfd, struct err *err)
{
	struct pollfd pfd = { .fd = parent_pidfd, .events = POLLIN };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(err, "ask to end with the starter");

	return poll(&pfd, 1, 0) == 0 ? 0 : err_set(err, ESRCH, "the starter has gone");
}

static int set_up_fds(const struct jail *jail, const struct prepared *p, int null_fd,
		      struct err *err)
{
	if (dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(p->stderr_fds[1], 2) < 0)
		return err_sys(err, "set up the standard descriptors");
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(err, "close descriptors");
	for (size_t i = 0; i < jail->fds_len; i++) {
		int r = fd_keep_on_exec(jail->fds[i]);

		if (r < 0)
			return err_set(err, -r, "keep descriptor %d", jail->fds[i]);
	}

	return 0;
}

static int become(const struct jail *jail, const struct prepared *p, struct err *err)
{
	auto_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	static char *const env[] = { NULL };
	sigset_t none;
	int r;

	if (null_fd < 0)
		return err_sys(err, "open '/dev/null'");
	(void)setsid();
	(void)umask(0);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	r = jail->cgroup ? cgroup_join(jail->cgroup, jail->cgroup_fd < 0, err) : 0;
	if (r == 0)
		r = make_root(jail, p, err);
	if (r < 0)
		return r;
	(void)umask(022);
	if (jail->flags & JAIL_USERNS)
		r = enter_userns(p->sync_fds[0], err);
	if (r == 0)
		r = caps_limit_bounding(jail->caps, err);
	if (r == 0)
		r = caps_set(jail->caps, 0, err);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_sys(err, "forbid new privileges");
	if (r == 0)
		r = die_with_parent(p->parent_pidfd, err);
	if (r == 0)
		r = set_up_fds(jail, p, null_fd, err);
	if (r < 0)
		return r;
	(void)execve(jail->argv->items[0], strv_argv(jail->argv), env);

	return err_sys(err, "execute '%s'", jail->argv->items[0]);
}

static NORETURN void run_child(const struct jail *jail, const struct prepared *p)
{
	struct err err = ERR_INIT;
	char byte = SAYS_FAILED;

	(void)become(jail, p, &err);
	(void)fd_write_all(p->sync_fds[0], &byte, 1);
	(void)fd_write_all(p->sync_fds[0], &err, sizeof(err));
	_exit(127);
}

/* ---- together ---- */

int jail_spawn(const struct jail *jail, struct jail_child *ret, struct err *err)
{
	auto_done(prepared)
		p = { .sync_fds = { -1, -1 }, .stderr_fds = { -1, -1 }, .parent_pidfd = -1 };
	struct jail_child child = { .pidfd = -1, .stderr_fd = -1 };
	int r = prepare(&p, jail, err);

	if (r < 0)
		return r;
	child.pid = ns_fork(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
			    jail->cgroup ? jail->cgroup_fd : -1, &child.pidfd, err);
	if (child.pid < 0)
		return child.pid;
	if (child.pid == 0)
		run_child(jail, &p);

	p.sync_fds[0] = fd_close(p.sync_fds[0]);
	r = follow_child(p.sync_fds[1], child.pid, err);
	if (r < 0) {
		jail_child_done(&child);
		return err_wrap(err, r, "start '%s'", jail->argv->items[0]);
	}
	child.stderr_fd = take_fd(p.stderr_fds[0]);
	*ret = child;

	return 0;
}

void jail_child_done(struct jail_child *child)
{
	siginfo_t info;

	if (child->pidfd >= 0) {
		(void)ns_signal(child->pidfd, SIGKILL);
		while (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED) < 0 && errno == EINTR)
			;
	}
	child->pidfd = fd_close(child->pidfd);
	child->stderr_fd = fd_close(child->stderr_fd);
}

void jail_last_words(const struct jail_child *child, char *buf, size_t buf_bytes)
{
	char text[1024];
	ssize_t n, used = 0;

	buf[0] = '\0';
	/* Only the last piece matters: earlier ones are overwritten. It may write for ever. */
	for (unsigned i = 0; i < PIECES_MAX; i++) {
		n = read(child->stderr_fd, text, sizeof(text) - 1);
		if (n <= 0)
			break;
		used = n;
	}
	while (used > 0 && text[used - 1] == '\n')
		used--;
	for (ssize_t i = 0; i < used; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = text[i] == '\n' ? ';' : '?';
	text[used] = '\0';
	(void)snprintf(buf, buf_bytes, "%s", text);
}
