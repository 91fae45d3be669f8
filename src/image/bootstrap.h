/* SPDX-License-Identifier: Apache-2.0
 *
 * bootstrap.h - images out of what the machine has or its package archive offers
 */
#ifndef IMAGE_BOOTSTRAP_H
#define IMAGE_BOOTSTRAP_H

#include "base/err.h"
#include "base/strv.h"
#include "image/progress.h"
#include "store/store.h"

/**
 * bootstrap_busybox() - A small image out of the host's static busybox
 * @s:		store
 * @name:	name of the image
 * @progress:	told of every step
 * @ret_id:	digest of the config; the same busybox gives the same
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int bootstrap_busybox(struct store *s, const char *name, struct progress *progress,
		      char ret_id[STORE_DIGEST_BYTES], struct err *err);

/**
 * struct bootstrap_debian - what Debian image is wanted
 * @suite:	such as "bookworm"; NULL: the host's
 * @include:	further packages, comma-separated, or NULL
 * @name:	name of the image, or NULL for "debian:SUITE"
 */
struct bootstrap_debian {
	const char *suite, *include, *name;
};

/**
 * bootstrap_debian() - A Debian image by mmdebstrap, from the machine's own apt sources
 * @s:		store
 * @want:	what is wanted
 * @progress:	told of every step
 * @ret_name:	the name it got; the caller frees it
 * @ret_id:	digest of the config
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno; -ENOENT with a hint when mmdebstrap is not installed.
 */
int bootstrap_debian(struct store *s, const struct bootstrap_debian *want,
		     struct progress *progress, char **ret_name, char ret_id[STORE_DIGEST_BYTES],
		     struct err *err);

#endif
