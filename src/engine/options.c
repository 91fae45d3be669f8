/* SPDX-License-Identifier: Apache-2.0
 *
 * options.c - reads and checks those options whose value is a small language
 */
#include "engine/options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "engine/internal.h"
#include "engine/lookup.h"
#include "wire/json.h"

#define STOP_TIMEOUT_MAX_S 2147483647

#define SECURITY_OPTS "no-new-privileges[=BOOL], seccomp=FILE|unconfined or systempaths=unconfined"

/* Split "key=value" or "key:value"; @value.at is NULL without one. */
static struct slice split_key(const char *text, struct slice *ret_value)
{
	size_t len = strcspn(text, "=:");

	*ret_value = slice_of(text[len] ? text + len + 1 : NULL);

	return (struct slice){ .at = text, .len = len };
}

static int bad_option(const char *option, const char *text, const char *expected, struct err *err)
{
	return err_setk(err, ERR_USAGE, EINVAL, "invalid --%s '%s': expected %s", option, text,
			expected);
}

static int read_seccomp(struct slice value, struct engine_config *config, struct err *err)
{
	auto_json *json = NULL;
	auto_free char *text = NULL;
	size_t len = 0;
	int r;

	free(take_ptr(config->seccomp));
	if (slice_eq(value, "unconfined") || slice_eq(value, "default") ||
	    slice_eq(value, "builtin")) {
		config->seccomp =
			mem_strdup(slice_eq(value, "unconfined") ? "unconfined" : "default");
		return 0;
	}
	r = fd_read_file(AT_FDCWD, value.at, JSON_MAX_BYTES, &text, &len, err);
	if (r == 0)
		r = json_parse(text, len, "seccomp profile", &json, err);
	if (r < 0)
		return err_wrap(err, r, "--security-opt seccomp=%s", value.at);
	config->seccomp = take_ptr(text);

	return 0;
}

static int security_option(const char *text, struct engine_config *config, struct err *err)
{
	struct slice value, key = split_key(text, &value);
	bool on = true;

	if (slice_eq(key, "no-new-privileges")) {
		if (value.at && parse_bool(value.at, &on) < 0)
			return bad_option("security-opt", text, SECURITY_OPTS, err);
		config->new_privileges = !on;
		return 0;
	}
	if (slice_eq(key, "seccomp") && value.at)
		return read_seccomp(value, config, err);
	if (slice_eq(key, "systempaths") && slice_eq(value, "unconfined")) {
		config->unmasked = true;
		return 0;
	}
	/* No labels are set, so that doing without them is already so. */
	if ((slice_eq(key, "label") && slice_eq(value, "disable")) ||
	    (slice_eq(key, "apparmor") && slice_eq(value, "unconfined")))
		return 0;
	if (slice_eq(key, "label") || slice_eq(key, "apparmor"))
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"--security-opt %s: security module labels are not set yet", text);

	return bad_option("security-opt", text, SECURITY_OPTS, err);
}

int options_security(const struct strv *texts, struct engine_config *config, struct err *err)
{
	int r = 0;

	for (size_t i = 0; texts && i < texts->len && r == 0; i++)
		r = security_option(texts->items[i], config, err);

	return r;
}

int options_storage(const struct strv *texts, struct engine_config *config, struct err *err)
{
	for (size_t i = 0; texts && i < texts->len; i++) {
		struct slice value, key = split_key(texts->items[i], &value);

		if (!slice_eq(key, "size") || !value.at ||
		    parse_size(value.at, &config->disk_bytes) < 0)
			return bad_option("storage-opt", texts->items[i], "size=BYTES", err);
	}

	return 0;
}

