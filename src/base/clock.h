/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.h - time: monotonic nanoseconds inside, RFC 3339 at the edges
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_SEC (1000000000LL)
#define NS_PER_MS (1000000LL)

/* CLOCK_MONOTONIC, for intervals and deadlines. */
int64_t clock_now_ns(void);

/* CLOCK_REALTIME, nanoseconds since 1970, for what users see and records keep. */
int64_t clock_wall_ns(void);

/* Milliseconds until @deadline_ns for poll(2): 0 when past, -1 when @deadline_ns is -1. */
int clock_poll_ms(int64_t deadline_ns);

#define CLOCK_RFC3339_BYTES 40

/* "2026-11-26T00:47:39.123456789Z" into @buf. Returns @buf. */
char *clock_rfc3339(int64_t wall_ns, char buf[CLOCK_RFC3339_BYTES]);

/* Read an RFC 3339 time with optional fraction and offset, 1678 to 2261. 0 or -EINVAL. */
int clock_parse_rfc3339(const char *text, int64_t *ret_wall_ns);

#endif
