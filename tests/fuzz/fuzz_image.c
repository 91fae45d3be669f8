/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_image.c - image documents: what was read is written and read again without change
 *
 * The first byte says which document the rest is.
 */
#include "documents.h"
#include "spec/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data + 1;

	if (len == 0)
		return 0;
	switch (data[0]) {
	case 'c':
		DOCUMENT_CHECK(image, text, len - 1);
		break;
	case 'm':
		DOCUMENT_CHECK(manifest, text, len - 1);
		break;
	case 'i':
		DOCUMENT_CHECK(index, text, len - 1);
		break;
	}

	return 0;
}
