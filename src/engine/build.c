/* SPDX-License-Identifier: Apache-2.0
 *
 * build.c - from a container's document to the sandbox that it describes
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "engine/internal.h"
#include "engine/lookup.h"

#define HOSTNAME_MAX_CHARS 64
#define RESOLV_CONF_MAX_BYTES 65536

/* As Docker's: what tells of the host or changes it, and is not in a namespace. */
static const char *const masked_paths[] = {
	"/proc/asound",	    "/proc/acpi",	 "/proc/interrupts",
	"/proc/kcore",	    "/proc/keys",	 "/proc/latency_stats",
	"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/proc/scsi",	    "/sys/firmware",	 "/sys/devices/virtual/powercap",
};
static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static void add_paths(struct strv *to, const char *const *paths, size_t len)
{
	for (size_t i = 0; i < len; i++)
		(void)strv_add(to, paths[i]);
}

static bool is_host(const char *mode)
{
	return mode && strcmp(mode, "host") == 0;
}

/* ---- the first process ---- */

static int build_caps(const struct engine_config *config, uint64_t *ret, struct err *err)
{
	if (config->privileged) {
		*ret = LOOKUP_CAPS_ALL;
		return 0;
	}

	return lookup_caps(&config->cap_add, &config->cap_drop, ret, err);
}

static int build_rlimits(const struct engine_config *config, struct spec_process *process,
			 struct err *err)
{
	process->rlimits = mem_calloc(config->ulimits.len, sizeof(*process->rlimits));
	for (size_t i = 0; i < config->ulimits.len; i++) {
		int r = lookup_ulimit(config->ulimits.items[i], &process->rlimits[i], err);

		if (r < 0)
			return r;
		process->rlimits_len++;
	}

	return 0;
}

static void build_env(const struct engine_config *config, const char *hostname, struct strv *env)
{
	auto_free char *name = mem_printf("HOSTNAME=%s", hostname);

	(void)strv_add_all(env, &config->env);
	if (!strv_env_find(env, "HOSTNAME"))
		(void)strv_add(env, name);
	if (config->tty && !strv_env_find(env, "TERM"))
		(void)strv_add(env, "TERM=xterm");
}

static int build_process(const struct engine_config *config, const char *hostname,
			 struct spec_process *process, struct err *err)
{
	int r = build_caps(config, &process->caps, err);

	if (r == 0)
		r = build_rlimits(config, process, err);
	if (r < 0)
		return r;
	(void)strv_add_all(&process->args, &config->entrypoint);
	(void)strv_add_all(&process->args, &config->cmd);
	build_env(config, hostname, &process->env);
	(void)strv_add_all(&process->group_add, &config->group_add);
	process->cwd = mem_strdup(config->working_dir);
	process->user = mem_strdup(config->user ? config->user : "");
	process->terminal = config->tty;
	process->no_new_privs = !config->new_privileges && !config->privileged;
	process->oom_score_adj = (int32_t)config->oom_score_adj;
	process->init = config->init;
	if (process->cwd[0] != '/')
		return err_setk(err, ERR_USAGE, EINVAL,
				"the working directory '%s' is not an absolute path", process->cwd);

	return 0;
}

/* ---- mounts and devices ---- */

static size_t depth_of(const char *path)
{
	size_t depth = 0;

	for (; *path; path++)
		depth += path[0] == '/' && path[1] != '/' && path[1] != '\0';

	return depth;
}

static struct spec_mount build_mount(const struct engine_mount *from)
{
	struct spec_mount mount = {
		.type = from->type == ENGINE_MOUNT_TMPFS ? SPEC_MOUNT_TMPFS : SPEC_MOUNT_BIND,
		.flags = from->flags,
		.source = from->type == ENGINE_MOUNT_BIND ? mem_strdup(from->source) : NULL,
		.target = mem_strdup(from->target),
		.size_bytes = from->size_bytes,
		.mode = from->mode,
		.propagation = mem_strdup(from->propagation),
	};

