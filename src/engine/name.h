/* SPDX-License-Identifier: Apache-2.0
 *
 * name.h - names of containers
 */
#ifndef ENGINE_NAME_H
#define ENGINE_NAME_H

#include "base/err.h"

#define NAME_RANDOM_BYTES 48

/* A random "adjective_surname"; with @attempt > 0 a digit or more follows. Returns @buf. */
char *name_random(unsigned attempt, char buf[NAME_RANDOM_BYTES]);

/* 0 when @name may name a container ([a-zA-Z0-9][a-zA-Z0-9_.-]+), else -EINVAL, kind USAGE. */
int name_check(const char *name, struct err *err);

#endif
