/* SPDX-License-Identifier: Apache-2.0
 *
 * copy.c - files between a container and the host, as docker cp places them
 *
 * A copy is an archive made on one side and unpacked on the other, both by runtime/tool.h: in
 * the container by its monitor, on the host by a child of ours, which sees nothing but the
 * directory it may look at or write to. Where things go:
 *
 *	destination		source is a file	a directory		"directory/."
 *	a directory		into it			into it			its content
 *	a file			replaces it		refused			refused
 *	absent			becomes it		becomes it		becomes it
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "engine/tool.h"
#include "engine/toolbox.h"
#include "runtime/tool.h"
#include "wire/json.h"

/* Bits of Go's os.FileMode, in which the stat job answers. */
#define GO_MODE_DIR (1U << 31)
#define GO_MODE_SYMLINK (1U << 27)

/* What is known of one end of a copy. */
struct end {
	bool exists, is_dir;
	char *path; /* where it leads, for a destination */
};

static void end_done(struct end *end)
{
	free(end->path);
}
DEFINE_AUTO_DONE(end)

/* ---- names ---- */

/* "a/b/" and "a/b" end in "b"; "a/.", "." and "/" stand for the content of a directory. */
static bool is_content(const char *path)
{
	size_t len = strlen(path);

	return strcmp(path, ".") == 0 || (len >= 2 && strcmp(path + len - 2, "/.") == 0) ||
	       path[strspn(path, "/")] == '\0';
}

static bool ends_in_slash(const char *path)
{
	size_t len = strlen(path);

	return len > 0 && path[len - 1] == '/';
}

/* Split into the directory ("" becomes "." or "/") and the last component; both heap. */
static void split_path(const char *path, char **ret_dir, char **ret_name)
{
	size_t len = strlen(path), base;

	while (len > 1 && path[len - 1] == '/')
		len--;
	for (base = len; base > 0 && path[base - 1] != '/'; base--)
		;
	*ret_name = mem_strndup(path + base, len - base);
	while (base > 1 && path[base - 1] == '/')
		base--;
	*ret_dir = base ? mem_strndup(path, base) : mem_strdup(".");
}

/* Where an archive is unpacked, and what its top member is called. */
struct place {
	char *dir;
	char *name; /* NULL: its own name */
};

static void place_done(struct place *place)
{
	free(place->dir);
	free(place->name);
}
DEFINE_AUTO_DONE(place)

static int choose_place(const struct end *source, const char *dest, const struct end *end,
			struct place *ret, struct err *err)
{
	if (end->exists && end->is_dir) {
		ret->dir = mem_strdup(end->path);
		return 0;
	}
	if (end->exists && source->is_dir)
		return err_setk(err, ERR_USAGE, EEXIST,
				"cannot copy a directory over the file '%s'", dest);
	if (end->exists && ends_in_slash(dest))
		return err_setk(err, ERR_USAGE, ENOTDIR, "'%s' is not a directory", dest);
	if (!end->exists && !source->is_dir && ends_in_slash(dest))
		return err_setk(err, ERR_NOT_FOUND, ENOENT,
				"the destination directory '%s' must exist", dest);
	split_path(end->path, &ret->dir, &ret->name);
	if (strcmp(ret->name, ".") == 0 || strcmp(ret->name, "..") == 0 || !ret->name[0])
		return err_setk(err, ERR_NOT_FOUND, ENOENT, "'%s' is not there", dest);

	return 0;
}

/* ---- the container's end ---- */

/* Paths of users are relative to the root. */
static char *container_path(const char *path)
{
	return path[0] == '/' ? mem_strdup(path) : mem_printf("/%s", path);
}

static int stat_container(struct toolbox *box, char *path, bool follow, uint32_t *ret_mode,
			  char **ret_target, struct err *err)
{
	struct spec_tool tool = {
		.kind = SPEC_TOOL_STAT,
		.flags = follow ? SPEC_TOOL_FOLLOW : 0,
		.path = path,
	};
	auto_json *answer = NULL;
	uint64_t mode = 0;
	int r = toolbox_read_json(box, &tool, &answer, err);

	if (r == 0)
		r = json_get_u64(answer, "mode", &mode, err);
	if (r == 0 && ret_target)
		r = json_get_strdup(answer, "linkTarget", ret_target, err);
	*ret_mode = (uint32_t)mode;

	return r;
}

