/* SPDX-License-Identifier: Apache-2.0
 *
 * inspect.c - a container as the document that docker inspect shows
 *
 * Names and shapes are those of the Docker Engine API (ContainerInspect), so that templates
 * written for it work; "Isolation" is ours: what separates this workload from the host.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "engine/internal.h"
#include "engine/lookup.h"
#include "wire/json.h"

#define NEVER "0001-01-01T00:00:00Z" /* Go's zero time */

static void set_time(json_t *object, const char *key, int64_t wall_ns)
{
	char text[CLOCK_RFC3339_BYTES];

	json_set_text(object, key, wall_ns ? clock_rfc3339(wall_ns, text) : NEVER);
}

/* As Docker writes lists that nobody gave. */
static void set_list_or_null(json_t *object, const char *key, const struct strv *list)
{
	if (list->len > 0)
		json_set_strv(object, key, list);
	else
		json_object_set_new(object, key, json_null());
}

/* "key=value" entries as an object. */
static void set_map(json_t *object, const char *key, const struct strv *entries)
{
	json_t *map = json_object();

	for (size_t i = 0; i < entries->len; i++) {
		const char *equals = strchr(entries->items[i], '=');
		auto_free char *name =
			mem_strndup(entries->items[i], strcspn(entries->items[i], "="));

		json_set_text(map, name, equals ? equals + 1 : "");
	}
	json_object_set_new(object, key, map);
}

static json_t *state_json(const struct engine_state *state)
{
	json_t *object = json_object();

	json_set_text(object, "Status", engine_status_name(state->status));
	json_set_bool(object, "Running",
		      state->status == ENGINE_RUNNING || state->status == ENGINE_PAUSED);
	json_set_bool(object, "Paused", state->status == ENGINE_PAUSED);
	json_set_bool(object, "Restarting", false);
	json_set_bool(object, "OOMKilled", state->oom);
	json_set_bool(object, "Dead", false);
	json_set_i64(object, "Pid", state->pid);
	json_set_i64(object, "ExitCode", state->exit_status);
	json_set_text(object, "Error", state->error);
	set_time(object, "StartedAt", state->started_wall_ns);
	set_time(object, "FinishedAt", state->finished_wall_ns);

	return object;
}

static json_t *config_json(const struct engine_container *c)
{
	const struct engine_config *config = &c->config;
	json_t *object = json_object();
	auto_free char *hostname = config->hostname ? mem_strdup(config->hostname)
						    : mem_strndup(c->row.id, ENGINE_SHORT_ID);

	json_set_text(object, "Hostname", hostname);
	json_set_text(object, "Domainname", "");
	json_set_text(object, "User", config->user ? config->user : "");
	json_set_bool(object, "AttachStdin", config->stdin_once);
	json_set_bool(object, "AttachStdout", true);
	json_set_bool(object, "AttachStderr", true);
	json_set_bool(object, "Tty", config->tty);
	json_set_bool(object, "OpenStdin", config->open_stdin);
	json_set_bool(object, "StdinOnce", config->stdin_once);
	json_set_strv(object, "Env", &config->env);
	set_list_or_null(object, "Cmd", &config->cmd);
	json_set_text(object, "Image", c->row.image_ref);
	json_set_text(object, "WorkingDir", config->working_dir);
	set_list_or_null(object, "Entrypoint", &config->entrypoint);
	set_map(object, "Labels", &config->labels);
	json_set_text(object, "StopSignal", config->stop_signal ? config->stop_signal : "SIGTERM");
	json_set_i64(object, "StopTimeout",
		     config->stop_timeout_s >= 0 ? config->stop_timeout_s : ENGINE_STOP_TIMEOUT_S);

	return object;
}

/* "source:target[:ro]" of bind mounts and volumes. */
static json_t *binds_json(const struct engine_config *config)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->mounts_len; i++) {
		const struct engine_mount *m = &config->mounts[i];
		auto_done(strbuf) text = STRBUF_INIT(65536);

		if (m->type == ENGINE_MOUNT_TMPFS || m->anonymous)
			continue;
		strbuf_addf(&text, "%s:%s%s", m->source, m->target,
			    m->flags & SPEC_MOUNT_READONLY ? ":ro" : "");
		json_array_append_new(list, json_string(strbuf_get(&text)));
	}

	return list;
}

static json_t *ulimits_json(const struct engine_config *config)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->ulimits.len; i++) {
		const char *text = config->ulimits.items[i];
		auto_free char *name = mem_strndup(text, strcspn(text, "="));
		struct spec_rlimit limit = { 0 };
		json_t *object = json_object();

		(void)lookup_ulimit(text, &limit, NULL);
		json_set_text(object, "Name", name);
		json_set_i64(object, "Soft", (int64_t)limit.soft);
		json_set_i64(object, "Hard", (int64_t)limit.hard);
		json_array_append_new(list, object);
	}

	return list;
}

