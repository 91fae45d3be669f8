/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_spec.c - sandbox documents: what was read is written and read again without change
 *
 * The first byte says which document the rest is.
 */
#include "fuzz.h"

#include <string.h>

#include "spec/sandbox.h"

#define CHECK(kind, text, len)                                                               \
	do {                                                                                 \
		auto_free char *once_ = NULL, *twice_ = NULL;                                \
		struct spec_##kind thing_, again_;                                           \
		struct err err_ = ERR_INIT;                                                  \
                                                                                             \
		if (spec_##kind##_decode(text, len, &thing_, &err_) < 0) {                   \
			fuzz_assert(err_.code > 0 && err_.used > 0);                         \
			break;                                                               \
		}                                                                            \
		fuzz_assert(spec_##kind##_encode(&thing_, &once_, NULL) == 0);               \
		fuzz_assert(spec_##kind##_decode(once_, strlen(once_), &again_, NULL) == 0); \
		fuzz_assert(spec_##kind##_encode(&again_, &twice_, NULL) == 0);              \
		fuzz_assert(strcmp(once_, twice_) == 0);                                     \
		spec_##kind##_done(&thing_);                                                 \
		spec_##kind##_done(&again_);                                                 \
	} while (0)

/* Holds no memory of its own. */
static void spec_stats_done(struct spec_stats *stats)
{
	(void)stats;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data + 1;

	if (len == 0)
		return 0;
	switch (data[0]) {
	case 's':
		CHECK(sandbox, text, len - 1);
		break;
	case 'p':
		CHECK(process, text, len - 1);
		break;
	case 'r':
		CHECK(resources, text, len - 1);
		break;
	case 't':
		CHECK(tool, text, len - 1);
		break;
	case 'a':
		CHECK(stats, text, len - 1);
		break;
	}

	return 0;
}
