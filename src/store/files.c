/* SPDX-License-Identifier: Apache-2.0
 *
 * files.c - how things of the store are called on disk, and the durable steps they are made in
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "store/internal.h"

#define VOLUME_NAME_MAX 200

/* ---- names ---- */

const char *digest_hex(const char *digest)
{
	static const char prefix[] = "sha256:";
	const char *hex = digest + sizeof(prefix) - 1;

	if (strncmp(digest, prefix, sizeof(prefix) - 1) != 0 || strlen(hex) != STORE_HEX_DIGITS ||
	    strspn(hex, "0123456789abcdef") != STORE_HEX_DIGITS)
		return NULL;

	return hex;
}

void content_path(const char *digest, char ret[PATH_MAX])
{
	const char *hex = digest + strlen("sha256:");

	(void)snprintf(ret, PATH_MAX, "content/sha256/%.2s/%s", hex, hex);
}

static const char *const layer_suffixes[] = {
	[LAYER_EROFS] = ".v2.erofs",
	[LAYER_EROFS_V1] = ".v1.erofs",
	[LAYER_SKELETON] = ".skel.zst",
	[LAYER_BLOB] = ".blob",
};

void layer_path(const char *diff_id, enum layer_file file, char ret[PATH_MAX])
{
	const char *hex = diff_id + strlen("sha256:");

	(void)snprintf(ret, PATH_MAX, "layers/%.2s/%s%s", hex, hex, layer_suffixes[file]);
}

int layer_file_of(const char *suffix)
{
	for (int file = 0; file < LAYER_FILES; file++)
		if (strcmp(suffix, layer_suffixes[file]) == 0)
			return file;

	return -1;
}

bool volume_name_valid(const char *name)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(name);

	return len >= 2 && len <= VOLUME_NAME_MAX && strchr(first, name[0]) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       len;
}

/* ---- steps ---- */

int store_tmpfile(struct store *s, const char *dir, struct err *err)
{
	int fd;

	if (mkdirat(s->root_fd, dir, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "make directory '%s/%s'", s->root, dir);
	fd = openat(s->root_fd, dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, "create a file in '%s/%s'", s->root, dir) : fd;
}

/* Make the directories above @path, durably; descriptor of the one that holds it. */
static int open_parent(struct store *s, const char *path, struct err *err)
{
	auto_close int dir_fd = openat(s->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct slice rest = slice_of(path), part;

	if (dir_fd < 0)
		return err_sys(err, "open '%s'", s->root);
	while (slice_next(&rest, '/', &part) && rest.at) {
		char name[NAME_MAX + 1];
		int next, made;

		(void)snprintf(name, sizeof(name), "%.*s", (int)part.len, part.at);
		made = mkdirat(dir_fd, name, 0700) == 0;
		if (!made && errno != EEXIST)
			return err_sys(err, "make a directory of '%s'", path);
		if (made && fsync(dir_fd) < 0)
			return err_sys(err, "sync a directory of '%s'", path);
		next = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (next < 0)
			return err_sys(err, "open a directory of '%s'", path);
		fd_close(dir_fd);
		dir_fd = next;
	}

	return take_fd(dir_fd);
}

int store_link(struct store *s, int fd, const char *path, struct err *err)
{
	auto_close int dir_fd = open_parent(s, path, err);
	char from[64];

	if (dir_fd < 0)
		return dir_fd;
	(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, from, s->root_fd, path, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST)
		return err_sys(err, "link '%s'", path);
	if (fsync(dir_fd) < 0)
		return err_sys(err, "sync the directory of '%s'", path);

	return 0;
}

int store_unlink(struct store *s, const char *path, struct err *err)
{
	if (unlinkat(s->root_fd, path, 0) < 0 && errno != ENOENT)
		return err_sys(err, "remove '%s'", path);

	return 0;
}
