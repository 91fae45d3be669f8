/* SPDX-License-Identifier: Apache-2.0
 *
 * image.c - images and their names: finding and adding
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "store/internal.h"
#include "store/name.h"
#include "store/reclaim.h"
#include "wire/json.h"

void store_image_done(struct store_image *image)
{
	free(image->config);
	free(image->manifest);
	strv_done(&image->names);
	free(image->layers);
	*image = (struct store_image){ 0 };
}

void store_images_done(struct store_images *list)
{
	for (size_t i = 0; i < list->len; i++)
		store_image_done(&list->items[i]);
	free(list->items);
	*list = (struct store_images){ 0 };
}

/* In the table of layers, of one that is not the image's own. */
#define COVER_POSITION 1000000

static void copy_digest(char ret[STORE_DIGEST_BYTES], const char *digest)
{
	(void)snprintf(ret, STORE_DIGEST_BYTES, "%s", digest);
}

/* ---- finding ---- */

static int not_found(const char *ref, struct err *err)
{
	err_setk(err, ERR_NOT_FOUND, ENOENT, "no such image: %s", ref);
	if (strncmp(ref, "busybox", strlen("busybox")) == 0)
		err_hint(err, "make it with: hull image bootstrap busybox");
	else
		err_hint(err, "bring it in with: hull image import FILE --name %s", ref);

	return -ENOENT;
}

/* One text column into @ret, from the only row. 1: found, 0: no row, or -ENOTUNIQ. */
static int find_only(sqlite3_stmt *query, const char *ref, char ret[STORE_DIGEST_BYTES],
		     struct err *err)
{
	char id[STORE_DIGEST_BYTES];
	int r = db_step(query, err);

	if (r != 1)
		return r;
	copy_digest(id, db_column_text(query, 0));
	r = db_step(query, err);
	if (r == 1)
		return err_setk(err, ERR_CONFLICT, ENOTUNIQ, "'%s' is the start of several ids",
				ref);
	if (r == 0)
		copy_digest(ret, id);

	return r < 0 ? r : 1;
}

static int find_by_name(struct store *s, const struct image_name *name,
			char ret[STORE_DIGEST_BYTES], struct err *err)
{
	struct slice tag = name->tag.at ? name->tag : slice_of("latest");
	auto_free char *text =
		mem_printf("%.*s:%.*s", (int)name->path.len, name->path.at, (int)tag.len, tag.at);
	auto_query *query = NULL;
	int r = name->digest ? db_query(s->db, &query, err,
					"SELECT id FROM images WHERE manifest_digest=?1 OR id=?1",
					"t", name->digest)
			     : db_query(s->db, &query, err,
					"SELECT image_id FROM names WHERE name=?", "t", text);

	return r < 0 ? r : find_only(query, name->digest ? name->digest : text, ret, err);
}

static int find_by_prefix(struct store *s, const char *ref, char ret[STORE_DIGEST_BYTES],
			  struct err *err)
{
	const char *hex = strncmp(ref, "sha256:", 7) == 0 ? ref + 7 : ref;
	auto_query *query = NULL;
	int r;

	if (!*hex || strlen(hex) > STORE_HEX_DIGITS ||
	    strspn(hex, "0123456789abcdef") != strlen(hex))
		return 0;
	r = db_query(s->db, &query, err,
		     "SELECT id FROM images WHERE id >= 'sha256:'||?1 AND id < 'sha256:'||?1||'g'"
		     " LIMIT 2",
		     "t", hex);

	return r < 0 ? r : find_only(query, ref, ret, err);
}

int image_find_id(struct store *s, const char *ref, char ret[STORE_DIGEST_BYTES], char **ret_name,
		  struct err *err)
{
	struct image_name name;
	struct err why = ERR_INIT;
	int r = name_split(ref, &name, &why);

