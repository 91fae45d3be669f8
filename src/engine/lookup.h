/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup.h - from the words users write to what the kernel calls it
 */
#ifndef ENGINE_LOOKUP_H
#define ENGINE_LOOKUP_H

#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "spec/sandbox.h"

/* "SIGTERM", "TERM", "15", "SIGRTMIN+3" -> 1..64, or -EINVAL with kind USAGE. */
int lookup_signal(const char *text, struct err *err);

/**
 * lookup_caps() - Capabilities of a container
 * @add:	names with or without CAP_, or ALL
 * @drop:	likewise; wins over @add unless it is ALL, which leaves what @add names
 * @ret:	bits
 * @err:	kind USAGE, names the word
 *
 * Starts from the default set of 11 (THREATS: Docker's has 14).
 *
 * Return: 0 or -EINVAL.
 */
int lookup_caps(const struct strv *add, const struct strv *drop, uint64_t *ret, struct err *err);

/* Every capability that Linux has defined so far. */
#define LOOKUP_CAPS_ALL ((UINT64_C(1) << 41) - 1)

/* "nofile=1024[:2048]" -> a limit. 0 or -EINVAL. */
int lookup_ulimit(const char *text, struct spec_rlimit *ret, struct err *err);

/* "/dev/a[:/dev/b[:rwm]]" -> a device whose texts the caller owns. 0 or -EINVAL. */
int lookup_device(const char *text, struct spec_device *ret, struct err *err);

#endif
