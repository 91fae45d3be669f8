/* SPDX-License-Identifier: Apache-2.0
 *
 * layers.c - outside: the root filesystem's overlay and the sources of bind mounts
 *
 * Layers, writable layer and bind sources are idmapped, so that id N of the workload's user
 * namespace is id N on disk; the overlay itself is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/mounts.h"
#include "linux/overlay.h"
#include "runtime/build.h"

static int map_owners(const struct build *b, int mount_fd, bool recursive, struct err *err)
{
	return b->userns_fd < 0 ? 0 : mount_idmap(mount_fd, b->userns_fd, recursive, err);
}

static int map_layers(const struct build *b, struct err *err)
{
	const struct runtime_setup *setup = b->setup;

	for (size_t i = 0; i < setup->layers_len; i++) {
		/* In place: a copy would cost a grace period to close, and old kernels make none.
		 */
		int r = map_owners(b, setup->layer_fds[i], false, err);

		/* -EPERM: an earlier start has mapped it, to the same ids. */
		if (r < 0 && r != -EPERM)
			return err_wrap(err, r, "layer %zu", i);
	}

	return 0;
}

/* For those who will ask what the workload has changed. */
static int keep_layers(const struct build *b, struct err *err)
{
	const struct runtime_setup *setup = b->setup;
	struct runtime *rt = b->rt;

	rt->layer_fds = calloc(setup->layers_len, sizeof(*rt->layer_fds));
	if (!rt->layer_fds)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < setup->layers_len; i++) {
		int fd = fcntl(setup->layer_fds[i], F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return err_sys(err, "keep layer %zu", i);
		rt->layer_fds[rt->layers_len++] = fd;
	}

	return 0;
}

