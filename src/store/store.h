/* SPDX-License-Identifier: Apache-2.0
 *
 * store.h - images, layers, writable layers, volumes and the records of containers
 *
 * One directory (--root) and one SQLite database in it. Visible is what a committed
 * transaction says; files without a row are garbage that the next writer removes. Every
 * function may be called from any process at any time; a handle belongs to one thread.
 * Strings in returned structs are the caller's and go with the struct's done function.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"

struct store;

#define STORE_DIGEST_BYTES 72 /* "sha256:" + 64 hexadecimal digits + NUL */

enum store_flags {
	STORE_WRITER = 1 << 0, /* first repair what a crash left; else nothing is removed */
	STORE_HURRY = 1 << 1,  /* somebody waits: the database's log may grow longer */
};

/**
 * store_open() - Open, making it when it is not there
 * @root:	absolute path of the store
 * @run_root:	absolute path of what a reboot forgets
 * @flags:	enum store_flags
 * @ret:	handle, released by store_close()
 * @err:	filled in on failure, may be NULL
 *
 * Makes no fsync unless the schema is new or changes.
 *
 * Return: 0 or a negative errno; -EPROTO when a newer Hull wrote it.
 */
int store_open(const char *root, const char *run_root, unsigned flags, struct store **ret,
	       struct err *err);
void store_close(struct store *s);

/* Borrowed absolute paths and descriptors (O_DIRECTORY) of the two roots. */
const char *store_root(const struct store *s);
const char *store_run_root(const struct store *s);
int store_root_fd(const struct store *s);

/* A file without a name on the store's disk, read-write; the caller owns the descriptor. */
int store_scratch_open(struct store *s, struct err *err);

/* ---- layers and content: layer.c, content.c ---- */

/* One layer of an image; @diff_id is the digest of its uncompressed tar, "sha256:...". */
struct store_layer {
	char diff_id[STORE_DIGEST_BYTES];
	uint64_t file_bytes; /* of the EROFS file, as du counts */
	uint64_t tar_bytes;  /* of the uncompressed tar */
};

struct store_ingest;

enum store_ingest_flags {
	STORE_INGEST_NOWAIT = 1 << 0, /* -EAGAIN while another process ingests this digest */
};

/**
 * store_ingest_begin() - Start writing a layer
 * @s:		store
 * @diff_id:	digest that the tar will have; ingests of one digest exclude each other. NULL when
 *		only the end will tell: then store_ingest_name() comes before the commit
 * @flags:	enum store_ingest_flags; who has an ingest already must not wait for another
 * @ret:	NULL when the layer is there already (also: once another ingest has finished)
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int store_ingest_begin(struct store *s, const char *diff_id, unsigned flags,
		       struct store_ingest **ret, struct err *err);

/**
 * store_ingest_name() - Say what digest the tar turned out to have
 * @in:		begun without one
 * @diff_id:	the digest
 * @ret_known:	true when the layer is there already: abort this one
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int store_ingest_name(struct store_ingest *in, const char *diff_id, bool *ret_known,
		      struct err *err);

/* Unnamed files (O_TMPFILE, read-write) for the EROFS image and the tar skeleton; borrowed. */
int store_ingest_layer_fd(struct store_ingest *in);
int store_ingest_skeleton_fd(struct store_ingest *in);

/* One more, for the layer as it came, compressed: kept beside it when written; borrowed. */
int store_ingest_keep_blob(struct store_ingest *in, struct err *err);

/**
 * store_ingest_commit() - fdatasync, link into place, fsync the directory
 * @in:		given; released on every way out
 * @tar_bytes:	length of the uncompressed tar
 * @err:	filled in on failure, may be NULL
 *
 * The layer becomes visible with the store_image_add() that names it; until then a lease of
 * this process keeps it.
 *
 * Return: 0 or a negative errno.
 */