	if (r == 0) {
		r = find_by_name(s, &name, ret, err);
		if (r == 1 && ret_name && !name.digest)
			return store_name_normalize(ref, ret_name, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	r = find_by_prefix(s, ref, ret, err);
	if (r < 0)
		return r;
	if (r == 1)
		return 0;
	if (why.code && err) {
		*err = why;
		return -EINVAL;
	}

	return why.code ? -EINVAL : not_found(ref, err);
}

static int load_names(struct store *s, struct store_image *image, struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err, "SELECT name FROM names WHERE image_id=?", "t",
			 image->id);

	while (r == 0 && (r = db_step(query, err)) == 1)
		r = strv_add(&image->names, db_column_text(query, 0));

	return r;
}

static int load_layers(struct store *s, struct store_image *image, struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err,
			 "SELECT l.diff_id, l.file_bytes, l.tar_bytes, position FROM image_layers"
			 " JOIN layers l USING(diff_id) WHERE image_id=? ORDER BY position",
			 "t", image->id);

	while (r == 0 && (r = db_step(query, err)) == 1) {
		struct store_layer *layer;

		image->layers =
			mem_realloc(image->layers, image->layers_len + 1, sizeof(*image->layers));
		layer = &image->layers[image->layers_len++];
		copy_digest(layer->diff_id, db_column_text(query, 0));
		layer->file_bytes = (uint64_t)sqlite3_column_int64(query, 1);
		layer->tar_bytes = (uint64_t)sqlite3_column_int64(query, 2);
		image->size_bytes += layer->file_bytes;
		image->covered = sqlite3_column_int64(query, 3) == COVER_POSITION;
		r = 0;
	}

	return r;
}

/* All of the image whose @id is set. */
static int load(struct store *s, struct store_image *image, struct err *err)
{
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err,
			 "SELECT manifest_digest, created_wall_ns FROM images WHERE id=?", "t",
			 image->id);

	if (r == 0)
		r = db_step(query, err);
	if (r <= 0)
		return r < 0 ? r : not_found(image->id, err);
	copy_digest(image->manifest_digest, db_column_text(query, 0));
	image->created_wall_ns = sqlite3_column_int64(query, 1);
	r = load_names(s, image, err);
	if (r == 0)
		r = load_layers(s, image, err);
	if (r == 0)
		r = content_read(s, image->id, &image->config, &image->config_len, err);
	if (r == 0)
		r = content_read(s, image->manifest_digest, &image->manifest, &image->manifest_len,
				 err);

	return r;
}

int store_image_find(struct store *s, const char *ref, struct store_image *ret, struct err *err)
{
	auto_done(store_image) image = { 0 };
	int r = image_find_id(s, ref, image.id, NULL, err);

	if (r < 0)
		return r;
	r = load(s, &image, err);
	if (r < 0)
		return err_wrap(err, r, "read image '%s'", ref);
	*ret = image;
	image = (struct store_image){ 0 };

	return 0;
}

int store_image_list(struct store *s, struct store_images *ret, struct err *err)
{
	auto_done(store_images) list = { 0 };
	auto_query *query = NULL;
	int r = db_query(s->db, &query, err,
			 "SELECT id FROM images ORDER BY created_wall_ns DESC, added_wall_ns DESC",
			 "");

	while (r == 0 && (r = db_step(query, err)) == 1) {
		list.items = mem_realloc(list.items, list.len + 1, sizeof(*list.items));
		list.items[list.len] = (struct store_image){ 0 };
		copy_digest(list.items[list.len].id, db_column_text(query, 0));
		list.len++;
		r = load(s, &list.items[list.len - 1], err);
	}
	if (r < 0)
		return err_wrap(err, r, "list images");
	*ret = list;
	list = (struct store_images){ 0 };

	return 0;
}

/* ---- adding ---- */

static int check_digest(const char *digest, const char *bytes, size_t len, const char *what,
			struct err *err)
{
	char sum[SHA256_DIGEST_BYTES];

