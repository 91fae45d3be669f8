/* SPDX-License-Identifier: Apache-2.0
 *
 * tool.c - jobs in a container's root, whether it runs or not
 */
#include "engine/tool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "engine/toolbox.h"
#include "wire/json.h"

static int open_service(struct engine *e, const char *ref, struct toolbox *ret, struct err *err)
{
	auto_done(launch) launch = { 0 };
	int r = engine_find_locked(e, ref, &ret->c, &ret->dir_fd, err);

	if (r < 0)
		return r;
	r = launch_load(e, &ret->c, &launch, err);
	if (r == 0) {
		auto_free char *path = rundir_path(e, ret->c.row.id);

		launch.spec.service = true;
		/* The limits are the workload's, and it does not run. */
		spec_resources_done(&launch.spec.resources);
		launch.spec.resources.memory_bytes = (int64_t)ret->c.level->default_memory_bytes;
		r = monitor_kill_lost(path, ret->c.row.id, err);
	}
	if (r == 0)
		r = rundir_clear(ret->dir_fd, err);

	return r < 0 ? r : launch_start(e, &ret->c, &launch, &ret->client, err);
}

int toolbox_open(struct engine *e, const char *ref, struct toolbox *ret, struct err *err)
{
	int r;

	*ret = (struct toolbox){ .dir_fd = -1 };
	r = engine_find(e, ref, &ret->c, err);
	if (r < 0)
		return r;
	if (ret->c.state.status == ENGINE_RUNNING || ret->c.state.status == ENGINE_PAUSED)
		return engine_connect(e, &ret->c, &ret->client, err);
	engine_container_done(&ret->c);

	return open_service(e, ref, ret, err);
}

void toolbox_done(struct toolbox *box)
{
	if (box->dir_fd >= 0 && box->client) {
		(void)monitor_discard(box->client, NULL);
		(void)rundir_clear(box->dir_fd, NULL);
	}
	monitor_client_free(box->client);
	fd_close(box->dir_fd);
	engine_container_done(&box->c);
	*box = (struct toolbox){ .dir_fd = -1 };
}

static int run_one(struct engine *e, const char *ref, const struct spec_tool *tool, int out_fd,
		   struct err *err)
{
	auto_done(toolbox) box = { .dir_fd = -1 };
	int r = toolbox_open(e, ref, &box, err);

	return r < 0 ? r : monitor_tool(box.client, tool, -1, out_fd, err);
}

/* ---- diff ---- */

/* Mount points that a start makes where the image lacks them: no change of the workload's. */
static bool is_made_by_start(const char *path)
{
	static const char *const made[] = { "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
					    "/dev",	  "/proc",	   "/sys" };

	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		if (strcmp(path, made[i]) == 0)
			return true;

	return false;
}

/* Is @dir, of @len bytes, a directory above @path? */
static bool is_above(const char *dir, size_t len, const char *path)
{
	return strncmp(dir, path, len) == 0 && path[len] == '/';
}

/*
 * Copy the lines of @in to @out without what a start has made. A directory is told as changed
 * before what has changed in it: "C /etc" is held back until something follows that counts.
 */
static int print_changes(FILE *in, FILE *out)
{
	auto_free char *line = NULL, *held = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, in)) > 0) {
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		if (len < 3 || (line[0] == 'A' && is_made_by_start(line + 2)))
			continue;
		if (held && is_above(held, strlen(held), line + 2))
			fprintf(out, "C %s\n", held);
		free(take_ptr(held));
		if (strcmp(line, "C /etc") == 0)
			held = mem_strdup(line + 2);
		else
			fprintf(out, "%s\n", line);
	}

	return ferror(in) || fflush(out) != 0 ? -EIO : 0;
}

int engine_diff(struct engine *e, const char *ref, FILE *out, struct err *err)
{
	struct spec_tool tool = { .kind = SPEC_TOOL_DIFF };
	int fd = memfd_create("diff", MFD_CLOEXEC);
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
	int r;

	if (!in) {
		fd_close(fd);
		return err_set(err, ENOMEM, "make a file in memory");
	}
	r = run_one(e, ref, &tool, fd, err);
	rewind(in);
	if (r == 0 && print_changes(in, out) < 0)
		r = err_set(err, EIO, "write the list");
	fclose(in);

	return err_wrap(err, r, "cannot tell the changes of container '%s'", ref);
}

/* ---- export ---- */

int engine_export(struct engine *e, const char *ref, int out_fd, struct err *err)
{
	char root[] = "/";
	struct spec_tool tool = {
		.kind = SPEC_TOOL_TAR_OUT,
		.flags = SPEC_TOOL_ROOT_NAMES,
		.path = root,
	};

	return err_wrap(err, run_one(e, ref, &tool, out_fd, err), "cannot export container '%s'",
			ref);
}

int toolbox_read_json(struct toolbox *box, const struct spec_tool *tool, json_t **ret,
		      struct err *err)
{
	auto_close int fd = memfd_create("tool", MFD_CLOEXEC);
	auto_free char *text = NULL;
	off_t len;
	int r;

	if (fd < 0)
		return err_sys(err, "make a file in memory");
	r = monitor_tool(box->client, tool, -1, fd, err);
	if (r < 0)
		return r;
	len = lseek(fd, 0, SEEK_END);
	if (len < 0 || (uint64_t)len > JSON_MAX_BYTES || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, EFBIG, "too long an answer");
	text = mem_calloc((size_t)len + 1, 1);
	if (fd_read_all(fd, text, (size_t)len) != len)
		return err_set(err, EIO, "read an answer");

	return json_parse(text, (size_t)len, "answer from the sandbox", ret, err);
}

int engine_top(struct engine *e, const char *ref, json_t **ret, struct err *err)
{
	auto_done(toolbox) box = { .dir_fd = -1 };
	struct spec_tool tool = { .kind = SPEC_TOOL_PS };
	int r = engine_find(e, ref, &box.c, err);

	if (r == 0)
		r = engine_connect(e, &box.c, &box.client, err);
	if (r == 0)
		r = toolbox_read_json(&box, &tool, ret, err);

	return err_wrap(err, r, "cannot list the processes of container '%s'", ref);
}