static int look_at_source(struct toolbox *box, const struct engine_copy *copy, char *path,
			  struct end *ret, struct err *err)
{
	/* What ends in a slash or dot is meant to be a directory, behind a symlink too. */
	bool follow = copy->follow || ends_in_slash(path) || is_content(path);
	uint32_t mode = 0;
	int r = stat_container(box, path, follow, &mode, NULL, err);

	if (r < 0)
		return r;
	ret->exists = true;
	ret->is_dir = mode & GO_MODE_DIR;
	if (!ret->is_dir && (ends_in_slash(path) || is_content(path)))
		return err_setk(err, ERR_USAGE, ENOTDIR, "'%s' is not a directory", path);

	return 0;
}

/* A symlink there is followed to where it leads, inside the root. */
static int look_at_dest(struct toolbox *box, char *path, struct end *ret, struct err *err)
{
	uint32_t mode = 0;
	int r = stat_container(box, path, false, &mode, &ret->path, err);

	if (r == 0 && (mode & GO_MODE_SYMLINK)) {
		r = stat_container(box, ret->path, true, &mode, NULL, err);
	} else {
		free(ret->path);
		ret->path = mem_strdup(path);
	}
	if (r < 0 && r != -ENOENT)
		return r;
	ret->exists = r == 0;
	ret->is_dir = r == 0 && (mode & GO_MODE_DIR);

	return 0;
}

/* ---- the host's end ---- */

static int look_at_host(const char *path, bool follow, struct end *ret, struct err *err)
{
	struct stat st;
	int r = fstatat(AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW);

	if (r < 0 && errno != ENOENT)
		return err_sys(err, "look at '%s'", path);
	ret->exists = r == 0;
	ret->is_dir = r == 0 && S_ISDIR(st.st_mode);
	ret->path = mem_strdup(path);

	return 0;
}

/* A job on a directory of the host, in a child; its failure comes back through a pipe. */
struct host_job {
	pid_t pid;
	int err_fd;
};

static NORETURN void host_child(const struct spec_tool *tool, int root_fd, int stream_fd,
				int err_fd)
{
	bool out = tool->kind == SPEC_TOOL_TAR_OUT;
	const struct runtime_tool_fds fds = {
		.root = root_fd,
		.upper = -1,
		.lower = -1,
		.in = out ? -1 : stream_fd,
		.out = out ? stream_fd : -1,
	};
	struct err err = ERR_INIT;
	int r = runtime_tool_run(tool, &fds, &err);

	if (r < 0)
		(void)fd_write_all(err_fd, &err, sizeof(err));
	_exit(r < 0 ? 1 : 0);
}

/* @stream_fd is the child's; @other_fd, the far end of it, is closed there. */
static int host_job_start(const struct spec_tool *tool, const char *root, int stream_fd,
			  int other_fd, struct host_job *ret, struct err *err)
{
	auto_close int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int pipe_fds[2];
	pid_t pid;

	if (root_fd < 0)
		return err_sys(err, "open directory '%s'", root);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	pid = fork();
	if (pid == 0) {
		fd_close(pipe_fds[0]);
		fd_close(other_fd);
		host_child(tool, root_fd, stream_fd, pipe_fds[1]);
	}
	fd_close(pipe_fds[1]);
	if (pid < 0) {
		fd_close(pipe_fds[0]);
		return err_sys(err, "fork");
	}
	*ret = (struct host_job){ .pid = pid, .err_fd = pipe_fds[0] };

	return 0;
}

static int host_job_finish(struct host_job *job, struct err *err)
{
	struct err why = ERR_INIT;
	ssize_t n = fd_read_all(job->err_fd, &why, sizeof(why));
	int status = 0;

	fd_close(job->err_fd);
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == (ssize_t)sizeof(why)) {
		err_sanitize(&why);
		if (err)
			*err = why;
		return -why.code;
	}

	return status == 0 ? 0 : err_set(err, EIO, "copying on the host ended unexpectedly");
}

