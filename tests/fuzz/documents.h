/* SPDX-License-Identifier: Apache-2.0
 *
 * documents.h - what holds for every document with a codec
 */
#ifndef TESTS_FUZZ_DOCUMENTS_H
#define TESTS_FUZZ_DOCUMENTS_H

#include <string.h>

#include "base/err.h"
#include "base/macro.h"
#include "fuzz.h"

/* A struct spec_@kind is read, or refused with a reason; what was read survives a round trip. */
#define DOCUMENT_CHECK(kind, text, len)                                                      \
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

#endif
