/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs.h - mounting a layer file
 */
#ifndef STORE_EROFS_H
#define STORE_EROFS_H

#include "base/err.h"

/**
 * erofs_mount() - Mount an EROFS file read-only, attached nowhere yet
 * @path:	absolute path of the file
 * @err:	filled in on failure, may be NULL
 *
 * On the file itself where the kernel can (6.12), else through a loop device that goes away
 * with the mount.
 *
 * Return: a mount descriptor the caller owns, or a negative errno.
 */
int erofs_mount(const char *path, struct err *err);

#endif
