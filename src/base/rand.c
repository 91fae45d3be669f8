/* SPDX-License-Identifier: Apache-2.0
 *
 * rand.c - random identifiers from the kernel
 */
#include "base/rand.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void rand_bytes(void *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = getrandom(buf, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			abort();
		buf = (char *)buf + n;
		len -= (size_t)n;
	}
}

void rand_hex(char *buf, size_t hex_digits)
{
	static const char alphabet[] = "0123456789abcdef";

	rand_bytes(buf, hex_digits);
	for (size_t i = 0; i < hex_digits; i++)
		buf[i] = alphabet[(unsigned char)buf[i] & 15];
	buf[hex_digits] = '\0';
}
