/* SPDX-License-Identifier: Apache-2.0
 *
 * internal.h - what the files of the store share
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"
#include "store/db.h"
#include "store/store.h"

/**
 * struct store - one open store
 * @db:		database
 * @root:	absolute path
 * @run_root:	absolute path
 * @root_fd:	directory
 * @run_fd:	directory
 * @lock_fd:	open file description that holds this handle's leases, -1 before the first
 * @hurry:	opened with STORE_HURRY
 */
struct store {
	sqlite3 *db;
	char *root, *run_root;
	int root_fd, run_fd;
	int lock_fd;
	bool hurry;
};

#define STORE_HEX_DIGITS 64

/* ---- container.c ---- */

/* In the caller's transaction: as store_container_add(), the first id of its range to @ret_base. */
int container_insert(struct store *s, const struct store_container *c, uint32_t *ret_base,
		     struct err *err);

/* ---- lock.c: one lock for each object, by name, in one file; gone with whoever held it ---- */

enum lock_mode {
	LOCK_MODE_LEASE,     /* shared; waits while someone makes or removes the object */
	LOCK_MODE_EXCLUSIVE, /* -EAGAIN while anyone else has it */
};

/* A new open file description for locks; the caller closes it, which releases all of them. */
int lock_open(struct store *s, struct err *err);
int lock_take(int lock_fd, const char *kind, const char *name, enum lock_mode mode);
void lock_release(int lock_fd, const char *kind, const char *name);
/* Hold a lease of the object for as long as the handle is open. */
int lock_lease(struct store *s, const char *kind, const char *name, struct err *err);

/* ---- content.c: documents by digest ---- */

#define CONTENT_MAX_BYTES (4 * 1024 * 1024)

/* Durable; a document that is there is left alone. The caller holds its lease. */
int content_write(struct store *s, const char *digest, const char *bytes, size_t len,
		  struct err *err);
int content_read(struct store *s, const char *digest, char **ret_bytes, size_t *ret_len,
		 struct err *err);

/* ---- layer.c ---- */

/* The EROFS file to read: the new one, or the old one when that is all there is. */
void layer_erofs_path(struct store *s, const char *diff_id, char ret[PATH_MAX]);
/* Remove the EROFS file, new and old. Absent is success. */
int layer_unlink_erofs(struct store *s, const char *diff_id, struct err *err);
/* -ENOENT, with what brings the layer back. */
int layer_missing(const char *diff_id, struct err *err);
/* Does the file look like the row? 0, -ENOENT or -EUCLEAN with the reason. */
int layer_check_file(struct store *s, const char *diff_id, uint64_t size_bytes, struct err *err);

/* ---- image.c ---- */

/* What @ref names; @ret_name is its canonical name, or stays NULL when it is (part of) an id. */
int image_find_id(struct store *s, const char *ref, char ret[STORE_DIGEST_BYTES], char **ret_name,
		  struct err *err);

/* ---- mounts.c ---- */

/* Unmount what a killed process left; free of locks, and nearly of work, when nothing is left. */
int mounts_recover(struct store *s, struct err *err);
/* Digests of what the store's namespace has mounted are appended. */
int mounts_list(struct store *s, struct strv *ret, struct err *err);
/* Digests of the layers that started containers use are appended. */
int mounts_used(struct store *s, struct strv *ret, struct err *err);

/* ---- rw.c ---- */

/*
 * As store_rw_reclaim(); what cannot be removed is added to @findings. What has merely been set
 * aside is no finding: like what intents name, it waits for the next writer.
 */
struct findings;
void rw_repair(struct store *s, struct findings *findings);

/* ---- files.c ---- */

/* The 64 digits of "sha256:<64 lower-case digits>", borrowed, or NULL. */
const char *digest_hex(const char *digest);

/* "content/sha256/ab/<hex>", relative to the root. */
void content_path(const char *digest, char ret[PATH_MAX]);

/* Files of a layer. */
enum layer_file {
	LAYER_EROFS,	/* as hull-image writes it now */
	LAYER_EROFS_V1, /* as it did before; read where there is no other */
	LAYER_SKELETON,
	LAYER_BLOB,
	LAYER_FILES
};

/* "layers/ab/<hex>SUFFIX". */
void layer_path(const char *diff_id, enum layer_file file, char ret[PATH_MAX]);
/* Which of them has this suffix? enum layer_file, or -1. */
int layer_file_of(const char *suffix);

/* [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
bool volume_name_valid(const char *name);

/* A file without a name in @dir of the root, which is made when absent. */
int store_tmpfile(struct store *s, const char *dir, struct err *err);
/* Give it its name and wait for the directory; one that is there already wins. */
int store_link(struct store *s, int fd, const char *path, struct err *err);
/* Not durable: what a power cut brings back, reclaim_scan() finds. Absent is success. */
int store_unlink(struct store *s, const char *path, struct err *err);

/* du -s of @name below @dir_fd, in bytes; hard links are counted once. Absent is 0. */
int du_bytes(int dir_fd, const char *name, uint64_t *ret_bytes, struct err *err);

#endif
