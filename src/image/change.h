/* SPDX-License-Identifier: Apache-2.0
 *
 * change.h - changes to an image's config, in the words of a Dockerfile
 */
#ifndef IMAGE_CHANGE_H
#define IMAGE_CHANGE_H

#include "base/err.h"
#include "spec/image.h"

/**
 * change_apply() - Carry out one --change
 * @image:	config to change
 * @text:	CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR
 *and what follows it: a JSON array of strings, or words, or a shell command
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int change_apply(struct spec_image *image, const char *text, struct err *err);

#endif