static json_t *devices_json(const struct engine_config *config)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->devices.len; i++) {
		struct spec_device device = { 0 };
		json_t *object = json_object();

		if (lookup_device(config->devices.items[i], &device, NULL) == 0) {
			json_set_text(object, "PathOnHost", device.source);
			json_set_text(object, "PathInContainer", device.target);
			json_set_text(object, "CgroupPermissions", device.perms);
		}
		json_array_append_new(list, object);
		free(device.source);
		free(device.target);
		free(device.perms);
	}

	return list;
}

static json_t *security_opts_json(const struct engine_config *config)
{
	json_t *list = json_array();

	if (!config->new_privileges && !config->privileged)
		json_array_append_new(list, json_string("no-new-privileges"));
	if (config->seccomp && strcmp(config->seccomp, "unconfined") == 0)
		json_array_append_new(list, json_string("seccomp=unconfined"));
	else if (config->seccomp && strcmp(config->seccomp, "default") != 0)
		json_array_append_new(list, json_string("seccomp=profile"));
	if (config->unmasked)
		json_array_append_new(list, json_string("systempaths=unconfined"));

	return list;
}

static void set_modes(json_t *object, const struct engine_modes *modes)
{
	json_set_text(object, "NetworkMode", modes->network);
	json_set_text(object, "UsernsMode", modes->userns);
	json_set_text(object, "PidMode", modes->pid ? modes->pid : "");
	json_set_text(object, "IpcMode", modes->ipc ? modes->ipc : "private");
	json_set_text(object, "UTSMode", modes->uts ? modes->uts : "");
	json_set_text(object, "CgroupnsMode", modes->cgroupns ? modes->cgroupns : "private");
}

static void set_limits(json_t *object, const struct engine_container *c)
{
	const struct engine_config *config = &c->config;
	auto_done(spec_resources) limits = engine_limits(c);

	json_set_i64(object, "Memory", limits.memory_bytes);
	json_set_i64(object, "MemorySwap", limits.memory_swap_bytes);
	json_set_i64(object, "NanoCpus", limits.cpus_milli * 1000000);
	json_set_i64(object, "CpuShares", limits.cpu_shares);
	json_set_text(object, "CpusetCpus", limits.cpuset_cpus ? limits.cpuset_cpus : "");
	json_set_i64(object, "PidsLimit", limits.pids_limit);
	json_set_i64(object, "ShmSize",
		     (int64_t)(config->shm_bytes ? config->shm_bytes : ENGINE_SHM_BYTES));
	json_set_i64(object, "OomScoreAdj", config->oom_score_adj);
	json_object_set_new(object, "Ulimits", ulimits_json(config));
}

static json_t *log_json(const struct engine_config *config)
{
	json_t *log = json_object(), *options = json_object();
	auto_free char *size = mem_printf("%llu", (unsigned long long)config->log_max_bytes);
	auto_free char *files = mem_printf("%llu", (unsigned long long)config->log_max_files);

	json_set_text(log, "Type", "json-file");
	json_set_text(options, "max-size", size);
	json_set_text(options, "max-file", files);
	json_object_set_new(log, "Config", options);

	return log;
}

static json_t *host_config_json(const struct engine_container *c)
{
	const struct engine_config *config = &c->config;
	json_t *object = json_object(), *restart = json_object();

	json_object_set_new(object, "Binds", binds_json(config));
	json_object_set_new(object, "LogConfig", log_json(config));
	set_modes(object, &config->modes);
	json_object_set_new(object, "PortBindings", json_object());
	json_set_text(restart, "Name", "no");
	json_set_i64(restart, "MaximumRetryCount", 0);
	json_object_set_new(object, "RestartPolicy", restart);
	json_set_bool(object, "AutoRemove", config->auto_remove);
	set_list_or_null(object, "CapAdd", &config->cap_add);
	set_list_or_null(object, "CapDrop", &config->cap_drop);
	set_list_or_null(object, "GroupAdd", &config->group_add);
	set_list_or_null(object, "ExtraHosts", &config->add_hosts);
	json_set_bool(object, "Privileged", config->privileged);
	json_set_bool(object, "ReadonlyRootfs", config->readonly_root);
	json_set_bool(object, "Init", config->init);
	json_object_set_new(object, "SecurityOpt", security_opts_json(config));
	set_map(object, "Sysctls", &config->sysctls);
	set_limits(object, c);
	json_object_set_new(object, "Devices", devices_json(config));

	return object;
}

