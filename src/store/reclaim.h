/* SPDX-License-Identifier: Apache-2.0
 *
 * reclaim.h - files that may exist although nothing refers to them
 *
 * A row of the table "intents" says that a file (a layer, a document, a volume) may be there
 * without a row of its own: it is inserted before a file is made, or in the transaction that
 * drops the last reference, and deleted together with the insertion of a reference, or once
 * the file is gone. So whatever point a process is killed at, the intents name the garbage, and
 * finding it needs no walk through directories. Files that a live process is about to refer to
 * are leased (lock.c) and left alone.
 *
 * After a power cut the database may be older than the directories: once a boot, reclaim_scan()
 * looks at all of them.
 */
#ifndef STORE_RECLAIM_H
#define STORE_RECLAIM_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strv.h"
#include "store/store.h"

#define INTENT_LAYER "layer"	 /* name: digest */
#define INTENT_CONTENT "content" /* name: digest */
#define INTENT_VOLUME "volume"	 /* name: of the volume */

/* Record that the file may come to be. Part of the caller's transaction, if there is one. */
int reclaim_intend(struct store *s, const char *kind, const char *name, struct err *err);

/* The file has a reference now. Part of the caller's transaction. */
int reclaim_settle(struct store *s, const char *kind, const char *name, struct err *err);

/**
 * reclaim_all() - Remove what all intents name, but for what is leased or referred to
 * @s:		store
 * @ret_removed: digests of removed layers are appended; may be NULL
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int reclaim_all(struct store *s, struct strv *ret_removed, struct err *err);

/**
 * struct findings - what is wrong with the store
 * @fn:		called for each finding; may be NULL
 * @ctx:	for @fn
 * @left:	how many have not been mended
 */
struct findings {
	void (*fn)(void *ctx, const char *what, bool mended);
	void *ctx;
	int left;
};

/* Tell @findings of one more, in the format of printf. */
void findings_add(struct findings *findings, bool mended, const char *fmt, ...) PRINTF_LIKE(3, 4);

/**
 * reclaim_scan() - Walk all directories for files without a row
 * @s:		store
 * @repair:	remove them
 * @findings:	each one is added
 * @err:	filled in on failure, may be NULL
 *
 * Directories of volumes are people's data and are never removed here: they get a row again.
 *
 * Return: 0 or a negative errno.
 */
int reclaim_scan(struct store *s, bool repair, struct findings *findings, struct err *err);

#endif
