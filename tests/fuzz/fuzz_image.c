/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_image.c - image documents: what was read is written and read again without change
 *
 * The first byte says which document the rest is.
 */
#include "fuzz.h"

#include <string.h>

#include "spec/image.h"

#define CHECK(kind, text, len)                                                               \
	do {                                                                                 \
		auto_free char *once_ = NULL, *twice_ = NULL;                                \
		struct spec_##kind thing_, again_;                                           \
                                                                                             \
		if (spec_##kind##_decode(text, len, &thing_, NULL) < 0)                      \
			break;                                                               \
		fuzz_assert(spec_##kind##_encode(&thing_, &once_, NULL) == 0);               \
		fuzz_assert(spec_##kind##_decode(once_, strlen(once_), &again_, NULL) == 0); \
		fuzz_assert(spec_##kind##_encode(&again_, &twice_, NULL) == 0);              \
		fuzz_assert(strcmp(once_, twice_) == 0);                                     \
		spec_##kind##_done(&thing_);                                                 \
		spec_##kind##_done(&again_);                                                 \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data + 1;

	if (len == 0)
		return 0;
	switch (data[0]) {
	case 'c':
		CHECK(image, text, len - 1);
		break;
	case 'm':
		CHECK(manifest, text, len - 1);
		break;
	case 'i':
		CHECK(index, text, len - 1);
		break;
	}

	return 0;
}