/* "upper" looks like the root of the topmost layer; nobody but root sees "work". */
static int make_writable_dirs(int rw_fd, int top_layer_fd, struct err *err)
{
	struct stat st;

	if (mkdirat(rw_fd, "work", 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make the work directory");
	if (mkdirat(rw_fd, "upper", 0700) < 0)
		return errno == EEXIST ? 0 : err_sys(err, "make the writable layer");
	if (fstat(top_layer_fd, &st) < 0)
		return err_sys(err, "examine the topmost layer");
	if (fchownat(rw_fd, "upper", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(rw_fd, "upper", st.st_mode & 07777, 0) < 0)
		return err_sys(err, "set up the writable layer");

	return 0;
}

/* An ephemeral overlay leaves a mark that forbids to mount it again, since it may lack data. */
static void forget_volatile(int rw_fd)
{
	(void)unlinkat(rw_fd, "work/work/incompat/volatile/dirty", 0);
	(void)unlinkat(rw_fd, "work/work/incompat/volatile", AT_REMOVEDIR);
}

static int take_writable(struct build *b, struct err *err)
{
	const struct runtime_setup *setup = b->setup;
	struct runtime *rt = b->rt;
	int r = make_writable_dirs(setup->rw_fd, setup->layer_fds[setup->layers_len - 1], err);

	if (r < 0)
		return r;
	forget_volatile(setup->rw_fd);
	rt->rw_fd = mount_clone(setup->rw_fd, "", false, err);
	if (rt->rw_fd < 0)
		return rt->rw_fd;
	r = map_owners(b, rt->rw_fd, false, err);
	if (r < 0) {
		err_wrap(err, r, "writable layer");
		err_hint(err, "the store's filesystem has no idmapped mounts: use --userns host");
	}

	return r;
}

/* The image's layers over the places to mount on. */
static int make_overlay(struct build *b, struct err *err)
{
	const struct runtime_setup *setup = b->setup;
	auto_free int *layer_fds = malloc((setup->layers_len + 1) * sizeof(*layer_fds));
	const struct overlay overlay = {
		.layer_fds = layer_fds,
		.layers_len = setup->layers_len + 1,
		.rw_fd = b->rt->rw_fd,
		.ephemeral = setup->spec->ephemeral,
	};
	int r = layer_fds ? build_places(b, err) : err_set(err, ENOMEM, "out of memory");

	if (r < 0)
		return r;
	layer_fds[0] = b->rt->places_fd;
	memcpy(layer_fds + 1, setup->layer_fds, setup->layers_len * sizeof(*layer_fds));
	b->slots[SLOT_OVERLAY] = overlay_new(&overlay, err);

	return MIN(b->slots[SLOT_OVERLAY], 0);
}

/*
 * What the overlay does on its layers it does as who mounted it. An idmapped layer knows only
 * the ids of the user namespace, so we act as its root for a moment; the capabilities that
 * setfsuid() would take away are needed.
 */
static int as_mapped_root(struct build *b, struct err *err)
{
	mode_t mask = umask(0);
	int securebits = 0, r;

	if (b->userns_fd >= 0) {
		securebits = prctl(PR_GET_SECUREBITS);
		if (securebits < 0 ||
		    prctl(PR_SET_SECUREBITS, securebits | SECBIT_NO_SETUID_FIXUP) < 0)
			return err_sys(err, "keep capabilities");
		(void)setfsgid(b->rt->uid_base);
		(void)setfsuid(b->rt->uid_base);
	}
	r = make_overlay(b, err);
	r = r < 0 ? err_wrap(err, r, "root filesystem") : build_dev(b, err);
	if (b->userns_fd >= 0) {
		(void)setfsuid(0);
		(void)setfsgid(0);
		(void)prctl(PR_SET_SECUREBITS, securebits);
	}
	(void)umask(mask);

	return r;
}

int build_layers(struct build *b, struct err *err)
{
	/* First, while the topmost layer still shows its owners as they are on disk. */
	int r = take_writable(b, err);

	if (r == 0)
		r = map_layers(b, err);
	if (r == 0)
		r = as_mapped_root(b, err);
	/* Now: making the overlay may have put equal mounts in their places. */
	if (r == 0)
		r = keep_layers(b, err);

	return r;
}

/* The attributes and propagation a mount of the spec asks for. */
static int apply_flags(const struct spec_mount *mount, int mount_fd, bool userns, struct err *err)
{
	static const struct {
		const char *name;
		struct mount_change change;
	} PROPAGATIONS[] = {
		{ "rprivate", { .propagation = MS_PRIVATE, .recursive = true } },
		{ "private", { .propagation = MS_PRIVATE } },
		{ "rslave", { .propagation = MS_SLAVE, .recursive = true } },
		{ "slave", { .propagation = MS_SLAVE } },
		{ "rshared", { .propagation = MS_SHARED, .recursive = true } },
		{ "shared", { .propagation = MS_SHARED } },
	};
	const char *name = mount->propagation ? mount->propagation : "rprivate";
	const struct mount_change *propagation = NULL;
	struct mount_change attributes = { .recursive = true };
	uint32_t flags = mount->flags;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(PROPAGATIONS); i++)
		if (strcmp(name, PROPAGATIONS[i].name) == 0)
			propagation = &PROPAGATIONS[i].change;
	if (!propagation)
		return err_setk(err, ERR_USAGE, EINVAL, "unknown mount propagation '%s'", name);
	if (propagation->propagation == MS_SHARED && userns) {
		err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
			 "propagation '%s' needs the host's user namespace", name);
		err_hint(err, "use --userns host");
		return -ENOTSUP;
	}
	attributes.set = (flags & SPEC_MOUNT_READONLY ? MOUNT_ATTR_RDONLY : 0U) |
			 (flags & SPEC_MOUNT_NOSUID ? MOUNT_ATTR_NOSUID : 0U) |
			 (flags & SPEC_MOUNT_NODEV ? MOUNT_ATTR_NODEV : 0U) |
			 (flags & SPEC_MOUNT_NOEXEC ? MOUNT_ATTR_NOEXEC : 0U);
	r = attributes.set ? mount_change(mount_fd, "", &attributes, err) : 0;

	return r < 0 ? r : mount_change(mount_fd, "", propagation, err);
}

static int cannot_map(const char *source, int r, struct err *err)
{
	err_setk(err, ERR_UNSUPPORTED, -r,
		 "the filesystem at '%s' cannot be shown in a user namespace", source);
	err_hint(err, "use --userns host, or a directory on another filesystem");

	return r;
}

static int open_bind(const struct build *b, const struct spec_mount *mount, struct err *err)
{
	auto_close int source_fd = open(mount->source, O_PATH | O_CLOEXEC), mount_fd = -1;
	bool recursive = mount->flags & SPEC_MOUNT_RECURSIVE;
	int r;

	if (source_fd < 0) {
		r = err_sys(err, "open '%s'", mount->source);
		err_kind(err, ERR_USAGE);
		return r;
	}
	mount_fd = mount_clone(source_fd, "", recursive, err);
	if (mount_fd < 0)
		return err_wrap(err, mount_fd, "bind '%s'", mount->source);
	r = map_owners(b, mount_fd, recursive, err);
	if (r == -EINVAL || r == -EPERM)
		return cannot_map(mount->source, r, err);
	if (r == 0)
		r = apply_flags(mount, mount_fd, b->userns_fd >= 0, err);
	if (r < 0)
		return err_wrap(err, r, "bind '%s'", mount->source);

	return take_fd(mount_fd);
}

static int open_init(struct build *b, struct err *err)
{
	static const struct mount_change change = {
		.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		.propagation = MS_PRIVATE,
	};

	if (!b->setup->init_path)
		return err_set(err, ENOENT, "hull-init is not installed");
	b->slots[SLOT_INIT] = mount_clone(AT_FDCWD, b->setup->init_path, false, err);

	return b->slots[SLOT_INIT] < 0 ? b->slots[SLOT_INIT]
				       : mount_change(b->slots[SLOT_INIT], "", &change, err);
}

int build_binds(struct build *b, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;

	for (size_t i = 0; i < spec->mounts_len; i++) {
		if (b->bind_fds[i] == SLOT_UNUSED)
			continue;
		b->bind_fds[i] = open_bind(b, &spec->mounts[i], err);
		if (b->bind_fds[i] < 0)
			return b->bind_fds[i];
	}
	/* Device nodes outside /dev: shown by a bind mount of the host's. */
	for (size_t i = 0; i < spec->devices_len; i++) {
		if (b->device_fds[i] == SLOT_UNUSED)
			continue;
		b->device_fds[i] = mount_clone(AT_FDCWD, spec->devices[i].source, false, err);
		if (b->device_fds[i] < 0)
			return b->device_fds[i];
	}

	return b->slots[SLOT_INIT] == SLOT_AWAITED ? open_init(b, err) : 0;
}
