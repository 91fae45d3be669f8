/* SPDX-License-Identifier: Apache-2.0
 *
 * lock.c - locks of objects as byte ranges of one file
 *
 * A lock is one byte of <root>/lock, at an offset that is a hash of the object's kind and name:
 * no lock files to clean up. Open-file-description locks, so that they belong to a handle and
 * not to a process; the kernel drops them when the holder dies. Two objects on one offset
 * would only wait for each other without need.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/internal.h"

static off_t lock_offset(const char *kind, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

	for (const char *part = kind; part; part = part == kind ? name : NULL) {
		for (const char *c = part; *c; c++)
			hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
		hash = (hash ^ '/') * 0x100000001b3;
	}

	return (off_t)(hash >> 2);
}

int lock_open(struct store *s, struct err *err)
{
	int fd = openat(s->root_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? err_sys(err, "open the store's lock file") : fd;
}

static int lock_set(int lock_fd, int cmd, short type, off_t offset)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1 };

	while (fcntl(lock_fd, cmd, &lock) < 0) {
		if (errno == EACCES)
			return -EAGAIN;
		if (errno != EINTR)
			return -errno;
	}

	return 0;
}

int lock_take(int lock_fd, const char *kind, const char *name, enum lock_mode mode)
{
	off_t offset = lock_offset(kind, name);

	if (mode == LOCK_MODE_LEASE)
		return lock_set(lock_fd, F_OFD_SETLKW, F_RDLCK, offset);

	return lock_set(lock_fd, F_OFD_SETLK, F_WRLCK, offset);
}

void lock_release(int lock_fd, const char *kind, const char *name)
{
	(void)lock_set(lock_fd, F_OFD_SETLK, F_UNLCK, lock_offset(kind, name));
}

int lock_lease(struct store *s, const char *kind, const char *name, struct err *err)
{
	int r;

	if (s->lock_fd < 0) {
		r = lock_open(s, err);
		if (r < 0)
			return r;
		s->lock_fd = r;
	}
	r = lock_take(s->lock_fd, kind, name, LOCK_MODE_LEASE);

	return r < 0 ? err_wrap(err, r, "lease %s %s", kind, name) : 0;
}
