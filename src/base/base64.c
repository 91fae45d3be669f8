/* SPDX-License-Identifier: Apache-2.0
 *
 * base64.c - bytes as text
 */
#include "base/base64.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *bytes, size_t len)
{
	const unsigned char *in = bytes;
	char *text, *out;

	if (len > SIZE_MAX / 2)
		return NULL;
	text = out = malloc((len + 2) / 3 * 4 + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		size_t have = MIN(len - i, (size_t)3);
		uint32_t group = (uint32_t)in[i] << 16;

		if (have > 1)
			group |= (uint32_t)in[i + 1] << 8;
		if (have > 2)
			group |= in[i + 2];
		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = have > 1 ? digits[group >> 6 & 63] : '=';
		*out++ = have > 2 ? digits[group & 63] : '=';
	}
	*out = '\0';

	return text;
}

/* Value of one digit, or -1. */
static int digit_value(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int base64_decode(const char *text, size_t len, char **ret_bytes, size_t *ret_len)
{
	auto_free char *bytes = NULL;
	size_t used = 0, padding = 0;

	if (len % 4 != 0)
		return -EINVAL;
	while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
		padding++;
	bytes = malloc(len / 4 * 3 + 1);
	if (!bytes)
		return -ENOMEM;
	for (size_t i = 0; i < len; i += 4) {
		size_t have = i + 4 == len ? 4 - padding : 4;
		uint32_t group = 0;

		for (size_t k = 0; k < 4; k++) {
			int value = k < have ? digit_value(text[i + k]) : 0;

			if (value < 0)
				return -EINVAL;
			group = group << 6 | (uint32_t)value;
		}
		if (have < 4 && (group & (have == 3 ? 0xffU : 0xffffU)) != 0)
			return -EINVAL;
		for (size_t k = 0; k + 1 < have; k++)
			bytes[used++] = (char)(group >> (16 - 8 * k) & 0xff);
	}
	bytes[used] = '\0';
	*ret_bytes = take_ptr(bytes);
	*ret_len = used;

	return 0;
}
