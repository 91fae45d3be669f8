/* SPDX-License-Identifier: Apache-2.0
 *
 * name.h - the parts of an image's name
 */
#ifndef STORE_NAME_H
#define STORE_NAME_H

#include "base/err.h"
#include "base/parse.h"

/* All parts point into the text; @tag.at is NULL without a tag, @digest without a digest. */
struct image_name {
	struct slice path; /* without docker.io/ and library/ */
	struct slice tag;
	const char *digest;
};

/* 0, or -EINVAL with kind USAGE. */
int name_split(const char *text, struct image_name *ret, struct err *err);

#endif
