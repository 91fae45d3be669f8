/* SPDX-License-Identifier: Apache-2.0
 *
 * container_args.c - the options that run and create, and in part update, share
 */
#include "cli/container_args.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/path.h"

#define LIST_FILE_MAX_BYTES (4 * MIB)
#define AT(member) offsetof(struct container_args, member)
#define LIMIT(member) offsetof(struct limit_args, member)
#define NO_NETWORK "there are no networks besides none and host yet"
#define NO_HEALTH "health checks are not run yet"
#define NO_BLKIO "block devices cannot be throttled yet"

const struct opt limit_opts[] = {
	{ 'c', "cpu-shares", OPT_INT, LIMIT(cpu_shares), NULL, NULL,
	  "Relative weight of its CPU use" },
	{ 0, "cpus", OPT_MILLI, LIMIT(cpus_milli), NULL, NULL,
	  "Number of CPUs; also the size of a virtual machine" },
	{ 0, "cpuset-cpus", OPT_TEXT, LIMIT(cpuset_cpus), NULL, NULL,
	  "CPUs it may use (0-3, 0,1)" },
	{ 'm', "memory", OPT_SIZE, LIMIT(memory_bytes), NULL, NULL,
	  "Memory limit; also the size of a virtual machine" },
	{ 0, "memory-swap", OPT_SIZE, LIMIT(memory_swap_bytes), NULL, NULL,
	  "Limit of memory and swap together, -1 for unlimited swap" },
	{ 0, "pids-limit", OPT_INT, LIMIT(pids_limit), NULL, NULL,
	  "Limit of processes, -1 for none" },

	/* What Docker has too. */
	{ 0, "blkio-weight", OPT_REFUSED, 0, NULL, NULL, NO_BLKIO },
	{ 0, "cpu-period", OPT_REFUSED, 0, NULL, NULL, "use --cpus" },
	{ 0, "cpu-quota", OPT_REFUSED, 0, NULL, NULL, "use --cpus" },
	{ 0, "cpu-rt-period", OPT_REFUSED, 0, NULL, NULL, "there is no real-time scheduling" },
	{ 0, "cpu-rt-runtime", OPT_REFUSED, 0, NULL, NULL, "there is no real-time scheduling" },
	{ 0, "cpuset-mems", OPT_REFUSED, 0, NULL, NULL, "memory nodes cannot be chosen yet" },
	{ 0, "kernel-memory", OPT_REFUSED, 0, NULL, NULL, "Linux has given it up: use --memory" },
	{ 0, "memory-reservation", OPT_REFUSED, 0, NULL, NULL, "there are hard limits only" },
	{ 0, "restart", OPT_REFUSED, 0, NULL, NULL, "workloads are not restarted by Hull yet" },
	OPT_END,
};