/*
 * Of two failures the receiver's is the cause: a sender then only sees that its pipe broke,
 * while a sender that fails leaves a truncated archive.
 */
static int combine(int sent, const struct err *send_err, int received, const struct err *recv_err,
		   struct err *err)
{
	bool sender = sent < 0 && (received == 0 || sent != -EPIPE);

	if (sent == 0 && received == 0)
		return 0;
	if (err)
		*err = sender ? *send_err : *recv_err;

	return sender ? sent : received;
}

/* ---- from the container ---- */

/* The one name that the archive of @from begins with; NULL where it is a directory's content. */
static char *top_member(const struct spec_tool *from)
{
	char *dir, *name;

	if (from->name)
		return mem_strdup(from->name);
	if (is_content(from->path))
		return NULL;
	split_path(from->path, &dir, &name);
	free(dir);
	/* "..": the job calls it "." then. */
	if (strcmp(name, "..") == 0)
		free(take_ptr(name));

	return name;
}

static int unpack_on_host(struct toolbox *box, const struct spec_tool *from,
			  const struct engine_copy *copy, const char *dir, struct err *err)
{
	char root[] = "/";
	auto_free char *own_name = top_member(from);
	/* Who sends may not be our code any more: a machine whose kernel was taken over. */
	struct spec_tool to = {
		.kind = SPEC_TOOL_TAR_IN,
		.flags = SPEC_TOOL_NO_OVERWRITE_DIR | SPEC_TOOL_UNTRUSTED |
			 (copy->archive ? SPEC_TOOL_KEEP_OWNER : 0),
		.path = root,
		.name = own_name,
	};
	struct err send_err = ERR_INIT, recv_err = ERR_INIT;
	struct host_job job;
	int fds[2], sent, received, r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	r = host_job_start(&to, dir, fds[0], fds[1], &job, err);
	fd_close(fds[0]);
	if (r < 0) {
		fd_close(fds[1]);
		return r;
	}
	sent = monitor_tool(box->client, from, -1, fds[1], &send_err);
	fd_close(fds[1]);
	received = host_job_finish(&job, &recv_err);

	return combine(sent, &send_err, received, &recv_err, err);
}

static int copy_out(struct toolbox *box, const struct engine_copy *copy, char *path,
		    struct err *err)
{
	auto_done(end) source = { 0 }, dest = { 0 };
	auto_done(place) place = { 0 };
	struct spec_tool from = {
		.kind = SPEC_TOOL_TAR_OUT,
		.flags = copy->follow || ends_in_slash(path) ? SPEC_TOOL_FOLLOW : 0,
		.path = path,
	};
	int r = look_at_source(box, copy, path, &source, err);

	if (r == 0)
		r = look_at_host(copy->host_path, true, &dest, err);
	if (r == 0)
		r = choose_place(&source, copy->host_path, &dest, &place, err);
	from.name = place.name;

	return r < 0 ? r : unpack_on_host(box, &from, copy, place.dir, err);
}

int engine_copy_out(struct engine *e, const struct engine_copy *copy, struct err *err)
{
	auto_done(toolbox) box = { .dir_fd = -1 };
	auto_free char *path = container_path(copy->path);
	struct spec_tool tool = {
		.kind = SPEC_TOOL_TAR_OUT,
		.flags = copy->follow ? SPEC_TOOL_FOLLOW : 0,
		.path = path,
	};
	int r = toolbox_open(e, copy->container, &box, err);

	if (r == 0 && copy->host_path)
		r = copy_out(&box, copy, path, err);
	else if (r == 0)
		r = monitor_tool(box.client, &tool, -1, copy->stream_fd, err);

	return err_wrap(err, r, "cannot copy from '%s:%s'", copy->container, copy->path);
}

/* ---- into the container ---- */

