/* SPDX-License-Identifier: Apache-2.0
 *
 * rundir.c - run directories: who may change a container, and what a crash left of them
 *
 * The directory <run-root>/<id> is made and locked before the container's row is written, and
 * removed after the row, so that one without a row that nobody has locked is garbage.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "engine/internal.h"

char *rundir_path(const struct engine *e, const char *id)
{
	return mem_printf("%s/%s", e->run_root, id);
}

char *rundir_log_path(const struct engine *e, const char *id)
{
	return mem_printf("%s/logs/%s/log", e->root, id);
}

/* Locked, but is it still the directory of that name? Its remover held the lock before us. */
static bool is_removed(int dir_fd)
{
	struct stat st;

	return fstat(dir_fd, &st) < 0 || st.st_nlink == 0;
}

static int flock_restart(int fd, int operation)
{
	int r;

	do
		r = flock(fd, operation);
	while (r < 0 && errno == EINTR);

	return r;
}

int rundir_lock(const struct engine *e, const char *id, enum rundir_wait wait, struct err *err)
{
	auto_free char *path = rundir_path(e, id);
	int operation = LOCK_EX | (wait == RUNDIR_TRY ? LOCK_NB : 0);

	for (;;) {
		auto_close int fd = -1;

		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return err_sys(err, "make '%s'", path);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return err_sys(err, "open '%s'", path);
		if (flock_restart(fd, operation) < 0) {
			if (errno == EWOULDBLOCK)
				return err_setk(err, ERR_CONFLICT, EAGAIN,
						"another command is changing container %.12s", id);
			return err_sys(err, "lock '%s'", path);
		}
		if (!is_removed(fd))
			return take_fd(fd);
	}
}

int rundir_clear(int dir_fd, struct err *err)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = err_sys(err, "list a run directory");
		fd_close(list_fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = path_rmtree(dir_fd, entry->d_name, err);
	closedir(dir);

	return r;
}

int rundir_remove(const struct engine *e, const char *id, int dir_fd, struct err *err)
{
	auto_free char *path = rundir_path(e, id);
	int r = rundir_clear(dir_fd, err);

	if (r == 0 && rmdir(path) < 0 && errno != ENOENT)
		r = err_sys(err, "remove '%s'", path);

	return r;
}

static bool is_id(const char *name)
{
	return strlen(name) == SPEC_ID_HEX && strspn(name, "0123456789abcdef") == SPEC_ID_HEX;
}

/* Unless a row knows it or a command is making it right now. */
static int sweep_one(const struct engine *e, const char *id, struct err *err)
{
	auto_done(store_container) row = { 0 };
	auto_close int dir_fd = -1;
	auto_free char *path = NULL;
	int r = store_container_find(e->store, id, &row, NULL);

	if (r != -ENOENT)
		return 0;
	dir_fd = rundir_lock(e, id, RUNDIR_TRY, NULL);
	if (dir_fd < 0)
		return 0;
	/* Between the look-up and the lock its row may have been written. */
	r = store_container_find(e->store, id, &row, NULL);
	if (r != -ENOENT)
		return 0;
	path = rundir_path(e, id);
	r = monitor_kill_lost(path, id, err);

	return r < 0 ? r : rundir_remove(e, id, dir_fd, err);
}

int rundir_sweep(const struct engine *e, struct err *err)
{
	DIR *dir = opendir(e->run_root);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "list '%s'", e->run_root);
	while (r == 0 && (entry = readdir(dir)))
		if (is_id(entry->d_name))
			r = sweep_one(e, entry->d_name, err);
	closedir(dir);

	return err_wrap(err, r, "remove what a crash left in '%s'", e->run_root);
}
