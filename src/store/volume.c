/* SPDX-License-Identifier: Apache-2.0
 *
 * volume.c - named directories that outlive containers: volumes/<name>/_data
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rand.h"
#include "store/internal.h"
#include "store/reclaim.h"
#include "wire/json.h"

#define COLUMNS "name, created_wall_ns, labels, anonymous"

void store_volume_done(struct store_volume *v)
{
	free(v->name);
	free(v->path);
	strv_done(&v->labels);
	*v = (struct store_volume){ 0 };
}

void store_volumes_done(struct store_volumes *list)
{
	for (size_t i = 0; i < list->len; i++)
		store_volume_done(&list->items[i]);
	free(list->items);
	*list = (struct store_volumes){ 0 };
}

static int check_name(const char *name, struct err *err)
{
	if (volume_name_valid(name))
		return 0;
	err_setk(err, ERR_USAGE, EINVAL, "'%s' is not a volume name", name);
	err_hint(err, "only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is allowed; a host directory begins with /");

	return -EINVAL;
}

/* Labels are stored as {"labels":["key=value",...]}. */
static int labels_write(const struct strv *labels, char **ret, struct err *err)
{
	auto_json *doc = json_object();
	int r = !doc ? -ENOMEM : 0;

	if (r == 0)
		r = json_set_strv(doc, "labels", labels);
	if (r == 0 && !(*ret = json_text(doc)))
		r = -ENOMEM;

	return err_wrap(err, r, "write labels");
}

static int labels_read(const char *text, struct strv *ret, struct err *err)
{
	auto_json *doc = NULL;
	int r = json_parse(text, strlen(text), "volume labels", &doc, err);

	return r < 0 ? r : json_get_strv(doc, "labels", ret, err);
}

static int load(struct store *s, sqlite3_stmt *query, struct store_volume *ret, struct err *err)
{
	*ret = (struct store_volume){
		.name = db_column_strdup(query, 0),
		.path = mem_printf("%s/volumes/%s/_data", s->root, db_column_text(query, 0)),
		.created_wall_ns = sqlite3_column_int64(query, 1),
		.anonymous = sqlite3_column_int(query, 3) != 0,
	};

	return labels_read(db_column_text(query, 2), &ret->labels, err);
}

/* The row came first, so a crash may have left it without one. */
static int make_dir(const struct store_volume *v, struct err *err)
{
	int fd = path_mkdirs(v->path, 0755, err);

	fd_close(fd);

	return fd < 0 ? fd : 0;
}

/* 1: @ret is filled in, 0: there is none. */
static int find(struct store *s, const char *name, struct store_volume *ret, struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err, "SELECT " COLUMNS " FROM volumes WHERE name=?", "t",
			 name);

	if (r == 0)
		r = db_step(query, err);
	if (r != 1)
		return r;
	r = load(s, query, ret, err);
	if (r == 0)
		r = make_dir(ret, err);
	if (r < 0)
		store_volume_done(ret);

	return r < 0 ? r : 1;
}

/* Nothing happens when there is one of this name. */
static int insert(struct store *s, const char *name, const char *labels, bool anonymous,
		  struct err *err)
{
	return db_run(s->db, err,
		      "INSERT OR IGNORE INTO volumes(name,created_wall_ns,labels,anonymous)"
		      " VALUES(?,?,?,?)",
		      "titi", name, clock_wall_ns(), labels, (int64_t)anonymous);
}

int store_volume_make(struct store *s, const char *name, const struct strv *labels,
		      struct store_volume *ret, bool *ret_new, struct err *err)
{
	static const struct strv none = { 0 };
	char anonymous[65];
	auto_free char *text = NULL;
	int r;

	if (!name)
		rand_hex(anonymous, sizeof(anonymous) - 1);
	r = check_name(name ? name : anonymous, err);
	if (r == 0)
		r = labels_write(labels ? labels : &none, &text, err);
	/* Whoever is just removing one of this name finishes first. */
	if (r == 0)
		r = lock_lease(s, INTENT_VOLUME, name ? name : anonymous, err);
	if (r == 0)
		r = insert(s, name ? name : anonymous, text, name == NULL, err);
	failpoint("volume-recorded");
	if (r < 0)
		return err_wrap(err, r, "make volume");
	*ret_new = sqlite3_changes(s->db) > 0;
	r = find(s, name ? name : anonymous, ret, err);

	return r == 0 ? err_set(err, ENOENT, "volume '%s' was removed meanwhile", name) : MIN(r, 0);
}

int store_volume_find(struct store *s, const char *name, struct store_volume *ret, struct err *err)
{
	int r = find(s, name, ret, err);

	if (r == 0)
		return err_setk(err, ERR_NOT_FOUND, ENOENT, "no such volume: %s", name);

	return r < 0 ? r : 0;
}

int store_volume_list(struct store *s, struct store_volumes *ret, struct err *err)
{
	auto_done(store_volumes) list = { 0 };
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err, "SELECT " COLUMNS " FROM volumes ORDER BY name", "");

	while (r == 0 && (r = db_step(query, err)) == 1) {
		list.items = mem_realloc(list.items, list.len + 1, sizeof(*list.items));
		r = load(s, query, &list.items[list.len++], err);
	}
	if (r < 0)
		return err_wrap(err, r, "list volumes");
	*ret = list;
	list = (struct store_volumes){ 0 };

	return 0;
}