/* What the child shall archive, and the directory that is its root. */
static int source_on_host(const struct engine_copy *copy, char **ret_root, struct spec_tool *ret,
			  struct err *err)
{
	const char *path = copy->host_path;
	auto_free char *real = NULL, *name = NULL;
	char *own = NULL;

	if (is_content(path)) {
		*ret_root = mem_strdup(path);
		ret->path = mem_strdup("/");
		return 0;
	}
	split_path(path, ret_root, &own);
	if (copy->follow || ends_in_slash(path) || strcmp(own, "..") == 0) {
		/* Its target may lie anywhere; the name stays. */
		real = realpath(path, NULL);
		if (!real) {
			free(own);
			return err_sys(err, "resolve '%s'", path);
		}
		free(*ret_root);
		split_path(real, ret_root, &name);
		ret->path = mem_printf("/%s", name);
		if (!ret->name && strcmp(own, "..") != 0)
			ret->name = take_ptr(own);
	} else {
		ret->path = mem_printf("/%s", own);
	}
	free(own);

	return 0;
}

static int send_from_host(struct toolbox *box, const struct spec_tool *from, const char *root,
			  const struct spec_tool *to, struct err *err)
{
	struct err send_err = ERR_INIT, recv_err = ERR_INIT;
	struct host_job job;
	int fds[2], sent, received, r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	r = host_job_start(from, root, fds[1], fds[0], &job, err);
	fd_close(fds[1]);
	if (r < 0) {
		fd_close(fds[0]);
		return r;
	}
	received = monitor_tool(box->client, to, fds[0], -1, &recv_err);
	fd_close(fds[0]);
	sent = host_job_finish(&job, &send_err);

	return combine(sent, &send_err, received, &recv_err, err);
}

static int copy_in(struct toolbox *box, const struct engine_copy *copy, char *path, struct err *err)
{
	auto_done(end) source = { 0 }, dest = { 0 };
	auto_done(place) place = { 0 };
	auto_done(spec_tool) from = { .kind = SPEC_TOOL_TAR_OUT };
	struct spec_tool to = {
		.kind = SPEC_TOOL_TAR_IN,
		.flags = SPEC_TOOL_NO_OVERWRITE_DIR | (copy->archive ? SPEC_TOOL_KEEP_OWNER : 0),
	};
	auto_free char *root = NULL;
	int r = look_at_host(copy->host_path,
			     copy->follow || ends_in_slash(copy->host_path) ||
				     is_content(copy->host_path),
			     &source, err);

	if (r == 0 && !source.exists)
		r = err_setk(err, ERR_NOT_FOUND, ENOENT, "'%s' is not there", copy->host_path);
	if (r == 0 && !source.is_dir && is_content(copy->host_path))
		r = err_setk(err, ERR_USAGE, ENOTDIR, "'%s' is not a directory", copy->host_path);
	if (r == 0)
		r = look_at_dest(box, path, &dest, err);
	if (r == 0)
		r = choose_place(&source, path, &dest, &place, err);
	if (r < 0)
		return r;
	from.name = take_ptr(place.name);
	to.path = place.dir;
	r = source_on_host(copy, &root, &from, err);

	return r < 0 ? r : send_from_host(box, &from, root, &to, err);
}

int engine_copy_in(struct engine *e, const struct engine_copy *copy, struct err *err)
{
	auto_done(toolbox) box = { .dir_fd = -1 };
	auto_free char *path = container_path(copy->path);
	struct spec_tool tool = {
		.kind = SPEC_TOOL_TAR_IN,
		.flags = SPEC_TOOL_NO_OVERWRITE_DIR | (copy->archive ? SPEC_TOOL_KEEP_OWNER : 0),
		.path = path,
	};
	int r = toolbox_open(e, copy->container, &box, err);

	if (r == 0 && copy->host_path)
		r = copy_in(&box, copy, path, err);
	else if (r == 0)
		r = monitor_tool(box.client, &tool, copy->stream_fd, -1, err);

	return err_wrap(err, r, "cannot copy to '%s:%s'", copy->container, copy->path);
}