	if (from->type == ENGINE_MOUNT_VOLUME) {
		/* A volume holds data, from whichever image wrote it last. */
		mount.flags |= SPEC_MOUNT_NODEV | SPEC_MOUNT_NOSUID;
		if (!from->no_copy)
			mount.flags |= SPEC_MOUNT_COPY_UP;
	}

	return mount;
}

/* Outer mount points first; otherwise in the user's order. */
static void build_mounts(const struct engine_config *config, struct spec_sandbox *spec)
{
	spec->mounts = mem_calloc(config->mounts_len, sizeof(*spec->mounts));
	for (size_t i = 0; i < config->mounts_len; i++) {
		struct spec_mount mount = build_mount(&config->mounts[i]);
		size_t at = spec->mounts_len++;

		for (; at > 0 && depth_of(spec->mounts[at - 1].target) > depth_of(mount.target);
		     at--)
			spec->mounts[at] = spec->mounts[at - 1];
		spec->mounts[at] = mount;
	}
}

static int build_devices(const struct engine_config *config, struct spec_sandbox *spec,
			 struct err *err)
{
	spec->devices = mem_calloc(config->devices.len, sizeof(*spec->devices));
	for (size_t i = 0; i < config->devices.len; i++) {
		int r = lookup_device(config->devices.items[i], &spec->devices[i], err);

		if (r < 0)
			return r;
		spec->devices_len++;
	}

	return 0;
}

/* ---- small files ---- */

static bool is_mounted(const struct spec_sandbox *spec, const char *target)
{
	for (size_t i = 0; i < spec->mounts_len; i++)
		if (strcmp(spec->mounts[i].target, target) == 0)
			return true;

	return false;
}

/* @data is given. */
static void add_file(struct spec_sandbox *spec, const char *target, char *data)
{
	if (is_mounted(spec, target)) {
		free(data);
		return;
	}
	spec->files = mem_realloc(spec->files, spec->files_len + 1, sizeof(*spec->files));
	spec->files[spec->files_len++] = (struct spec_file){
		.target = mem_strdup(target),
		.data = data,
		.mode = 0644,
	};
}

/* "NAME:ADDRESS" of --add-host. */
static int add_hosts(const struct strv *entries, struct strbuf *hosts, struct err *err)
{
	for (size_t i = 0; i < entries->len; i++) {
		struct slice address = slice_of(entries->items[i]), name;

		if (!slice_next(&address, ':', &name) || name.len == 0 || !address.at ||
		    address.len == 0)
			return err_setk(err, ERR_USAGE, EINVAL,
					"invalid --add-host '%s': expected NAME:ADDRESS",
					entries->items[i]);
		strbuf_addf(hosts, "%.*s\t%.*s\n", (int)address.len, address.at, (int)name.len,
			    name.at);
	}

	return 0;
}

static int build_files(const struct engine_config *config, struct spec_sandbox *spec,
		       struct err *err)
{
	auto_done(strbuf) hosts = STRBUF_INIT(MIB);
	char *resolv_conf = NULL;
	int r;

	strbuf_addf(&hosts,
		    "127.0.0.1\tlocalhost\n"
		    "::1\tlocalhost ip6-localhost ip6-loopback\n"
		    "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\n"
		    "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
		    "127.0.1.1\t%s\n",
		    spec->hostname);
	r = add_hosts(&config->add_hosts, &hosts, err);
	if (r < 0)
		return r;
	if (is_host(config->modes.network))
		(void)fd_read_file(AT_FDCWD, "/etc/resolv.conf", RESOLV_CONF_MAX_BYTES,
				   &resolv_conf, NULL, NULL);
	add_file(spec, "/etc/hosts", mem_strdup(strbuf_get(&hosts)));
	add_file(spec, "/etc/hostname", mem_printf("%s\n", spec->hostname));
	add_file(spec, "/etc/resolv.conf",
		 resolv_conf ? resolv_conf : mem_strdup("# This workload has no network.\n"));

