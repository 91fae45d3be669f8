/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup_procs.c - the processes of a control group: list, freeze, kill, remove with the group
 */
#include "linux/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/parse.h"
#include "linux/features.h"

#define PROCS_MAX_BYTES (16 * MIB)
#define WAIT_NS (10 * NS_PER_SEC)
#define WAIT_STEP_MS 2
/* A workload that may write its cgroups can nest them; the kernel allows more than we follow. */
#define DEPTH_MAX 64

int cgroup_populated(const struct cgroup *cg, bool *ret, struct err *err)
{
	char text[256];
	int r;

	if (!cgroup_v2(cg)) {
		r = cgroup_read(&cg->dirs[0], "cgroup.procs", text, sizeof(text), err);
		if (r == 0)
			*ret = *text;
		return r;
	}
	r = cgroup_read(cgroup_v2(cg), "cgroup.events", text, sizeof(text), err);
	if (r < 0)
		return r;
	*ret = strstr(text, "populated 1");

	return 0;
}

int cgroup_kill(const struct cgroup *cg, struct err *err)
{
	int64_t deadline_ns = clock_now_ns() + WAIT_NS;
	size_t len = 0;
	bool frozen;
	int r;

	if (cgroup_v2(cg) && feature_wanted(FEATURE_CGROUP_KILL)) {
		r = cgroup_write(cgroup_v2(cg), "cgroup.kill", "1", err);
		if (r != -ENOENT || access(cgroup_v2(cg)->path, F_OK) < 0)
			return r == -ENOENT ? 0 : r;
	}
	/* Frozen, so that none can fork while the others die; a fatal signal thaws v2 only. */
	frozen = cgroup_freeze(cg, true, NULL) == 0;
	do {
		auto_free pid_t *pids = NULL;

		r = cgroup_pids(cg, &pids, &len, err);
		for (size_t i = 0; r == 0 && i < len; i++)
			(void)kill(pids[i], SIGKILL);
		/* Without a freezer some may have forked before they died. */
		if (!frozen)
			(void)poll(NULL, 0, WAIT_STEP_MS);
	} while (r == 0 && !frozen && len > 0 && clock_now_ns() < deadline_ns);
	(void)cgroup_freeze(cg, false, NULL);

	return r == -ENOENT ? 0 : r;
}

static bool is_frozen(const struct cgroup_dir *dir)
{
	char text[256];

	if (cgroup_read(dir, dir->v2 ? "cgroup.events" : "freezer.state", text, sizeof(text),
			NULL) < 0)
		return false;

	return dir->v2 ? strstr(text, "frozen 1") != NULL : strcmp(text, "FROZEN") == 0;
}

static int set_frozen(const struct cgroup_dir *dir, bool frozen, struct err *err)
{
	if (dir->v2)
		return cgroup_write(dir, "cgroup.freeze", frozen ? "1" : "0", err);

	return cgroup_write(dir, "freezer.state", frozen ? "FROZEN" : "THAWED", err);
}

int cgroup_freeze(const struct cgroup *cg, bool frozen, struct err *err)
{
	const struct cgroup_dir *dir = cgroup_v2(cg) ?: cgroup_dir_of(cg, CGROUP_FREEZER);
	int64_t deadline_ns = clock_now_ns() + WAIT_NS;
	int r;

	if (!dir)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "this host has no freezer cgroup");
	for (;;) {
		/* v1 needs to be told again: a task that forks while it freezes escapes. */
		r = set_frozen(dir, frozen, err);
		if (r < 0 || is_frozen(dir) == frozen)
			return r;
		if (clock_now_ns() > deadline_ns)
			break;
		(void)poll(NULL, 0, WAIT_STEP_MS);
	}
	if (frozen)
		(void)set_frozen(dir, false, NULL);

	return err_set(err, ETIMEDOUT, "processes could not be %s", frozen ? "frozen" : "thawed");
}

/* Calls @fn for every group below the one at @dir_fd, deepest first. */
static int walk(int parent_fd, const char *name, int depth,
		int (*fn)(void *ctx, int parent_fd, const char *name), void *ctx, struct err *err)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open cgroup '%s'", name);
	dir = fdopendir(fd);
	if (!dir) {
		r = err_sys(err, "list cgroup '%s'", name);
		fd_close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (depth == DEPTH_MAX)
			r = err_set(err, ELOOP, "cgroups are nested too deep");
		else
			r = walk(fd, entry->d_name, depth + 1, fn, ctx, err);
	}
	if (r == 0)
		r = fn(ctx, parent_fd, name);
	(void)closedir(dir);

	return r;
}

/* A growing list of processes. */
struct pid_list {
	pid_t *pids;
	size_t len;
	struct err *err;
};

static int add_pid(struct pid_list *list, pid_t pid)
{
	if ((list->len & (list->len - 1)) == 0) {
		size_t room = list->len ? list->len * 2 : 1;
		pid_t *bigger = realloc(list->pids, room * sizeof(*bigger));

		if (!bigger)
			return err_set(list->err, ENOMEM, "out of memory");
		list->pids = bigger;
	}
	list->pids[list->len++] = pid;

	return 0;
}

static int add_pids(void *ctx, int parent_fd, const char *name)
{
	struct pid_list *list = ctx;
	auto_free char *text = NULL;
	char path[CGROUP_PATH_BYTES + 300];
	struct slice rest, line;
	uint64_t pid;
	int r;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", name);
	r = fd_read_file(parent_fd, path, PROCS_MAX_BYTES, &text, NULL, list->err);
	if (r == -ENODEV || r == -ENOENT) /* it was removed meanwhile */
		return 0;
	rest = slice_of(text);
	while (r == 0 && slice_next(&rest, '\n', &line))
		/* 0: a process that this pid namespace does not show. */
		if (parse_slice_u64(line, 1, INT32_MAX, &pid) == 0)
			r = add_pid(list, (pid_t)pid);

	return r;
}

int cgroup_pids(const struct cgroup *cg, pid_t **ret_pids, size_t *ret_len, struct err *err)
{
	struct pid_list list = { .err = err };
	/* A v1 directory whose path is too long for walk() cannot exist. */
	int r = walk(AT_FDCWD, cg->dirs[0].path, 0, add_pids, &list, err);

	if (r < 0) {
		free(list.pids);
		return r;
	}
	*ret_pids = list.pids;
	*ret_len = list.len;

	return 0;
}

static int remove_one(void *ctx, int parent_fd, const char *name)
{
	(void)ctx;

	return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_dir(const struct cgroup_dir *dir, int64_t deadline_ns, struct err *err)
{
	int r;

	if (rmdir(dir->path) == 0 || errno == ENOENT)
		return 0;
	while ((r = walk(AT_FDCWD, dir->path, 0, remove_one, NULL, err)) == -EBUSY) {
		if (clock_now_ns() > deadline_ns)
			break;
		(void)poll(NULL, 0, WAIT_STEP_MS);
	}

	return r < 0 ? err_wrap(err, r, "remove cgroup '%s'", dir->path) : 0;
}

int cgroup_remove(const struct cgroup *cg, struct err *err)
{
	int64_t deadline_ns = clock_now_ns() + WAIT_NS;
	int r = 0;

	for (size_t i = 0; i < cg->dirs_len; i++) {
		int one = remove_dir(&cg->dirs[i], deadline_ns, r == 0 ? err : NULL);

		r = r < 0 ? r : one;
	}

	return r;
}
