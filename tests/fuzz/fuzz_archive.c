/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_archive.c - image archives: the index of their members, links among them, decompressors
 */
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/archive.h"
#include "image/inflate.h"

#define OUT_BYTES (1 << 16)
#define OUT_MAX_BYTES (1 << 22)

/* Members lie within the file, whatever a link says. */
static void look_into(int fd, size_t len)
{
	static const char *const names[] = { "index.json", "manifest.json", "a", "a/b", "../a" };
	auto_archive *archive = NULL;

	if (archive_open(fd, &archive, NULL) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *text = NULL;
		size_t text_len;
		struct blob blob;

		if (archive_find(archive, names[i], &blob, NULL) < 0)
			continue;
		fuzz_assert(archive_has(archive, names[i]));
		fuzz_assert(blob.at <= len && blob.len <= len - blob.at);
		if (archive_read(archive, names[i], len, &text, &text_len, NULL) == 0)
			fuzz_assert(text_len == blob.len && text[text_len] == '\0');
	}
}

static void decompress(const uint8_t *data, size_t len)
{
	auto_ptr(inflate) *inf = inflate_new(inflate_detect(data, len), NULL);
	static uint8_t out[OUT_BYTES];
	struct inflate_io io = { .in = data, .in_bytes = len };

	fuzz_assert(inf);
	for (size_t total = 0; total < OUT_MAX_BYTES; total += OUT_BYTES) {
		io.out = out;
		io.out_bytes = OUT_BYTES;
		if (inflate_run(inf, &io, NULL) < 0 || io.out_bytes > 0)
			break;
	}
	fuzz_assert(io.in >= data && io.in + io.in_bytes == data + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_close int fd = memfd_create("archive", MFD_CLOEXEC);

	fuzz_assert(fd >= 0 && fd_write_all(fd, data, len) == 0);
	(void)archive_looks_like_image("a");
	look_into(fd, len);
	decompress(data, len);

	return 0;
}
