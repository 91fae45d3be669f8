/* SPDX-License-Identifier: Apache-2.0
 *
 * overlay.c - an overlay filesystem over layers that are known by descriptor
 *
 * Two ways. By descriptor, nothing is ever attached anywhere. Before Linux 6.15 the kernel takes
 * layers only from the caller's mount namespace, and its option string takes only names: then a
 * child in a mount namespace of its own attaches them to short names in a tmpfs, mounts the
 * overlay there and takes it off again. The child shares memory and descriptors with its
 * parent, which sleeps meanwhile (as with vfork), so its results are simply there.
 */
#include "linux/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "linux/features.h"
#include "linux/mounts.h"

#define HELPER_STACK_BYTES (128 * KIB)
/* mount(2) takes one page of options. */
#define OPTIONS_MAX_BYTES 4000
#define LAYER_NAME_BYTES 24

static int set_fd(int fs_fd, const char *key, int fd, struct err *err)
{
	if (fsconfig(fs_fd, FSCONFIG_SET_FD, key, NULL, fd) < 0)
		return err_sys(err, "set %s of the overlay", key);

	return 0;
}

static int set_writable(int fs_fd, int rw_fd, struct err *err)
{
	auto_close int upper_fd = openat(rw_fd, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int work_fd = openat(rw_fd, "work", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (upper_fd < 0 || work_fd < 0)
		return err_sys(err, "open the writable layer");
	r = set_fd(fs_fd, "upperdir", upper_fd, err);

	return r < 0 ? r : set_fd(fs_fd, "workdir", work_fd, err);
}

/* -EINVAL, -EBADF, -EOPNOTSUPP (6.1): the kernel is too old for this way. */
static int by_descriptor(const struct overlay *overlay, struct err *err)
{
	auto_close int fs_fd = fsopen("overlay", FSOPEN_CLOEXEC);
	int r, fd;

	if (fs_fd < 0)
		return err_sys(err, "open filesystem type overlay");
	for (size_t i = overlay->layers_len; i-- > 0;) {
		r = set_fd(fs_fd, "lowerdir+", overlay->layer_fds[i], err);
		if (r < 0)
			return r;
	}
	if (overlay->rw_fd >= 0) {
		r = set_writable(fs_fd, overlay->rw_fd, err);
		if (r < 0)
			return r;
	}
	/* Without it files of different layers could not be told apart by st_dev and st_ino. */
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "xino", "on", 0) < 0)
		return err_sys(err, "set xino of the overlay");
	if (overlay->ephemeral && fsconfig(fs_fd, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
		return err_sys(err, "set volatile of the overlay");
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(err, "make the overlay");
	fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);

	return fd < 0 ? err_sys(err, "make a mount of the overlay") : fd;
}

/* What the helper works with and leaves behind. */
struct helper {
	const struct overlay *overlay;
	struct err *err;
	int result; /* descriptor or negative errno */
};

/* Attach one layer at @name of @dir_fd and leave an equal detached mount under its number. */
static int attach_layer(int layer_fd, int dir_fd, const char *name, struct err *err)
{
	auto_close int copy_fd = -1;
	int r;

	if (mkdirat(dir_fd, name, 0700) < 0)
		return err_sys(err, "make a mount point for a layer");
	r = mount_attach(layer_fd, dir_fd, name, err);
	if (r < 0)
		return r;
	copy_fd = mount_clone(dir_fd, name, false, err);
	if (copy_fd < 0)
		return copy_fd;
	if (dup3(copy_fd, layer_fd, O_CLOEXEC) < 0)
		return err_sys(err, "keep a layer");

	return 0;
}

static int attach_all(const struct overlay *overlay, int dir_fd, struct strbuf *options,
		      struct err *err)
{
	char name[LAYER_NAME_BYTES];
	int r;

	(void)strbuf_adds(options, "xino=on");
	for (size_t i = overlay->layers_len; i-- > 0;) {
		(void)snprintf(name, sizeof(name), "%zx", i);
		r = attach_layer(overlay->layer_fds[i], dir_fd, name, err);
		if (r < 0)
			return r;
		(void)strbuf_addf(options, "%s%s",
				  i + 1 == overlay->layers_len ? ",lowerdir=" : ":", name);
	}
	if (overlay->rw_fd >= 0) {
		r = attach_layer(overlay->rw_fd, dir_fd, "rw", err);
		if (r < 0)
			return r;
		(void)strbuf_adds(options, ",upperdir=rw/upper,workdir=rw/work");
	}
	if (overlay->ephemeral)
		(void)strbuf_adds(options, ",volatile");
	if (options->failed)
		return err_set(err, E2BIG, "too many layers for this kernel: %zu",
			       overlay->layers_len);

	return 0;
}

static int in_private_namespace(const struct overlay *overlay, struct err *err)
{
	static const struct mount_change private = { .propagation = MS_PRIVATE, .recursive = true };
	auto_done(strbuf) options = STRBUF_INIT(OPTIONS_MAX_BYTES);
	auto_close int tmp_fd = -1;
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, "make a mount namespace");
	r = mount_change(AT_FDCWD, "/", &private, err);
	if (r < 0)
		return r;
	tmp_fd = mount_new("tmpfs", NULL, 0, 0, err);
	if (tmp_fd < 0)
		return tmp_fd;
	r = mount_attach(tmp_fd, AT_FDCWD, "/", err);
	if (r < 0)
		return r;
	r = attach_all(overlay, tmp_fd, &options, err);
	if (r < 0)
		return r;
	if (mkdirat(tmp_fd, "m", 0700) < 0 || fchdir(tmp_fd) < 0)
		return err_sys(err, "make a mount point");
	if (mount("overlay", "m", "overlay", 0, strbuf_get(&options)) < 0)
		return err_sys(err, "mount the overlay (%s)", strbuf_get(&options));

	return mount_clone(tmp_fd, "m", false, err);
}

static int helper_main(void *arg)
{
	struct helper *helper = arg;

	helper->result = in_private_namespace(helper->overlay, helper->err);

	return 0;
}

static int by_name(const struct overlay *overlay, struct err *err)
{
	struct helper helper = { .overlay = overlay, .err = err, .result = -EIO };
	char *stack = mmap(NULL, HELPER_STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pid_t pid;

	if (stack == MAP_FAILED)
		return err_sys(err, "allocate a stack");
	/* No exit signal: whoever watches SIGCHLD or waits for any child must not see it. */
	pid = clone(helper_main, stack + HELPER_STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_FILES,
		    &helper);
	if (pid < 0)
		helper.result = err_sys(err, "start a helper for the overlay");
	while (pid > 0 && waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
		;
	(void)munmap(stack, HELPER_STACK_BYTES);

	return helper.result;
}

/* The kernel falls back to a read-only overlay without a word when it cannot use "work". */
static int check_writable(int fd, struct err *err)
{
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return err_sys(err, "examine the overlay");
	if (st.f_flag & ST_RDONLY)
		return err_set(err, EROFS, "the kernel mounted the overlay read-only");

	return 0;
}

int overlay_new(const struct overlay *overlay, struct err *err)
{
	auto_close int fd = -EINVAL;
	int r;

	if (feature_wanted(FEATURE_OVERLAY_FD))
		fd = by_descriptor(overlay, err);
	if (fd == -EINVAL || fd == -EBADF || fd == -EOPNOTSUPP)
		fd = by_name(overlay, err);
	if (fd < 0)
		return fd;
	if (overlay->rw_fd >= 0) {
		r = check_writable(fd, err);
		if (r < 0)
			return r;
	}

	return take_fd(fd);
}
