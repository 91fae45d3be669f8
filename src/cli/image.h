/* SPDX-License-Identifier: Apache-2.0
 *
 * image.h - what image and system commands print alike
 */
#ifndef CLI_IMAGE_H
#define CLI_IMAGE_H

#include <stdbool.h>

#include "engine/image.h"

/* "Untagged: NAME" and "Deleted: sha256:..." lines; @capital as rmi, else as prune has them. */
void image_print_removed(const struct engine_image_removed *removed, bool capital);

#endif
