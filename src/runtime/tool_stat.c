/* SPDX-License-Identifier: Apache-2.0
 *
 * tool_stat.c - status of one file, as Docker's X-Docker-Container-Path-Stat tells it
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "runtime/tool_jobs.h"
#include "wire/json.h"

#define MAX_SYMLINKS 40 /* as the kernel's own limit */

/* Bits of Go's os.FileMode, which is what Docker's clients expect. */
enum go_mode {
	GO_STICKY = 1 << 20,
	GO_CHAR = 1 << 21,
	GO_SETGID = 1 << 22,
	GO_SETUID = 1 << 23,
	GO_SOCKET = 1 << 24,
	GO_FIFO = 1 << 25,
	GO_DEVICE = 1 << 26,
	GO_SYMLINK = 1 << 27,
};
#define GO_DIR (1U << 31) /* beyond an enumerator of C */

static uint32_t go_mode(mode_t mode)
{
	uint32_t go = mode & 0777;

	if (S_ISDIR(mode))
		go |= GO_DIR;
	else if (S_ISLNK(mode))
		go |= GO_SYMLINK;
	else if (S_ISFIFO(mode))
		go |= GO_FIFO;
	else if (S_ISSOCK(mode))
		go |= GO_SOCKET;
	else if (S_ISBLK(mode))
		go |= GO_DEVICE;
	else if (S_ISCHR(mode))
		go |= GO_DEVICE | GO_CHAR;
	if (mode & S_ISUID)
		go |= GO_SETUID;
	if (mode & S_ISGID)
		go |= GO_SETGID;
	if (mode & S_ISVTX)
		go |= GO_STICKY;

	return go;
}

/* Drop the last component. */
static void go_up(struct strbuf *path)
{
	const char *slash = path->len > 0 ? memrchr(path->text, '/', path->len) : NULL;

	path->len = slash ? (size_t)(slash - path->text) : 0;
	if (path->text)
		path->text[path->len] = '\0';
}

/* The target of the symlink at @path; false when it is not one, or is not there. */
static bool read_symlink(int root_fd, const char *path, char ret_target[PATH_MAX])
{
	auto_close int fd = fd_open_in(root_fd, path, O_PATH | O_NOFOLLOW, 0, NULL);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", ret_target, PATH_MAX - 1);

	if (n < 0)
		return false;
	ret_target[n] = '\0';

	return true;
}

/*
 * Where @path leads once every symlink in it is followed, as an absolute path without symlinks.
 * What does not exist is kept as it is. The result is for people and clients to show; nobody
 * opens it without resolving it again inside the root.
 */
static char *resolve(int root_fd, const char *path)
{
	auto_done(strbuf) done = STRBUF_INIT(PATH_MAX - 1);
	auto_done(strbuf) rest = STRBUF_INIT(2 * PATH_MAX);
	int links = 0;

	strbuf_adds(&rest, path);
	while (rest.len > 0 && !rest.failed && !done.failed) {
		struct slice part = { .at = rest.text, .len = strcspn(rest.text, "/") };
		char target[PATH_MAX];
		size_t skip = part.len + (rest.text[part.len] == '/');

		if (slice_eq(part, "..")) {
			go_up(&done);
		} else if (part.len > 0 && !slice_eq(part, ".")) {
			strbuf_addc(&done, '/');
			strbuf_add(&done, part.at, part.len);
			if (links < MAX_SYMLINKS &&
			    read_symlink(root_fd, strbuf_get(&done), target)) {
				auto_free char *tail = strdup(rest.text + skip);

				links++;
				if (target[0] == '/')
					strbuf_reset(&done);
				else
					go_up(&done);
				strbuf_reset(&rest);
				strbuf_addf(&rest, "%s/%s", target, tail ? tail : "");
				continue;
			}
		}
		strbuf_consume(&rest, skip);
	}
	if (done.len == 0)
		strbuf_addc(&done, '/');

	return rest.failed ? NULL : strbuf_take(&done);
}

static json_t *describe(int root_fd, const char *path, const struct stat *st)
{
	auto_json *object = json_object();
	struct slice base = tool_base_name(path);
	auto_free char *name = strndup(base.at, base.len);
	auto_free char *target = S_ISLNK(st->st_mode) ? resolve(root_fd, path) : strdup("");
	char mtime[CLOCK_RFC3339_BYTES];
	int64_t mtime_ns;

	if (mul_overflows((int64_t)st->st_mtim.tv_sec, NS_PER_SEC, &mtime_ns) ||
	    add_overflows(mtime_ns, (int64_t)st->st_mtim.tv_nsec, &mtime_ns))
		mtime_ns = 0;
	clock_rfc3339(mtime_ns, mtime);
	if (!object || !name || json_set_text(object, "name", name) < 0 ||
	    json_set_i64(object, "size", st->st_size) < 0 ||
	    json_set_i64(object, "mode", go_mode(st->st_mode)) < 0 ||
	    json_set_text(object, "mtime", mtime) < 0 ||
	    json_set_text(object, "linkTarget", target ? target : "") < 0)
		return NULL;

	return take_ptr(object);
}

int tool_stat(const struct spec_tool *tool, int root_fd, int out_fd, struct err *err)
{
	int nofollow = tool->flags & SPEC_TOOL_FOLLOW ? 0 : O_NOFOLLOW;
	auto_close int fd = tool_open(root_fd, tool->path, O_PATH | nofollow, err);
	auto_json *object = NULL;
	auto_free char *text = NULL;
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at '%s'", tool->path);
	object = describe(root_fd, tool->path, &st);
	text = object ? json_text(object) : NULL;
	if (!text)
		return err_set(err, ENOMEM, "out of memory");
	r = fd_write_all(out_fd, text, strlen(text));
	if (r == 0)
		r = fd_write_all(out_fd, "\n", 1);

	return r < 0 ? err_wrap(err, r, "write the status of '%s'", tool->path) : 0;
}
