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
 * @name:	name of the image, or NULL for "debian:SUITE"
 * @include:	further packages, each may be several, separated by commas
 */
struct bootstrap_debian {
	const char *suite, *name;
	struct strv include;
};

static inline void bootstrap_debian_done(struct bootstrap_debian *want)
{
	strv_done(&want->include);
}
DEFINE_AUTO_DONE(bootstrap_debian)

/**
 * bootstrap_debian() - A Debian image by mmdebstrap, from the machine's own apt sources
 * @s:		store
 * @want:	what is wanted
 * @progress:	told of every step
 * @ret_name:	the name it got; the caller frees it
 * @ret_id:	digest of the config
 * @err:	filled in on failure, may be NULL
 *
 * With SOURCE_DATE_EPOCH in the environment nothing in it is younger: then the same packages give
 * the same image. An interrupt ends mmdebstrap, which removes what it made, and then this.
 *
 * Return: 0 or a negative errno; -ENOENT with a hint when mmdebstrap is not installed, or the
 * archive has no such suite or package.
 */
int bootstrap_debian(struct store *s, const struct bootstrap_debian *want,
		     struct progress *progress, char **ret_name, char ret_id[STORE_DIGEST_BYTES],
		     struct err *err);

#endif
