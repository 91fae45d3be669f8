/* SPDX-License-Identifier: Apache-2.0
 *
 * guest.c - set up a bare kernel as far as a workload needs it
 */
#include "agent/guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agentproto/agentproto.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/parse.h"
#include "linux/mounts.h"

#define MODULES_LIST "/modules"
#define MODULES_LIST_MAX_BYTES (64 * KIB)
#define RW_PATH "/rw"
#define DEVICE_WAIT_NS (10 * NS_PER_SEC)
#define DEVICE_POLL_MS 5
#define NAME_MAX_BYTES 64
#define WORKING_SET_MIN_MS "1000"

static const struct {
	const char *name;
	enum guest_phase phase;
} module_phases[] = {
	{ "virtio_ring", GUEST_BOOT },
	{ "virtio", GUEST_BOOT },
	{ "virtio_pci_modern_dev", GUEST_BOOT },
	{ "virtio_pci_legacy_dev", GUEST_BOOT },
	{ "virtio_pci", GUEST_BOOT },
	{ "virtio_console", GUEST_BOOT },
	{ "fuse", GUEST_SHARES },
	{ "virtiofs", GUEST_SHARES },
	{ "virtio_rng", GUEST_IDLE },
	{ "virtio_balloon", GUEST_IDLE },
	{ "virtio_mmio", GUEST_NEVER },
	{ "failover", GUEST_NEVER },
	{ "net_failover", GUEST_NEVER },
	{ "virtio_net", GUEST_NEVER },
};

static int mount_at(const char *fstype, const char *target, struct err *err)
{
	auto_close int fd = mount_new(fstype, NULL, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err);

	if (fd < 0)
		return fd;
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "make '%s'", target);

	return mount_attach(fd, AT_FDCWD, target, err);
}

int guest_mount_basics(struct err *err)
{
	int r = mount_at("proc", "/proc", err);

	if (r == 0)
		r = mount_at("sysfs", "/sys", err);
	if (r == 0)
		r = mount_at("devtmpfs", "/dev", err);
	if (r == 0)
		r = mount_at("cgroup2", "/sys/fs/cgroup", err);

	return r;
}

void guest_tune_memory(void)
{
	/* Kernels without it keep their old ways: slower to kill, but no worse otherwise. */
	if (fd_write_file(AT_FDCWD, "/sys/kernel/mm/lru_gen/enabled", "y", NULL) == 0)
		(void)fd_write_file(AT_FDCWD, "/sys/kernel/mm/lru_gen/min_ttl_ms",
				    WORKING_SET_MIN_MS, NULL);
}

/* Name of the module in file @path: its last component without ".ko". */
static struct slice module_name(struct slice path)
{
	struct slice part, name = path;

	while (slice_next(&path, '/', &part))
		name = part;
	if (name.len > 3 && memcmp(name.at + name.len - 3, ".ko", 3) == 0)
		name.len -= 3;

	return name;
}

static enum guest_phase phase_of(struct slice path)
{
	struct slice name = module_name(path);

	for (size_t i = 0; i < ARRAY_SIZE(module_phases); i++)
		if (slice_eq(name, module_phases[i].name))
			return module_phases[i].phase;

	return GUEST_CREATE;
}

static int load_module(struct slice path, struct err *err)
{
	char name[256];
	auto_close int fd = -1;

	(void)snprintf(name, sizeof(name), "/%.*s", (int)path.len, path.at);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open the module '%s'", name);
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		return err_sys(err, "load the module '%s'", name);

	return 0;
}

int guest_load_modules(enum guest_phase phase, struct err *err)
{
	auto_free char *list = NULL;
	struct slice rest, line;
	size_t len;
	int r = fd_read_file(AT_FDCWD, MODULES_LIST, MODULES_LIST_MAX_BYTES, &list, &len, err);

	/* A kernel that has everything built in comes without a list. */
	if (r == -ENOENT)
		return 0;
	rest = (struct slice){ list, len };
	while (r == 0 && slice_next(&rest, '\n', &line))
		if (line.len > 0 && phase_of(line) == phase)
			r = load_module(line, err);

	return r;
}

/* Does file @file of @dir's entry @name hold @want? */
static bool attribute_is(int dir_fd, const char *name, const char *file, const char *want)
{
	char path[NAME_MAX + sizeof("/serial")], text[NAME_MAX_BYTES];
	auto_close int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", name, file);
	fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_all(fd, text, sizeof(text) - 1);
	while (n > 0 && text[n - 1] == '\n')
		n--;

	return n > 0 && slice_eq((struct slice){ text, (size_t)n }, want);
}

/* Name of the entry of @class whose attribute @file is @want, into @ret. */
static int find_once(const char *class, const char *file, const char *want,
		     char ret[NAME_MAX_BYTES])
{
	DIR *dir = opendir(class);
	struct dirent *entry;
	int r = -ENOENT;

	while (dir && r < 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !attribute_is(dirfd(dir), entry->d_name, file, want))
			continue;
		(void)snprintf(ret, NAME_MAX_BYTES, "%.*s", NAME_MAX_BYTES - 1, entry->d_name);
		r = 0;
	}
	if (dir)
		(void)closedir(dir);

	return r;
}

