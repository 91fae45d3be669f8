/* SPDX-License-Identifier: Apache-2.0
 *
 * rootfs.h - an image of one layer out of a root filesystem's archive
 */
#ifndef IMAGE_ROOTFS_H
#define IMAGE_ROOTFS_H

#include "base/err.h"
#include "image/ingest.h"
#include "spec/image.h"
#include "store/store.h"

/**
 * rootfs_add() - Finish the layer and make the image visible
 * @ingest:	given; all of the archive has been fed to it
 * @image:	config so far: what is not set gets its default; the layer is added to it
 * @made_by:	for the history
 * @name:	name of the image, or NULL
 * @ret_id:	digest of the config
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int rootfs_add(struct ingest *ingest, struct spec_image *image, const char *made_by,
	       const char *name, char ret_id[STORE_DIGEST_BYTES], struct err *err);

/* The processor this program runs on, as image configs spell it. */
const char *rootfs_architecture(void);

#endif