	if (!digest_hex(digest))
		return err_setk(err, ERR_USAGE, EINVAL, "%s: '%s' is not a sha256 digest", what,
				digest);
	if (len > CONTENT_MAX_BYTES)
		return err_set(err, EFBIG, "%s is longer than %d bytes", what, CONTENT_MAX_BYTES);
	sha256_digest(bytes, len, sum);
	if (strcmp(sum, digest) != 0)
		return err_setk(err, ERR_USAGE, EINVAL, "%s has digest %s, not %s", what, sum,
				digest);

	return 0;
}

/* The configuration names the same layers; @ret_created_ns is when it says it was made. */
static int check_config(const struct store_image *image, int64_t *ret_created_ns, struct err *err)
{
	auto_json *config = NULL;
	auto_done(strv) diff_ids = { 0 };
	const json_t *rootfs = NULL;
	const char *created = NULL;
	int r = json_parse(image->config, image->config_len, "image config", &config, err);

	if (r == 0)
		r = json_get_object(config, "rootfs", &rootfs, err);
	if (r == 0 && rootfs)
		r = json_get_strv(rootfs, "diff_ids", &diff_ids, err);
	if (r == 0)
		r = json_get_text(config, "created", &created, err);
	if (r < 0)
		return r;
	if (diff_ids.len != store_image_own_layers(image))
		return err_setk(err, ERR_USAGE, EINVAL, "the config names %zu layers, not %zu",
				diff_ids.len, store_image_own_layers(image));
	for (size_t i = 0; i < diff_ids.len; i++)
		if (strcmp(diff_ids.items[i], image->layers[i].diff_id) != 0)
			return err_setk(err, ERR_USAGE, EINVAL, "layer %zu is %s, not %s", i + 1,
					image->layers[i].diff_id, diff_ids.items[i]);
	*ret_created_ns = 0;
	if (created && clock_parse_rfc3339(created, ret_created_ns) < 0)
		*ret_created_ns = 0;

	return 0;
}

/* In the caller's transaction. */
static int add_layer(struct store *s, const char *image_id, int64_t position, const char *diff_id,
		     struct err *err)
{
	int64_t size_bytes = -1;
	int r = db_get_i64(s->db, &size_bytes, err, "SELECT size_bytes FROM layers WHERE diff_id=?",
			   "t", diff_id);

	if (r == 0 && size_bytes < 0)
		r = err_set(err, ENOENT, "layer %s has not been ingested", diff_id);
	if (r == 0)
		r = layer_check_file(s, diff_id, (uint64_t)size_bytes, err);
	if (r == 0)
		r = db_run(s->db, err,
			   "INSERT OR IGNORE INTO image_layers(image_id,position,diff_id)"
			   " VALUES(?,?,?)",
			   "tit", image_id, position, diff_id);
	if (r == 0)
		r = reclaim_settle(s, INTENT_LAYER, diff_id, err);

	return r;
}

/* One that the image had before, as another version made it, is garbage. */
static int drop_cover(struct store *s, const char *image_id, struct err *err)
{
	int r = db_run(s->db, err,
		       "INSERT OR IGNORE INTO intents(kind,name) SELECT '" INTENT_LAYER
		       "', diff_id FROM image_layers WHERE image_id=? AND position=?",
		       "ti", image_id, (int64_t)COVER_POSITION);

	return r < 0 ? r
		     : db_run(s->db, err,
			      "DELETE FROM image_layers WHERE image_id=? AND position=?", "ti",
			      image_id, (int64_t)COVER_POSITION);
}

static int add_layers(struct store *s, const struct store_image *image, struct err *err)
{
	size_t own = store_image_own_layers(image);
	int r = drop_cover(s, image->id, err);

	for (size_t i = 0; r == 0 && i < image->layers_len; i++)
		r = add_layer(s, image->id, i < own ? (int64_t)i : COVER_POSITION,
			      image->layers[i].diff_id, err);

	return r;
}

static int set_name(struct store *s, const char *name, const char *image_id, struct err *err)
{
	auto_free char *full = NULL;
	int r = store_name_normalize(name, &full, err);

	if (r < 0)
		return r;

	return db_run(s->db, err,
		      "INSERT INTO names(name,image_id) VALUES(?1,?2)"
		      " ON CONFLICT(name) DO UPDATE SET image_id=?2",
		      "tt", full, image_id);
}

