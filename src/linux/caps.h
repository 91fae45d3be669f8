/* SPDX-License-Identifier: Apache-2.0
 *
 * caps.h - capabilities(7) as sets of bits
 */
#ifndef LINUX_CAPS_H
#define LINUX_CAPS_H

#include <stdint.h>

#include "base/err.h"

/* The set that holds capability @cap (CAP_*, of linux/capability.h). */
#define CAPS_BIT(cap) (UINT64_C(1) << (cap))

/* All capabilities this kernel knows and this process' bounding set holds. */
uint64_t caps_bounding(void);

/**
 * caps_limit_bounding() - Drop everything but @keep from the bounding set
 * @keep:	what stays, as far as it is there
 * @err:	filled in on failure, may be NULL
 *
 * Needs CAP_SETPCAP; to be done before the user id changes.
 *
 * Return: 0 or a negative errno.
 */
int caps_limit_bounding(uint64_t keep, struct err *err);

/**
 * caps_set() - Set the permitted, effective and ambient sets; nothing stays inheritable
 * @caps:	permitted and effective; what this process may not have is left out
 * @ambient:	subset of @caps; these become inheritable too, as the kernel demands
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int caps_set(uint64_t caps, uint64_t ambient, struct err *err);

#endif
