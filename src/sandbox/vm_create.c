/* SPDX-License-Identifier: Apache-2.0
 *
 * vm_create.c - from a spec to a machine whose workload waits to be let go
 */
#include "sandbox/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "machine/guest.h"

#define INIT_FILE_MAX_BYTES (2 * MIB)
#define BOOT_LIMIT "HULL_VM_BOOT_LIMIT"
#define BOOT_LIMIT_DEFAULT_S 120
#define BOOT_LIMIT_MAX_S 3600

static int check_spec(const struct sandbox_setup *setup, struct err *err)
{
	const struct spec_sandbox *spec = setup->spec;
	const struct spec_namespaces *ns = &spec->ns;
	const char *const names[] = { ns->pid, ns->ipc, ns->net, ns->uts, ns->cgroup };
	int64_t memory_bytes = spec->resources.memory_bytes;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i] && *names[i])
			return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
					"a virtual machine cannot share a namespace ('%s')",
					names[i]);
	if (spec->devices_len > 0)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"a device of the host cannot be used in a virtual machine");
	if (setup->layers_len > AGENTPROTO_LAYERS_MAX)
		return err_setk(err, ERR_UNSUPPORTED, E2BIG,
				"a virtual machine's image has at most %d layers",
				AGENTPROTO_LAYERS_MAX);
	if (spec->resources.cpus_milli > MACHINE_CPUS_MAX * 1000)
		return err_setk(err, ERR_USAGE, EINVAL,
				"a virtual machine has at most %d processors", MACHINE_CPUS_MAX);
	if (memory_bytes > 0 && memory_bytes < (int64_t)MACHINE_MEMORY_MIN_BYTES) {
		r = err_setk(err, ERR_USAGE, EINVAL,
			     "%lld MiB of memory are too little for a virtual machine",
			     (long long)(memory_bytes / (int64_t)MIB));
		err_hint(err, "give it at least %llu MiB with --memory",
			 (unsigned long long)(MACHINE_MEMORY_MIN_BYTES / MIB));
		return r;
	}

	return 0;
}

static int make_cgroup(struct sandbox *sb, const struct spec_sandbox *spec, struct err *err)
{
	/* What weighs workloads against each other on the host concerns the machine as a whole. */
	struct cgroup_limits limits = { .cpu_shares = spec->resources.cpu_shares,
					.cpus = spec->resources.cpuset_cpus };
	char name[sizeof("hull-") + SPEC_ID_HEX];
	int r;

	(void)snprintf(name, sizeof(name), "hull-%s", spec->id ? spec->id : "");
	r = cgroup_find(name, &sb->cgroup, err);
	if (r < 0)
		return r;
	sb->has_cgroup = true;
	r = cgroup_make_v2(&sb->cgroup, &sb->cgroup_fd, err);
	if (r == 0)
		r = cgroup_make_v1(&sb->cgroup, err);
	if (r == 0 && (limits.cpu_shares || limits.cpus))
		r = cgroup_set_limits(&sb->cgroup, &limits, err);

	return r < 0 ? err_wrap(err, r, "make the cgroup") : 0;
}

static int start_shares(struct sandbox *sb, const struct sandbox_setup *setup, struct err *err)
{
	const struct spec_sandbox *spec = setup->spec;
	struct vm_share_place place = { .dir_fd = setup->dir_fd,
					.cgroup = &sb->cgroup,
					.cgroup_fd = sb->cgroup_fd };

	sb->shares = calloc(spec->mounts_len + 1, sizeof(*sb->shares));
	if (!sb->shares)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < spec->mounts_len; i++) {
		struct vm_watched_share *s = &sb->shares[sb->shares_len];
		int r;

		if (spec->mounts[i].type != SPEC_MOUNT_BIND)
			continue;
		if (sb->shares_len == AGENTPROTO_SHARES_MAX)
			return err_setk(err, ERR_UNSUPPORTED, E2BIG,
					"a virtual machine has at most %d bind mounts and volumes",
					AGENTPROTO_SHARES_MAX);
		r = vm_share_start(&place, &spec->mounts[i], &s->share, err);
		if (r < 0)
			return r;
		sb->shares_len++;
		r = vm_watch_share(sb, s);
		if (r < 0)
			return err_set(err, -r, "watch a share");
	}

	return 0;
}

/* The lists of a machine_config, with the texts they point to. */
struct devices {
	struct machine_disk *disks;
	struct machine_share *shares;
	char (*names)[24];
};