	return 0;
}

/* ---- the whole ---- */

static int build_hostname(const struct engine_container *c, char **ret, struct err *err)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (c->config.hostname) {
		if (strlen(c->config.hostname) > HOSTNAME_MAX_CHARS)
			return err_setk(err, ERR_USAGE, EINVAL,
					"--hostname is longer than %d characters",
					HOSTNAME_MAX_CHARS);
		/* It becomes a word of a line of /etc/hosts. */
		for (const char *at = c->config.hostname; *at; at++)
			if (!isalnum((unsigned char)*at) && !strchr("-._", *at))
				return err_setk(err, ERR_USAGE, EINVAL,
						"invalid --hostname '%s': only letters, digits, "
						"'-', '.' and '_' are allowed",
						c->config.hostname);
		*ret = mem_strdup(c->config.hostname);
		return 0;
	}
	if (is_host(c->config.modes.network) || is_host(c->config.modes.uts))
		(void)gethostname(host, sizeof(host) - 1);
	*ret = host[0] ? mem_strdup(host) : mem_strndup(c->row.id, ENGINE_SHORT_ID);

	return 0;
}

struct spec_resources engine_limits(const struct engine_container *c)
{
	struct spec_resources limits = c->config.resources;

	limits.cpuset_cpus = mem_strdup(limits.cpuset_cpus);
	/* Docker's rule: as much swap again as memory. */
	if (limits.memory_bytes && !limits.memory_swap_bytes)
		limits.memory_swap_bytes = 2 * limits.memory_bytes;
	if (!limits.memory_bytes)
		limits.memory_bytes = (int64_t)c->level->default_memory_bytes;

	return limits;
}

static void build_security(const struct engine_config *config, struct spec_sandbox *spec)
{
	spec->privileged = config->privileged;
	if (config->seccomp && strcmp(config->seccomp, "unconfined") == 0) {
		spec->seccomp = SPEC_SECCOMP_UNCONFINED;
	} else if (config->seccomp && strcmp(config->seccomp, "default") != 0) {
		spec->seccomp = SPEC_SECCOMP_PROFILE;
		spec->seccomp_profile = mem_strdup(config->seccomp);
	} else if (config->privileged && !config->seccomp) {
		spec->seccomp = SPEC_SECCOMP_UNCONFINED;
	}
	if (config->privileged || config->unmasked)
		return;
	add_paths(&spec->masked_paths, masked_paths, ARRAY_SIZE(masked_paths));
	add_paths(&spec->readonly_paths, readonly_paths, ARRAY_SIZE(readonly_paths));
}

static void build_sysctls(const struct engine_container *c, struct spec_sandbox *spec)
{
	(void)strv_add_all(&spec->sysctls, &c->config.sysctls);
	if (is_host(c->config.modes.network))
		return;
	/* ping and port 80 for everybody, in a network that is the workload's own. */
	if (!strv_env_find(&spec->sysctls, "net.ipv4.ping_group_range"))
		(void)strv_add(&spec->sysctls, spec->uid_count
						       ? "net.ipv4.ping_group_range=0 65535"
						       : "net.ipv4.ping_group_range=0 2147483647");
	if (!strv_env_find(&spec->sysctls, "net.ipv4.ip_unprivileged_port_start"))
		(void)strv_add(&spec->sysctls, "net.ipv4.ip_unprivileged_port_start=0");
}

/* Own ones and the host's; those of other containers are filled in at the start. */
static char *build_namespace(const char *mode)
{
	return mem_strdup(is_host(mode) ? "host" : "");
}

