/* SPDX-License-Identifier: Apache-2.0
 *
 * reclaim.c - finding and removing files that nothing refers to
 */
#include "store/reclaim.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/path.h"
#include "store/internal.h"

int reclaim_intend(struct store *s, const char *kind, const char *name, struct err *err)
{
	return db_run(s->db, err, "INSERT OR IGNORE INTO intents(kind,name) VALUES(?,?)", "tt",
		      kind, name);
}

int reclaim_settle(struct store *s, const char *kind, const char *name, struct err *err)
{
	return db_run(s->db, err, "DELETE FROM intents WHERE kind=? AND name=?", "tt", kind, name);
}

/* 1: a row refers to it, 0: none does, or a negative errno. */
static int is_referenced(struct store *s, const char *kind, const char *name, struct err *err)
{
	const char *sql = "SELECT EXISTS(SELECT 1 FROM volumes WHERE name=?1)";
	int64_t found = 0;
	int r;

	if (strcmp(kind, INTENT_LAYER) == 0)
		sql = "SELECT EXISTS(SELECT 1 FROM image_layers WHERE diff_id=?1)";
	else if (strcmp(kind, INTENT_CONTENT) == 0)
		sql = "SELECT EXISTS(SELECT 1 FROM images WHERE id=?1 OR manifest_digest=?1)";
	r = db_get_i64(s->db, &found, err, sql, "t", name);

	return r < 0 ? r : found != 0;
}

static int remove_volume_dir(struct store *s, const char *name, struct err *err)
{
	auto_close int dir_fd = openat(s->root_fd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open the directory of volumes");

	return path_rmtree(dir_fd, name, err);
}

static int remove_files(struct store *s, const char *kind, const char *name, struct err *err)
{
	static const enum layer_file rest[] = { LAYER_BLOB, LAYER_SKELETON };
	char path[PATH_MAX];
	int r;

	if (strcmp(kind, INTENT_VOLUME) == 0)
		return volume_name_valid(name) ? remove_volume_dir(s, name, err) : 0;
	if (!digest_hex(name))
		return 0;
	if (strcmp(kind, INTENT_CONTENT) == 0) {
		content_path(name, path);
		return store_unlink(s, path, err);
	}
	r = layer_unlink_erofs(s, name, err);
	failpoint("reclaim-layer");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rest); i++) {
		layer_path(name, rest[i], path);
		r = store_unlink(s, path, err);
	}

	return r;
}

/* The object's exclusive lock is held: no one is about to refer to it. 1: it was removed. */
static int reclaim_locked(struct store *s, const char *kind, const char *name, struct err *err)
{
	int r = is_referenced(s, kind, name, err);

	if (r < 0)
		return r;
	if (r == 1)
		return reclaim_settle(s, kind, name, err);
	r = remove_files(s, kind, name, err);
	failpoint("reclaim-removed");
	if (r == 0 && strcmp(kind, INTENT_LAYER) == 0)
		r = db_run(s->db, err, "DELETE FROM layers WHERE diff_id=?", "t", name);
	if (r == 0)
		r = reclaim_settle(s, kind, name, err);

	return r < 0 ? r : 1;
}

/* 1: removed, 0: in use, or a negative errno. */
static int reclaim_one(struct store *s, int lock_fd, const char *kind, const char *name,
		       struct err *err)
{
	int r = lock_take(lock_fd, kind, name, LOCK_MODE_EXCLUSIVE);

	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return err_wrap(err, r, "lock %s %s", kind, name);
	r = reclaim_locked(s, kind, name, err);
	lock_release(lock_fd, kind, name);

	return r < 0 ? err_wrap(err, r, "remove %s %s", kind, name) : r;
}

int reclaim_all(struct store *s, struct strv *ret_removed, struct err *err)
{
	auto_done(strv) kinds = { 0 };
	auto_done(strv) names = { 0 };
	auto_close int lock_fd = -1;
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err, "SELECT kind, name FROM intents", "");

	while (r == 0 && (r = db_step(query, err)) == 1) {
		r = strv_add(&kinds, db_column_text(query, 0));
		if (r == 0)
			r = strv_add(&names, db_column_text(query, 1));
	}
	if (r < 0 || names.len == 0)
		return r;
	/* An open read would keep the log from being reset. */
	(void)sqlite3_finalize(take_ptr(query));

	r = lock_fd = lock_open(s, err);
	for (size_t i = 0; r >= 0 && i < names.len; i++) {
		r = reclaim_one(s, lock_fd, kinds.items[i], names.items[i], err);
		if (r == 1 && ret_removed && strcmp(kinds.items[i], INTENT_LAYER) == 0)
			r = strv_add(ret_removed, names.items[i]);
	}

	return r < 0 ? r : 0;
}

