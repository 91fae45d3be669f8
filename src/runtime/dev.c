/* SPDX-License-Identifier: Apache-2.0
 *
 * dev.c - outside: /dev as a tmpfs of the host's user namespace, where device nodes work
 *
 * One filesystem with real nodes instead of a bind mount for each; the workload's root owns it.
 * A user namespace cannot make nodes that work, so it cannot add any.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/mounts.h"
#include "runtime/build.h"

#define DEV_DEPTH_MAX 8
#define DEV_RULES_MAX 256

static const struct {
	const char *name;
	unsigned major, minor;
} NODES[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const struct {
	const char *name, *target;
} LINKS[] = {
	{ "fd", "/proc/self/fd" },	 { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "core", "/proc/kcore" },	 { "ptmx", "pts/ptmx" },
};

static const char *const DIRS[] = { "pts", "shm", "mqueue" };

static int add_standard(int dev_fd, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(NODES); i++)
		if (mknodat(dev_fd, NODES[i].name, S_IFCHR | 0666,
			    makedev(NODES[i].major, NODES[i].minor)) < 0)
			return err_sys(err, "make /dev/%s", NODES[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(LINKS); i++)
		if (symlinkat(LINKS[i].target, dev_fd, LINKS[i].name) < 0)
			return err_sys(err, "make /dev/%s", LINKS[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(DIRS); i++)
		if (mkdirat(dev_fd, DIRS[i], 0755) < 0)
			return err_sys(err, "make /dev/%s", DIRS[i]);

	return 0;
}

static int examine_device(const struct spec_device *device, struct stat *ret_st, struct err *err)
{
	if (stat(device->source, ret_st) < 0) {
		int r = err_sys(err, "examine device '%s'", device->source);

		err_kind(err, ERR_USAGE);
		return r;
	}
	if (!S_ISCHR(ret_st->st_mode) && !S_ISBLK(ret_st->st_mode))
		return err_setk(err, ERR_USAGE, ENODEV, "'%s' is not a device", device->source);

	return 0;
}

/* Make @name ("a/b/node") in our own tmpfs, where there is nothing to be fooled by. */
static int add_device(int dev_fd, const struct spec_device *device, const char *name,
		      struct err *err)
{
	char part[PATH_MAX];
	struct stat st;
	int r = examine_device(device, &st, err);

	if (r < 0)
		return r;
	if (strlen(name) >= sizeof(part) || strstr(name, ".."))
		return err_setk(err, ERR_USAGE, EINVAL, "bad device name '%s'", device->target);
	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		memcpy(part, name, (size_t)(slash - name));
		part[slash - name] = '\0';
		if (mkdirat(dev_fd, part, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "make /dev/%s", part);
	}
	if (mknodat(dev_fd, name, st.st_mode, st.st_rdev) < 0 && errno != EEXIST)
		return err_sys(err, "make /dev/%s", name);

	return 0;
}

