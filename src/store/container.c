/* SPDX-License-Identifier: Apache-2.0
 *
 * container.c - records of containers and their ranges of user and group ids
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "store/internal.h"

/*
 * Ids for user namespaces: 65,536 at a time, from where no distribution puts users, up to
 * where ids stop being positive as signed numbers. HULL_ID_POOL="FIRST-LAST" moves it.
 */
#define POOL_FIRST 0x70000000U
#define POOL_LAST 0x7fffffffU
#define POOL_ENV "HULL_ID_POOL"

#define SUBID_MAX_BYTES (1024 * 1024)
#define COLUMNS                                                                               \
	"id,name,image_id,image_ref,level,config,created_wall_ns,uid_base,uid_count,started," \
	"ended,exit_status,oom,started_wall_ns,finished_wall_ns,error,restarts"

void store_container_done(struct store_container *c)
{
	free(c->id);
	free(c->name);
	free(c->image_id);
	free(c->image_ref);
	free(c->level);
	free(c->config);
	free(c->error);
	*c = (struct store_container){ 0 };
}

void store_containers_done(struct store_containers *list)
{
	for (size_t i = 0; i < list->len; i++)
		store_container_done(&list->items[i]);
	free(list->items);
	*list = (struct store_containers){ 0 };
}

/* ---- ranges of ids ---- */

/* @first..@last, both included. */
struct id_range {
	uint64_t first, last;
};

struct id_ranges {
	struct id_range *items;
	size_t len;
};

static void id_ranges_done(struct id_ranges *ranges)
{
	free(ranges->items);
}
DEFINE_AUTO_DONE(id_ranges)

static void ranges_add(struct id_ranges *ranges, uint64_t first, uint64_t count)
{
	ranges->items = mem_realloc(ranges->items, ranges->len + 1, sizeof(*ranges->items));
	ranges->items[ranges->len++] = (struct id_range){ first, first + count - 1 };
}

static int range_cmp(const void *a, const void *b)
{
	const struct id_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

/* Ranges that useradd and others hand out: lines of "name:first:count". Bad lines are skipped. */
static int ranges_add_subid(struct id_ranges *ranges, const char *path, struct err *err)
{
	auto_free char *text = NULL;
	struct slice rest, line;
	struct err why = ERR_INIT;
	int r = fd_read_file(AT_FDCWD, path, SUBID_MAX_BYTES, &text, NULL, &why);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		if (err)
			*err = why;
		return r;
	}
	rest = slice_of(text);
	while (slice_next(&rest, '\n', &line)) {
		struct slice user;
		uint64_t first, count;

		if (slice_next(&line, ':', &user) && slice_next(&line, ':', &user) &&
		    parse_slice_u64(user, 0, UINT32_MAX, &first) == 0 &&
		    parse_slice_u64(line, 1, UINT32_MAX, &count) == 0)
			ranges_add(ranges, first, count);
	}

	return 0;
}

static int ranges_add_containers(struct id_ranges *ranges, struct store *s, struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err,
			 "SELECT uid_base, uid_count FROM containers WHERE uid_count > 0", "");

	while (r == 0 && (r = db_step(query, err)) == 1) {
		ranges_add(ranges, (uint64_t)sqlite3_column_int64(query, 0),
			   (uint64_t)sqlite3_column_int64(query, 1));
		r = 0;
	}

	return r;
}

static int pool_get(struct id_range *ret, struct err *err)
{
	const char *text = secure_getenv(POOL_ENV);
	struct slice last = slice_of(text), first;
	struct id_range pool = { POOL_FIRST, POOL_LAST };

	if (text &&
	    (!slice_next(&last, '-', &first) || parse_slice_u64(first, 1, POOL_LAST, &pool.first) ||
	     parse_slice_u64(last, pool.first, UINT32_MAX - 1, &pool.last)))
		return err_setk(err, ERR_USAGE, EINVAL, POOL_ENV "='%s' is not FIRST-LAST", text);
	*ret = pool;

	return 0;
}

