/* SPDX-License-Identifier: Apache-2.0
 *
 * tool_path.c - paths that users name to the built-in jobs
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "runtime/tool_jobs.h"

int tool_open(int root_fd, const char *path, int flags, struct err *err)
{
	int fd = fd_open_in(root_fd, path, flags, 0, err);

	if (fd == -ENOENT || fd == -ENOTDIR) {
		err_setk(err, ERR_NOT_FOUND, -fd, "could not find the file '%s'", path);
		return -ENOENT;
	}

	return fd;
}

struct slice tool_base_name(const char *path)
{
	static const struct slice dot = { .at = ".", .len = 1 };
	struct slice base = slice_of(path);
	const char *slash;

	while (base.len > 0 && base.at[base.len - 1] == '/')
		base.len--;
	slash = base.len > 0 ? memrchr(base.at, '/', base.len) : NULL;
	if (slash) {
		base.len -= (size_t)(slash + 1 - base.at);
		base.at = slash + 1;
	}

	return base.len == 0 || slice_eq(base, "..") ? dot : base;
}
