/* SPDX-License-Identifier: Apache-2.0
 *
 * system.c - the store as a whole: what it takes on disk, and whether rows, files, mounts agree
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sha256.h"
#include "spec/sandbox.h"
#include "store/internal.h"
#include "store/reclaim.h"

/* ---- usage ---- */

static int count_rows(struct store *s, struct store_usage *u, struct err *err)
{
	const struct {
		uint64_t *ret;
		const char *sql;
	} counts[] = {
		{ &u->images, "SELECT count(*) FROM images" },
		{ &u->images_active, "SELECT count(DISTINCT image_id) FROM containers" },
		{ &u->containers, "SELECT count(*) FROM containers" },
		{ &u->containers_active,
		  "SELECT count(*) FROM containers WHERE started AND NOT ended" },
		{ &u->volumes, "SELECT count(*) FROM volumes" },
		{ &u->volumes_active, "SELECT count(DISTINCT volume) FROM volume_users" },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(counts); i++) {
		int64_t count = 0;

		r = db_get_i64(s->db, &count, err, counts[i].sql, "");
		*counts[i].ret = (uint64_t)count;
	}

	return r;
}

/* Sum of du over what @sql names, below @dir of the root. */
static int sum_dirs(struct store *s, const char *dir, const char *sql, uint64_t *ret_bytes,
		    struct err *err)
{
	auto_close int dir_fd = openat(s->root_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_query *query = NULL;
	uint64_t bytes = 0;
	int r;

	*ret_bytes = 0;
	if (dir_fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open '%s/%s'", s->root, dir);
	r = db_query(s->db, &query, err, sql, "");
	while (r == 0 && (r = db_step(query, err)) == 1) {
		r = du_bytes(dir_fd, db_column_text(query, 0), &bytes, err);
		*ret_bytes += bytes;
	}

	return r;
}

/* Layer files of images that no container uses, and what lies beside them. */
static int sum_layers(struct store *s, uint64_t *ret_bytes, struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err,
			 "SELECT diff_id FROM layers WHERE diff_id NOT IN"
			 " (SELECT diff_id FROM image_layers WHERE image_id IN"
			 " (SELECT image_id FROM containers))",
			 "");

	*ret_bytes = 0;
	while (r == 0 && (r = db_step(query, err)) == 1) {
		r = 0;
		for (enum layer_file file = 0; r == 0 && file < LAYER_FILES; file++) {
			uint64_t file_bytes = 0;
			char path[PATH_MAX];

			layer_path(db_column_text(query, 0), file, path);
			r = du_bytes(s->root_fd, path, &file_bytes, err);
			*ret_bytes += file_bytes;
		}
	}

	return r;
}

int store_usage(struct store *s, struct store_usage *ret, struct err *err)
{
	struct store_usage u = { 0 };
	int r = count_rows(s, &u, err);

	if (r == 0)
		r = du_bytes(s->root_fd, ".", &u.total_bytes, err);
	if (r == 0)
		r = du_bytes(s->root_fd, "layers", &u.layers_bytes, err);
	if (r == 0)
		r = du_bytes(s->root_fd, "rw", &u.rw_bytes, err);
	if (r == 0)
		r = du_bytes(s->root_fd, "volumes", &u.volumes_bytes, err);
	if (r == 0)
		r = sum_layers(s, &u.layers_reclaimable_bytes, err);
	if (r == 0)
		r = sum_dirs(s, "rw", "SELECT id FROM containers WHERE ended OR NOT started",
			     &u.rw_reclaimable_bytes, err);
	if (r == 0)
		r = sum_dirs(s, "volumes",
			     "SELECT name FROM volumes WHERE name NOT IN"
			     " (SELECT volume FROM volume_users)",
			     &u.volumes_reclaimable_bytes, err);
	if (r < 0)
		return err_wrap(err, r, "measure the store");
	u.other_bytes =
		u.total_bytes - MIN(u.total_bytes, u.layers_bytes + u.rw_bytes + u.volumes_bytes);
	*ret = u;

	return 0;
}

/* ---- check ---- */

struct check {
	struct store *store;
	bool repair;
	struct findings findings;
	struct err *err;
};

static int check_database(struct check *check)
{
	auto_query *query = NULL;
	int r = db_query(check->store->db, &query, check->err, "PRAGMA quick_check", "");

	while (r == 0 && (r = db_step(query, check->err)) == 1) {
		if (strcmp(db_column_text(query, 0), "ok") != 0)
			findings_add(&check->findings, false, "database: %s",
				     db_column_text(query, 0));
		r = 0;
	}

	return r;
}

/* A layer that is damaged cannot be mended here, but the next import of it can write it anew. */
static int check_layers(struct check *check)
{
	struct store *s = check->store;
	auto_query *query = NULL;
	int r = db_query(s->db, &query, check->err,
			 "SELECT diff_id, size_bytes,"
			 " (SELECT name FROM names JOIN image_layers USING(image_id)"
			 "  WHERE image_layers.diff_id=layers.diff_id LIMIT 1) FROM layers",
			 "");

	while (r == 0 && (r = db_step(query, check->err)) == 1) {
		const char *diff_id = db_column_text(query, 0);
		const char *image = db_column_text(query, 2);
		struct err why = ERR_INIT;
		char text[400];

		r = layer_check_file(s, diff_id, (uint64_t)sqlite3_column_int64(query, 1), &why);
		if (r == 0)
			continue;
		if (r != -ENOENT && r != -EUCLEAN)
			return err_wrap(check->err, r, "check layer %s", diff_id);
		findings_add(&check->findings, false, "%s: import %s again",
			     err_text(&why, text, sizeof(text)), *image ? image : "its image");
		r = check->repair && r == -EUCLEAN ? store_layer_discard(s, diff_id, check->err)
						   : 0;
	}

	return r;
}

static int check_document(struct check *check, const char *digest, const char *what)
{
	auto_free char *bytes = NULL;
	struct err why = ERR_INIT;
	char sum[SHA256_DIGEST_BYTES], text[400], path[PATH_MAX];
	size_t len = 0;
	int r = content_read(check->store, digest, &bytes, &len, &why);

	if (r < 0) {
		findings_add(&check->findings, false, "image %s: %s: import it again", what,
			     err_text(&why, text, sizeof(text)));
		return 0;
	}
	sha256_digest(bytes, len, sum);
	if (strcmp(sum, digest) == 0)
		return 0;
	findings_add(&check->findings, false, "image %s: document %s is damaged: import it again",
		     what, digest);
	content_path(digest, path);

	return check->repair ? store_unlink(check->store, path, check->err) : 0;
}

static int check_documents(struct check *check)
{
	auto_query *query = NULL;
	int r = db_query(check->store->db, &query, check->err,
			 "SELECT id, manifest_digest, coalesce((SELECT name FROM names"
			 " WHERE image_id=images.id LIMIT 1), id) FROM images",
			 "");

	while (r == 0 && (r = db_step(query, check->err)) == 1) {
		r = check_document(check, db_column_text(query, 0), db_column_text(query, 2));
		if (r == 0)
			r = check_document(check, db_column_text(query, 1),
					   db_column_text(query, 2));
	}

	return r;
}

/* Mounts that no container uses any more. */
static int check_mounts(struct check *check)
{
	auto_done(strv) before = { 0 };
	auto_done(strv) used = { 0 };
	int r = mounts_list(check->store, &before, check->err);

	if (r == 0)
		r = mounts_used(check->store, &used, check->err);
	if (r == 0 && check->repair)
		r = store_layer_unmount_unused(check->store, check->err);
	for (size_t i = 0; r == 0 && i < before.len; i++) {
		bool in_use = false;

		for (size_t j = 0; j < used.len; j++)
			in_use = in_use || strcmp(before.items[i], used.items[j]) == 0;
		if (!in_use)
			findings_add(&check->findings, check->repair,
				     "layer %s is mounted for nobody", before.items[i]);
	}

	return r;
}

/* 1: a monitor lives in the run directory @name, 0: none, or a negative errno. */
static int monitor_lives(int run_fd, const char *name, struct err *err)
{
	char path[SPEC_ID_HEX + 16];
	int fd, r;

	(void)snprintf(path, sizeof(path), "%s/lock", name);
	fd = openat(run_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open '%s'", path);
	r = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno == EWOULDBLOCK ? 1 : -errno;
	fd_close(fd);

	return r;
}

static int check_run_dir(struct check *check, const char *name)
{
	struct store *s = check->store;
	int64_t known = 0;
	int r = db_get_i64(s->db, &known, check->err,
			   "SELECT EXISTS(SELECT 1 FROM containers WHERE id=?)", "t", name);

	if (r < 0 || known)
		return r;
	r = monitor_lives(s->run_fd, name, check->err);
	if (r == 1)
		findings_add(&check->findings, false, "workload %.12s runs without a record", name);
	if (r != 0)
		return MIN(r, 0);
	if (check->repair)
		r = path_rmtree(s->run_fd, name, check->err);
	if (r == 0)
		findings_add(&check->findings, check->repair,
			     "run directory %.12s belongs to no container", name);

	return r;
}

static int check_run_dirs(struct check *check)
{
	int fd = openat(check->store->run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = err_sys(check->err, "list '%s'", check->store->run_root);
		fd_close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (strlen(entry->d_name) == SPEC_ID_HEX &&
		    strspn(entry->d_name, "0123456789abcdef") == SPEC_ID_HEX)
			r = check_run_dir(check, entry->d_name);
	closedir(dir);

	return r;
}

int store_check(struct store *s, bool repair, void (*fn)(void *ctx, const char *what, bool mended),
		void *ctx, struct err *err)
{
	struct check check = {
		.store = s,
		.repair = repair,
		.findings = { .fn = fn, .ctx = ctx },
		.err = err,
	};
	int r = check_database(&check);

	if (r == 0 && check.findings.left > 0)
		return check.findings.left; /* the rest would only repeat it */
	if (r == 0 && repair)
		r = reclaim_all(s, NULL, err);
	if (r == 0)
		r = check_layers(&check);
	if (r == 0)
		r = check_documents(&check);
	if (r == 0)
		r = check_mounts(&check);
	if (r == 0)
		r = check_run_dirs(&check);
	if (r < 0)
		return err_wrap(err, r, "check the store");
	if (repair)
		rw_repair(s, &check.findings);
	r = reclaim_scan(s, repair, &check.findings, err);

	return r < 0 ? r : check.findings.left;
}