const struct opt container_opts[] = {
	{ 0, "add-host", OPT_LIST, AT(add_hosts), NULL, NULL, "Add a NAME:ADDRESS to /etc/hosts" },
	{ 0, "cap-add", OPT_LIST, AT(cap_add), NULL, NULL, "Add capabilities" },
	{ 0, "cap-drop", OPT_LIST, AT(cap_drop), NULL, NULL, "Drop capabilities" },
	{ 0, "cgroupns", OPT_TEXT, AT(cgroupns), NULL, NULL, "Cgroup namespace: private or host" },
	{ 0, "cidfile", OPT_TEXT, AT(cidfile), "file", NULL, "Write the container's id to a file" },
	{ 0, "device", OPT_LIST, AT(devices), NULL, NULL,
	  "Add a device of the host: /dev/HOST[:/dev/INSIDE[:rwm]]" },
	{ 0, "entrypoint", OPT_TEXT, AT(entrypoint), NULL, NULL,
	  "Run this instead of the image's entrypoint" },
	{ 'e', "env", OPT_LIST, AT(env), NULL, NULL, "Set environment variables" },
	{ 0, "env-file", OPT_LIST, AT(env_file), NULL, NULL,
	  "Read environment variables from a file" },
	{ 0, "group-add", OPT_LIST, AT(group_add), NULL, NULL, "Add groups to its processes" },
	{ 'h', "hostname", OPT_TEXT, AT(hostname), NULL, NULL, "Host name (else the short id)" },
	{ 0, "init", OPT_BOOL, AT(init), NULL, NULL,
	  "Run an init inside that forwards signals and reaps processes" },
	{ 'i', "interactive", OPT_BOOL, AT(interactive), NULL, NULL, "Keep stdin open" },
	{ 0, "ipc", OPT_TEXT, AT(ipc), NULL, NULL, "IPC namespace: private, host, container:NAME" },
	{ 0, "isolation", OPT_TEXT, AT(isolation), "level", NULL,
	  "container or vm (HULL_ISOLATION, else container)" },
	{ 0, "kernel", OPT_TEXT, AT(kernel), "file", NULL,
	  "Kernel of the virtual machine (else the default one)" },
	{ 'l', "label", OPT_LIST, AT(labels), NULL, NULL, "Set labels" },
	{ 0, "label-file", OPT_LIST, AT(label_file), NULL, NULL, "Read labels from a file" },
	{ 0, "log-opt", OPT_LIST, AT(log_opts), NULL, NULL,
	  "Log rotation: max-size=BYTES (10m), max-file=N (3)" },
	{ 0, "mount", OPT_LIST, AT(mounts), NULL, NULL,
	  "Mount: type=bind|volume|tmpfs,source=...,target=...[,readonly]" },
	{ 0, "name", OPT_TEXT, AT(name), NULL, NULL, "Name of the container" },
	{ 0, "network", OPT_TEXT, AT(network), NULL, NULL,
	  "Network: none (the default for now), or host at the container level" },
	{ 0, "net", OPT_TEXT, AT(network), NULL, NULL, "The same as --network" },
	{ 0, "oom-score-adj", OPT_INT, AT(oom_score_adj), NULL, NULL,
	  "What the kernel prefers to kill, -1000 to 1000" },
	{ 0, "pid", OPT_TEXT, AT(pid), NULL, NULL, "PID namespace: private, host, container:NAME" },
	{ 0, "privileged", OPT_BOOL, AT(privileged), NULL, NULL,
	  "All capabilities and devices; implies --userns host" },
	{ 0, "pull", OPT_TEXT, AT(pull), NULL, "missing",
	  "missing or never (images cannot be pulled yet: always is refused)" },
	{ 0, "read-only", OPT_BOOL, AT(read_only), NULL, NULL,
	  "Make the root filesystem read-only" },
	{ 0, "rm", OPT_BOOL, AT(rm), NULL, NULL, "Remove the container when it ends" },
	{ 0, "security-opt", OPT_LIST, AT(security_opts), NULL, NULL,
	  "no-new-privileges=false, seccomp=FILE|unconfined, systempaths=unconfined" },
	{ 0, "shm-size", OPT_SIZE, AT(shm_bytes), NULL, "64m", "Size of /dev/shm" },
	{ 0, "stop-signal", OPT_TEXT, AT(stop_signal), "signal", NULL,
	  "Signal that hull stop sends (else the image's, else SIGTERM)" },
	{ 0, "stop-timeout", OPT_INT, AT(stop_timeout_s), "seconds", "-1",
	  "Time from that signal to SIGKILL; -1 means 10" },
	{ 0, "storage-opt", OPT_LIST, AT(storage_opts), NULL, NULL,
	  "size=BYTES: size of a virtual machine's disk" },
	{ 0, "sysctl", OPT_LIST, AT(sysctls), NULL, NULL, "Set NAME=VALUE of its namespaces" },
	{ 0, "tmpfs", OPT_LIST, AT(tmpfs), NULL, NULL, "Mount a tmpfs: PATH[:size=...,mode=...]" },
	{ 't', "tty", OPT_BOOL, AT(tty), NULL, NULL, "Give it a terminal" },
	{ 0, "ulimit", OPT_LIST, AT(ulimits), NULL, NULL,
	  "Limits of setrlimit(2): NAME=SOFT[:HARD]" },
	{ 'u', "user", OPT_TEXT, AT(user), NULL, NULL, "User and group: USER[:GROUP]" },
	{ 0, "userns", OPT_TEXT, AT(userns), NULL, NULL,
	  "User namespace: private (the default) or host" },
	{ 0, "uts", OPT_TEXT, AT(uts), NULL, NULL, "UTS namespace: private or host" },
	{ 'v', "volume", OPT_LIST, AT(volumes), NULL, NULL,
	  "Mount a volume or a directory of the host: SOURCE:TARGET[:ro]" },
	{ 'w', "workdir", OPT_TEXT, AT(workdir), "dir", NULL, "Working directory" },

	/* What Docker has too. */
	{ 0, "annotation", OPT_REFUSED, 0, NULL, NULL, "nothing reads annotations" },
	{ 'a', "attach", OPT_REFUSED, 0, NULL, NULL, "use -d, or -i for stdin" },
	{ 0, "blkio-weight-device", OPT_REFUSED, 0, NULL, NULL, NO_BLKIO },
	{ 0, "cgroup-parent", OPT_REFUSED, 0, NULL, NULL, "cgroups are named hull-ID" },
	{ 0, "device-cgroup-rule", OPT_REFUSED, 0, NULL, NULL, "use --device" },
	{ 0, "device-read-bps", OPT_REFUSED, 0, NULL, NULL, NO_BLKIO },
	{ 0, "device-read-iops", OPT_REFUSED, 0, NULL, NULL, NO_BLKIO },
	{ 0, "device-write-bps", OPT_REFUSED, 0, NULL, NULL, NO_BLKIO },
	{ 0, "device-write-iops", OPT_REFUSED, 0, NULL, NULL, NO_BLKIO },
	{ 0, "disable-content-trust", OPT_REFUSED_BOOL, 0, NULL, NULL, "nothing is pulled yet" },
	{ 0, "dns", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "dns-option", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "dns-search", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "domainname", OPT_REFUSED, 0, NULL, NULL, "use --hostname" },
	{ 0, "expose", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "gpus", OPT_REFUSED, 0, NULL, NULL, "use --device" },
	{ 0, "health-cmd", OPT_REFUSED, 0, NULL, NULL, NO_HEALTH },
	{ 0, "health-interval", OPT_REFUSED, 0, NULL, NULL, NO_HEALTH },
	{ 0, "health-retries", OPT_REFUSED, 0, NULL, NULL, NO_HEALTH },
	{ 0, "health-start-interval", OPT_REFUSED, 0, NULL, NULL, NO_HEALTH },
	{ 0, "health-start-period", OPT_REFUSED, 0, NULL, NULL, NO_HEALTH },
	{ 0, "health-timeout", OPT_REFUSED, 0, NULL, NULL, NO_HEALTH },
	{ 0, "no-healthcheck", OPT_REFUSED_BOOL, 0, NULL, NULL, NO_HEALTH },
	{ 0, "ip", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "ip6", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "link", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "link-local-ip", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "log-driver", OPT_REFUSED, 0, NULL, NULL, "logs are files that hull logs reads" },
	{ 0, "mac-address", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "memory-swappiness", OPT_REFUSED, 0, NULL, NULL, "cgroup v2 has no such setting" },
	{ 0, "network-alias", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "net-alias", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 0, "oom-kill-disable", OPT_REFUSED_BOOL, 0, NULL, NULL, "cgroup v2 has no such setting" },
	{ 0, "platform", OPT_REFUSED, 0, NULL, NULL, "only this host's platform is run" },
	{ 'p', "publish", OPT_REFUSED, 0, NULL, NULL, NO_NETWORK },
	{ 'P', "publish-all", OPT_REFUSED_BOOL, 0, NULL, NULL, NO_NETWORK },
	{ 'q', "quiet", OPT_REFUSED_BOOL, 0, NULL, NULL, "nothing is pulled yet" },
	{ 0, "runtime", OPT_REFUSED, 0, NULL, NULL, "use --isolation" },
	{ 0, "use-api-socket", OPT_REFUSED_BOOL, 0, NULL, NULL, "there is no daemon" },
	{ 0, "volume-driver", OPT_REFUSED, 0, NULL, NULL, "volumes are directories of the store" },
	{ 0, "volumes-from", OPT_REFUSED, 0, NULL, NULL, "name the volumes with -v" },
	OPT_MORE(limit_opts),
};

