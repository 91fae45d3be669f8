/* SPDX-License-Identifier: Apache-2.0
 *
 * create.c - from a user's request and an image to the record of a container
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/rand.h"
#include "base/strbuf.h"
#include "engine/internal.h"
#include "engine/mount.h"
#include "engine/name.h"
#include "engine/options.h"

#define RANDOM_NAME_ATTEMPTS 8
#define VOLUME_NAME_CHARS 64

static int choose_level(const char *asked, const struct monitor_level **ret, struct err *err)
{
	const char *name = asked ? asked : secure_getenv("HULL_ISOLATION");
	const struct monitor_level *levels;
	auto_done(strbuf) names = STRBUF_INIT(200);
	size_t len;

	*ret = monitor_level_find(name && *name ? name : "container");
	if (*ret)
		return 0;
	levels = monitor_levels(&len);
	for (size_t i = 0; i < len; i++)
		strbuf_addf(&names, "%s%s", i ? " or " : "", levels[i].name);
	err_setk(err, ERR_USAGE, EINVAL, "unknown isolation level '%s'", name);
	err_hint(err, "use --isolation %s", strbuf_get(&names));

	return -EINVAL;
}

static int find_image(struct engine *e, const struct engine_request *request,
		      struct store_image *ret, struct err *err)
{
	int r;

	if (request->pull == ENGINE_PULL_ALWAYS) {
		err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
			 "--pull always: images cannot be pulled from registries yet");
		err_hint(err,
			 "hull image import takes archives, hull image bootstrap makes images");
		return -ENOTSUP;
	}
	r = store_image_find(e->store, request->image, ret, err);
	if (r == -ENOENT && err && !err->hint[0])
		err_hint(err, "hull images lists what is there; hull image import or hull image "
			      "bootstrap adds one");

	return r;
}

/* ---- the image's defaults ---- */

/* entrypoint, cmd: what the user gives of them replaces; a new entrypoint drops the image's cmd. */
static void merge_command(struct engine_config *config, const char *entrypoint,
			  const struct spec_image *image)
{
	if (entrypoint && *entrypoint)
		(void)strv_add(&config->entrypoint, entrypoint);
	if (!entrypoint)
		(void)strv_add_all(&config->entrypoint, &image->entrypoint);
	if (!entrypoint && config->cmd.len == 0)
		(void)strv_add_all(&config->cmd, &image->cmd);
}

static void merge_env(struct engine_config *config, const struct spec_image *image)
{
	struct strv env = { 0 };

	if (!strv_env_find(&image->env, "PATH") && !strv_env_find(&config->env, "PATH"))
		(void)strv_add(&env, "PATH=" SPEC_PATH_DEFAULT);
	for (size_t i = 0; i < image->env.len; i++)
		(void)strv_env_set(&env, image->env.items[i]);
	for (size_t i = 0; i < config->env.len; i++)
		(void)strv_env_set(&env, config->env.items[i]);
	strv_done(&config->env);
	config->env = env;
}

static void merge_labels(struct engine_config *config, const struct spec_image *image)
{
	struct strv labels = { 0 };

	for (size_t i = 0; i < image->labels.len; i++)
		(void)strv_env_set(&labels, image->labels.items[i]);
	for (size_t i = 0; i < config->labels.len; i++)
		(void)strv_env_set(&labels, config->labels.items[i]);
	strv_done(&config->labels);
	config->labels = labels;
}

static bool has_target(const struct engine_config *config, const char *target)
{
	for (size_t i = 0; i < config->mounts_len; i++)
		if (strcmp(config->mounts[i].target, target) == 0)
			return true;

	return false;
}

/* VOLUME of an image: an anonymous volume, unless the user mounts something there. */
static void merge_volumes(struct engine_config *config, const struct spec_image *image)
{
	for (size_t i = 0; i < image->volumes.len; i++) {
		struct engine_mount mount = { .type = ENGINE_MOUNT_VOLUME, .anonymous = true };

		if (image->volumes.items[i][0] != '/' ||
		    has_target(config, image->volumes.items[i]))
			continue;
		mount.target = mem_strdup(image->volumes.items[i]);
		engine_config_give_mount(config, &mount);
	}
}

void engine_merge_image(struct engine_config *config, const char *entrypoint,
			const struct spec_image *image)
{
	merge_command(config, entrypoint, image);
	merge_env(config, image);
	merge_labels(config, image);
	merge_volumes(config, image);
	if (!config->working_dir)
		config->working_dir = mem_strdup(
			image->working_dir && *image->working_dir ? image->working_dir : "/");
	if (!config->user)
		config->user = mem_strdup(image->user);
	if (!config->stop_signal)
		config->stop_signal = mem_strdup(image->stop_signal);
}

/* ---- what the user asks for ---- */

static int add_mounts(struct engine_config *config, const struct strv *texts,
		      int (*parse)(const char *, struct engine_mount *, struct err *),
		      struct err *err)
{
	for (size_t i = 0; texts && i < texts->len; i++) {
		auto_done(engine_mount) mount = { 0 };
		int r = parse(texts->items[i], &mount, err);

		if (r < 0)
			return r;
		if (has_target(config, mount.target))
			return err_setk(err, ERR_USAGE, EINVAL, "duplicate mount point: %s",
					mount.target);
		engine_config_give_mount(config, &mount);
	}

	return 0;
}

static int read_request(struct engine_request *request, const struct monitor_level *level,
			struct err *err)
{
	struct engine_config *config = &request->config;
	int r = add_mounts(config, request->volumes, engine_mount_parse_volume, err);