/* Every node of the host's /dev, for a privileged workload. */
static int add_all(int dev_fd, int host_fd, int depth, struct err *err)
{
	int list_fd = fcntl(host_fd, F_DUPFD_CLOEXEC, 3);
	DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = err_sys(err, "list the host's devices");
		fd_close(list_fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		struct stat st;

		if (name[0] == '.' || fstatat(host_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
			if (mknodat(dev_fd, name, st.st_mode, st.st_rdev) < 0 && errno != EEXIST)
				r = err_sys(err, "make device node '%s'", name);
		} else if (S_ISDIR(st.st_mode) && depth < DEV_DEPTH_MAX &&
			   strcmp(name, "pts") != 0 && strcmp(name, "shm") != 0 &&
			   strcmp(name, "mqueue") != 0) {
			auto_close int from_fd = openat(
				host_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			auto_close int to_fd = -1;

			if (mkdirat(dev_fd, name, 0755) == 0 || errno == EEXIST)
				to_fd = openat(dev_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (from_fd >= 0 && to_fd >= 0)
				r = add_all(to_fd, from_fd, depth + 1, err);
		}
	}
	(void)closedir(dir);

	return r;
}

static int add_host_devices(int dev_fd, struct err *err)
{
	auto_close int host_fd = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return host_fd < 0 ? err_sys(err, "open /dev") : add_all(dev_fd, host_fd, 0, err);
}

/* A name to mount a file on. */
static int add_file(int dev_fd, const char *name, mode_t mode, struct err *err)
{
	if (mknodat(dev_fd, name, S_IFREG | mode, 0) < 0)
		return err_sys(err, "make /dev/%s", name);

	return 0;
}

int build_dev(struct build *b, struct err *err)
{
	static const struct mount_opt opts[] = {
		{ "mode", "0755" },
		{ "size", "65536k" },
	};
	const struct spec_sandbox *spec = b->setup->spec;
	int r;

	b->slots[SLOT_DEV] = mount_new("tmpfs", opts, ARRAY_SIZE(opts), MOUNT_ATTR_NOSUID, err);
	if (b->slots[SLOT_DEV] < 0)
		return b->slots[SLOT_DEV];
	/* The root of a tmpfs belongs to the mounter's own id, not to its filesystem id. */
	if (b->userns_fd >= 0 &&
	    fchownat(b->slots[SLOT_DEV], "", b->rt->uid_base, b->rt->uid_base, AT_EMPTY_PATH) < 0)
		return err_sys(err, "give /dev away");
	r = add_standard(b->slots[SLOT_DEV], err);
	if (r == 0 && spec->privileged)
		r = add_host_devices(b->slots[SLOT_DEV], err);
	for (size_t i = 0; r == 0 && i < spec->devices_len; i++)
		if (b->device_fds[i] == SLOT_UNUSED)
			r = add_device(b->slots[SLOT_DEV], &spec->devices[i],
				       spec->devices[i].target + 5, err);
	if (r == 0 && spec->process.terminal)
		r = add_file(b->slots[SLOT_DEV], "console", 0620, err);
	if (r == 0 && b->slots[SLOT_INIT] != SLOT_UNUSED)
		r = add_file(b->slots[SLOT_DEV], BUILD_INIT_NAME, 0755, err);

	return r;
}

int build_device_rules(const struct build *b, struct err *err)
{
	const struct spec_sandbox *spec = b->setup->spec;
	struct cgroup_device rules[DEV_RULES_MAX];
	size_t len = 0;

	if (spec->privileged)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(NODES); i++)
		rules[len++] = (struct cgroup_device){
			'c', (int)NODES[i].major, (int)NODES[i].minor, true, true, true
		};
	/* /dev/ptmx and its terminals; nodes of any kind may be made, not opened. */
	rules[len++] = (struct cgroup_device){ 'c', 5, 2, true, true, true };
	rules[len++] = (struct cgroup_device){ 'c', 136, -1, true, true, true };
	rules[len++] = (struct cgroup_device){ 'c', -1, -1, false, false, true };
	rules[len++] = (struct cgroup_device){ 'b', -1, -1, false, false, true };
	for (size_t i = 0; i < spec->devices_len; i++) {
		const char *perms = spec->devices[i].perms ? spec->devices[i].perms : "rwm";
		struct stat st;
		int r = examine_device(&spec->devices[i], &st, err);

		if (r < 0)
			return r;
		if (len == DEV_RULES_MAX)
			return err_setk(err, ERR_USAGE, E2BIG, "too many devices");
		rules[len++] = (struct cgroup_device){
			.type = S_ISBLK(st.st_mode) ? 'b' : 'c',
			.major = (int)major(st.st_rdev),
			.minor = (int)minor(st.st_rdev),
			.read = strchr(perms, 'r'),
			.write = strchr(perms, 'w'),
			.mknod = strchr(perms, 'm'),
		};
	}

	return cgroup_set_devices(&b->rt->cgroup, rules, len, err);
}