int store_ingest_commit(struct store_ingest *in, uint64_t tar_bytes, struct err *err);

/* Give up; NULL allowed. */
void store_ingest_abort(struct store_ingest *in);

/* Descriptors (O_RDONLY) that the caller owns, or -ENOENT. */
int store_layer_open(struct store *s, const char *diff_id, struct err *err);
int store_layer_open_skeleton(struct store *s, const char *diff_id, struct err *err);
/* The layer as it came, when that was kept: a descriptor that the caller owns, or -ENOENT. */
int store_layer_open_blob(struct store *s, const char *diff_id);

/*
 * Keep the compressed bytes of a layer that is there: they are written to a new unnamed file, whose
 * descriptor the caller owns, which is then given its name. Bytes that were kept before stay.
 */
int store_layer_new_blob(struct store *s, struct err *err);
int store_layer_keep_blob(struct store *s, const char *diff_id, int blob_fd, struct err *err);

/* Is all there is of a layer what an older Hull wrote? It works; an import makes it anew. */
bool store_layer_is_old(struct store *s, const char *diff_id);

/* Take a damaged layer's files away, so that the next ingest writes them anew. 0 or -errno. */
int store_layer_discard(struct store *s, const char *diff_id, struct err *err);

enum store_mount_flags {
	STORE_MOUNT_ALONE = 1 << 0, /* mount them anew while no other container is started */
};

/**
 * store_layer_mounts() - Detached read-only mounts of layers
 * @s:		store
 * @layers:	lowest first
 * @layers_len:	their number
 * @flags:	enum store_mount_flags
 * @ret_fds:	room for @layers_len descriptors; the caller owns them
 * @err:	filled in on failure, may be NULL
 *
 * A layer's file is mounted once, in the store's private mount namespace, and what is returned are
 * clones of that mount, which share its pages. With STORE_MOUNT_ALONE, while there is no such
 * namespace and no other container is started, they are mounts of their own, which spares a short
 * run the namespace; a container that starts meanwhile mounts the layers once more. Must be called
 * from a single-threaded process.
 *
 * Return: 0 or a negative errno.
 */
int store_layer_mounts(struct store *s, const struct store_layer *layers, size_t layers_len,
		       unsigned flags, int *ret_fds, struct err *err);

/* Unmount the layers that no running container's row uses; drop the namespace when empty. */
int store_layer_unmount_unused(struct store *s, struct err *err);

/* ---- images: image.c ---- */

/**
 * struct store_image - one image
 * @id:		digest of its config, "sha256:..."
 * @manifest_digest: digest of its manifest
 * @config:	config document, exact bytes, NUL-terminated
 * @manifest:	manifest document, exact bytes, NUL-terminated
 * @created_wall_ns: from the config, 0 when absent
 * @size_bytes:	sum of its layers' EROFS files
 * @names:	tags, as people write them: "debian:bookworm", "localhost:5000/x/y:1"
 * @layers:	lowest first
 * @layers_len:	their number
 * @covered:	the last layer is none of those that the documents name: it was made at import
 */
struct store_image {
	char id[STORE_DIGEST_BYTES];
	char manifest_digest[STORE_DIGEST_BYTES];
	char *config, *manifest;
	size_t config_len, manifest_len;
	int64_t created_wall_ns;
	uint64_t size_bytes;
	struct strv names;
	struct store_layer *layers;
	size_t layers_len;
	bool covered;
};
/* How many layers the documents name. */
static inline size_t store_image_own_layers(const struct store_image *image)
{
	return image->layers_len - image->covered;
}
void store_image_done(struct store_image *image);
DEFINE_AUTO_DONE(store_image)

struct store_images {
	struct store_image *items;
	size_t len;
};
void store_images_done(struct store_images *list);
DEFINE_AUTO_DONE(store_images)