static void devices_done(struct devices *d)
{
	free(d->disks);
	free(d->shares);
	free(d->names);
}
DEFINE_AUTO_DONE(devices)

static int list_devices(const struct sandbox *sb, const struct sandbox_setup *setup, int rw_fd,
			struct devices *d, struct err *err)
{
	char(*name)[24];

	d->disks = calloc(setup->layers_len + 1, sizeof(*d->disks));
	d->shares = calloc(sb->shares_len + 1, sizeof(*d->shares));
	name = d->names = calloc(setup->layers_len + sb->shares_len + 1, sizeof(*d->names));
	if (!d->disks || !d->shares || !d->names)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < setup->layers_len; i++, name++) {
		(void)snprintf(*name, sizeof(*name), AGENTPROTO_LAYER_SERIAL, (unsigned)i);
		d->disks[i] = (struct machine_disk){ .fd = setup->layer_fds[i],
						     .serial = *name,
						     .readonly = true };
	}
	d->disks[setup->layers_len] =
		(struct machine_disk){ .fd = rw_fd, .serial = AGENTPROTO_RW_SERIAL };
	for (size_t i = 0; i < sb->shares_len; i++, name++) {
		(void)snprintf(*name, sizeof(*name), AGENTPROTO_SHARE_TAG, (unsigned)i);
		d->shares[i] = (struct machine_share){ .sock_fd = sb->shares[i].share.sock_fd,
						       .tag = *name };
	}

	return 0;
}

/* A console for those who look for the reason of a boot that fails; else -1. */
static int open_console(void)
{
	const char *path = getenv("HULL_VM_CONSOLE");

	return path && *path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
}

/* Hosts that are very slow or tests that are in a hurry say how long a boot may take. */
static int read_boot_limit(int64_t *ret_ns, struct err *err)
{
	const char *text = getenv(BOOT_LIMIT);
	uint64_t seconds = BOOT_LIMIT_DEFAULT_S;

	if (text && *text && parse_u64(text, 1, BOOT_LIMIT_MAX_S, &seconds) < 0)
		return err_setk(err, ERR_USAGE, EINVAL, BOOT_LIMIT " is '%s', not 1 to %d seconds",
				text, BOOT_LIMIT_MAX_S);
	*ret_ns = (int64_t)seconds * NS_PER_SEC;

	return 0;
}

static int start_machine(struct sandbox *sb, const struct sandbox_setup *setup, int rw_fd,
			 const struct guest_boot *boot, struct err *err)
{
	auto_done(devices) devices = { 0 };
	auto_close int machine_end = -1, own_end = -1, console_fd = open_console();
	struct machine_config config;
	int socks[2], r = list_devices(sb, setup, rw_fd, &devices, err);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(err, "make a socket pair");
	own_end = socks[0];
	machine_end = socks[1];
	config = (struct machine_config){
		.memory_bytes = (uint64_t)sb->memory_bytes,
		.cpus = (unsigned)sb->cpus,
		.kernel_fd = boot->kernel_fd,
		.initrd_fd = boot->initrd_fd,
		.disks = devices.disks,
		.disks_len = setup->layers_len + 1,
		.shares = devices.shares,
		.shares_len = sb->shares_len,
		.port_name = AGENTPROTO_PORT,
		.stream_fd = machine_end,
		.console_fd = console_fd,
		.cgroup = &sb->cgroup,
		.cgroup_fd = sb->cgroup_fd,
	};
	r = sb->ops->start(&config, &sb->machine, err);
	if (r < 0)
		return r;
	/* Ours would keep a daemon's connection alive after the machine's end. */
	for (size_t i = 0; i < sb->shares_len; i++)
		sb->shares[i].share.sock_fd = fd_close(sb->shares[i].share.sock_fd);
	r = vm_watch_machine(sb, take_fd(own_end));

	return r < 0 ? err_set(err, -r, "watch the machine") : 0;
}

/* hull-init is a program of the host's: it travels with the request when it is wanted. */
static int send_init_file(struct sandbox *sb, struct err *err)
{
	struct agentproto_msg msg = { .type = AGENTPROTO_INIT_FILE };
	auto_free char *data = NULL;
	char path[4096];
	int r = path_helper("hull-init", path, sizeof(path), err);

	if (r == 0)
		r = fd_read_file(AT_FDCWD, path, INIT_FILE_MAX_BYTES, &data, &msg.body.len, err);
	if (r < 0)
		return r;
	msg.body.at = data;

	return vm_call(sb, &msg, sb->boot_limit_ns, NULL, err);
}

