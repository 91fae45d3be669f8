/* SPDX-License-Identifier: Apache-2.0
 *
 * rw.c - writable layers: one directory for each container
 *
 * The row of the container exists before its directory and goes after it, so that a directory
 * without a row is always garbage. To remove what is in one may take minutes: it is only moved to
 * <root>/removed before the row goes, and emptied there, by the next writer if need be.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/fd.h"
#include "base/path.h"
#include "spec/sandbox.h"
#include "store/internal.h"
#include "store/reclaim.h"

#define REMOVED_DIR "removed"

static int check_id(const char *id, struct err *err)
{
	if (strlen(id) != SPEC_ID_HEX || strspn(id, "0123456789abcdef") != SPEC_ID_HEX)
		return err_setk(err, ERR_USAGE, EINVAL, "'%.80s' is not a container id", id);

	return 0;
}

/* The directory of all writable layers, or -ENOENT. */
static int open_all(struct store *s, struct err *err)
{
	int fd = openat(s->root_fd, "rw", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "open '%s/rw'", s->root) : fd;
}

int store_rw_open(struct store *s, const char *id, struct err *err)
{
	auto_close int all_fd = -1;
	int fd, r = check_id(id, err);

	if (r < 0)
		return r;
	all_fd = openat(s->root_fd, "rw", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (all_fd < 0 && errno == ENOENT && mkdirat(s->root_fd, "rw", 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make '%s/rw'", s->root);
	if (all_fd < 0)
		all_fd = openat(s->root_fd, "rw", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (all_fd < 0)
		return err_sys(err, "open '%s/rw'", s->root);
	if (mkdirat(all_fd, id, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make writable layer %.12s", id);
	failpoint("rw-made");
	fd = openat(all_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "open writable layer %.12s", id) : fd;
}

/*
 * What an overlay leaves in its work directory, innermost first: a nest that path_rmtree() would
 * unravel level by level. Whatever else is there is left to that.
 */
static void remove_overlay_marks(int all_fd, const char *id)
{
	static const struct {
		const char *name;
		int flags;
	} MARKS[] = {
		{ "work/work/incompat/volatile/dirty", 0 },
		{ "work/work/incompat/volatile", AT_REMOVEDIR },
		{ "work/work/incompat", AT_REMOVEDIR },
		{ "work/work", AT_REMOVEDIR },
	};
	auto_close int rw_fd = openat(all_fd, id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (size_t i = 0; rw_fd >= 0 && i < ARRAY_SIZE(MARKS); i++)
		(void)unlinkat(rw_fd, MARKS[i].name, MARKS[i].flags);
}

static int remove_tree(int dir_fd, const char *id, struct err *err)
{
	int r;

	remove_overlay_marks(dir_fd, id);
	r = path_rmtree(dir_fd, id, err);

	return err_wrap(err, r, "remove writable layer %.12s", id);
}

int store_rw_discard(struct store *s, const char *id, struct err *err)
{
	char from[SPEC_ID_HEX + 16], to[SPEC_ID_HEX + 16];
	auto_close int all_fd = -1;
	int r = check_id(id, err);

	if (r < 0)
		return r;
	all_fd = open_all(s, err);
	if (all_fd < 0)
		return all_fd == -ENOENT ? 0 : all_fd;
	(void)snprintf(from, sizeof(from), "rw/%s", id);
	(void)snprintf(to, sizeof(to), REMOVED_DIR "/%s", id);
	r = renameat(s->root_fd, from, s->root_fd, to);
	if (r < 0 && errno == ENOENT && mkdirat(s->root_fd, REMOVED_DIR, 0700) == 0)
		r = renameat(s->root_fd, from, s->root_fd, to);
	/* One that came into being anew after a removal that was cut short, or another disk. */
	if (r < 0)
		r = errno == ENOENT ? 0 : remove_tree(all_fd, id, err);
	failpoint("rw-discarded");

	return r;
}

/* Unless another process is at it. */
static int reclaim_one(int dir_fd, const char *id, int lock_fd, struct err *err)
{
	int r = lock_take(lock_fd, REMOVED_DIR, id, LOCK_MODE_EXCLUSIVE);

	if (r < 0)
		return r == -EAGAIN ? 0 : err_set(err, -r, "lock writable layer %.12s", id);
	r = remove_tree(dir_fd, id, err);
	lock_release(lock_fd, REMOVED_DIR, id);

	return r;
}

static void tell(struct findings *findings, const char *id, const struct err *why)
{
	char text[sizeof(why->frames)];

	findings_add(findings, false, "container %.12s is removed, its files cannot be: %s", id,
		     err_text(why, text, sizeof(text)));
}

/* All of them: one that cannot be removed holds up no other. The first failure is the answer. */
static int reclaim_dir(struct store *s, DIR *dir, struct findings *findings, struct err *err)
{
	auto_close int lock_fd = -1;
	struct dirent *entry;
	int r = 0;

	while ((entry = readdir(dir))) {
		struct err why = ERR_INIT;

		if (check_id(entry->d_name, NULL) < 0)
			continue;
		/* Nearly always there is nothing to lock. */
		if (lock_fd < 0)
			lock_fd = lock_open(s, err);
		if (lock_fd < 0)
			return lock_fd;
		if (reclaim_one(dirfd(dir), entry->d_name, lock_fd, &why) == 0)
			continue;
		if (findings)
			tell(findings, entry->d_name, &why);
		if (r == 0 && err)
			*err = why;
		r = r < 0 ? r : -why.code;
	}

	return r;
}

static int reclaim(struct store *s, struct findings *findings, struct err *err)
{
	int fd = openat(s->root_fd, REMOVED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r;

	if (!dir) {
		r = fd < 0 && errno == ENOENT ? 0
					      : err_sys(err, "list '%s/" REMOVED_DIR "'", s->root);
		fd_close(fd);
		return r;
	}
	r = reclaim_dir(s, dir, findings, err);
	closedir(dir);

	return r;
}

int store_rw_reclaim(struct store *s, struct err *err)
{
	return reclaim(s, NULL, err);
}

void rw_repair(struct store *s, struct findings *findings)
{
	(void)reclaim(s, findings, NULL);
}

int store_rw_usage(struct store *s, const char *id, uint64_t *ret_bytes, struct err *err)
{
	auto_close int all_fd = -1;
	int r = check_id(id, err);

	if (r < 0)
		return r;
	all_fd = open_all(s, err);
	if (all_fd == -ENOENT) {
		*ret_bytes = 0;
		return 0;
	}

	return all_fd < 0 ? all_fd : du_bytes(all_fd, id, ret_bytes, err);
}