/**
 * store_image_find() - Look an image up as a user names it
 * @s:		store
 * @ref:	"name", "name:tag", "name@sha256:...", or a unique prefix of the id
 * @ret:	filled in
 * @err:	kind NOT_FOUND with the hint that mends it; CONFLICT for an ambiguous prefix
 *
 * Return: 0, -ENOENT, -ENOTUNIQ, -EINVAL (malformed) or another negative errno.
 */
int store_image_find(struct store *s, const char *ref, struct store_image *ret, struct err *err);

/* All images, newest first. */
int store_image_list(struct store *s, struct store_images *ret, struct err *err);

/**
 * store_image_add() - Make an image visible, in one transaction, durably
 * @s:		store
 * @image:	@id, documents, @layers' diff_ids (each committed by store_ingest_commit() or known
 *		before) and @names, which move here from other images; @size_bytes is computed
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno; -EINVAL when a digest does not fit its document.
 */
int store_image_add(struct store *s, const struct store_image *image, struct err *err);

/* Give the image that @ref names one more name (moved from whatever had it). */
int store_image_tag(struct store *s, const char *ref, const char *name, struct err *err);

/**
 * store_image_remove() - Remove a name, or the image with its last name
 * @s:		store
 * @ref:	as for store_image_find()
 * @force:	also when several names point to it, or stopped containers use it
 * @ret_untagged: names that were removed are appended
 * @ret_deleted: digests of what was deleted (image, layers) are appended
 * @err:	kind CONFLICT when a container uses it
 *
 * Return: 0 or a negative errno.
 */
int store_image_remove(struct store *s, const char *ref, bool force, struct strv *ret_untagged,
		       struct strv *ret_deleted, struct err *err);

/* Canonical form of a name, "debian" -> "debian:latest"; the caller frees it. 0 or -EINVAL. */
int store_name_normalize(const char *name, char **ret, struct err *err);

/* ---- containers: container.c ---- */

/**
 * struct store_container - the record of one container, made before anything of it
 * @id:		SPEC_ID_HEX digits
 * @name:	unique
 * @image_id:	digest, keeps the image and its layers
 * @image_ref:	as the user named it
 * @level:	isolation level
 * @config:	the engine's JSON document, opaque here
 * @created_wall_ns: when
 * @uid_base:	first id of its range; 0: none. Allocated by store_container_add()
 * @uid_count:	ids in the range; 0: none wanted
 * @started:	a start is under way or was (the run directory tells more)
 * @ended:	the last run has been reaped: the fields below tell of it
 */
struct store_container {
	char *id, *name, *image_id, *image_ref, *level, *config;
	int64_t created_wall_ns;
	uint32_t uid_base, uid_count;
	bool started, ended;
	int exit_status;
	bool oom;
	int64_t started_wall_ns, finished_wall_ns;
	char *error;
	uint32_t restarts;
};
void store_container_done(struct store_container *c);
DEFINE_AUTO_DONE(store_container)

struct store_containers {
	struct store_container *items;
	size_t len;
};
void store_containers_done(struct store_containers *list);
DEFINE_AUTO_DONE(store_containers)

/* By name, id, or unique prefix of an id. -ENOENT with kind NOT_FOUND, or -ENOTUNIQ. */
int store_container_find(struct store *s, const char *ref, struct store_container *ret,
			 struct err *err);
/* All, newest first. */
int store_container_list(struct store *s, struct store_containers *ret, struct err *err);

/* Write back everything but id, image, level and range. -ENOENT, -EEXIST (name). */
int store_container_update(struct store *s, const struct store_container *c, struct err *err);

/* Remove the row; the writable layer has been set aside. */
int store_container_remove(struct store *s, const char *id, struct err *err);

/* Make or open the directory of a container's writable layer; the caller owns the descriptor. */
int store_rw_open(struct store *s, const char *id, struct err *err);
/* Set it aside, at once and for good, for store_rw_reclaim(). Absent is success. */
int store_rw_discard(struct store *s, const char *id, struct err *err);
/* Remove all that has been set aside. 0 or a negative errno; a writer's store_open() does it too.
 */
