/* SPDX-License-Identifier: Apache-2.0
 *
 * verify.h - are the layers of the store still what their digests say?
 */
#ifndef IMAGE_VERIFY_H
#define IMAGE_VERIFY_H

#include <stdbool.h>

#include "base/err.h"

struct store;

/**
 * verify_layers() - Check every layer of every image, and mend what can be mended
 * @s:		store
 * @fn:		called for each layer that was found damaged: how, and whether it was mended
 * @ctx:	for @fn
 * @err:	filled in on failure, may be NULL
 *
 * The archive is rebuilt from skeleton and layer, and made into a layer once more. Its digest
 * tells whether content was damaged: then the files are taken away, and the next import brings
 * them back. With the right digest, a layer file that differs has damaged metadata, and is
 * replaced by the new one; so is one that an older Hull wrote. Must be called from a
 * single-threaded process.
 *
 * Return: 0 or a negative errno.
 */
int verify_layers(struct store *s, void (*fn)(void *ctx, const char *what, bool mended), void *ctx,
		  struct err *err);

#endif
