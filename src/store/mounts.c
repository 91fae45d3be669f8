/* SPDX-License-Identifier: Apache-2.0
 *
 * mounts.c - the store's own mount namespace, where each layer in use is mounted once
 *
 * Mounts in the host's namespace would be seen, copied and pinned by others ("device busy");
 * a mount of its own for each container would cache the same pages again. So there is one
 * more mount namespace, without a process in it:
 *
 *	<run root>/layers	a small tmpfs, private, the only trace in the host's mount table
 *	<run root>/layers/ns	the namespace, bound to a file: that keeps it alive
 *	<run root>/layers/<hex>	mount point of a layer; the root of the namespace is a copy of
 *				the same tmpfs and of nothing else of the host
 *
 * What workloads get are detached clones, which share the superblock and its pages and outlive
 * everything here. A child that shares our memory and descriptors (as vfork(2) would) enters
 * the namespace and leaves the clones in the common descriptor table.
 *
 * Clones are taken without a lock. Whatever changes the namespace holds flock(LOCK_EX) on
 * <run root>/layers.lock. Each step may be the last one: a tmpfs without "ns", an "ns" that is
 * an ordinary file, a directory where nothing is mounted are taken for what they are. Removing
 * a directory unmounts what is mounted on it in a namespace that is not ours: so no one needs to
 * go in for that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/mem.h"
#include "linux/mounts.h"
#include "store/erofs.h"
#include "store/internal.h"

#define DIR_NAME "layers"
#define PIN_NAME "ns"
#define LOCK_NAME "layers.lock"
#define CHILD_STACK_BYTES (256 * 1024)

/* linux/nsfs.h has it since 6.11 */
#ifndef NS_GET_MNTNS_ID
#define NS_GET_MNTNS_ID _IOR(0xb7, 0x5, uint64_t)
#endif
/* Ids of namespaces come to a CPU in batches of 4096: this many use up one. */
#define NEWER_ATTEMPTS 8
#define NEWER_BURST 1024

/**
 * struct visit - what the child does in the namespace
 * @dir:	absolute path of the tmpfs, for a namespace that is to be made
 * @ns_fd:	namespace to enter, or -1: make one and put its descriptor here
 * @layers:	layers to clone
 * @layers_len:	their number
 * @mount_fds:	detached mounts to attach first, -1: none for this layer
 * @ret_fds:	clones; those that are -1 are taken, and stay -1 where the layer is not mounted
 * @result:	0 or a negative errno
 * @err:	its reason
 */
struct visit {
	const char *dir;
	int ns_fd;
	const struct store_layer *layers;
	size_t layers_len;
	const int *mount_fds;
	int *ret_fds;
	int result;
	struct err err;
};

/* ---- in the child ---- */

/* The current mount namespace's, or 0: a kernel that does not tell it counts them up. */
static uint64_t namespace_id(void)
{
	auto_close int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	uint64_t id = 0;

	return fd >= 0 && ioctl(fd, NS_GET_MNTNS_ID, &id) == 0 ? id : 0;
}

/*
 * A namespace can be bound to a file only in one with a lower id, which is how the kernel rules
 * out loops. Ours has one unless it is not the initial one and was made on another CPU, whose
 * ids may be ahead. Then those of this CPU are used up, by namespaces that cost nothing.
 */
static int unshare_newer(struct err *err)
{
	uint64_t outer_id = namespace_id();

	for (int i = 0; i < NEWER_ATTEMPTS; i++) {
		if (unshare(CLONE_NEWNS) < 0)
			return err_sys(err, "make a mount namespace");
		if (namespace_id() >= outer_id)
			break;
		for (int k = 0; k < NEWER_BURST; k++)
			(void)unshare(CLONE_NEWUTS);
	}

	return 0;
}