static int mount_json(struct engine *e, const struct engine_mount *m, json_t *list, struct err *err)
{
	static const char *const types[] = { "bind", "volume", "tmpfs" };
	auto_done(store_volume) volume = { 0 };
	json_t *object = json_object();
	int r;

	json_array_append_new(list, object);
	json_set_text(object, "Type", types[m->type]);
	if (m->type == ENGINE_MOUNT_VOLUME) {
		r = store_volume_find(e->store, m->source, &volume, err);
		if (r < 0 && r != -ENOENT)
			return r;
		json_set_text(object, "Name", m->source);
		json_set_text(object, "Driver", "local");
	}
	json_set_text(object, "Source",
		      volume.path		     ? volume.path
		      : m->type == ENGINE_MOUNT_BIND ? m->source
						     : "");
	json_set_text(object, "Destination", m->target);
	json_set_text(object, "Mode", m->flags & SPEC_MOUNT_READONLY ? "ro" : "");
	json_set_bool(object, "RW", !(m->flags & SPEC_MOUNT_READONLY));
	json_set_text(object, "Propagation",
		      m->propagation		     ? m->propagation
		      : m->type == ENGINE_MOUNT_BIND ? "rprivate"
						     : "");

	return 0;
}

static json_t *network_json(const struct engine_config *config)
{
	json_t *object = json_object(), *networks = json_object(), *network = json_object();

	json_set_text(network, "IPAddress", "");
	json_set_text(network, "Gateway", "");
	json_set_text(network, "MacAddress", "");
	json_object_set_new(networks, config->modes.network, network);
	json_set_text(object, "IPAddress", "");
	json_set_text(object, "Gateway", "");
	json_object_set_new(object, "Ports", json_object());
	json_object_set_new(object, "Networks", networks);

	return object;
}

/* What separates it from the host. */
static json_t *isolation_json(const struct engine_container *c)
{
	json_t *object = json_object(), *userns;

	json_set_text(object, "Level", c->row.level);
	json_set_text(object, "Machine", c->state.machine);
	if (c->config.kernel)
		json_set_text(object, "Kernel", c->config.kernel);
	if (c->config.disk_bytes)
		json_set_i64(object, "DiskBytes", (int64_t)c->config.disk_bytes);
	if (c->row.uid_count) {
		userns = json_object();
		json_set_i64(userns, "FirstId", c->row.uid_base);
		json_set_i64(userns, "Count", c->row.uid_count);
		json_object_set_new(object, "UserNamespace", userns);
	}

	return object;
}

static void set_command(json_t *object, const struct engine_config *config)
{
	auto_done(strv) argv = { 0 };
	json_t *args = json_array();

	(void)strv_add_all(&argv, &config->entrypoint);
	(void)strv_add_all(&argv, &config->cmd);
	json_set_text(object, "Path", argv.len ? argv.items[0] : "");
	for (size_t i = 1; i < argv.len; i++)
		json_array_append_new(args, json_string_nocheck(argv.items[i]));
	json_object_set_new(object, "Args", args);
}

static int set_size(struct engine *e, const char *id, json_t *object, struct err *err)
{
	uint64_t bytes = 0;
	int r = engine_rw_bytes(e, id, &bytes, err);

	json_set_i64(object, "SizeRw", (int64_t)bytes);

	return r;
}

int engine_inspect(struct engine *e, const char *ref, bool size, json_t **ret, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_json *object = json_object();
	auto_free char *name = NULL, *log_path = NULL;
	json_t *mounts = json_array();
	int r = engine_find(e, ref, &c, err);

	json_object_set_new(object, "Mounts", mounts);
	if (r < 0)
		return r;
	name = mem_printf("/%s", c.row.name);
	log_path = rundir_log_path(e, c.row.id);
	json_set_text(object, "Id", c.row.id);
	set_time(object, "Created", c.row.created_wall_ns);
	set_command(object, &c.config);
	json_object_set_new(object, "State", state_json(&c.state));
	json_set_text(object, "Image", c.row.image_id);
	json_set_text(object, "LogPath", log_path);
	json_set_text(object, "Name", name);
	json_set_i64(object, "RestartCount", c.row.restarts);
	json_set_text(object, "Platform", "linux");
	json_object_set_new(object, "Isolation", isolation_json(&c));
	json_object_set_new(object, "HostConfig", host_config_json(&c));
	for (size_t i = 0; i < c.config.mounts_len && r == 0; i++)
		r = mount_json(e, &c.config.mounts[i], mounts, err);
	json_object_set_new(object, "Config", config_json(&c));
	json_object_set_new(object, "NetworkSettings", network_json(&c.config));
	if (r == 0 && size)
		r = set_size(e, c.row.id, object, err);
	if (r == 0)
		*ret = take_ptr(object);

	return r;
}