/* "NAME=value" as it is; "NAME" takes the value here, and is dropped without one. */
static int add_variable(struct strv *to, const char *text, struct err *err)
{
	const char *value;
	auto_free char *both = NULL;

	if (text[0] == '\0' || text[0] == '=')
		return err_setk(err, ERR_USAGE, EINVAL, "invalid environment variable: '%s'", text);
	if (strchr(text, '='))
		return strv_add(to, text);
	value = getenv(text);
	if (!value)
		return 0;
	both = mem_printf("%s=%s", text, value);

	return strv_add(to, both);
}

static int add_label(struct strv *to, const char *text, struct err *err)
{
	auto_free char *both = NULL;

	if (text[0] == '\0' || text[0] == '=')
		return err_setk(err, ERR_USAGE, EINVAL, "invalid label: '%s'", text);
	both = strchr(text, '=') ? mem_strdup(text) : mem_printf("%s=", text);

	return strv_add(to, both);
}

/* A line each; empty ones and those that start with # are comments. */
static int add_file(struct strv *to, const char *path,
		    int (*add)(struct strv *to, const char *text, struct err *err), struct err *err)
{
	auto_free char *text = NULL;
	struct slice rest, line;
	int r = fd_read_file(AT_FDCWD, path, LIST_FILE_MAX_BYTES, &text, NULL, err);

	if (r < 0)
		return r;
	rest = slice_of(text);
	while (r >= 0 && slice_next(&rest, '\n', &line)) {
		auto_free char *entry = NULL;

		while (line.len > 0 && strchr(" \t", line.at[0])) {
			line.at++;
			line.len--;
		}
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0 || line.at[0] == '#')
			continue;
		entry = mem_strndup(line.at, line.len);
		r = add(to, entry, err);
	}

	return err_wrap(err, r, "read '%s'", path);
}