int options_log(const struct strv *texts, struct engine_config *config, struct err *err)
{
	config->log_max_bytes = ENGINE_LOG_MAX_BYTES;
	config->log_max_files = ENGINE_LOG_MAX_FILES;
	for (size_t i = 0; texts && i < texts->len; i++) {
		struct slice value, key = split_key(texts->items[i], &value);
		int r = -EINVAL;

		if (slice_eq(key, "max-size") && value.at)
			r = strcmp(value.at, "-1") == 0
				    ? (int)(config->log_max_bytes = 0)
				    : parse_size(value.at, &config->log_max_bytes);
		else if (slice_eq(key, "max-file") && value.at)
			r = parse_u64(value.at, 1, 1000, &config->log_max_files);
		if (r < 0)
			return bad_option("log-opt", texts->items[i],
					  "max-size=BYTES or max-file=NUMBER", err);
	}

	return 0;
}

static bool is_container(const char *mode)
{
	return mode && strncmp(mode, "container:", 10) == 0 && mode[10];
}

/* @mode becomes NULL for an own namespace, else stays "host" or "container:X". */
static int check_mode(const char *option, char **mode, bool may_join, struct err *err)
{
	if (!*mode)
		return 0;
	if (**mode == '\0' || strcmp(*mode, "private") == 0 || strcmp(*mode, "shareable") == 0) {
		free(take_ptr(*mode));
		return 0;
	}
	if (strcmp(*mode, "host") == 0 || (may_join && is_container(*mode)))
		return 0;

	return err_setk(err, ERR_USAGE, EINVAL, "invalid --%s '%s': expected host%s", option, *mode,
			may_join ? " or container:NAME" : " or private");
}

static int check_network(struct engine_modes *modes, const struct monitor_level *level,
			 struct err *err)
{
	if (!modes->network)
		modes->network = mem_strdup("none");
	if (strcmp(modes->network, "none") == 0)
		return 0;
	if (strcmp(modes->network, "host") != 0) {
		err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
			 "--network %s: there are no networks besides none and host yet",
			 modes->network);
		err_hint(err, "use --network none, or --network host for a container");
		return -ENOTSUP;
	}
	if (!level->host_net) {
		err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "--network host at --isolation %s: %s",
			 level->name, level->host_net_why);
		err_hint(err, "use --network none, or --isolation container");
		return -ENOTSUP;
	}

	return 0;
}

static int check_shared(const struct engine_modes *modes, const struct monitor_level *level,
			struct err *err)
{
	const char *option = modes->pid	       ? "pid"
			     : modes->ipc      ? "ipc"
			     : modes->uts      ? "uts"
			     : modes->cgroupns ? "cgroupns"
					       : NULL;

	if (!option || level->host_namespaces)
		return 0;
	err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
		 "--%s at --isolation %s: it shares no namespace with the host or a container",
		 option, level->name);
	err_hint(err, "leave --%s out, or use --isolation container", option);

	return -ENOTSUP;
}

static int check_userns(struct engine_config *config, struct err *err)
{
	struct engine_modes *modes = &config->modes;
	bool shares = modes->pid || modes->ipc || modes->uts || modes->cgroupns ||
		      strcmp(modes->network, "host") == 0;

	if (!modes->userns || !*modes->userns) {
		free(modes->userns);
		modes->userns = mem_strdup(config->privileged || shares ? "host" : "private");
		return 0;
	}
	if (strcmp(modes->userns, "auto") == 0) {
		free(modes->userns);
		modes->userns = mem_strdup("private");
	}
	if (strcmp(modes->userns, "host") == 0 || strcmp(modes->userns, "private") == 0)
		return 0;

	return err_setk(err, ERR_USAGE, EINVAL, "invalid --userns '%s': expected host or private",
			modes->userns);
}

/* What only some levels take is refused by the others, never ignored. */
static int check_level(const struct engine_config *config, const struct monitor_level *level,
		       struct err *err)
{
	const char *option = NULL, *why = NULL;

	if (config->kernel && !level->machine) {
		option = "--kernel";
		why = "it runs on the host's kernel";
	}
	if (config->disk_bytes && !level->machine) {
		option = "--storage-opt size";
		why = "its writable layer is a directory, not a disk";
	}
	if (config->devices.len > 0 && !level->devices) {
		option = "--device";
		why = "it has no access to the host's devices";
	}
	if (!option)
		return 0;
	err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "%s at --isolation %s: %s", option, level->name,
		 why);
	err_hint(err, "leave %s out, or use --isolation %s", option,
		 level->machine ? "container" : "vm");

	return -ENOTSUP;
}