	if (r == 0)
		r = add_mounts(config, request->mounts, engine_mount_parse_mount, err);
	if (r == 0)
		r = add_mounts(config, request->tmpfs, engine_mount_parse_tmpfs, err);
	if (r == 0)
		r = options_security(request->security_opts, config, err);
	if (r == 0)
		r = options_storage(request->storage_opts, config, err);
	if (r == 0)
		r = options_log(request->log_opts, config, err);
	if (r == 0)
		r = options_modes(config, level, err);
	if (r == 0)
		r = options_limits(config, level, err);

	return r;
}

/* Everything that can be said against a request is said here, before anything is recorded. */
int engine_prepare(struct engine *e, struct engine_request *request, struct engine_container *ret,
		   struct launch *ret_launch, struct err *err)
{
	auto_done(spec_image) image = { 0 };
	struct engine_config *config = &request->config;
	struct store_image *found = &ret_launch->image;
	const struct monitor_level *level = NULL;
	int r = choose_level(request->level, &level, err);

	if (r == 0 && request->name)
		r = name_check(request->name, err);
	if (r == 0)
		r = read_request(request, level, err);
	if (r == 0)
		r = find_image(e, request, found, err);
	if (r == 0)
		r = spec_image_decode(found->config, found->config_len, &image, err);
	if (r < 0)
		return r;

	engine_merge_image(config, request->entrypoint, &image);
	if (config->entrypoint.len + config->cmd.len == 0) {
		err_setk(err, ERR_USAGE, EINVAL, "no command specified");
		err_hint(err, "the image names none either: write one after the image");
		return -EINVAL;
	}
	*ret = (struct engine_container){
		.row = {
			.id = mem_calloc(SPEC_ID_HEX + 1, 1),
			.image_id = mem_strdup(found->id),
			.image_ref = mem_strdup(request->image),
			.level = mem_strdup(level->name),
			.created_wall_ns = clock_wall_ns(),
		},
		.config = *config,
		.level = level,
	};
	*config = (struct engine_config){ 0 };
	rand_hex(ret->row.id, SPEC_ID_HEX);
	if (level->userns && strcmp(ret->config.modes.userns, "host") != 0)
		ret->row.uid_count = ENGINE_UID_COUNT;

	return engine_build(ret, &ret_launch->spec, err);
}

/* ---- the record ---- */

static int make_bind_source(const struct engine_mount *mount, struct err *err)
{
	struct stat st;
	int fd;

	if (stat(mount->source, &st) == 0)
		return 0;
	if (errno != ENOENT || !mount->make_source)
		return errno == ENOENT
			       ? err_setk(err, ERR_USAGE, EINVAL,
					  "bind source path does not exist: %s", mount->source)
			       : err_sys(err, "bind source '%s'", mount->source);
	fd = path_mkdirs(mount->source, 0755, err);
	fd_close(fd);

	return fd < 0 ? fd : 0;
}

/* Make the sources of bind mounts, name anonymous volumes. */
static int prepare_sources(struct engine_container *c, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < c->config.mounts_len && r == 0; i++) {
		struct engine_mount *mount = &c->config.mounts[i];

		if (mount->type == ENGINE_MOUNT_BIND) {
			r = make_bind_source(mount, err);
		} else if (mount->type == ENGINE_MOUNT_VOLUME && !mount->source) {
			mount->source = mem_calloc(VOLUME_NAME_CHARS + 1, 1);
			rand_hex(mount->source, VOLUME_NAME_CHARS);
		}
	}

	return r;
}

/* The volumes that it uses; the caller frees the list, the names are borrowed. */
static struct store_use *list_uses(const struct engine_config *config, size_t *ret_len)
{
	struct store_use *uses = mem_calloc(config->mounts_len, sizeof(*uses));

	*ret_len = 0;
	for (size_t i = 0; i < config->mounts_len; i++)
		if (config->mounts[i].type == ENGINE_MOUNT_VOLUME)
			uses[(*ret_len)++] = (struct store_use){
				.name = config->mounts[i].source,
				.anonymous = config->mounts[i].anonymous,
			};

	return uses;
}

/* Under the name asked for, or random ones until one is free. */
static int add_row(struct engine *e, const char *name, struct engine_container *c, struct err *err)
{
	char random[NAME_RANDOM_BYTES];
	size_t uses_len;
	auto_free struct store_use *uses = list_uses(&c->config, &uses_len);
	int r = -EEXIST;

	for (unsigned attempt = 0; r == -EEXIST && attempt < RANDOM_NAME_ATTEMPTS; attempt++) {
		free(c->row.name);
		c->row.name = mem_strdup(name ? name : name_random(attempt, random));
		r = store_container_add(e->store, &c->row, uses, uses_len, err);
		if (name)
			break;
	}

	return r;
}

int engine_record(struct engine *e, const struct engine_request *request,
		  struct engine_container *c, struct err *err)
{
	int r = prepare_sources(c, err);

	if (r == 0)
		r = engine_config_encode(&c->config, &c->row.config, err);
	if (r == 0)
		r = add_row(e, request->name, c, err);
	if (r == 0)
		failpoint("container-recorded");

	return r;
}

int engine_create(struct engine *e, struct engine_request *request, struct engine_container *ret,
		  struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_done(launch) launch = { 0 };
	int r = engine_prepare(e, request, &c, &launch, err);

	if (r == 0)
		r = engine_record(e, request, &c, err);
	if (r < 0)
		return err_wrap(err, r, "cannot create a container of '%s'", request->image);
	*ret = c;
	c = (struct engine_container){ 0 };

	return 0;
}
