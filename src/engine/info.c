/* SPDX-License-Identifier: Apache-2.0
 *
 * info.c - what this host and this store are like
 */
#include "engine/info.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <linux/magic.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "engine/internal.h"
#include "wire/json.h"

#define OS_RELEASE_MAX_BYTES 65536

static int set_containers(struct engine *e, json_t *info, struct err *err)
{
	auto_done(engine_containers) list = { 0 };
	int64_t counts[ENGINE_EXITED + 1] = { 0 };
	int r = engine_list(e, &list, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.len; i++)
		counts[list.items[i].state.status]++;
	json_set_i64(info, "Containers", (int64_t)list.len);
	json_set_i64(info, "ContainersRunning", counts[ENGINE_RUNNING]);
	json_set_i64(info, "ContainersPaused", counts[ENGINE_PAUSED]);
	json_set_i64(info, "ContainersStopped", counts[ENGINE_EXITED] + counts[ENGINE_CREATED]);

	return 0;
}

static int set_images(struct engine *e, json_t *info, struct err *err)
{
	auto_done(store_images) list = { 0 };
	int r = store_image_list(e->store, &list, err);

	if (r == 0)
		json_set_i64(info, "Images", (int64_t)list.len);

	return r;
}

static void set_level(json_t *levels, const struct monitor_level *level)
{
	json_t *object = json_object();
	struct err why = ERR_INIT;
	char text[sizeof(why.frames)];
	bool usable = monitor_probe(level->name, &why) == 0;

	json_set_text(object, "Name", level->name);
	json_set_bool(object, "Usable", usable);
	if (usable && *err_text(&why, text, sizeof(text)))
		json_set_text(object, "Remark", text);
	if (!usable) {
		json_set_text(object, "Reason", err_text(&why, text, sizeof(text)));
		json_set_text(object, "Hint", why.hint);
	}
	json_array_append_new(levels, object);
}

/* PRETTY_NAME of os-release(5). */
static void set_system(json_t *info)
{
	auto_free char *text = NULL;
	struct slice rest, line, key;

	if (fd_read_file(AT_FDCWD, "/etc/os-release", OS_RELEASE_MAX_BYTES, &text, NULL, NULL) < 0)
		return;
	rest = slice_of(text);
	while (slice_next(&rest, '\n', &line)) {
		auto_free char *value = NULL;

		(void)slice_next(&line, '=', &key);
		if (!slice_eq(key, "PRETTY_NAME") || line.len < 2)
			continue;
		value = line.at[0] == '"' ? mem_strndup(line.at + 1, line.len - 2)
					  : mem_strndup(line.at, line.len);
		json_set_text(info, "OperatingSystem", value);
	}
}

static const char *cgroup_version(void)
{
	struct statfs top, unified;

	if (statfs("/sys/fs/cgroup", &top) == 0 && top.f_type == CGROUP2_SUPER_MAGIC)
		return "2";
	if (statfs("/sys/fs/cgroup/unified", &unified) == 0 &&
	    unified.f_type == CGROUP2_SUPER_MAGIC)
		return "1 and 2 (hybrid)";

	return "1";
}

static void set_host(json_t *info)
{
	struct utsname host;
	struct sysinfo memory;

	if (uname(&host) == 0) {
		json_set_text(info, "Name", host.nodename);
		json_set_text(info, "KernelVersion", host.release);
		json_set_text(info, "Architecture", host.machine);
	}
	set_system(info);
	json_set_text(info, "OSType", "linux");
	json_set_text(info, "CgroupVersion", cgroup_version());
	json_set_i64(info, "NCPU", sysconf(_SC_NPROCESSORS_ONLN));
	if (sysinfo(&memory) == 0)
		json_set_i64(info, "MemTotal", (int64_t)memory.totalram * memory.mem_unit);
}

int engine_info(struct engine *e, json_t **ret, struct err *err)
{
	auto_json *info = json_object();
	json_t *levels = json_array();
	const struct monitor_level *all;
	size_t len;
	int r;

	json_set_text(info, "ServerVersion", HULL_VERSION);
	json_object_set_new(info, "Levels", levels);
	r = set_containers(e, info, err);
	if (r == 0)
		r = set_images(e, info, err);
	if (r < 0)
		return r;
	all = monitor_levels(&len);
	for (size_t i = 0; i < len; i++)
		set_level(levels, &all[i]);
	set_host(info);
	json_set_text(info, "Root", e->root);
	json_set_text(info, "RunRoot", e->run_root);
	*ret = take_ptr(info);

	return 0;
}
