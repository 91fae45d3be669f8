/* SPDX-License-Identifier: Apache-2.0
 *
 * save.h - images as an OCI archive
 */
#ifndef IMAGE_SAVE_H
#define IMAGE_SAVE_H

#include "base/err.h"
#include "base/strv.h"
#include "image/progress.h"
#include "store/store.h"

/**
 * save_images() - Write an OCI archive
 * @s:		store
 * @refs:	name the images; what they share is written once
 * @path:	host path of the file, which appears whole or not at all; what is there and no plain
 *		file is written to as it is; "-" for standard output
 * @progress:	told of every layer
 * @err:	filled in on failure, may be NULL
 *
 * Layers are the very archives that came in: compressed where those bytes were kept and the
 * manifest names them, else uncompressed. Either way they are checked against their digest while
 * they are written. The manifest is the one that came in if it names what is written, else one
 * that does.
 *
 * Return: 0 or a negative errno.
 */
int save_images(struct store *s, const struct strv *refs, const char *path,
		struct progress *progress, struct err *err);

#endif
