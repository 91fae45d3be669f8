/* SPDX-License-Identifier: Apache-2.0
 *
 * du.c - disk space as du(1) counts it
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "store/internal.h"

#define BLOCK_BYTES 512 /* unit of st_blocks */

/* Files with several links, each of which is counted once: an open-addressed set. */
struct inode_set {
	struct inode {
		dev_t dev;
		ino_t ino;
		bool used;
	} * slots;
	size_t room, len; /* room is a power of two, at least twice len */
};

static void inode_set_done(struct inode_set *set)
{
	free(set->slots);
}
DEFINE_AUTO_DONE(inode_set)

/* False when it was there already. */
static bool inode_set_put(struct inode *slots, size_t room, dev_t dev, ino_t ino)
{
	size_t i = (size_t)((ino * 0x9e3779b97f4a7c15U) ^ dev) & (room - 1);

	for (; slots[i].used; i = (i + 1) & (room - 1))
		if (slots[i].ino == ino && slots[i].dev == dev)
			return false;
	slots[i] = (struct inode){ .dev = dev, .ino = ino, .used = true };

	return true;
}

static bool inode_set_add(struct inode_set *set, dev_t dev, ino_t ino)
{
	if (2 * (set->len + 1) > set->room) {
		size_t room = MAX(2 * set->room, 64U);
		struct inode *slots = mem_calloc(room, sizeof(*slots));

		for (size_t i = 0; i < set->room; i++)
			if (set->slots[i].used)
				(void)inode_set_put(slots, room, set->slots[i].dev,
						    set->slots[i].ino);
		free(set->slots);
		set->slots = slots;
		set->room = room;
	}
	if (!inode_set_put(set->slots, set->room, dev, ino))
		return false;
	set->len++;

	return true;
}

/* Trees of containers are deeper than paths are long: fts(3) walks by changing directory. */
static int walk(const char *name, uint64_t *ret_bytes, struct err *err)
{
	auto_free char *copy = mem_strdup(name);
	char *const paths[] = { copy, NULL };
	auto_done(inode_set) seen = { 0 };
	FTS *fts = fts_open(paths, FTS_PHYSICAL, NULL);
	uint64_t bytes = 0;
	FTSENT *entry;
	int r = 0;

	if (!fts)
		return err_sys(err, "walk '%s'", name);
	while (r == 0 && (errno = 0, entry = fts_read(fts))) {
		if (entry->fts_info == FTS_DP)
			continue;
		if (entry->fts_info == FTS_NS || entry->fts_info == FTS_ERR ||
		    entry->fts_info == FTS_DNR) {
			/* Running workloads remove files while we look. */
			if (entry->fts_errno == ENOENT)
				continue;
			errno = entry->fts_errno;
			r = err_sys(err, "walk '%s'", entry->fts_accpath);
		} else if (entry->fts_info == FTS_D || entry->fts_statp->st_nlink < 2 ||
			   inode_set_add(&seen, entry->fts_statp->st_dev,
					 entry->fts_statp->st_ino)) {
			bytes += (uint64_t)entry->fts_statp->st_blocks * BLOCK_BYTES;
		}
	}
	if (r == 0 && errno != 0 && errno != ENOENT)
		r = err_sys(err, "walk '%s'", name);
	(void)fts_close(fts);
	if (r == 0)
		*ret_bytes = bytes;

	return r;
}

int du_bytes(int dir_fd, const char *name, uint64_t *ret_bytes, struct err *err)
{
	auto_close int saved_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fchdir(dir_fd) < 0)
		return err_sys(err, "change directory");
	if (faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		r = walk(name, ret_bytes, err);
	} else {
		r = errno == ENOENT ? 0 : err_sys(err, "look at '%s'", name);
		*ret_bytes = 0;
	}
	if (saved_fd >= 0 && fchdir(saved_fd) < 0)
		return err_sys(err, "change directory back");

	return r;
}