/* ---- the walk ---- */

struct scan {
	struct store *store;
	int lock_fd;
	bool repair;
	struct findings *findings;
	struct err *err;
};

void findings_add(struct findings *findings, bool mended, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (!mended)
		findings->left++;
	if (findings->fn)
		findings->fn(findings->ctx, what, mended);
}

/* Call @visit for each entry of @path below the root; an absent directory has none. */
static int scan_dir(struct scan *scan, const char *path,
		    int (*visit)(struct scan *scan, int dir_fd, const char *name))
{
	int fd = openat(scan->store->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = fd < 0 && errno == ENOENT ? 0 : err_sys(scan->err, "list '%s'", path);
		fd_close(fd);
		return r;
	}
	while (r >= 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = visit(scan, dirfd(dir), entry->d_name);
	closedir(dir);

	return r < 0 ? err_wrap(scan->err, r, "check '%s'", path) : 0;
}

static int stray_file(struct scan *scan, int dir_fd, const char *name)
{
	if (scan->repair && unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return err_sys(scan->err, "remove '%s'", name);
	findings_add(scan->findings, scan->repair, "file '%s' belongs to nothing", name);

	return 0;
}

/* A file that belongs to an object with a digest; @known says whether a row tells of it. */
static int scan_digest_file(struct scan *scan, int dir_fd, const char *file, const char *kind,
			    const char *digest, const char *known_sql)
{
	struct store *s = scan->store;
	int64_t known = 0;
	int r = db_get_i64(s->db, &known, scan->err, known_sql, "t", digest);

	/* An intent is for reclaim_all(), which knows of leases. */
	if (r == 0 && !known)
		r = db_get_i64(s->db, &known, scan->err,
			       "SELECT EXISTS(SELECT 1 FROM intents WHERE kind=? AND name=?)", "tt",
			       kind, digest);
	if (r < 0 || known)
		return r;
	r = lock_take(scan->lock_fd, kind, digest, LOCK_MODE_EXCLUSIVE);
	if (r == -EAGAIN)
		return 0;
	if (r == 0)
		r = stray_file(scan, dir_fd, file);
	lock_release(scan->lock_fd, kind, digest);

	return r;
}

/* One of an older format belongs to the layer until there is a new one. */
static bool is_layer_file(struct store *s, const char *digest, const char *suffix)
{
	int file = layer_file_of(suffix);

	return file >= 0 && (file != LAYER_EROFS_V1 || store_layer_is_old(s, digest));
}

static int visit_layer(struct scan *scan, int dir_fd, const char *name)
{
	char digest[STORE_DIGEST_BYTES];
	const char *suffix = strchr(name, '.');

	(void)snprintf(digest, sizeof(digest), "sha256:%.64s", name);
	if (suffix && suffix - name == STORE_HEX_DIGITS && digest_hex(digest) &&
	    is_layer_file(scan->store, digest, suffix))
		return scan_digest_file(scan, dir_fd, name, INTENT_LAYER, digest,
					"SELECT EXISTS(SELECT 1 FROM layers WHERE diff_id=?)");

	return stray_file(scan, dir_fd, name);
}

static int visit_layer_dir(struct scan *scan, int dir_fd, const char *name)
{
	char path[NAME_MAX + 16];

	(void)dir_fd;
	(void)snprintf(path, sizeof(path), "layers/%s", name);

	return scan_dir(scan, path, visit_layer);
}

static int visit_content(struct scan *scan, int dir_fd, const char *name)
{
	char digest[STORE_DIGEST_BYTES];

	if (strlen(name) == STORE_HEX_DIGITS) {
		(void)snprintf(digest, sizeof(digest), "sha256:%.64s", name);
		if (digest_hex(digest))
			return scan_digest_file(scan, dir_fd, name, INTENT_CONTENT, digest,
						"SELECT EXISTS(SELECT 1 FROM images"
						" WHERE id=?1 OR manifest_digest=?1)");
	}

	return stray_file(scan, dir_fd, name);
}

static int visit_content_dir(struct scan *scan, int dir_fd, const char *name)
{
	char path[NAME_MAX + 24];

	(void)dir_fd;
	(void)snprintf(path, sizeof(path), "content/sha256/%s", name);

	return scan_dir(scan, path, visit_content);
}

/* rw/<id> and logs/<id>: made after the container's row, removed before it. */
static int visit_container_dir(struct scan *scan, int dir_fd, const char *name)
{
	int64_t known = 0;
	int r = db_get_i64(scan->store->db, &known, scan->err,
			   "SELECT EXISTS(SELECT 1 FROM containers WHERE id=?)", "t", name);

	if (r < 0 || known || faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return r;
	if (scan->repair)
		r = path_rmtree(dir_fd, name, scan->err);
	if (r == 0)
		findings_add(scan->findings, scan->repair,
			     "directory '%.64s' belongs to no container", name);

	return r;
}

static int visit_volume(struct scan *scan, int dir_fd, const char *name)
{
	struct store *s = scan->store;
	int64_t known = 0;
	int r = db_get_i64(s->db, &known, scan->err,
			   "SELECT EXISTS(SELECT 1 FROM volumes WHERE name=?1)"
			   " OR EXISTS(SELECT 1 FROM intents WHERE kind='" INTENT_VOLUME
			   "' AND name=?1)",
			   "t", name);

	if (r < 0 || known || faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return r;
	if (scan->repair && volume_name_valid(name)) {
		r = db_run(s->db, scan->err,
			   "INSERT OR IGNORE INTO volumes(name,created_wall_ns,labels,anonymous)"
			   " VALUES(?,?,'{}',0)",
			   "ti", name, clock_wall_ns());
		if (r < 0)
			return r;
	}
	findings_add(scan->findings, scan->repair && volume_name_valid(name),
		     "volume directory '%.200s' has no record", name);

	return 0;
}

/* Layers of no image whose intent has been lost. */
static int scan_rows(struct scan *scan)
{
	struct store *s = scan->store;
	auto_query *query = NULL;
	auto_done(strv) lost = { 0 };
	int r = db_query(s->db, &query, scan->err,
			 "SELECT diff_id FROM layers WHERE diff_id NOT IN"
			 " (SELECT diff_id FROM image_layers) AND diff_id NOT IN"
			 " (SELECT name FROM intents WHERE kind='" INTENT_LAYER "')",
			 "");

	while (r == 0 && (r = db_step(query, scan->err)) == 1)
		r = strv_add(&lost, db_column_text(query, 0));
	(void)sqlite3_finalize(take_ptr(query));
	for (size_t i = 0; r == 0 && i < lost.len; i++) {
		if (scan->repair)
			r = reclaim_intend(s, INTENT_LAYER, lost.items[i], scan->err);
		if (r == 0)
			findings_add(scan->findings, scan->repair, "layer %s belongs to no image",
				     lost.items[i]);
	}

	return r == 0 && scan->repair ? reclaim_all(s, NULL, scan->err) : r;
}

int reclaim_scan(struct store *s, bool repair, struct findings *findings, struct err *err)
{
	struct scan scan = {
		.store = s,
		.repair = repair,
		.findings = findings,
		.err = err,
	};
	auto_close int lock_fd = lock_open(s, err);
	int r;

	if (lock_fd < 0)
		return lock_fd;
	scan.lock_fd = lock_fd;
	r = scan_rows(&scan);
	if (r == 0)
		r = scan_dir(&scan, "layers", visit_layer_dir);
	if (r == 0)
		r = scan_dir(&scan, "content/sha256", visit_content_dir);
	if (r == 0)
		r = scan_dir(&scan, "rw", visit_container_dir);
	if (r == 0)
		r = scan_dir(&scan, "logs", visit_container_dir);
	if (r == 0)
		r = scan_dir(&scan, "volumes", visit_volume);

	return MIN(r, 0);
}
