/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.c - time
 */
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/parse.h"

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);

	return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

int64_t clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int clock_poll_ms(int64_t deadline_ns)
{
	int64_t left_ns;

	if (deadline_ns < 0)
		return -1;
	left_ns = deadline_ns - clock_now_ns();
	if (left_ns <= 0)
		return 0;

	return (int)MIN((left_ns + NS_PER_MS - 1) / NS_PER_MS, (int64_t)INT_MAX);
}

char *clock_rfc3339(int64_t wall_ns, char buf[CLOCK_RFC3339_BYTES])
{
	int64_t ns = wall_ns % NS_PER_SEC;
	time_t secs = wall_ns / NS_PER_SEC;
	struct tm tm;
	size_t n;

	if (ns < 0) {
		ns += NS_PER_SEC;
		secs--;
	}
	gmtime_r(&secs, &tm);
	n = strftime(buf, CLOCK_RFC3339_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf + n, CLOCK_RFC3339_BYTES - n, ".%09dZ", (int)ns);

	return buf;
}

/* Two or four digits at @at of the text, then @delim (or nothing when it is 0). */
static bool digits(const char **at, size_t count, char delim, int *ret_value)
{
	struct slice s = { .at = *at, .len = strnlen(*at, count) };
	uint64_t value;

	if (s.len != count || parse_slice_u64(s, 0, 9999, &value) < 0)
		return false;
	*at += count;
	if (delim && *(*at)++ != delim)
		return false;
	*ret_value = (int)value;

	return true;
}

int clock_parse_rfc3339(const char *text, int64_t *ret_wall_ns)
{
	const char *at = text;
	struct tm tm = { 0 };
	int64_t fraction_ns = 0, scale = NS_PER_SEC / 10, offset_s = 0, wall_ns;

	if (!digits(&at, 4, '-', &tm.tm_year) || !digits(&at, 2, '-', &tm.tm_mon) ||
	    !digits(&at, 2, 0, &tm.tm_mday))
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (*at != 'T' && *at != 't' && *at != ' ')
		return -EINVAL;
	at++;
	if (!digits(&at, 2, ':', &tm.tm_hour) || !digits(&at, 2, ':', &tm.tm_min) ||
	    !digits(&at, 2, 0, &tm.tm_sec))
		return -EINVAL;
	if (*at == '.') {
		for (at++; *at >= '0' && *at <= '9'; at++) {
			fraction_ns += (*at - '0') * scale;
			scale /= 10;
		}
	}
	if (*at == '+' || *at == '-') {
		int sign = *at++ == '-' ? -1 : 1, hours, minutes;

		if (!digits(&at, 2, ':', &hours) || !digits(&at, 2, 0, &minutes))
			return -EINVAL;
		offset_s = sign * (hours * 3600 + minutes * 60);
	} else if (*at == 'Z' || *at == 'z') {
		at++;
	} else {
		return -EINVAL;
	}
	if (*at != '\0' || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -EINVAL;
	if (mul_overflows((int64_t)timegm(&tm) - offset_s, (int64_t)NS_PER_SEC, &wall_ns) ||
	    add_overflows(wall_ns, fraction_ns, &wall_ns))
		return -EINVAL;
	*ret_wall_ns = wall_ns;

	return 0;
}
