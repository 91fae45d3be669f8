/* SPDX-License-Identifier: Apache-2.0
 *
 * rootfs.c - inside: filesystems of the namespaces, attached to a root that is not trusted
 *
 * Filesystems are made while the host's /proc and /sys are still in view: the kernel lets a user
 * namespace mount its own only then. Every place in the root is opened by root_open_place() and
 * mounted on by descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "linux/mounts.h"
#include "runtime/build.h"
#include "runtime/root.h"

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define MASK_DIR "empty"

/* Whose a namespace is, and so what its filesystems show. */
enum owner {
	OWNER_SANDBOX, /* made; what the host has where the kernel does not let us make it */
	OWNER_HOST,    /* what the host has: ours cannot be mounted from our user namespace */
	OWNER_OTHER,   /* joined by path: made, never the host's in its place */
};

static enum owner owner_of(const struct build *b, uint64_t flag, const char *mode)
{
	if (build_owns(b, flag))
		return OWNER_SANDBOX;

	return mode && mode[0] == '/' ? OWNER_OTHER : OWNER_HOST;
}

static int make_or_copy(const char *fstype, unsigned attrs, enum owner owner, const char *host_path,
			struct err *err)
{
	const struct mount_change change = { .set = attrs, .recursive = true };
	int fd = -EPERM, r;

	if (owner != OWNER_HOST)
		fd = mount_new(fstype, NULL, 0, attrs, err);
	if (owner == OWNER_OTHER && fd == -EPERM)
		err_hint(err, "joining it needs --userns host");
	if (fd >= 0 || owner == OWNER_OTHER || (owner == OWNER_SANDBOX && fd != -EPERM))
		return fd;
	fd = mount_clone(AT_FDCWD, host_path, true, err);
	if (fd < 0)
		return fd;
	r = mount_change(fd, "", &change, err);
	if (r < 0)
		return r;

	return fd;
}

/* A copy of /dev/shm as whoever is in that mount namespace sees it; this process visits it. */
static int visit_shm(int mnt_ns_fd, struct err *err)
{
	auto_close int home_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	auto_close int root_fd = -1, place_fd = -1, shm_fd = -1;
	struct statfs fs;
	int r;

	if (home_fd < 0)
		return err_sys(err, "open '/proc/self/ns/mnt'");
	if (setns(mnt_ns_fd, CLONE_NEWNS) < 0)
		return err_sys(err, "join the mount namespace");
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	place_fd = root_fd < 0 ? err_sys(err, "open its root")
			       : fd_open_in(root_fd, "/dev/shm", O_PATH | O_DIRECTORY, 0, err);
	shm_fd = place_fd < 0 ? place_fd : mount_clone(place_fd, "", false, err);
	r = MIN(shm_fd, 0);
	if (r == 0 && (fstatfs(shm_fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC))
		r = err_set(err, EINVAL, "it is no tmpfs");
	if (setns(home_fd, CLONE_NEWNS) < 0)
		return err_sys(err, "return to the own mount namespace");

	return r < 0 ? r : take_fd(shm_fd);
}

/* POSIX semaphores and shared memory are files here: who shares an IPC namespace shares them. */
static int share_shm(const char *ipc_path, struct err *err)
{
	const char *slash = strrchr(ipc_path, '/');
	auto_free char *path = mem_printf("%.*s/mnt", (int)(slash - ipc_path), ipc_path);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd >= 0)
		return visit_shm(fd, err);
	r = err_sys(err, "open '%s'", path);
	if (r == -EACCES)
		err_hint(err, "joining it needs --userns host");

	return r;
}

static int make_shm(const struct build *b, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;
	enum owner owner = owner_of(b, CLONE_NEWIPC, spec->ns.ipc);
	char size[32];
	struct mount_opt opts[] = { { "mode", "1777" }, { "size", size } };

	if (owner == OWNER_OTHER)
		return share_shm(spec->ns.ipc, err);
	if (owner == OWNER_HOST)
		return make_or_copy("tmpfs", SAFE, OWNER_HOST, "/dev/shm", err);
	(void)snprintf(size, sizeof(size), "%" PRIu64, spec->shm_bytes);

	return mount_new("tmpfs", opts, spec->shm_bytes ? 2 : 1, SAFE, err);
}

