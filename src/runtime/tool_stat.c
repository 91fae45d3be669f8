/* SPDX-License-Identifier: Apache-2.0
 *
 * tool_stat.c - status of one file, as Docker's X-Docker-Container-Path-Stat tells it
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "runtime/root.h"
#include "runtime/tool_jobs.h"
#include "wire/json.h"

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

static json_t *describe(int root_fd, const char *path, const struct stat *st)
{
	auto_json *object = json_object();
	struct slice base = tool_base_name(path);
	auto_free char *name = strndup(base.at, base.len);
	auto_free char *target = S_ISLNK(st->st_mode) ? root_resolve(root_fd, path) : strdup("");
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