/* Part of the caller's transaction: every row of the image, no intents left for its files. */
static int add_rows(struct store *s, const struct store_image *image, int64_t created_ns,
		    struct err *err)
{
	/* The same config under another manifest: the new one is kept, the old one is garbage. */
	int r = db_run(s->db, err,
		       "INSERT OR IGNORE INTO intents(kind,name) SELECT '" INTENT_CONTENT
		       "', manifest_digest FROM images WHERE id=?1 AND manifest_digest<>?2",
		       "tt", image->id, image->manifest_digest);

	if (r == 0)
		r = db_run(s->db, err,
			   "INSERT INTO images(id,manifest_digest,created_wall_ns,added_wall_ns)"
			   " VALUES(?1,?2,?3,?4) ON CONFLICT(id) DO UPDATE SET manifest_digest=?2",
			   "ttii", image->id, image->manifest_digest, created_ns, clock_wall_ns());
	if (r == 0)
		r = add_layers(s, image, err);
	for (size_t i = 0; r == 0 && i < image->names.len; i++)
		r = set_name(s, image->names.items[i], image->id, err);
	if (r == 0)
		r = reclaim_settle(s, INTENT_CONTENT, image->id, err);
	if (r == 0)
		r = reclaim_settle(s, INTENT_CONTENT, image->manifest_digest, err);

	return r;
}

/* Both documents on the disk, announced by intents first. */
static int add_documents(struct store *s, const struct store_image *image, struct err *err)
{
	auto_done(db_txn) txn = { 0 };
	int r = lock_lease(s, INTENT_CONTENT, image->id, err);

	if (r == 0)
		r = lock_lease(s, INTENT_CONTENT, image->manifest_digest, err);
	if (r == 0)
		r = db_txn_begin(s->db, true, &txn, err);
	if (r == 0)
		r = reclaim_intend(s, INTENT_CONTENT, image->id, err);
	if (r == 0)
		r = reclaim_intend(s, INTENT_CONTENT, image->manifest_digest, err);
	if (r == 0)
		r = db_txn_commit(&txn, err);
	failpoint("image-intended");
	if (r == 0)
		r = content_write(s, image->id, image->config, image->config_len, err);
	if (r == 0)
		r = content_write(s, image->manifest_digest, image->manifest, image->manifest_len,
				  err);
	failpoint("image-documents");

	return r;
}

int store_image_add(struct store *s, const struct store_image *image, struct err *err)
{
	auto_done(db_txn) txn = { 0 };
	int64_t created_ns = 0;
	int r = check_digest(image->id, image->config, image->config_len, "image config", err);

	if (r == 0)
		r = check_digest(image->manifest_digest, image->manifest, image->manifest_len,
				 "image manifest", err);
	if (r == 0)
		r = check_config(image, &created_ns, err);
	if (r == 0)
		r = add_documents(s, image, err);
	if (r == 0)
		r = db_txn_begin(s->db, true, &txn, err);
	if (r == 0)
		r = add_rows(s, image, created_ns, err);
	failpoint("image-rows");
	if (r == 0)
		r = db_txn_commit(&txn, err);
	failpoint("image-added");
	if (r < 0)
		return err_wrap(err, r, "add image %s", image->id);
	r = reclaim_all(s, NULL, err);
	db_checkpoint(s->db, DB_LOG_DURABLE_BYTES);

	return r;
}

int store_image_tag(struct store *s, const char *ref, const char *name, struct err *err)
{
	auto_done(db_txn) txn = { 0 };
	char id[STORE_DIGEST_BYTES];
	int r = db_txn_begin(s->db, false, &txn, err);

	if (r == 0)
		r = image_find_id(s, ref, id, NULL, err);
	if (r == 0)
		r = set_name(s, name, id, err);
	if (r == 0)
		r = db_txn_commit(&txn, err);

	return r;
}
