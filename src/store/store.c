/* SPDX-License-Identifier: Apache-2.0
 *
 * store.c - opening and closing
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "store/internal.h"
#include "store/reclaim.h"

/* Users of workloads pass through the root on their way to volumes; nobody lists it. */
#define ROOT_MODE 0711
#define SCANNED "scanned" /* below the run root: files were compared with rows since boot */

static int open_dir(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return err_sys(err, "open '%s'", path);

	return path_mkdirs(path, ROOT_MODE, err);
}

/* What crashed processes left; at the first time after a boot also what a power cut left. */
static int recover(struct store *s, struct err *err)
{
	struct findings findings = { 0 };
	int fd, r = reclaim_all(s, NULL, err);

	if (r == 0)
		r = mounts_recover(s, err);
	/* What cannot be removed, such as below a mount, is no reason to refuse everything else. */
	if (r == 0)
		(void)store_rw_reclaim(s, NULL);
	if (r < 0 || faccessat(s->run_fd, SCANNED, F_OK, 0) == 0)
		return r;
	r = reclaim_scan(s, true, &findings, err);
	if (r < 0)
		return r;
	fd = openat(s->run_fd, SCANNED, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "create '%s/" SCANNED "'", s->run_root);
	fd_close(fd);

	return 0;
}

int store_open(const char *root, const char *run_root, unsigned flags, struct store **ret,
	       struct err *err)
{
	struct store *s = mem_calloc(1, sizeof(*s));
	auto_free char *db_path = NULL;
	int r;

	*s = (struct store){
		.root = mem_strdup(root),
		.run_root = mem_strdup(run_root),
		.root_fd = -1,
		.run_fd = -1,
		.lock_fd = -1,
		.hurry = flags & STORE_HURRY,
	};
	r = s->root_fd = open_dir(root, err);
	if (r >= 0)
		r = s->run_fd = open_dir(run_root, err);
	if (r >= 0) {
		db_path = mem_printf("%s/db.sqlite", root);
		r = db_open(db_path, &s->db, err);
	}
	if (r >= 0 && (flags & STORE_WRITER))
		r = recover(s, err);
	if (r < 0) {
		store_close(s);
		return err_wrap(err, r, "open the store '%s'", root);
	}
	*ret = s;

	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->db && sqlite3_total_changes(s->db) > 0)
		db_checkpoint(s->db, s->hurry ? DB_LOG_HURRY_BYTES : DB_LOG_CHANGE_BYTES);
	db_close(s->db);
	fd_close(s->lock_fd);
	fd_close(s->run_fd);
	fd_close(s->root_fd);
	free(s->run_root);
	free(s->root);
	free(s);
}

const char *store_root(const struct store *s)
{
	return s->root;
}

const char *store_run_root(const struct store *s)
{
	return s->run_root;
}

int store_root_fd(const struct store *s)
{
	return s->root_fd;
}

int store_scratch_open(struct store *s, struct err *err)
{
	int fd = openat(s->root_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, "create a file in '%s'", s->root) : fd;
}
