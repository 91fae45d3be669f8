/* SPDX-License-Identifier: Apache-2.0
 *
 * places.c - outside: what the root needs only to be mounted on, as a layer below the image
 *
 * Made in the writable layer it would be copied up, written to the disk, listed as a change and
 * removed again. In a tmpfs below the image it shows only where the image has nothing. A path
 * that leads elsewhere in the image, over a symlink say, is made there when it is mounted on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "linux/mounts.h"
#include "runtime/build.h"

static const char *const STANDARD[] = { "/proc", "/sys", "/dev" };

static int make_dir(int parent_fd, const char *name, struct err *err)
{
	int fd;

	if (mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "make '%s' to mount on", name);
	fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "open '%s' to mount on", name) : fd;
}

static int make_file(int parent_fd, const char *name, struct err *err)
{
	return mknodat(parent_fd, name, S_IFREG | 0644, 0) == 0 || errno == EEXIST
		       ? 0
		       : err_sys(err, "make '%s' to mount on", name);
}

/* Make @path and what is above it. One that is not plain is left for when it is mounted on. */
static int make_place(int root_fd, const char *path, bool dir, struct err *err)
{
	auto_close int at_fd = -1;
	int parent_fd = root_fd;

	while (*(path += strspn(path, "/"))) {
		struct slice part = { .at = path, .len = strcspn(path, "/") };
		char name[NAME_MAX + 1];
		bool last = part.at[part.len + strspn(path + part.len, "/")] == '\0';
		int fd;

		if (part.len > NAME_MAX || slice_eq(part, "..") || slice_eq(part, "."))
			return 0;
		memcpy(name, part.at, part.len);
		name[part.len] = '\0';
		if (last && !dir)
			return make_file(parent_fd, name, err);
		fd = make_dir(parent_fd, name, err);
		if (fd < 0)
			return fd;
		fd_close(at_fd);
		parent_fd = at_fd = fd;
		path += part.len;
	}

	return 0;
}

int build_places(struct build *b, struct err *err)
{
	static const struct mount_opt opts[] = { { "mode", "0755" }, { "size", "1m" } };
	const struct spec_sandbox *spec = b->setup->spec;
	int fd = mount_new("tmpfs", opts, ARRAY_SIZE(opts), MOUNT_ATTR_NODEV, err), r = 0;

	b->rt->places_fd = fd;
	if (fd < 0)
		return fd;
	/* The root of a tmpfs belongs to the mounter's own id, not to its filesystem id. */
	if (b->userns_fd >= 0 &&
	    fchownat(fd, "", b->rt->uid_base, b->rt->uid_base, AT_EMPTY_PATH) < 0)
		return err_sys(err, "give the places to mount on away");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(STANDARD); i++)
		r = make_place(fd, STANDARD[i], true, err);
	for (size_t i = 0; r == 0 && i < spec->files_len; i++)
		r = make_place(fd, spec->files[i].target, false, err);

	return r;
}
