/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_tar.c - the tar reader: it finds the same in one piece as byte by byte, within its limits
 */
#include "fuzz.h"

#include <string.h>

#include "base/sha256.h"
#include "wire/tar.h"

/* What one reading found, as a sum over all of it. */
struct found {
	struct sha256 sum;
	uint64_t size_bytes, next_bytes;
	bool open;
};

static void add_text(struct found *f, const char *text)
{
	sha256_add(&f->sum, text, strlen(text) + 1);
}

static void check_segments(const struct tar_entry *entry)
{
	uint64_t end = 0;

	fuzz_assert(entry->segments_len <= TAR_MAX_SPARSE_SEGMENTS);
	for (size_t i = 0; i < entry->segments_len; i++) {
		fuzz_assert(entry->segments[i].offset_bytes >= end);
		fuzz_assert(!add_overflows(entry->segments[i].offset_bytes,
					   entry->segments[i].len_bytes, &end));
		fuzz_assert(end <= entry->size_bytes);
	}
}

static int on_entry(void *ctx, const struct tar_entry *entry, struct err *err)
{
	struct found *f = ctx;
	uint64_t numbers[] = { entry->type,	  entry->mode,	      entry->uid,
			       entry->gid,	  entry->size_bytes,  (uint64_t)entry->mtime_s,
			       entry->mtime_ns,	  entry->dev_major,   entry->dev_minor,
			       entry->xattrs_len, entry->segments_len };

	(void)err;
	fuzz_assert(!f->open);
	fuzz_assert(entry->name[0] && strlen(entry->name) <= TAR_MAX_NAME_BYTES);
	fuzz_assert(strlen(entry->link) <= TAR_MAX_NAME_BYTES);
	fuzz_assert(entry->mode <= 07777 && entry->mtime_ns < 1000000000);
	fuzz_assert(entry->type == TAR_FILE || entry->size_bytes == 0);
	fuzz_assert(entry->xattrs_len <= TAR_MAX_XATTRS);
	if (entry->sparse)
		check_segments(entry);
	sha256_add(&f->sum, numbers, sizeof(numbers));
	add_text(f, entry->name);
	add_text(f, entry->link);
	add_text(f, entry->uname);
	add_text(f, entry->gname);
	for (size_t i = 0; i < entry->xattrs_len; i++) {
		fuzz_assert(entry->xattrs[i].value.len <= TAR_MAX_XATTR_BYTES);
		sha256_add(&f->sum, entry->xattrs[i].name.at, entry->xattrs[i].name.len);
		sha256_add(&f->sum, entry->xattrs[i].value.at, entry->xattrs[i].value.len);
	}
	f->open = true;
	f->size_bytes = entry->size_bytes;
	f->next_bytes = 0;

	return 0;
}

static int on_data(void *ctx, uint64_t offset_bytes, const void *buf, size_t len, struct err *err)
{
	struct found *f = ctx;

	(void)err;
	fuzz_assert(f->open && len > 0);
	fuzz_assert(offset_bytes >= f->next_bytes && offset_bytes + len <= f->size_bytes);
	f->next_bytes = offset_bytes + len;
	sha256_add(&f->sum, buf, len);

	return 0;
}

static int on_end(void *ctx, struct err *err)
{
	struct found *f = ctx;

	(void)err;
	fuzz_assert(f->open);
	f->open = false;

	return 0;
}

/* Feed the input in pieces of @step bytes. */
static int read_all(const uint8_t *data, size_t len, size_t step, uint8_t ret_sum[SHA256_BYTES])
{
	static const struct tar_reader_ops ops = {
		.entry = on_entry,
		.data = on_data,
		.end = on_end,
	};
	struct found f = { 0 };
	auto_ptr(tar_reader) *reader = tar_reader_new(&ops, &f);
	int r = 0;

	fuzz_assert(reader);
	sha256_init(&f.sum);
	for (size_t at = 0; r == 0 && at < len; at += step)
		r = tar_reader_feed(reader, data + at, MIN(step, len - at), NULL);
	if (r == 0)
		r = tar_reader_finish(reader, NULL);
	if (r == 0)
		fuzz_assert(!f.open);
	sha256_end(&f.sum, ret_sum);

	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t whole[SHA256_BYTES], pieces[SHA256_BYTES];
	int r = read_all(data, len, len ? len : 1, whole);

	fuzz_assert(read_all(data, len, 1, pieces) == r);
	fuzz_assert(memcmp(whole, pieces, sizeof(whole)) == 0);
	fuzz_assert(read_all(data, len, 509, pieces) == r);
	fuzz_assert(memcmp(whole, pieces, sizeof(whole)) == 0);

	return 0;
}
