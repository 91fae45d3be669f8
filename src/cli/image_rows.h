/* SPDX-License-Identifier: Apache-2.0
 *
 * image_rows.h - images as rows of a table
 */
#ifndef CLI_IMAGE_ROWS_H
#define CLI_IMAGE_ROWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/image.h"

#define IMAGE_SHORT_ID 12
#define IMAGE_TIME_BYTES 40

/* "2026-11-26 00:47:39 +0000 UTC", "N/A" for 0. Returns @buf. */
char *image_time(int64_t wall_ns, char buf[IMAGE_TIME_BYTES]);

/* "3 weeks ago", "N/A" for 0. Returns @buf. */
char *image_ago(int64_t wall_ns, char buf[IMAGE_TIME_BYTES]);

/**
 * image_rows() - One object for each name, with the fields of docker images --format
 * @images:	images
 * @no_trunc:	whole ids
 *
 * Return: an array the caller owns.
 */
json_t *image_rows(const struct engine_images *images, bool no_trunc);

#endif
