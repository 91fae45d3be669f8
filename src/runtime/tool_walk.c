/* SPDX-License-Identifier: Apache-2.0
 *
 * tool_walk.c - a directory tree, one name after the other
 */
#include "runtime/tool_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"

/* What tells one directory from another. */
struct identity {
	dev_t dev;
	ino_t ino;
};

struct tool_level {
	struct strv names;
	size_t next;	 /* to visit */
	size_t path_len; /* of the directory's own path */
	size_t names_bytes;
	struct identity self, peer;
};

static void level_done(struct tool_level *level)
{
	strv_done(&level->names);
}

void tool_walk_done(struct tool_walk *w)
{
	if (!w)
		return;
	while (w->depth > 0)
		level_done(&w->levels[--w->depth]);
	free(w->levels);
	w->levels = NULL;
	w->room = 0;
	strbuf_done(&w->path);
	w->dir_fd = fd_close(w->dir_fd);
	w->peer_fd = fd_close(w->peer_fd);
}

static int identify(int fd, struct identity *ret, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at a directory");
	*ret = (struct identity){ .dev = st.st_dev, .ino = st.st_ino };

	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(struct tool_walk *w, int dir_fd, struct tool_level *level, struct err *err)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		r = err_sys(err, "list a directory");
		fd_close(fd);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		/* The text, its pointer, and what malloc() adds. */
		level->names_bytes += strlen(entry->d_name) + 32;
		if (w->names_bytes + level->names_bytes > TOOL_WALK_MAX_BYTES)
			r = err_set(err, E2BIG, "too many names in one directory");
		else if (strv_add(&level->names, entry->d_name) < 0)
			r = err_set(err, ENOMEM, "out of memory");
	}
	if (r == 0 && errno)
		r = err_sys(err, "list a directory");
	closedir(dir);

	return r;
}

static void sort_names(struct strv *names)
{
	size_t kept = 0;

	if (names->len < 2)
		return;
	qsort(names->items, names->len, sizeof(char *), compare_names);
	for (size_t i = 1; i < names->len; i++) {
		if (strcmp(names->items[i], names->items[kept]) == 0)
			free(names->items[i]);
		else
			names->items[++kept] = names->items[i];
	}
	names->len = kept + 1;
	names->items[names->len] = NULL;
}

static int push(struct tool_walk *w, const struct tool_level *level)
{
	if (w->depth == w->room) {
		size_t room = w->room ? w->room * 2 : 16;
		struct tool_level *levels = reallocarray(w->levels, room, sizeof(*levels));

		if (!levels)
			return -ENOMEM;
		w->levels = levels;
		w->room = room;
	}
	w->levels[w->depth++] = *level;
	w->names_bytes += level->names_bytes;

	return 0;
}

int tool_walk_enter(struct tool_walk *w, int dir_fd, int peer_fd, unsigned flags, struct err *err)
{
	auto_close int own_fd = dir_fd, other_fd = peer_fd;
	struct tool_level level = { .path_len = w->path.len };
	int r = identify(own_fd, &level.self, err);

	if (r == 0 && other_fd >= 0)
		r = identify(other_fd, &level.peer, err);
	if (r == 0)
		r = read_names(w, own_fd, &level, err);
	if (r == 0 && (flags & TOOL_WALK_UNION))
		r = read_names(w, other_fd, &level, err);
	if (r == 0 && push(w, &level) < 0)
		r = err_set(err, ENOMEM, "out of memory");
	if (r < 0) {
		level_done(&level);
		return r;
	}
	sort_names(&w->levels[w->depth - 1].names);
	fd_close(w->dir_fd);
	w->dir_fd = take_fd(own_fd);
	if (other_fd >= 0) {
		fd_close(w->peer_fd);
		w->peer_fd = take_fd(other_fd);
		w->peer_depth = w->depth;
	}

	return 0;
}

/* Replace *@fd by its parent, which must be @want. */
static int climb(int *fd, const struct identity *want, struct err *err)
{
	auto_close int up_fd = openat(*fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct identity got;
	int r;

	if (up_fd < 0)
		return err_sys(err, "open the parent directory");
	r = identify(up_fd, &got, err);
	if (r < 0)
		return r;
	if (got.dev != want->dev || got.ino != want->ino)
		return err_set(err, ESTALE, "a directory was moved while it was read");
	fd_close(*fd);
	*fd = take_fd(up_fd);

	return 0;
}

static int leave(struct tool_walk *w, struct err *err)
{
	bool had_peer = w->peer_depth == w->depth;
	struct tool_level *up;
	int r;

	w->depth--;
	w->names_bytes -= w->levels[w->depth].names_bytes;
	level_done(&w->levels[w->depth]);
	if (had_peer)
		w->peer_depth--;
	if (w->depth == 0)
		return 0;
	up = &w->levels[w->depth - 1];
	r = climb(&w->dir_fd, &up->self, err);
	if (r == 0 && had_peer)
		r = climb(&w->peer_fd, &up->peer, err);

	return r;
}

int tool_walk_next(struct tool_walk *w, const char **ret_name, struct err *err)
{
	while (w->depth > 0) {
		struct tool_level *level = &w->levels[w->depth - 1];
		int r;

		w->path.len = MIN(w->path.len, level->path_len);
		if (level->next < level->names.len) {
			*ret_name = level->names.items[level->next++];
			if (w->path.len > 0)
				strbuf_addc(&w->path, '/');
			strbuf_adds(&w->path, *ret_name);
			if (w->path.failed)
				return err_set(err, ENAMETOOLONG, "a path is too long");
			return 1;
		}
		r = leave(w, err);
		if (r < 0)
			return err_wrap(err, r, "'%s'", strbuf_get(&w->path));
	}

	return 0;
}

bool tool_walk_has_peer(const struct tool_walk *w)
{
	return w->depth > 0 && w->peer_depth == w->depth;
}

dev_t tool_walk_dev(const struct tool_walk *w)
{
	return w->levels[w->depth - 1].self.dev;
}