int store_volume_use(struct store *s, const char *volume, const char *container_id, struct err *err)
{
	int r = db_run(s->db, err,
		       "INSERT OR IGNORE INTO volume_users(container_id,volume) VALUES(?,?)", "tt",
		       container_id, volume);

	return err_wrap(err, r, "use volume '%s'", volume);
}

int store_volume_users(struct store *s, const char *volume, struct strv *ret, struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err, "SELECT container_id FROM volume_users WHERE volume=?",
			 "t", volume);

	while (r == 0 && (r = db_step(query, err)) == 1)
		r = strv_add(ret, db_column_text(query, 0));

	return r;
}

/* In the caller's transaction: the row becomes an intent. */
static int remove_row(struct store *s, const char *name, struct err *err)
{
	auto_done(strv) users = { 0 };
	int r = store_volume_users(s, name, &users, err);

	if (r == 0 && users.len > 0) {
		err_setk(err, ERR_CONFLICT, EBUSY, "volume is in use - [%s]", users.items[0]);
		err_hint(err, "remove the container first: hull rm %.12s", users.items[0]);
		return -EBUSY;
	}
	if (r == 0)
		r = db_run(s->db, err, "DELETE FROM volumes WHERE name=?", "t", name);
	if (r == 0 && sqlite3_changes(s->db) == 0)
		return err_setk(err, ERR_NOT_FOUND, ENOENT, "no such volume: %s", name);

	return r < 0 ? r : reclaim_intend(s, INTENT_VOLUME, name, err);
}

int store_volume_remove(struct store *s, const char *name, struct err *err)
{
	auto_done(db_txn) txn = { 0 };
	int r = db_txn_begin(s->db, false, &txn, err);

	/* Only makers of this moment need the lease; it must not keep us from removing. */
	if (s->lock_fd >= 0)
		lock_release(s->lock_fd, INTENT_VOLUME, name);
	if (r == 0)
		r = remove_row(s, name, err);
	if (r == 0)
		r = db_txn_commit(&txn, err);
	failpoint("volume-removed");
	if (r == 0)
		r = reclaim_all(s, NULL, err);

	return r == 0 || r == -ENOENT ? r : err_wrap(err, r, "remove %s", name);
}

int store_volume_usage(struct store *s, const char *name, uint64_t *ret_bytes, struct err *err)
{
	auto_close int all_fd = -1;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	all_fd = openat(s->root_fd, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (all_fd < 0 && errno == ENOENT) {
		*ret_bytes = 0;
		return 0;
	}
	if (all_fd < 0)
		return err_sys(err, "open '%s/volumes'", s->root);

	return du_bytes(all_fd, name, ret_bytes, err);
}

/* The directory of a new one is made when it is first looked for. */
static int insert_uses(struct store *s, const char *id, const struct store_use *uses, size_t len,
		       struct err *err)
{
	static const struct strv none = { 0 };
	auto_free char *labels = NULL;
	int r = len ? labels_write(&none, &labels, err) : 0;

	for (size_t i = 0; i < len && r == 0; i++) {
		r = insert(s, uses[i].name, labels, uses[i].anonymous, err);
		if (r == 0)
			r = store_volume_use(s, uses[i].name, id, err);
	}

	return r;
}

int store_container_add(struct store *s, struct store_container *c, const struct store_use *uses,
			size_t uses_len, struct err *err)
{
	auto_done(db_txn) txn = { 0 };
	uint32_t base = 0;
	int r = 0;

	/* Whoever is just removing one of these finishes first. */
	for (size_t i = 0; i < uses_len && r == 0; i++) {
		r = check_name(uses[i].name, err);
		if (r == 0)
			r = lock_lease(s, INTENT_VOLUME, uses[i].name, err);
	}
	if (r == 0)
		r = db_txn_begin(s->db, false, &txn, err);
	if (r == 0)
		r = container_insert(s, c, &base, err);
	if (r == 0)
		r = insert_uses(s, c->id, uses, uses_len, err);
	if (r == 0)
		r = db_txn_commit(&txn, err);
	if (r == 0)
		c->uid_base = base;

	return r;
}

/* Names of the anonymous volumes of a container are appended. */
static int list_own(struct store *s, const char *id, struct strv *ret, struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err,
			 "SELECT name FROM volumes JOIN volume_users ON volume=name"
			 " WHERE container_id=?1 AND anonymous AND NOT EXISTS(SELECT 1 FROM"
			 " volume_users WHERE volume=name AND container_id<>?1)",
			 "t", id);

	while (r == 0 && (r = db_step(query, err)) == 1)
		r = strv_add(ret, db_column_text(query, 0));

	return r;
}

int store_container_remove_with_volumes(struct store *s, const char *id, struct err *err)
{
	auto_done(db_txn) txn = { 0 };
	auto_done(strv) names = { 0 };
	int r = db_txn_begin(s->db, false, &txn, err);

	if (r == 0)
		r = list_own(s, id, &names, err);
	if (r == 0)
		r = store_container_remove(s, id, err);
	for (size_t i = 0; i < names.len && r == 0; i++) {
		if (s->lock_fd >= 0)
			lock_release(s->lock_fd, INTENT_VOLUME, names.items[i]);
		r = remove_row(s, names.items[i], err);
	}
	if (r == 0)
		r = db_txn_commit(&txn, err);
	failpoint("volumes-removed");

	return r < 0 ? r : reclaim_all(s, NULL, err);
}