int store_rw_reclaim(struct store *s, struct err *err);
/* Bytes it takes on disk, as du counts. */
int store_rw_usage(struct store *s, const char *id, uint64_t *ret_bytes, struct err *err);

/* ---- volumes: volume.c ---- */

struct store_volume {
	char *name;
	char *path; /* absolute host path of its directory */
	int64_t created_wall_ns;
	struct strv labels; /* "key=value" */
	bool anonymous;	    /* made for one container, removed with it by rm -v */
};
void store_volume_done(struct store_volume *v);
DEFINE_AUTO_DONE(store_volume)

struct store_volumes {
	struct store_volume *items;
	size_t len;
};
void store_volumes_done(struct store_volumes *list);
DEFINE_AUTO_DONE(store_volumes)

/* Make it, or find it when it exists (then @ret_new is false). @name NULL: anonymous. */
int store_volume_make(struct store *s, const char *name, const struct strv *labels,
		      struct store_volume *ret, bool *ret_new, struct err *err);
int store_volume_find(struct store *s, const char *name, struct store_volume *ret, struct err *err);
int store_volume_list(struct store *s, struct store_volumes *ret, struct err *err);
/* Record that a container uses it (removal is then refused), or no longer does. */
int store_volume_use(struct store *s, const char *volume, const char *container_id,
		     struct err *err);
/* Ids of the containers that use it are appended. */
int store_volume_users(struct store *s, const char *volume, struct strv *ret, struct err *err);
/* A volume that a new container uses; an @anonymous one is made for it and goes with it. */
struct store_use {
	const char *name;
	bool anonymous;
};

/**
 * store_container_add() - Record a container, its range of ids and its use of volumes, in one step
 * @s:		store
 * @c:		all but @uid_base, which is filled in (a free range of the pool)
 * @uses:	the volumes; those that are not there are made
 * @uses_len:	their number
 * @err:	kind CONFLICT when the name is taken, with the id of who has it
 *
 * No fsync is made. Return: 0, -EEXIST, -ENOSPC (no id range left) or another negative errno.
 */
int store_container_add(struct store *s, struct store_container *c, const struct store_use *uses,
			size_t uses_len, struct err *err);

/* As store_container_remove(), in one step with the anonymous volumes that it alone uses. */
int store_container_remove_with_volumes(struct store *s, const char *id, struct err *err);
/* -EBUSY with kind CONFLICT while used; -ENOENT. */
int store_volume_remove(struct store *s, const char *name, struct err *err);
/* Bytes it takes on disk, as du counts. */
int store_volume_usage(struct store *s, const char *name, uint64_t *ret_bytes, struct err *err);

/* ---- the whole: system.c ---- */

struct store_usage {
	uint64_t images, images_active, layers_bytes, layers_reclaimable_bytes;
	uint64_t containers, containers_active, rw_bytes, rw_reclaimable_bytes;
	uint64_t volumes, volumes_active, volumes_bytes, volumes_reclaimable_bytes;
	uint64_t other_bytes; /* database, documents, guest kernels */
	uint64_t total_bytes; /* equals du of the root */
};

/* What the store takes on disk, by walking it. 0 or a negative errno. */
int store_usage(struct store *s, struct store_usage *ret, struct err *err);

/**
 * store_check() - Compare rows, files and mounts
 * @s:		store
 * @repair:	mend what can be mended, else only look; what a layer holds is for hull-image to
 *		verify
 * @fn:		called for each finding: what is wrong, and whether it was mended
 * @ctx:	for @fn
 * @err:	filled in on failure, may be NULL
 *
 * Return: number of findings left, or a negative errno.
 */
int store_check(struct store *s, bool repair, void (*fn)(void *ctx, const char *what, bool mended),
		void *ctx, struct err *err);

#endif