static int enter_new(struct visit *v)
{
	const struct mount_change private = { .propagation = MS_PRIVATE, .recursive = true };
	int root_fd, r;

	r = unshare_newer(&v->err);
	if (r < 0)
		return r;
	r = mount_change(AT_FDCWD, "/", &private, &v->err);
	if (r < 0)
		return r;
	v->ns_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (v->ns_fd < 0)
		return err_sys(&v->err, "open the new mount namespace");
	root_fd = open(v->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_sys(&v->err, "open '%s'", v->dir);
	r = mount_switch_root(root_fd, &v->err);
	fd_close(root_fd);

	return r;
}

static const char *mount_point(const struct store_layer *layer)
{
	return layer->diff_id + strlen("sha256:");
}

/* A clone of what is mounted for @layer, or -ENOENT. The working directory is the root. */
static int clone_layer(const struct store_layer *layer, struct err *err)
{
	int fd = mount_clone(AT_FDCWD, mount_point(layer), false, err);
	struct statfs fs;

	/* EINVAL: it has been unmounted since the path was looked up. */
	if (fd < 0)
		return fd == -EINVAL ? -ENOENT : fd;
	if (fstatfs(fd, &fs) == 0 && fs.f_type == EROFS_SUPER_MAGIC_V1)
		return fd;
	fd_close(fd);

	return -ENOENT;
}

static int attach_layer(const struct store_layer *layer, int mount_fd, struct err *err)
{
	if (mkdirat(AT_FDCWD, mount_point(layer), 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make a mount point for layer %s", layer->diff_id);
	failpoint("mounts-dir");

	return mount_attach(mount_fd, AT_FDCWD, mount_point(layer), err);
}

static int visit_inside(struct visit *v)
{
	for (size_t i = 0; i < v->layers_len; i++) {
		const struct store_layer *layer = &v->layers[i];
		int fd;

		if (v->ret_fds[i] >= 0)
			continue;
		fd = clone_layer(layer, &v->err);
		if (fd == -ENOENT && v->mount_fds && v->mount_fds[i] >= 0) {
			int r = attach_layer(layer, v->mount_fds[i], &v->err);

			fd = r < 0 ? r : clone_layer(layer, &v->err);
			if (fd < 0)
				return fd;
		}
		if (fd < 0 && fd != -ENOENT)
			return fd;
		v->ret_fds[i] = fd < 0 ? -1 : fd;
	}

	return 0;
}

static int visit_main(void *arg)
{
	struct visit *v = arg;
	int r = 0;

	if (v->ns_fd < 0)
		r = enter_new(v);
	else if (setns(v->ns_fd, CLONE_NEWNS) < 0)
		r = err_sys(&v->err, "enter the store's mount namespace");
	if (r == 0)
		r = visit_inside(v);
	v->result = r;

	return 0; /* and clone(2)'s wrapper ends the child */
}

/* ---- outside ---- */

/* Run the child and wait for it. @v->ret_fds are the caller's to close, also on failure. */
static int visit_run(struct visit *v, struct err *err)
{
	void *stack = mmap(NULL, CHILD_STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	sigset_t all, saved;
	pid_t pid;

	if (stack == MAP_FAILED)
		return err_sys(err, "make a stack");
	v->result = -ECHILD; /* should it be killed */

	/* No handler of ours may run in the child: it has our memory. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &saved);
	pid = clone(visit_main, (char *)stack + CHILD_STACK_BYTES,
		    CLONE_VM | CLONE_VFORK | CLONE_FILES, v);
	if (pid < 0)
		v->result = err_sys(&v->err, "start a child for mounting");
	else
		(void)waitpid(pid, NULL, __WCLONE);
	(void)sigprocmask(SIG_SETMASK, &saved, NULL);
	(void)munmap(stack, CHILD_STACK_BYTES);

	if (v->result < 0 && err)
		*err = v->err;

	return v->result;
}

/* The pinned namespace, or -ENOENT when there is none. */
static int pin_open(struct store *s, struct err *err)
{
	int fd = openat(s->run_fd, DIR_NAME "/" PIN_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct statfs fs;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : err_sys(err, "open the store's namespace");
	if (fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC)
		return fd;
	fd_close(fd); /* killed before the namespace was bound to the file */

	return -ENOENT;
}

static bool dir_is_mounted(struct store *s)
{
	struct statx stx;

	return statx(s->run_fd, DIR_NAME, AT_SYMLINK_NOFOLLOW, 0, &stx) == 0 &&
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* The tmpfs, private: a namespace cannot be bound to a file on a shared mount. */
static int dir_mount(struct store *s, struct err *err)
{
	const struct mount_opt opts[] = { { "source", "hull-layers" }, { "mode", "0700" } };
	const struct mount_change private = { .propagation = MS_PRIVATE };
	auto_close int mount_fd = -1;
	int r;

	if (!dir_is_mounted(s)) {
		if (mkdirat(s->run_fd, DIR_NAME, 0700) < 0 && errno != EEXIST)
			return err_sys(err, "make '%s/" DIR_NAME "'", s->run_root);
		mount_fd = mount_new("tmpfs", opts, ARRAY_SIZE(opts),
				     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
		if (mount_fd < 0)
			return mount_fd;
		r = mount_attach(mount_fd, s->run_fd, DIR_NAME, err);
		if (r < 0)
			return r;
		failpoint("mounts-tmpfs");
	}

	return mount_change(s->run_fd, DIR_NAME, &private, err);
}

static int pin_bind(struct store *s, int ns_fd, struct err *err)
{
	auto_free char *pin = mem_printf("%s/" DIR_NAME "/" PIN_NAME, s->run_root);
	auto_close int fd = open(pin, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char source[64];

	failpoint("mounts-pin-file");
	if (fd < 0)
		return err_sys(err, "create '%s'", pin);
	(void)snprintf(source, sizeof(source), "/proc/self/fd/%d", ns_fd);
	if (mount(source, pin, NULL, MS_BIND, NULL) < 0)
		return err_sys(err, "bind the store's namespace to '%s'", pin);
	failpoint("mounts-pinned");

	return 0;
}

static int lock_changes(struct store *s, struct err *err)
{
	auto_close int fd = openat(s->run_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, "open '%s/" LOCK_NAME "'", s->run_root);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(err, "lock '%s/" LOCK_NAME "'", s->run_root);

	return take_fd(fd);
}

/* Descriptors of several layers, closed at the end of the scope. */
struct layer_fds {
	int *fds;
	size_t len;
};

static void layer_fds_done(struct layer_fds *set)
{
	for (size_t i = 0; i < set->len; i++)
		fd_close(set->fds[i]);
	free(set->fds);
}
DEFINE_AUTO_DONE(layer_fds)

/* A detached mount of a layer's file. */
static int mount_file(struct store *s, const struct store_layer *layer, struct err *err)
{
	auto_free char *path = NULL;
	char below[PATH_MAX];
	int fd;

	layer_erofs_path(s, layer->diff_id, below);
	path = mem_printf("%s/%s", s->root, below);
	fd = erofs_mount(path, err);

	return fd == -ENOENT ? layer_missing(layer->diff_id, err) : fd;
}

/* Mount what v->ret_fds lacks, attach it in the namespace, which is made when there is none. */
static int mount_missing(struct store *s, struct visit *v, struct err *err)
{
	auto_done(layer_fds) mounts = { .fds = mem_calloc(v->layers_len, sizeof(int)) };
	auto_close int lock_fd = lock_changes(s, err);
	auto_close int ns_fd = -1;
	int r = lock_fd;

	for (size_t i = 0; r >= 0 && i < v->layers_len; i++) {
		mounts.fds[mounts.len++] = -1;
		if (v->ret_fds[i] >= 0)
			continue;
		r = mounts.fds[i] = mount_file(s, &v->layers[i], err);
	}
	if (r >= 0)
		r = dir_mount(s, err);
	if (r < 0)
		return r;
	v->ns_fd = ns_fd = pin_open(s, err);
	if (ns_fd < 0 && ns_fd != -ENOENT)
		return ns_fd;
	v->mount_fds = mounts.fds;
	r = visit_run(v, err);
	if (ns_fd >= 0)
		return r;
	ns_fd = v->ns_fd; /* made by the child: ours now */

	return r < 0 ? r : pin_bind(s, ns_fd, err);
}

/*
 * 1: no container but the caller's is started, 0: one is, or a negative errno. An index of those
 * that are would make the log of each run a third longer (32,960 bytes instead of 24,720) and save
 * half a millisecond among a thousand stopped containers.
 */
static int is_alone(struct store *s, struct err *err)
{
	int64_t started = 0;
	int r = db_get_i64(s->db, &started, err,
			   "SELECT count(*) FROM containers WHERE started AND NOT ended", "");

	return r < 0 ? r : started <= 1;
}

/* Mounts of their own, which go with whoever holds them. */
static int mount_alone(struct store *s, const struct store_layer *layers, struct layer_fds *mounts,
		       struct err *err)
{
	for (size_t i = 0; i < mounts->len; i++) {
		mounts->fds[i] = mount_file(s, &layers[i], err);
		if (mounts->fds[i] < 0)
			return mounts->fds[i];
	}

	return 0;
}

/* Clones of what the namespace has mounted, or has mounted now. */
static int mount_shared(struct store *s, const struct store_layer *layers, int ns_fd,
			struct layer_fds *clones, struct err *err)
{
	auto_free char *dir = mem_printf("%s/" DIR_NAME, s->run_root);
	struct visit v = {
		.dir = dir,
		.ns_fd = ns_fd,
		.layers = layers,
		.layers_len = clones->len,
		.ret_fds = clones->fds,
	};
	bool complete = true;
	int r = ns_fd >= 0 ? visit_run(&v, err) : 0;

	for (size_t i = 0; i < clones->len; i++)
		complete = complete && clones->fds[i] >= 0;

	return r < 0 || complete ? r : mount_missing(s, &v, err);
}

int store_layer_mounts(struct store *s, const struct store_layer *layers, size_t layers_len,
		       unsigned flags, int *ret_fds, struct err *err)
{
	auto_done(layer_fds) mounts = { .fds = mem_calloc(layers_len, sizeof(int)) };
	auto_close int ns_fd = pin_open(s, err);
	int r = ns_fd == -ENOENT ? 0 : MIN(ns_fd, 0);
	int alone = r == 0 && ns_fd < 0 && (flags & STORE_MOUNT_ALONE) ? is_alone(s, err) : 0;

	for (; mounts.len < layers_len; mounts.len++)
		mounts.fds[mounts.len] = -1;
	if (r == 0)
		r = MIN(alone, 0);
	if (r == 0)
		r = alone ? mount_alone(s, layers, &mounts, err)
			  : mount_shared(s, layers, ns_fd, &mounts, err);
	if (r < 0)
		return err_wrap(err, r, "mount the image's layers");
	memcpy(ret_fds, mounts.fds, layers_len * sizeof(int));
	mounts.len = 0;

	return 0;
}

/* Call @fn for each mount point; a namespace that is not there has none. */
static int each_mount(struct store *s, int (*fn)(void *ctx, int dir_fd, const char *hex), void *ctx,
		      struct err *err)
{
	struct dirent *entry;
	DIR *dir;
	int fd, r = 0;

	if (!dir_is_mounted(s))
		return 0;
	fd = openat(s->run_fd, DIR_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = err_sys(err, "list '%s/" DIR_NAME "'", s->run_root);
		fd_close(fd);
		return r;
	}
	while (r >= 0 && (entry = readdir(dir)))
		if (strlen(entry->d_name) == STORE_HEX_DIGITS)
			r = fn(ctx, dirfd(dir), entry->d_name);
	closedir(dir);

	return r < 0 ? r : 0;
}

static int add_digest(void *ctx, int dir_fd, const char *hex)
{
	(void)dir_fd;

	return strv_give(ctx, mem_printf("sha256:%s", hex));
}

int mounts_list(struct store *s, struct strv *ret, struct err *err)
{
	return each_mount(s, add_digest, ret, err);
}

int mounts_used(struct store *s, struct strv *ret, struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err,
			 "SELECT DISTINCT diff_id FROM image_layers WHERE image_id IN"
			 " (SELECT image_id FROM containers WHERE started AND NOT ended)",
			 "");

	while (r == 0 && (r = db_step(query, err)) == 1)
		r = strv_add(ret, db_column_text(query, 0));

	return r;
}

struct unused {
	const struct strv *used;
	size_t kept;
};

static int drop_unused(void *ctx, int dir_fd, const char *hex)
{
	struct unused *unused = ctx;

	for (size_t i = 0; i < unused->used->len; i++) {
		if (strcmp(unused->used->items[i] + strlen("sha256:"), hex) == 0) {
			unused->kept++;
			return 0;
		}
	}
	if (unlinkat(dir_fd, hex, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;

	return 0;
}

int store_layer_unmount_unused(struct store *s, struct err *err)
{
	auto_done(strv) used = { 0 };
	struct unused unused = { .used = &used };
	auto_free char *dir = NULL;
	auto_close int lock_fd = -1;
	int r;

	if (!dir_is_mounted(s))
		return 0;
	lock_fd = lock_changes(s, err);
	if (lock_fd < 0)
		return lock_fd;
	r = mounts_used(s, &used, err);
	if (r == 0)
		r = each_mount(s, drop_unused, &unused, err);
	if (r < 0)
		return err_wrap(err, r, "unmount layers");
	if (unused.kept > 0)
		return 0;
	failpoint("mounts-empty");
	dir = mem_printf("%s/" DIR_NAME, s->run_root);
	/* Takes the pin along, and so the namespace. */
	if (umount2(dir, MNT_DETACH) < 0 && errno != EINVAL)
		return err_sys(err, "unmount '%s'", dir);

	return 0;
}

int mounts_recover(struct store *s, struct err *err)
{
	auto_done(strv) mounted = { 0 };
	auto_done(strv) used = { 0 };
	size_t known = 0;
	int r = 0;

	if (!dir_is_mounted(s))
		return 0;
	r = mounts_list(s, &mounted, err);
	if (r == 0)
		r = mounts_used(s, &used, err);
	for (size_t i = 0; i < mounted.len; i++)
		for (size_t j = 0; j < used.len; j++)
			known += strcmp(mounted.items[i], used.items[j]) == 0;
	if (r < 0 || (mounted.len > 0 && known == mounted.len))
		return r;

	return store_layer_unmount_unused(s, err);
}
