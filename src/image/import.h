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
 */
struct import_request {
	const char *path, *name;
	struct strv changes;
};

static inline void import_request_done(struct import_request *request)
{
	strv_done(&request->changes);
}
DEFINE_AUTO_DONE(import_request)

/**
 * import_path() - Import whatever a path holds
 * @s:		store
 * @request:	what to import
 * @progress:	told of every step
 * @ret_loaded:	appended for each image: its names, or its id when it has none
 * @err:	filled in on failure, may be NULL
 *
 * An image becomes visible once all of it is there and verified. After a failure the store
 * shows what it showed before, but for whole images of the same archive that came earlier.
 *
 * Return: 0 or a negative errno.
 */
int import_path(struct store *s, const struct import_request *request, struct progress *progress,
		struct strv *ret_loaded, struct err *err);

#endif
