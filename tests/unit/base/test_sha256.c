/* SPDX-License-Identifier: Apache-2.0
 *
 * test_sha256.c - the vectors of FIPS 180-4 and every split of a message
 */
#include "check.h"

#include <string.h>

#include "base/sha256.h"

static void test_vectors(void **state)
{
	static const struct {
		const char *text, *digest;
	} vector[] = {
		{ "", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc",
		  "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char digest[SHA256_DIGEST_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(vector) / sizeof(vector[0]); i++) {
		sha256_digest(vector[i].text, strlen(vector[i].text), digest);
		assert_string_equal(digest, vector[i].digest);
	}
}

static void test_splits(void **state)
{
	char message[200];
	uint8_t sum[SHA256_BYTES], first[SHA256_BYTES];

	(void)state;
	memset(message, 'x', sizeof(message));
	for (size_t at = 0; at <= sizeof(message); at++) {
		struct sha256 h;

		sha256_init(&h);
		sha256_add(&h, message, at);
		sha256_add(&h, message + at, sizeof(message) - at);
		sha256_end(&h, sum);
		if (at == 0)
			memcpy(first, sum, sizeof(first));
		assert_memory_equal(sum, first, sizeof(sum));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_splits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