/* The lowest @count ids of the pool that nobody else has. In the caller's transaction. */
static int allocate_ids(struct store *s, uint32_t count, uint32_t *ret_base, struct err *err)
{
	auto_done(id_ranges) taken = { 0 };
	struct id_range pool = { 0 };
	uint64_t base;
	int r = pool_get(&pool, err);

	if (r == 0)
		r = ranges_add_subid(&taken, "/etc/subuid", err);
	if (r == 0)
		r = ranges_add_subid(&taken, "/etc/subgid", err);
	if (r == 0)
		r = ranges_add_containers(&taken, s, err);
	if (r < 0)
		return err_wrap(err, r, "choose user ids");

	if (taken.len > 0)
		qsort(taken.items, taken.len, sizeof(*taken.items), range_cmp);
	base = pool.first;
	for (size_t i = 0; i < taken.len; i++) {
		if (taken.items[i].last < base)
			continue;
		if (taken.items[i].first >= base + count)
			break;
		base = taken.items[i].last + 1;
	}
	if (base + count - 1 > pool.last) {
		err_set(err, ENOSPC, "no %u free user ids between %llu and %llu", count,
			(unsigned long long)pool.first, (unsigned long long)pool.last);
		err_hint(err, "remove containers, or name a larger pool in " POOL_ENV);
		return -ENOSPC;
	}
	*ret_base = (uint32_t)base;

	return 0;
}

/* ---- rows ---- */

static int name_taken(struct store *s, const char *name, const char *but_id, struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err, "SELECT id FROM containers WHERE name=? AND id<>?",
			 "tt", name, but_id);

	if (r == 0)
		r = db_step(query, err);
	if (r <= 0)
		return r;
	err_setk(err, ERR_CONFLICT, EEXIST,
		 "the container name \"%s\" is already in use by container \"%s\"", name,
		 db_column_text(query, 0));
	err_hint(err, "remove or rename that container to be able to reuse that name");

	return -EEXIST;
}

int container_insert(struct store *s, const struct store_container *c, uint32_t *ret_base,
		     struct err *err)
{
	uint32_t base = 0;
	int r = name_taken(s, c->name, c->id, err);

	if (r == 0 && c->uid_count > 0)
		r = allocate_ids(s, c->uid_count, &base, err);
	if (r == 0)
		r = db_run(s->db, err,
			   "INSERT INTO containers(" COLUMNS
			   ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			   "ttttttiiiiiiiiiti", c->id, c->name, c->image_id, c->image_ref, c->level,
			   c->config, c->created_wall_ns, (int64_t)base, (int64_t)c->uid_count,
			   (int64_t)c->started, (int64_t)c->ended, (int64_t)c->exit_status,
			   (int64_t)c->oom, c->started_wall_ns, c->finished_wall_ns, c->error,
			   (int64_t)c->restarts);
	if (r == 0)
		*ret_base = base;

	return r;
}

static void load(sqlite3_stmt *query, struct store_container *ret)
{
	*ret = (struct store_container){
		.id = db_column_strdup(query, 0),
		.name = db_column_strdup(query, 1),
		.image_id = db_column_strdup(query, 2),
		.image_ref = db_column_strdup(query, 3),
		.level = db_column_strdup(query, 4),
		.config = db_column_strdup(query, 5),
		.created_wall_ns = sqlite3_column_int64(query, 6),
		.uid_base = (uint32_t)sqlite3_column_int64(query, 7),
		.uid_count = (uint32_t)sqlite3_column_int64(query, 8),
		.started = sqlite3_column_int(query, 9) != 0,
		.ended = sqlite3_column_int(query, 10) != 0,
		.exit_status = sqlite3_column_int(query, 11),
		.oom = sqlite3_column_int(query, 12) != 0,
		.started_wall_ns = sqlite3_column_int64(query, 13),
		.finished_wall_ns = sqlite3_column_int64(query, 14),
		.error = db_column_strdup(query, 15),
		.restarts = (uint32_t)sqlite3_column_int64(query, 16),
	};
}