int container_env(const struct strv *env, const struct strv *files, struct strv *ret,
		  struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < files->len && r >= 0; i++)
		r = add_file(ret, files->items[i], add_variable, err);
	for (size_t i = 0; i < env->len && r >= 0; i++)
		r = add_variable(ret, env->items[i], err);

	return r;
}

static int add_labels(const struct container_args *args, struct strv *ret, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < args->label_file.len && r >= 0; i++)
		r = add_file(ret, args->label_file.items[i], add_label, err);
	for (size_t i = 0; i < args->labels.len && r >= 0; i++)
		r = add_label(ret, args->labels.items[i], err);

	return r;
}

static int read_pull(const char *text, enum engine_pull *ret, struct err *err)
{
	static const char *const names[] = {
		[ENGINE_PULL_MISSING] = "missing",
		[ENGINE_PULL_ALWAYS] = "always",
		[ENGINE_PULL_NEVER] = "never",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum engine_pull)i;
			return 0;
		}
	}

	return err_setk(err, ERR_USAGE, EINVAL,
			"invalid --pull '%s': expected missing, never or always", text);
}

struct spec_resources limit_resources(const struct limit_args *args)
{
	return (struct spec_resources){
		.memory_bytes = args->memory_bytes,
		.memory_swap_bytes = args->memory_swap_bytes,
		.cpus_milli = args->cpus_milli,
		.cpu_shares = args->cpu_shares,
		.pids_limit = args->pids_limit,
		.cpuset_cpus = mem_strdup(args->cpuset_cpus),
	};
}

/* What is only copied. */
static void fill_config(const struct container_args *args, struct engine_config *config)
{
	*config = (struct engine_config){
		.hostname = mem_strdup(args->hostname),
		.user = mem_strdup(args->user),
		.working_dir = mem_strdup(args->workdir),
		.stop_signal = mem_strdup(args->stop_signal),
		.tty = args->tty,
		.open_stdin = args->interactive,
		.stdin_once = args->interactive && !args->detach,
		.auto_remove = args->rm,
		.init = args->init,
		.privileged = args->privileged,
		.readonly_root = args->read_only,
		.stop_timeout_s = args->stop_timeout_s,
		.modes = {
			.network = mem_strdup(args->network),
			.userns = mem_strdup(args->userns),
			.pid = mem_strdup(args->pid),
			.ipc = mem_strdup(args->ipc),
			.uts = mem_strdup(args->uts),
			.cgroupns = mem_strdup(args->cgroupns),
		},
		.resources = limit_resources(&args->limits),
		.oom_score_adj = args->oom_score_adj,
		.shm_bytes = (uint64_t)args->shm_bytes,
		.kernel = path_absolute(args->kernel),
	};
	(void)strv_add_all(&config->cap_add, &args->cap_add);
	(void)strv_add_all(&config->cap_drop, &args->cap_drop);
	(void)strv_add_all(&config->devices, &args->devices);
	(void)strv_add_all(&config->ulimits, &args->ulimits);
	(void)strv_add_all(&config->group_add, &args->group_add);
	(void)strv_add_all(&config->sysctls, &args->sysctls);
	(void)strv_add_all(&config->add_hosts, &args->add_hosts);
}

int container_request(const struct container_args *args, char **words, int words_len,
		      struct engine_request *ret, struct err *err)
{
	int r;

	*ret = (struct engine_request){
		.image = words[0],
		.name = args->name,
		.level = args->isolation,
		.entrypoint = args->entrypoint,
		.volumes = &args->volumes,
		.mounts = &args->mounts,
		.tmpfs = &args->tmpfs,
		.security_opts = &args->security_opts,
		.storage_opts = &args->storage_opts,
		.log_opts = &args->log_opts,
	};
	fill_config(args, &ret->config);
	for (int i = 1; i < words_len; i++)
		(void)strv_add(&ret->config.cmd, words[i]);
	r = read_pull(args->pull, &ret->pull, err);
	if (r >= 0)
		r = container_env(&args->env, &args->env_file, &ret->config.env, err);
	if (r >= 0)
		r = add_labels(args, &ret->config.labels, err);
	if (r >= 0 && args->shm_bytes < 0)
		r = err_setk(err, ERR_USAGE, EINVAL, "--shm-size must not be negative");
	if (r >= 0 && args->cidfile && access(args->cidfile, F_OK) == 0) {
		r = err_setk(err, ERR_USAGE, EEXIST, "container ID file found: '%s'",
			     args->cidfile);
		err_hint(err, "make sure the other container is not running, or delete the file");
	}

	return MIN(r, 0);
}

int container_write_cidfile(const char *path, const char *id, struct err *err)
{
	auto_close int fd = -1;
	int r;

	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(err, "create '%s'", path);
	r = fd_write_all(fd, id, strlen(id));

	return r < 0 ? err_set(err, -r, "write '%s'", path) : 0;
}