int rootfs_prepare(const struct build *b, struct rootfs *ret, struct err *err)
{
	static const struct mount_opt devpts[] = {
		{ "newinstance", NULL },
		{ "ptmxmode", "0666" },
		{ "mode", "0620" },
		{ "gid", "5" },
	};
	static const struct mount_opt scratch[] = { { "mode", "0755" }, { "size", "4m" } };
	const struct spec_namespaces *ns = &b->setup->spec->ns;
	bool privileged = b->setup->spec->privileged;

	/* Whoever fails here ends: descriptors are not given back. */
	ret->proc_fd = make_or_copy("proc", SAFE, owner_of(b, CLONE_NEWPID, ns->pid), "/proc", err);
	if (ret->proc_fd < 0)
		return err_wrap(err, ret->proc_fd, "/proc");
	ret->sys_fd = make_or_copy("sysfs", SAFE | (privileged ? 0U : MOUNT_ATTR_RDONLY),
				   build_owns(b, CLONE_NEWNET) || !b->setup->spec->uid_count
					   ? OWNER_SANDBOX
					   : OWNER_HOST,
				   "/sys", err);
	if (ret->sys_fd < 0)
		return err_wrap(err, ret->sys_fd, "/sys");
	ret->mqueue_fd = make_or_copy("mqueue", SAFE, owner_of(b, CLONE_NEWIPC, ns->ipc),
				      "/dev/mqueue", NULL);
	ret->devpts_fd = mount_new("devpts", devpts, ARRAY_SIZE(devpts),
				   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);
	if (ret->devpts_fd < 0)
		return err_wrap(err, ret->devpts_fd, "/dev/pts");
	ret->shm_fd = make_shm(b, err);
	if (ret->shm_fd < 0)
		return err_wrap(err, ret->shm_fd, "/dev/shm");
	ret->scratch_fd = mount_new("tmpfs", scratch, ARRAY_SIZE(scratch),
				    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
	if (ret->scratch_fd < 0)
		return ret->scratch_fd;
	/*
	 * Copies of its parts need it to be attached somewhere. On the host's /proc it goes with
	 * the old root, and nothing is looked up there any more.
	 */
	if (mkdirat(ret->scratch_fd, MASK_DIR, 0555) < 0)
		return err_sys(err, "make a directory for masks");

	return mount_attach(ret->scratch_fd, AT_FDCWD, "/proc", err);
}

/* Attach @mount_fd at @path of the root; a directory or not, as its own root is. */
static int attach_at(int root_fd, int mount_fd, const char *path, struct err *err)
{
	auto_close int place_fd = -1;
	struct statfs fs;
	struct stat st;
	int r;

	if (fstat(mount_fd, &st) < 0)
		return err_sys(err, "examine what is to be mounted on '%s'", path);
	place_fd = root_open_place(
		root_fd, path, S_ISDIR(st.st_mode) ? ROOT_PLACE_MOUNT_DIR : ROOT_PLACE_MOUNT_FILE,
		err);
	if (place_fd < 0)
		return err_wrap(err, place_fd, "mount on '%s'", path);
	if (fstatfs(place_fd, &fs) < 0)
		return err_sys(err, "examine '%s'", path);
	/* Programs take what they read below /proc for the kernel's word. */
	if (fs.f_type == PROC_SUPER_MAGIC)
		return err_setk(err, ERR_USAGE, EPERM,
				"'%s' lies in /proc: nothing is mounted there", path);
	r = mount_attach(mount_fd, place_fd, "", err);

	return r < 0 ? err_wrap(err, r, "mount on '%s'", path) : 0;
}

static int attach_plain(int root_fd, int mount_fd, const char *name, struct err *err)
{
	auto_close int fd = root_open_plain_dir(root_fd, name, err);

	return fd < 0 ? fd : mount_attach(mount_fd, fd, "", err);
}

static int attach_standard(const struct build *b, const struct rootfs *fs, struct err *err)
{
	int root_fd = b->slots[SLOT_OVERLAY], dev_fd = b->slots[SLOT_DEV];
	int r;

	r = attach_plain(root_fd, fs->proc_fd, "proc", err);
	if (r == 0)
		r = attach_plain(root_fd, fs->sys_fd, "sys", err);
	if (r == 0)
		r = attach_plain(root_fd, dev_fd, "dev", err);
	if (r == 0)
		r = mount_attach(fs->devpts_fd, dev_fd, "pts", err);
	if (r == 0)
		r = mount_attach(fs->shm_fd, dev_fd, "shm", err);
	if (r == 0 && fs->mqueue_fd >= 0)
		r = mount_attach(fs->mqueue_fd, dev_fd, "mqueue", err);
	if (r == 0 && b->slots[SLOT_INIT] >= 0)
		r = mount_attach(b->slots[SLOT_INIT], dev_fd, BUILD_INIT_NAME, err);

	return r;
}

static int make_tmpfs(const struct spec_mount *mount, struct err *err)
{
	unsigned attrs = (mount->flags & SPEC_MOUNT_NOEXEC ? MOUNT_ATTR_NOEXEC : 0U) |
			 (mount->flags & SPEC_MOUNT_NOSUID ? MOUNT_ATTR_NOSUID : 0U) |
			 (mount->flags & SPEC_MOUNT_NODEV ? MOUNT_ATTR_NODEV : 0U) |
			 (mount->flags & SPEC_MOUNT_READONLY ? MOUNT_ATTR_RDONLY : 0U);
	char mode[16], size[32];
	struct mount_opt opts[] = { { "mode", mode }, { "size", size } };

	(void)snprintf(mode, sizeof(mode), "%o", mount->mode ? mount->mode & 07777U : 01777U);
	(void)snprintf(size, sizeof(size), "%" PRIu64, mount->size_bytes);

	return mount_new("tmpfs", opts, mount->size_bytes ? 2 : 1, attrs, err);
}

/* A volume that is empty takes what the image has in its place, before it hides that. */
static int copy_up(int root_fd, int volume_fd, const char *target, struct err *err)
{
	auto_close int from_fd = fd_open_in(root_fd, target, O_RDONLY | O_DIRECTORY, 0, NULL);
	auto_close int to_fd = openat(volume_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (from_fd < 0)
		return 0;
	if (to_fd < 0)
		return err_sys(err, "open the volume");
	r = rootfs_copy_up(from_fd, to_fd, err);

	return r < 0 ? err_wrap(err, r, "copy the image's '%s' to its volume", target) : 0;
}

static int attach_mounts(const struct build *b, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;
	int root_fd = b->slots[SLOT_OVERLAY], r = 0;

	for (size_t i = 0; r == 0 && i < spec->mounts_len; i++) {
		const struct spec_mount *mount = &spec->mounts[i];
		auto_close int tmpfs_fd = -1;
		int fd = b->bind_fds[i];

		if (mount->type == SPEC_MOUNT_TMPFS) {
			tmpfs_fd = make_tmpfs(mount, err);
			fd = tmpfs_fd;
		}
		if (fd < 0)
			return err_wrap(err, fd, "mount on '%s'", mount->target);
		if (mount->flags & SPEC_MOUNT_COPY_UP)
			r = copy_up(root_fd, fd, mount->target, err);
		if (r == 0)
			r = attach_at(root_fd, fd, mount->target, err);
	}
	for (size_t i = 0; r == 0 && i < spec->devices_len; i++)
		if (b->device_fds[i] >= 0)
			r = attach_at(root_fd, b->device_fds[i], spec->devices[i].target, err);

	return r;
}

/* Small files live in the scratch tmpfs; each is bound to its place. */
static int attach_files(const struct build *b, int scratch_fd, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->files_len; i++) {
		const struct spec_file *file = &spec->files[i];
		auto_close int fd = -1, mount_fd = -1;
		char name[32];

		(void)snprintf(name, sizeof(name), "file%zu", i);
		fd = openat(scratch_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return err_sys(err, "make '%s'", file->target);
		r = fd_write_all(fd, file->data, strlen(file->data));
		if (r < 0)
			return err_wrap(err, r, "write '%s'", file->target);
		if (fchmod(fd, file->mode & 0777) < 0)
			return err_sys(err, "set the mode of '%s'", file->target);
		mount_fd = mount_clone(scratch_fd, name, false, err);
		r = mount_fd < 0 ? mount_fd
				 : attach_at(b->slots[SLOT_OVERLAY], mount_fd, file->target, err);
	}

	return r;
}

static int mask(const struct build *b, int scratch_fd, const char *path, struct err *err)
{
	static const struct mount_change read_only = { .set = SAFE | MOUNT_ATTR_RDONLY };
	auto_close int fd = fd_open_in(b->slots[SLOT_OVERLAY], path, O_PATH, 0, NULL);
	auto_close int mount_fd = -1;
	struct stat st;
	int r = 0;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return err_wrap(err, fd, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "examine '%s'", path);
	/* The null device comes from our own /dev, whatever the image has put anywhere. */
	mount_fd = S_ISDIR(st.st_mode) ? mount_clone(scratch_fd, MASK_DIR, false, err)
				       : mount_clone(b->slots[SLOT_DEV], "null", false, err);
	if (mount_fd < 0)
		return mount_fd;
	if (S_ISDIR(st.st_mode))
		r = mount_change(mount_fd, "", &read_only, err);

	return r < 0 ? r : mount_attach(mount_fd, fd, "", err);
}

static int make_readonly(int root_fd, const char *path, struct err *err)
{
	static const struct mount_change read_only = { .set = MOUNT_ATTR_RDONLY,
						       .recursive = true };
	auto_close int fd = fd_open_in(root_fd, path, O_PATH, 0, NULL), mount_fd = -1;
	int r;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return err_wrap(err, fd, "open '%s'", path);
	mount_fd = mount_clone(fd, "", true, err);
	if (mount_fd < 0)
		return mount_fd;
	r = mount_change(mount_fd, "", &read_only, err);

	return r < 0 ? r : mount_attach(mount_fd, fd, "", err);
}

static int protect(const struct build *b, int scratch_fd, struct err *err)
{
	static const struct mount_change read_only = { .set = MOUNT_ATTR_RDONLY };
	const struct spec_sandbox *spec = b->setup->spec;
	int root_fd = b->slots[SLOT_OVERLAY], r = 0;

	for (size_t i = 0; r == 0 && !spec->privileged && i < spec->masked_paths.len; i++) {
		r = mask(b, scratch_fd, spec->masked_paths.items[i], err);
		if (r < 0)
			err_wrap(err, r, "mask '%s'", spec->masked_paths.items[i]);
	}
	for (size_t i = 0; r == 0 && !spec->privileged && i < spec->readonly_paths.len; i++) {
		r = make_readonly(root_fd, spec->readonly_paths.items[i], err);
		if (r < 0)
			err_wrap(err, r, "make '%s' read-only", spec->readonly_paths.items[i]);
	}
	if (r == 0 && spec->readonly_root)
		r = mount_change(root_fd, "", &read_only, err);

	return r;
}

int rootfs_assemble(const struct build *b, const struct rootfs *fs, struct err *err)
{
	int r = mount_attach(b->slots[SLOT_OVERLAY], AT_FDCWD, "/", err);

	if (r == 0)
		r = attach_standard(b, fs, err);
	if (r == 0)
		r = rootfs_add_cgroups(b, b->slots[SLOT_OVERLAY], err);
	if (r == 0)
		r = attach_files(b, fs->scratch_fd, err);
	if (r == 0)
		r = attach_mounts(b, err);
	if (r == 0)
		r = rootfs_set_sysctls(b, fs->proc_fd, err);
	if (r == 0)
		r = protect(b, fs->scratch_fd, err);

	return r;
}
