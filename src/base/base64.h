/* SPDX-License-Identifier: Apache-2.0
 *
 * base64.h - bytes as text: RFC 4648 section 4, with padding, no line breaks
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>

/* @len bytes as a NUL-terminated text that the caller frees. NULL: out of memory. */
char *base64_encode(const void *bytes, size_t len);

/**
 * base64_decode() - Read what base64_encode() writes
 * @text:	digits and padding, nothing else
 * @len:	bytes of @text
 * @ret_bytes:	content, followed by a NUL; the caller frees it
 * @ret_len:	its length without that NUL
 *
 * Return: 0, -EINVAL (also for padding bits that are not zero: one text for one content) or
 *	   -ENOMEM.
 */
int base64_decode(const char *text, size_t len, char **ret_bytes, size_t *ret_len);

#endif