int options_modes(struct engine_config *config, const struct monitor_level *level, struct err *err)
{
	struct engine_modes *modes = &config->modes;
	int r = check_network(modes, level, err);

	if (r == 0)
		r = check_mode("pid", &modes->pid, true, err);
	if (r == 0)
		r = check_mode("ipc", &modes->ipc, true, err);
	if (r == 0)
		r = check_mode("uts", &modes->uts, false, err);
	if (r == 0)
		r = check_mode("cgroupns", &modes->cgroupns, false, err);
	if (r == 0)
		r = check_shared(modes, level, err);
	if (r == 0)
		r = check_userns(config, err);

	return r < 0 ? r : check_level(config, level, err);
}

static int check_memory(const struct engine_config *config, const struct monitor_level *level,
			struct err *err)
{
	int64_t min_bytes = (int64_t)level->min_memory_bytes;

	if (config->resources.memory_bytes != 0 && config->resources.memory_bytes < min_bytes)
		return err_setk(err, ERR_USAGE, EINVAL,
				"--memory must be at least %lldm at --isolation %s",
				(long long)(min_bytes / (int64_t)MIB), level->name);
	if (config->resources.memory_swap_bytes == 0)
		return 0;
	if (config->resources.memory_bytes == 0)
		return err_setk(err, ERR_USAGE, EINVAL,
				"--memory-swap limits memory and swap together: set --memory too");
	if (config->resources.memory_swap_bytes != SPEC_UNLIMITED &&
	    config->resources.memory_swap_bytes < config->resources.memory_bytes)
		return err_setk(err, ERR_USAGE, EINVAL,
				"--memory-swap must not be smaller than --memory");

	return 0;
}

static bool is_cpu_list(const char *text)
{
	return !text ||
	       (isdigit((unsigned char)text[0]) && text[strspn(text, "0123456789,-")] == '\0');
}

int options_limits(const struct engine_config *config, const struct monitor_level *level,
		   struct err *err)
{
	int r = check_memory(config, level, err);

	if (r < 0)
		return r;
	if (config->resources.cpus_milli < 0)
		return err_setk(err, ERR_USAGE, EINVAL, "--cpus must not be negative");
	if (level->max_cpus && config->resources.cpus_milli > (int64_t)level->max_cpus * 1000)
		return err_setk(err, ERR_USAGE, EINVAL, "--cpus is at most %u at --isolation %s",
				level->max_cpus, level->name);
	if (config->resources.cpu_shares != 0 &&
	    (config->resources.cpu_shares < 2 || config->resources.cpu_shares > 262144))
		return err_setk(err, ERR_USAGE, EINVAL,
				"--cpu-shares must be between 2 and 262144");
	if (!is_cpu_list(config->resources.cpuset_cpus))
		return err_setk(err, ERR_USAGE, EINVAL,
				"invalid --cpuset-cpus '%s': expected such as 0-3 or 0,1",
				config->resources.cpuset_cpus);
	if (config->resources.pids_limit < SPEC_UNLIMITED)
		return err_setk(err, ERR_USAGE, EINVAL, "--pids-limit must be -1 or more");
	if (config->oom_score_adj < -1000 || config->oom_score_adj > 1000)
		return err_setk(err, ERR_USAGE, EINVAL,
				"--oom-score-adj must be between -1000 and 1000");
	if (config->stop_timeout_s < -1 || config->stop_timeout_s > STOP_TIMEOUT_MAX_S)
		return err_setk(err, ERR_USAGE, EINVAL, "--stop-timeout is out of range");
	if (config->stop_signal) {
		r = lookup_signal(config->stop_signal, err);
		if (r < 0)
			return err_wrap(err, r, "--stop-signal");
	}

	return 0;
}
