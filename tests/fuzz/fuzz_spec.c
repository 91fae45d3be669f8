/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_spec.c - sandbox documents: what was read is written and read again without change
 *
 * The first byte says which document the rest is.
 */
#include "documents.h"
#include "spec/sandbox.h"

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
		DOCUMENT_CHECK(sandbox, text, len - 1);
		break;
	case 'p':
		DOCUMENT_CHECK(process, text, len - 1);
		break;
	case 'r':
		DOCUMENT_CHECK(resources, text, len - 1);
		break;
	case 't':
		DOCUMENT_CHECK(tool, text, len - 1);
		break;
	case 'a':
		DOCUMENT_CHECK(stats, text, len - 1);
		break;
	}

	return 0;
}
