/* SPDX-License-Identifier: Apache-2.0
 *
 * parse.h - strict readers of numbers, sizes and delimited text
 *
 * No reader skips white space, accepts a sign it did not ask for, or stops before the end:
 * the whole text is the number or the call answers -EINVAL (-ERANGE when it is one, but
 * outside the limits). Outputs are untouched on failure.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that belong to someone else. */
struct slice {
	const char *at;
	size_t len;
};

/* The whole of a C string as a slice; NULL gives the empty slice. */
struct slice slice_of(const char *text);

/* True when @s holds exactly the bytes of @text. */
bool slice_eq(struct slice s, const char *text);

/**
 * slice_next() - Take the part before the next @delim off the front
 * @rest:	advanced beyond the delimiter
 * @delim:	a single byte
 * @ret_part:	may be empty
 *
 * Return: false once nothing is left; text that ends in @delim yields an empty last part.
 */
bool slice_next(struct slice *rest, char delim, struct slice *ret_part);

/* Decimal digits only, @min <= value <= @max. 0, -EINVAL or -ERANGE. */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);
int parse_slice_u64(struct slice s, uint64_t min, uint64_t max, uint64_t *ret_value);

/* As parse_u64() with an optional leading '-'. */
int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret_value);

/* Octal digits only. */
int parse_octal(struct slice s, uint64_t max, uint64_t *ret_value);

/**
 * parse_size() - Read a size as Docker writes it: "512", "64b", "10k", "1.5g", "2GiB"
 * @text:	a number, an optional fraction and a unit of 1024^n bytes in either case
 * @ret_bytes:	bytes
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int parse_size(const char *text, uint64_t *ret_bytes);

/**
 * parse_duration() - Read a duration: "10" (seconds), "1.5s", "300ms", "2m", "1h30m"
 * @text:	one or more numbers with units h, m, s, ms; a lone number is in seconds
 * @ret_ns:	nanoseconds
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int parse_duration(const char *text, int64_t *ret_ns);

/* "true", "1", "false", "0", "t", "f" in the spellings of Go's ParseBool. 0 or -EINVAL. */
int parse_bool(const char *text, bool *ret_value);

#endif