/* 1: filled in, 0: no row, or -ENOTUNIQ when a second row follows. */
static int load_only(sqlite3_stmt *query, const char *ref, struct store_container *ret,
		     struct err *err)
{
	auto_done(store_container) c = { 0 };
	int r = db_step(query, err);

	if (r != 1)
		return r;
	load(query, &c);
	r = db_step(query, err);
	if (r == 1)
		return err_setk(err, ERR_CONFLICT, ENOTUNIQ,
				"'%s' is the start of several container ids", ref);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct store_container){ 0 };

	return 1;
}

int store_container_find(struct store *s, const char *ref, struct store_container *ret,
			 struct err *err)
{
	const char *name = ref[0] == '/' ? ref + 1 : ref; /* inspect shows names so */
	auto_query *exact = NULL, *prefix = NULL;
	int r = db_query(s->db, &exact, err,
			 "SELECT " COLUMNS " FROM containers WHERE id=?1 OR name=?2"
			 " ORDER BY id=?1 DESC LIMIT 1",
			 "tt", ref, name);

	if (r == 0)
		r = load_only(exact, ref, ret, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (*ref && strspn(ref, "0123456789abcdef") == strlen(ref)) {
		r = db_query(s->db, &prefix, err,
			     "SELECT " COLUMNS " FROM containers WHERE id >= ?1 AND id < ?1||'g'"
			     " LIMIT 2",
			     "t", ref);
		if (r == 0)
			r = load_only(prefix, ref, ret, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}

	return err_setk(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", ref);
}

int store_container_list(struct store *s, struct store_containers *ret, struct err *err)
{
	auto_done(store_containers) list = { 0 };
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err,
			 "SELECT " COLUMNS " FROM containers ORDER BY created_wall_ns DESC", "");

	while (r == 0 && (r = db_step(query, err)) == 1) {
		list.items = mem_realloc(list.items, list.len + 1, sizeof(*list.items));
		load(query, &list.items[list.len++]);
		r = 0;
	}
	if (r < 0)
		return err_wrap(err, r, "list containers");
	*ret = list;
	list = (struct store_containers){ 0 };

	return 0;
}

int store_container_update(struct store *s, const struct store_container *c, struct err *err)
{
	auto_done(db_txn) txn = { 0 };
	int r = db_txn_begin(s->db, false, &txn, err);

	if (r == 0)
		r = name_taken(s, c->name, c->id, err);
	if (r == 0)
		r = db_run(s->db, err,
			   "UPDATE containers SET name=?2,image_ref=?3,config=?4,"
			   "created_wall_ns=?5,started=?6,ended=?7,exit_status=?8,oom=?9,"
			   "started_wall_ns=?10,finished_wall_ns=?11,error=?12,restarts=?13"
			   " WHERE id=?1",
			   "ttttiiiiiiiti", c->id, c->name, c->image_ref, c->config,
			   c->created_wall_ns, (int64_t)c->started, (int64_t)c->ended,
			   (int64_t)c->exit_status, (int64_t)c->oom, c->started_wall_ns,
			   c->finished_wall_ns, c->error, (int64_t)c->restarts);
	if (r == 0 && sqlite3_changes(s->db) == 0)
		r = err_setk(err, ERR_NOT_FOUND, ENOENT, "No such container: %s", c->id);
	if (r == 0)
		r = db_txn_commit(&txn, err);

	return r;
}

int store_container_remove(struct store *s, const char *id, struct err *err)
{
	int r = db_run(s->db, err, "DELETE FROM containers WHERE id=?", "t", id);

	return err_wrap(err, r, "remove the record of container %.12s", id);
}