/* The document for the agent: what only the host can do is left out, paths are the guest's. */
static int encode_spec(const struct sandbox *sb, const struct spec_sandbox *spec, char **ret_text,
		       struct err *err)
{
	struct spec_sandbox guest = *spec;
	auto_free struct spec_mount *mounts = calloc(spec->mounts_len + 1, sizeof(*mounts));
	auto_free char *paths = calloc(sb->shares_len + 1, 64);
	unsigned share = 0;

	if (!mounts || !paths)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < spec->mounts_len; i++) {
		char *path = paths + 64 * share;
		int n;

		mounts[i] = spec->mounts[i];
		if (mounts[i].type != SPEC_MOUNT_BIND)
			continue;
		n = snprintf(path, 64, AGENTPROTO_SHARE_PATH, share);
		if (!sb->shares[share].share.is_dir)
			(void)snprintf(path + n, 64 - (size_t)n, "/" VM_SHARE_FILE);
		mounts[i].source = path;
		share++;
	}
	guest.mounts = mounts;
	guest.uid_base = 0;
	guest.uid_count = 0;
	guest.kernel = NULL;
	/* The machine's size is the limit. */
	guest.resources.memory_bytes = 0;
	guest.resources.memory_swap_bytes = 0;
	guest.resources.cpu_shares = 0;
	guest.resources.cpuset_cpus = NULL;

	return spec_sandbox_encode(&guest, ret_text, err);
}

static int create_workload(struct sandbox *sb, const struct sandbox_setup *setup, int *ret_tty_fd,
			   struct err *err)
{
	const struct spec_sandbox *spec = setup->spec;
	static const int no_fds[3] = { -1, -1, -1 };
	struct vm_proc_want want = {
		.msg = { .type = AGENTPROTO_CREATE,
			 .layers = (uint32_t)setup->layers_len,
			 .shares = (uint32_t)sb->shares_len,
			 .wall_ns = clock_wall_ns() },
		.stdio_fds = spec->service ? no_fds : setup->stdio_fds,
		.terminal = !spec->service && spec->process.terminal,
		.tty_fd = -1,
	};
	auto_free char *text = NULL;
	int r = encode_spec(sb, spec, &text, err);

	if (r == 0 && !spec->service && spec->process.init)
		r = send_init_file(sb, err);
	if (r < 0)
		return r;
	want.msg.body = slice_of(text);
	r = vm_ask_for_proc(sb, &want, sb->boot_limit_ns, err);
	if (r == 0)
		*ret_tty_fd = want.tty_fd;

	return r;
}

int vm_build(struct sandbox *sb, const struct sandbox_setup *setup, int *ret_tty_fd,
	     struct err *err)
{
	const struct spec_sandbox *spec = setup->spec;
	auto_done(guest_boot) boot = { -1, -1 };
	auto_done(vm_disk) disk = { .fd = -1 };
	auto_close int probe_fd = -1;
	struct guest_kernel kernel;
	int r = check_spec(setup, err);

	if (r == 0)
		r = read_boot_limit(&sb->boot_limit_ns, err);
	if (r == 0)
		r = machine_choose(&sb->ops, &probe_fd, err);
	if (r == 0)
		r = guest_find_kernel(spec->kernel, &kernel, err);
	if (r == 0)
		r = guest_open(setup->cache_dir, &kernel, &boot, err);
	if (r == 0)
		r = vm_disk_open(setup->rw_fd, spec->disk_bytes, &disk, err);
	if (r == 0)
		r = make_cgroup(sb, spec, err);
	if (r == 0)
		r = start_shares(sb, setup, err);
	/* The disk is made while the machine starts, which looks at it much later. */
	if (r == 0)
		r = start_machine(sb, setup, disk.fd, &boot, err);
	if (r == 0)
		r = vm_disk_finish(&disk, err);
	if (r < 0)
		return r;
	probe_fd = fd_close(probe_fd);

	vm_watch_cancel(sb, setup->cancel_fd);
	r = create_workload(sb, setup, ret_tty_fd, err);
	vm_watch_cancel(sb, -1);
	if (r < 0)
		return r;
	r = vm_watch_loop(sb, setup->loop);

	return r < 0 ? err_set(err, -r, "watch the machine") : 0;
}