/* The same, waiting for a device that is still being set up. */
static int find_device(const char *class, const char *file, const char *want,
		       char ret[NAME_MAX_BYTES], struct err *err)
{
	int64_t deadline_ns = clock_now_ns() + DEVICE_WAIT_NS;

	while (find_once(class, file, want, ret) < 0) {
		if (clock_now_ns() > deadline_ns)
			return err_set(err, ENODEV, "there is no device '%s'", want);
		(void)poll(NULL, 0, DEVICE_POLL_MS);
	}

	return 0;
}

int guest_open_port(const char *name, struct err *err)
{
	char device[NAME_MAX_BYTES], path[NAME_MAX_BYTES + sizeof("/dev/")];
	int64_t deadline_ns = clock_now_ns() + DEVICE_WAIT_NS;
	auto_close int fd = -1;
	struct pollfd pfd;
	int r = find_device("/sys/class/virtio-ports", "name", name, device, err);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/dev/%s", device);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(err, "open '%s'", path);
	/* Until the hypervisor has said that the host is there, the port looks hung up. */
	pfd = (struct pollfd){ .fd = fd, .events = POLLOUT };
	while (poll(&pfd, 1, 0) < 0 || (pfd.revents & POLLHUP)) {
		if (clock_now_ns() > deadline_ns)
			return err_set(err, ENOTCONN, "the host does not listen");
		(void)poll(NULL, 0, 1);
	}

	return take_fd(fd);
}

static int find_disk(const char *serial, char path[NAME_MAX_BYTES + 8], struct err *err)
{
	char device[NAME_MAX_BYTES];
	int r = find_device("/sys/block", "serial", serial, device, err);

	if (r == 0)
		(void)snprintf(path, NAME_MAX_BYTES + 8, "/dev/%s", device);

	return r;
}

int guest_mount_layer(unsigned index, struct err *err)
{
	char serial[NAME_MAX_BYTES], path[NAME_MAX_BYTES + 8];
	struct mount_opt opts[] = { { "source", path }, { "ro", NULL } };
	int r;

	(void)snprintf(serial, sizeof(serial), AGENTPROTO_LAYER_SERIAL, index);
	r = find_disk(serial, path, err);
	if (r == 0)
		r = mount_new("erofs", opts, ARRAY_SIZE(opts), MOUNT_ATTR_RDONLY, err);

	return r < 0 ? err_wrap(err, r, "mount layer %u", index) : r;
}

int guest_mount_rw(struct err *err)
{
	char path[NAME_MAX_BYTES + 8];
	/* Space that files give up goes back to the host; unused inode tables are never written. */
	struct mount_opt opts[] = { { "source", path },
				    { "discard", NULL },
				    { "noinit_itable", NULL } };
	auto_close int mount_fd = -1;
	int fd, r = find_disk(AGENTPROTO_RW_SERIAL, path, err);

	if (r == 0)
		r = mount_fd = mount_new("ext4", opts, ARRAY_SIZE(opts), 0, err);
	if (r < 0)
		return err_wrap(err, r, "mount the writable disk");
	/* Attached, because older kernels copy no mount that is not. */
	if (mkdir(RW_PATH, 0700) < 0)
		return err_sys(err, "make '" RW_PATH "'");
	r = mount_attach(mount_fd, AT_FDCWD, RW_PATH, err);
	if (r < 0)
		return r;
	fd = open(RW_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "open the writable disk") : fd;
}

int guest_mount_share(unsigned index, struct err *err)
{
	char tag[NAME_MAX_BYTES], target[NAME_MAX_BYTES];
	struct mount_opt opts[] = { { "source", tag } };
	auto_close int fd = -1;

	(void)snprintf(tag, sizeof(tag), AGENTPROTO_SHARE_TAG, index);
	(void)snprintf(target, sizeof(target), AGENTPROTO_SHARE_PATH, index);
	if ((mkdir("/shares", 0700) < 0 && errno != EEXIST) || mkdir(target, 0700) < 0)
		return err_sys(err, "make '%s'", target);
	fd = mount_new("virtiofs", opts, ARRAY_SIZE(opts), 0, err);
	if (fd < 0)
		return err_wrap(err, fd, "mount share %u", index);

	return mount_attach(fd, AT_FDCWD, target, err);
}

int guest_set_clock(int64_t wall_ns, struct err *err)
{
	struct timespec now = { .tv_sec = wall_ns / NS_PER_SEC, .tv_nsec = wall_ns % NS_PER_SEC };

	return clock_settime(CLOCK_REALTIME, &now) < 0 ? err_sys(err, "set the clock") : 0;
}

int guest_loopback_up(struct err *err)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return err_sys(err, "take the loopback interface up");

	return 0;
}
