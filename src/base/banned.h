/* SPDX-License-Identifier: Apache-2.0
 *
 * banned.h - functions that this project does not use, as compile errors
 *
 * Forced into every file by the build (-include). System headers that a poisoned name
 * appears in are included first.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#ifndef HULL_ALLOW_BANNED
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* With clang and fortification a macro, which must not be poisoned. */
#undef sprintf

#pragma GCC poison strcpy strcat strncpy strncat stpcpy sprintf vsprintf gets
#pragma GCC poison sscanf fscanf vsscanf strtok strtok_r
#pragma GCC poison atoi atol atoll atof strtol strtoll strtoul strtoull
#pragma GCC poison gmtime localtime ctime asctime tmpnam tempnam mktemp
#pragma GCC poison system popen
#endif

#endif
