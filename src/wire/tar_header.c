/* SPDX-License-Identifier: Apache-2.0
 *
 * tar_header.c - the 512-byte header block and its number fields
 */
#include "wire/tar_header.h"

#include <errno.h>
#include <string.h>

#define CHECKSUM_AT offsetof(struct tar_header, checksum)
#define CHECKSUM_BYTES sizeof(((struct tar_header *)0)->checksum)

enum tar_dialect tar_header_dialect(const struct tar_header *h)
{
	if (memcmp(h->magic, "ustar\0", 6) == 0)
		return memcmp(h->star_magic, "tar\0", 4) == 0 ? TAR_STAR : TAR_POSIX;
	if (memcmp(h->magic, "ustar ", 6) == 0 && memcmp(h->version, " \0", 2) == 0)
		return TAR_GNU;

	return TAR_V7;
}

static void sums(const struct tar_header *h, int64_t *ret_unsigned, int64_t *ret_signed)
{
	const unsigned char *bytes = (const unsigned char *)h;
	int64_t plain = ' ' * (int64_t)CHECKSUM_BYTES, negative = plain;

	for (size_t i = 0; i < sizeof(*h); i++) {
		if (i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_BYTES)
			continue;
		plain += bytes[i];
		negative += (signed char)bytes[i];
	}
	*ret_unsigned = plain;
	*ret_signed = negative;
}

bool tar_header_sum_ok(const struct tar_header *h)
{
	int64_t plain, negative, stored;

	if (tar_header_number(h->checksum, sizeof(h->checksum), &stored) < 0)
		return false;
	sums(h, &plain, &negative);

	/* Some old writers summed plain chars, which were signed on their machines. */
	return stored == plain || stored == negative;
}

void tar_header_set_sum(struct tar_header *h)
{
	int64_t plain, negative;

	sums(h, &plain, &negative);
	/* Six digits, a NUL and a space: the form that the oldest readers want. */
	(void)tar_header_set_number(h->checksum, sizeof(h->checksum) - 1, (uint64_t)plain);
	h->checksum[7] = ' ';
}

/* Big-endian two's complement; the first byte's high bit only says that this form is used. */
static int number_base256(const unsigned char *field, size_t len, int64_t *ret_value)
{
	bool negative = field[0] & 0x40;
	uint64_t value = negative ? UINT64_MAX : 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = field[i];

		if (i == 0)
			byte = negative ? byte | 0x80 : byte & 0x7f;
		/* What is shifted out must be sign bits, and so must the bit that is left. */
		if ((value >> 55) != (negative ? 0x1ff : 0))
			return -EINVAL;
		value = value << 8 | byte;
	}
	*ret_value = (int64_t)value;

	return (value >> 63) == negative ? 0 : -EINVAL;
}

int tar_header_number(const char *field, size_t len, int64_t *ret_value)
{
	struct slice digits = { .at = field, .len = len };
	uint64_t value;
	int r;

	if ((unsigned char)field[0] & 0x80)
		return number_base256((const unsigned char *)field, len, ret_value);

	while (digits.len > 0 && digits.at[0] == ' ') {
		digits.at++;
		digits.len--;
	}
	for (size_t i = 0; i < digits.len; i++)
		if (digits.at[i] == ' ' || digits.at[i] == '\0')
			digits.len = i;
	if (digits.len == 0) {
		*ret_value = 0;
		return 0;
	}
	r = parse_octal(digits, INT64_MAX, &value);
	if (r < 0)
		return -EINVAL;
	*ret_value = (int64_t)value;

	return 0;
}

bool tar_header_set_number(char *field, size_t len, uint64_t value)
{
	field[len - 1] = '\0';
	for (size_t i = len - 1; i > 0; i--) {
		field[i - 1] = (char)('0' + (value & 7));
		value >>= 3;
	}

	return value == 0;
}

struct slice tar_header_text(const char *field, size_t len)
{
	return (struct slice){ .at = field, .len = strnlen(field, len) };
}