int engine_build(const struct engine_container *c, struct spec_sandbox *ret, struct err *err)
{
	const struct engine_config *config = &c->config;
	auto_done(spec_sandbox) spec = {
		.id = mem_strdup(c->row.id),
		.uid_base = c->row.uid_base,
		.uid_count = c->row.uid_count,
		.readonly_root = config->readonly_root,
		.ephemeral = config->auto_remove,
		.shm_bytes = config->shm_bytes ? config->shm_bytes : ENGINE_SHM_BYTES,
		.disk_bytes = config->disk_bytes,
		.kernel = mem_strdup(config->kernel),
		.ns = {
			.pid = build_namespace(config->modes.pid),
			.ipc = build_namespace(config->modes.ipc),
			.net = build_namespace(config->modes.network),
			.uts = build_namespace(config->modes.uts),
			.cgroup = build_namespace(config->modes.cgroupns),
		},
	};
	int r = build_hostname(c, &spec.hostname, err);

	if (r == 0)
		r = build_process(config, spec.hostname, &spec.process, err);
	if (r < 0)
		return r;
	build_mounts(config, &spec);
	spec.resources = engine_limits(c);
	build_security(config, &spec);
	build_sysctls(c, &spec);
	r = build_devices(config, &spec, err);
	if (r == 0)
		r = build_files(config, &spec, err);
	if (r < 0)
		return r;
	*ret = spec;
	spec = (struct spec_sandbox){ 0 };

	return 0;
}

static const struct engine_mount *find_mount(const struct engine_config *config, const char *target)
{
	for (size_t i = 0; i < config->mounts_len; i++)
		if (strcmp(config->mounts[i].target, target) == 0)
			return &config->mounts[i];

	return NULL;
}

static int resolve_volumes(struct engine *e, const struct engine_config *config,
			   struct spec_sandbox *spec, struct err *err)
{
	for (size_t i = 0; i < spec->mounts_len; i++) {
		const struct engine_mount *from = find_mount(config, spec->mounts[i].target);
		auto_done(store_volume) volume = { 0 };
		int r;

		if (!from || from->type != ENGINE_MOUNT_VOLUME)
			continue;
		r = store_volume_find(e->store, from->source, &volume, err);
		if (r < 0)
			return r;
		free(spec->mounts[i].source);
		spec->mounts[i].source = take_ptr(volume.path);
	}

	return 0;
}

/* "container:X": the namespace of its first process. */
static int resolve_namespace(struct engine *e, const char *mode, const char *kind, char **ret,
			     struct err *err)
{
	auto_done(engine_container) other = { 0 };
	int r;

	if (!mode || strncmp(mode, "container:", 10) != 0)
		return 0;
	r = engine_find(e, mode + 10, &other, err);
	if (r < 0)
		return r;
	if (other.state.pid == 0)
		return err_setk(err, ERR_CONFLICT, EBUSY,
				"cannot join the %s namespace of '%s': it is not running", kind,
				other.row.name);
	if (!other.level->host_namespaces)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"cannot join the %s namespace of '%s': its isolation is %s", kind,
				other.row.name, other.level->name);
	/* Its /dev/shm belongs to its user namespace: nobody outside could make a file there. */
	if (strcmp(kind, "ipc") == 0 && other.row.uid_count > 0) {
		err_setk(
			err, ERR_UNSUPPORTED, ENOTSUP,
			"cannot join the ipc namespace of '%s': it has a user namespace of its own",
			other.row.name);
		err_hint(err, "run %s with --userns host", other.row.name);
		return -ENOTSUP;
	}
	free(*ret);
	*ret = mem_printf("/proc/%d/ns/%s", other.state.pid, kind);

	return 0;
}

int engine_build_late(struct engine *e, const struct engine_container *c, struct spec_sandbox *spec,
		      struct err *err)
{
	const struct engine_modes *modes = &c->config.modes;
	int r = resolve_volumes(e, &c->config, spec, err);

	spec->uid_base = c->row.uid_base;
	if (r == 0)
		r = resolve_namespace(e, modes->pid, "pid", &spec->ns.pid, err);
	if (r == 0)
		r = resolve_namespace(e, modes->ipc, "ipc", &spec->ns.ipc, err);

	return r;
}
