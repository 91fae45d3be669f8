/* SPDX-License-Identifier: Apache-2.0
 *
 * import.h - images out of files: OCI layout and archive, docker-archive, root filesystem
 */
#ifndef IMAGE_IMPORT_H
#define IMAGE_IMPORT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strv.h"
#include "image/progress.h"
#include "store/store.h"

/**
 * struct import_request - what to import
 * @path:	host path of a folder or a file, or "-" for standard input
 * @name:	name for the image, or NULL for those that the archive gives
 * @changes:	changes to the config, as change_apply() takes them; root filesystems only
 * @keep_blobs:	keep compressed layers as they came, for those who push them again
 * @max_ratio:	how many bytes a compressed one may turn into; 0: UNPACK_MAX_RATIO
 */
struct import_request {
	const char *path, *name;
	struct strv changes;
	bool keep_blobs;
	unsigned max_ratio;
};

static inline void import_request_done(struct import_request *request)
{
	strv_done(&request->changes);
}
DEFINE_AUTO_DONE(import_request)

/* What was imported: names, or the id where an image has none; and the ids, once each. */
struct import_result {
	struct strv names, ids;
};

static inline void import_result_done(struct import_result *result)
{
	strv_done(&result->names);
	strv_done(&result->ids);
}
DEFINE_AUTO_DONE(import_result)

/**
 * import_path() - Import whatever a path holds
 * @s:		store
 * @request:	what to import
 * @progress:	told of every step
 * @ret:	appended to for each image, also when a later one fails
 * @err:	filled in on failure, may be NULL
 *
 * An image becomes visible once all of it is there and verified. After a failure the store
 * shows what it showed before, but for whole images of the same archive that came earlier.
 *
 * Return: 0 or a negative errno.
 */
int import_path(struct store *s, const struct import_request *request, struct progress *progress,
		struct import_result *ret, struct err *err);

#endif
