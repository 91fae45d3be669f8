/* SPDX-License-Identifier: Apache-2.0
 *
 * launch.c - starts a monitor, with all that its sandbox is made of
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"

/* ---- the monitor's material ---- */

static int open_layers(struct engine *e, const struct monitor_level *level,
		       const struct launch *launch, int *fds, struct err *err)
{
	const struct store_image *image = &launch->image;

	/* What someone waits for is seldom there for long. */
	if (level->layers == MONITOR_LAYER_MOUNTS)
		return store_layer_mounts(e->store, image->layers, image->layers_len,
					  launch->claim_reap ? STORE_MOUNT_ALONE : 0, fds, err);
	for (size_t i = 0; i < image->layers_len; i++) {
		fds[i] = store_layer_open(e->store, image->layers[i].diff_id, err);
		if (fds[i] < 0)
			return fds[i];
	}

	return 0;
}

static void close_all(int *fds, size_t len)
{
	for (size_t i = 0; i < len; i++)
		fd_close(fds[i]);
	free(fds);
}

static int make_log_dir(const struct engine *e, const char *id, struct err *err)
{
	int root_fd = store_root_fd(e->store);
	auto_free char *path = mem_printf("logs/%s", id);

	if (mkdirat(root_fd, path, 0700) == 0 || errno == EEXIST)
		return 0;
	if (errno == ENOENT && (mkdirat(root_fd, "logs", 0700) == 0 || errno == EEXIST) &&
	    mkdirat(root_fd, path, 0700) == 0)
		return 0;

	return err_sys(err, "make '%s/%s'", e->root, path);
}

/* hull --root R --run-root RR internal reap ID */
static int add_reap_args(const struct engine *e, const char *id, struct strv *args, struct err *err)
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len < 0)
		return err_sys(err, "read /proc/self/exe");
	exe[len] = '\0';
	(void)strv_add(args, exe);
	(void)strv_add(args, "--root");
	(void)strv_add(args, e->root);
	(void)strv_add(args, "--run-root");
	(void)strv_add(args, e->run_root);
	(void)strv_add(args, "internal");
	(void)strv_add(args, "reap");
	(void)strv_add(args, id);

	return 0;
}

static int start_monitor(struct engine *e, const struct engine_container *c,
			 const struct spec_sandbox *spec, struct monitor_start *start,
			 struct monitor_client **ret, struct err *err)
{
	auto_free char *run_dir = rundir_path(e, c->row.id);
	auto_free char *log_path = rundir_log_path(e, c->row.id);
	auto_free char *cache_dir = mem_printf("%s/cache", e->root);
	auto_done(strv) reap_args = { 0 };
	int r = 0;

	if (!spec->service) {
		r = make_log_dir(e, c->row.id, err);
		if (r == 0)
			r = add_reap_args(e, c->row.id, &reap_args, err);
	}
	if (r < 0)
		return r;
	start->level = c->row.level;
	start->run_dir = run_dir;
	start->spec = spec;
	start->log = (struct monitor_log){
		.path = spec->service ? NULL : log_path,
		.max_bytes = c->config.log_max_bytes,
		.max_files = (uint32_t)c->config.log_max_files,
	};
	start->open_stdin = c->config.open_stdin;
	start->stdin_once = c->config.stdin_once;
	start->cache_dir = cache_dir;
	start->reap_args = strv_argv(&reap_args);

	return monitor_start(start, -1, ret, err);
}

void launch_done(struct launch *launch)
{
	store_image_done(&launch->image);
	spec_sandbox_done(&launch->spec);
	monitor_child_done(&launch->monitor);
}

int launch_load(struct engine *e, const struct engine_container *c, struct launch *ret,
		struct err *err)
{
	int r = store_image_find(e->store, c->row.image_id, &ret->image, err);

	return r < 0 ? r : engine_build(c, &ret->spec, err);
}

int launch_start(struct engine *e, const struct engine_container *c, struct launch *launch,
		 struct monitor_client **ret, struct err *err)
{
	struct monitor_start start = {
		.layers_len = launch->image.layers_len,
		.claim_reap = launch->claim_reap,
		.child = &launch->monitor,
	};
	auto_close int rw_fd = -1;
	int *layer_fds;
	int r = engine_build_late(e, c, &launch->spec, err);

	if (r < 0)
		return r;
	rw_fd = store_rw_open(e->store, c->row.id, err);
	if (rw_fd < 0)
		return rw_fd;
	layer_fds = mem_calloc(start.layers_len, sizeof(*layer_fds));
	for (size_t i = 0; i < start.layers_len; i++)
		layer_fds[i] = -1;
	r = open_layers(e, c->level, launch, layer_fds, err);
	start.layer_fds = layer_fds;
	start.rw_fd = rw_fd;
	if (r == 0)
		r = start_monitor(e, c, &launch->spec, &start, ret, err);
	close_all(layer_fds, start.layers_len);

	return r;
}
