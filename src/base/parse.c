/* SPDX-License-Identifier: Apache-2.0
 *
 * parse.c - strict readers of numbers, sizes and delimited text
 */
#include "base/parse.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"

struct slice slice_of(const char *text)
{
	return (struct slice){ .at = text, .len = text ? strlen(text) : 0 };
}

bool slice_eq(struct slice s, const char *text)
{
	return s.len == strlen(text) && (s.len == 0 || memcmp(s.at, text, s.len) == 0);
}

bool slice_next(struct slice *rest, char delim, struct slice *ret_part)
{
	const char *end;

	/* A slice that has been used up has a NULL start; an empty one still yields once. */
	if (!rest->at)
		return false;

	end = rest->len ? memchr(rest->at, delim, rest->len) : NULL;
	if (!end) {
		*ret_part = *rest;
		*rest = (struct slice){ 0 };
		return true;
	}
	*ret_part = (struct slice){ .at = rest->at, .len = (size_t)(end - rest->at) };
	rest->len -= ret_part->len + 1;
	rest->at = end + 1;

	return true;
}

static int parse_digits(struct slice s, unsigned base, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (s.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < '0' || s.at[i] >= '0' + (int)base)
			return -EINVAL;
	for (size_t i = 0; i < s.len; i++)
		if (mul_overflows(value, (uint64_t)base, &value) ||
		    add_overflows(value, (uint64_t)(s.at[i] - '0'), &value))
			return -ERANGE;
	if (value > max)
		return -ERANGE;
	*ret_value = value;

	return 0;
}

int parse_slice_u64(struct slice s, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;
	int r = parse_digits(s, 10, max, &value);

	if (r < 0)
		return r;
	if (value < min)
		return -ERANGE;
	*ret_value = value;

	return 0;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	return parse_slice_u64(slice_of(text), min, max, ret_value);
}

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
	bool negative = text[0] == '-';
	uint64_t magnitude;
	int64_t value;
	int r = parse_digits(slice_of(text + negative), 10, (uint64_t)INT64_MAX + negative,
			     &magnitude);

	if (r < 0)
		return r;
	value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	if (value < min || value > max)
		return -ERANGE;
	*ret_value = value;

	return 0;
}

int parse_octal(struct slice s, uint64_t max, uint64_t *ret_value)
{
	return parse_digits(s, 8, max, ret_value);
}

/*
 * Reads "12" or "12.25" off the front of @rest and multiplies it by @unit, rounding down.
 * The fraction counts to nine digits.
 */
static int parse_scaled(struct slice whole, struct slice fraction, uint64_t unit,
			uint64_t *ret_value)
{
	uint64_t value, part = 0, divisor = 1;
	int r = parse_digits(whole, 10, UINT64_MAX, &value);

	if (r < 0)
		return r;
	if (mul_overflows(value, unit, &value))
		return -ERANGE;
	fraction.len = MIN(fraction.len, (size_t)9);
	if (fraction.len > 0) {
		r = parse_digits(fraction, 10, UINT64_MAX, &part);
		if (r < 0)
			return r;
		for (size_t i = 0; i < fraction.len; i++)
			divisor *= 10;
	}
	part = (uint64_t)((unsigned __int128)part * unit / divisor);
	if (add_overflows(value, part, &value))
		return -ERANGE;
	*ret_value = value;

	return 0;
}

/* Split "1.5xyz" into "1", "5" and "xyz". False when there is no leading digit. */
static bool split_number(struct slice *rest, struct slice *ret_whole, struct slice *ret_fraction)
{
	size_t i = 0;

	while (i < rest->len && rest->at[i] >= '0' && rest->at[i] <= '9')
		i++;
	if (i == 0)
		return false;
	*ret_whole = (struct slice){ .at = rest->at, .len = i };
	*ret_fraction = (struct slice){ 0 };
	if (i < rest->len && rest->at[i] == '.') {
		size_t start = ++i;

		while (i < rest->len && rest->at[i] >= '0' && rest->at[i] <= '9')
			i++;
		if (i == start)
			return false;
		*ret_fraction = (struct slice){ .at = rest->at + start, .len = i - start };
	}
	rest->at += i;
	rest->len -= i;

	return true;
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "bkmgtp";
	struct slice rest = slice_of(text), whole, fraction;
	uint64_t unit = 1;

	if (!split_number(&rest, &whole, &fraction))
		return -EINVAL;
	if (rest.len > 0) {
		const char *found = strchr(units, rest.at[0] | 0x20);

		if (!found || *found == '\0')
			return -EINVAL;
		for (const char *u = units; u < found; u++)
			unit *= 1024;
		rest.at++;
		rest.len--;
		if (rest.len > 0 && unit > 1 && (rest.at[0] | 0x20) == 'i' && rest.len == 2) {
			rest.at++;
			rest.len--;
		}
		if (rest.len == 1 && unit > 1 && (rest.at[0] | 0x20) == 'b')
			rest.len = 0;
		if (rest.len > 0)
			return -EINVAL;
	}

	return parse_scaled(whole, fraction, unit, ret_bytes);
}

int parse_duration(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "ms", 1000000ULL },
		{ "h", 3600000000000ULL },
		{ "m", 60000000000ULL },
		{ "s", 1000000000ULL },
	};
	struct slice rest = slice_of(text);
	uint64_t total = 0;
	bool first = true;

	while (rest.len > 0 || first) {
		struct slice whole, fraction;
		uint64_t part, unit = 0;
		int r;

		if (!split_number(&rest, &whole, &fraction))
			return -EINVAL;
		if (first && rest.len == 0)
			unit = 1000000000ULL;
		for (size_t i = 0; !unit && i < ARRAY_SIZE(units); i++) {
			size_t len = strlen(units[i].name);

			if (rest.len >= len && memcmp(rest.at, units[i].name, len) == 0) {
				unit = units[i].ns;
				rest.at += len;
				rest.len -= len;
			}
		}
		if (!unit)
			return -EINVAL;
		r = parse_scaled(whole, fraction, unit, &part);
		if (r < 0)
			return r;
		if (add_overflows(total, part, &total) || total > INT64_MAX)
			return -ERANGE;
		first = false;
	}
	*ret_ns = (int64_t)total;

	return 0;
}

int parse_bool(const char *text, bool *ret_value)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcmp(text, yes[i]) == 0) {
			*ret_value = true;
			return 0;
		}
		if (strcmp(text, no[i]) == 0) {
			*ret_value = false;
			return 0;
		}
	}

	return -EINVAL;
}
