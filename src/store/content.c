/* SPDX-License-Identifier: Apache-2.0
 *
 * content.c - manifests and configurations, exact bytes, named by their digest
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "store/internal.h"

int content_write(struct store *s, const char *digest, const char *bytes, size_t len,
		  struct err *err)
{
	auto_close int fd = -1;
	char path[PATH_MAX];
	int r;

	content_path(digest, path);
	if (faccessat(s->root_fd, path, F_OK, 0) == 0)
		return 0;
	fd = store_tmpfile(s, "content", err);
	if (fd < 0)
		return fd;
	r = fd_write_all(fd, bytes, len);
	if (r < 0)
		return err_wrap(err, r, "write document %s", digest);
	if (fdatasync(fd) < 0)
		return err_sys(err, "write document %s", digest);
	failpoint("content-link");
	r = store_link(s, fd, path, err);
	failpoint("content-linked");

	return r;
}

int content_read(struct store *s, const char *digest, char **ret_bytes, size_t *ret_len,
		 struct err *err)
{
	char path[PATH_MAX];

	content_path(digest, path);

	return fd_read_file(s->root_fd, path, CONTENT_MAX_BYTES, ret_bytes, ret_len, err);
}
