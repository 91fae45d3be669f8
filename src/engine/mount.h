/* SPDX-License-Identifier: Apache-2.0
 *
 * mount.h - reads what users write after -v, --mount and --tmpfs
 */
#ifndef ENGINE_MOUNT_H
#define ENGINE_MOUNT_H

#include "base/err.h"
#include "engine/config.h"

/**
 * engine_mount_parse_volume() - Read "[SOURCE:]TARGET[:OPTIONS]" (docker run -v)
 * @text:	as the user wrote it
 * @ret:	filled in; release it with engine_mount_done()
 * @err:	kind USAGE
 *
 * A SOURCE that starts with "/" is a bind mount, else the name of a volume; without one the
 * volume is anonymous. OPTIONS: ro, rw, nocopy, z, Z (labels there are none), a propagation.
 *
 * Return: 0 or -EINVAL.
 */
int engine_mount_parse_volume(const char *text, struct engine_mount *ret, struct err *err);

/* Read "type=bind,source=/a,target=/b,readonly" (docker run --mount). 0 or -EINVAL. */
int engine_mount_parse_mount(const char *text, struct engine_mount *ret, struct err *err);

/* Read "TARGET[:OPTIONS]" (docker run --tmpfs). 0 or -EINVAL. */
int engine_mount_parse_tmpfs(const char *text, struct engine_mount *ret, struct err *err);

#endif
