/* SPDX-License-Identifier: Apache-2.0
 *
 * image_remove.c - taking names off images, and images away with all that was only theirs
 */
#include <errno.h>
#include <string.h>

#include "base/failpoint.h"
#include "store/internal.h"
#include "store/reclaim.h"

/* Which container stands in the way, if any: @ret_user is then set, the caller frees it. */
static int find_user(struct store *s, const char *image_id, char **ret_user, bool *ret_running,
		     struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err,
			 "SELECT id, started AND NOT ended FROM containers WHERE image_id=?"
			 " ORDER BY 2 DESC LIMIT 1",
			 "t", image_id);

	if (r == 0)
		r = db_step(query, err);
	if (r == 1) {
		*ret_user = db_column_strdup(query, 0);
		*ret_running = sqlite3_column_int(query, 1) != 0;
	}

	return r < 0 ? r : 0;
}

#define SHORT_ID_DIGITS 12

static int refuse(const char *image_id, const char *user, bool running, bool by_name,
		  struct err *err)
{
	err_setk(err, ERR_CONFLICT, EBUSY,
		 "conflict: unable to delete %.*s (%s) - image is being used by %s container %.*s",
		 SHORT_ID_DIGITS, image_id + strlen("sha256:"),
		 running && !by_name ? "cannot be forced" : "must be forced",
		 running ? "running" : "stopped", SHORT_ID_DIGITS, user);
	err_hint(err, "remove the container first: hull rm %s%.*s", running ? "-f " : "",
		 SHORT_ID_DIGITS, user);

	return -EBUSY;
}

static int untag(struct store *s, const char *image_id, const char *only, struct strv *ret_untagged,
		 struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err,
			 "DELETE FROM names WHERE image_id=?1 AND name=coalesce(?2, name)"
			 " RETURNING name",
			 "tt", image_id, only);

	while (r == 0 && (r = db_step(query, err)) == 1)
		r = strv_add(ret_untagged, db_column_text(query, 0));

	return r;
}

/* The rows go, intents for whatever no other image needs stay. */
static int delete_rows(struct store *s, const char *image_id, struct err *err)
{
	int r = db_run(s->db, err,
		       "INSERT OR IGNORE INTO intents(kind,name)"
		       " SELECT '" INTENT_LAYER "', diff_id FROM image_layers WHERE image_id=?1"
		       " AND diff_id NOT IN"
		       " (SELECT diff_id FROM image_layers WHERE image_id<>?1)",
		       "t", image_id);

	if (r == 0)
		r = db_run(s->db, err,
			   "INSERT OR IGNORE INTO intents(kind,name)"
			   " SELECT '" INTENT_CONTENT "', id FROM images WHERE id=?1 UNION"
			   " SELECT '" INTENT_CONTENT "', manifest_digest FROM images WHERE id=?1",
			   "t", image_id);
	if (r == 0)
		r = db_run(s->db, err, "DELETE FROM images WHERE id=?", "t", image_id);

	return r;
}

/* In the caller's transaction. 1: the image is to go altogether, 0: a name went. */
static int remove_rows(struct store *s, const char *ref, bool force, struct strv *ret_untagged,
		       char id[STORE_DIGEST_BYTES], struct err *err)
{
	auto_free char *name = NULL, *user = NULL;
	int64_t names = 0;
	bool running = false;
	int r = image_find_id(s, ref, id, &name, err);

	if (r == 0)
		r = db_get_i64(s->db, &names, err, "SELECT count(*) FROM names WHERE image_id=?",
			       "t", id);
	if (r == 0 && name && names > 1)
		return untag(s, id, name, ret_untagged, err);
	if (r == 0 && !name && names > 1 && !force)
		return err_setk(err, ERR_CONFLICT, EBUSY,
				"conflict: unable to delete %.*s (must be forced) - image is"
				" referenced in multiple repositories",
				SHORT_ID_DIGITS, id + strlen("sha256:"));
	if (r == 0)
		r = find_user(s, id, &user, &running, err);
	/* Forced, a container keeps the image, without a name; a running one all but the one named.
	 */
	if (r == 0 && user && ((running && !name) || !force || names == 0))
		return refuse(id, user, running, name != NULL, err);
	if (r == 0)
		r = untag(s, id, NULL, ret_untagged, err);
	if (r == 0 && !user)
		r = delete_rows(s, id, err);

	return r < 0 ? r : user == NULL;
}

int store_image_remove(struct store *s, const char *ref, bool force, struct strv *ret_untagged,
		       struct strv *ret_deleted, struct err *err)
{
	auto_done(strv) untagged = { 0 };
	auto_done(db_txn) txn = { 0 };
	char id[STORE_DIGEST_BYTES];
	int gone, r = db_txn_begin(s->db, true, &txn, err);

	if (r < 0)
		return r;
	gone = remove_rows(s, ref, force, &untagged, id, err);
	if (gone < 0)
		return gone;
	failpoint("image-remove-rows");
	r = db_txn_commit(&txn, err);
	failpoint("image-removed");
	if (r == 0)
		r = strv_add_all(ret_untagged, &untagged);
	if (r == 0 && gone)
		r = strv_add(ret_deleted, id);
	/* What holds the space: mounts first, then files. */
	if (r == 0 && gone)
		r = store_layer_unmount_unused(s, err);
	if (r == 0 && gone)
		r = reclaim_all(s, ret_deleted, err);
	db_checkpoint(s->db, DB_LOG_DURABLE_BYTES);

	return r;
}
