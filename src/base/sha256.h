/* SPDX-License-Identifier: Apache-2.0
 *
 * sha256.h - SHA-256 (FIPS 180-4) for documents of a few kilobytes
 *
 * Portable and slow; what hashes layers uses the crypto library instead.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_DIGEST_BYTES 72 /* "sha256:" + 64 hexadecimal digits + NUL */

struct sha256 {
	uint32_t state[8];
	uint64_t total_bytes;
	uint8_t block[64];
};

/* Begin. */
void sha256_init(struct sha256 *h);
/* The next bytes of the message. */
void sha256_add(struct sha256 *h, const void *bytes, size_t len);
/* The sum; @h is used up. */
void sha256_end(struct sha256 *h, uint8_t ret_sum[SHA256_BYTES]);

/* "sha256:<hex>" of @bytes into @ret. */
void sha256_digest(const void *bytes, size_t len, char ret[SHA256_DIGEST_BYTES]);

#endif
