/* SPDX-License-Identifier: Apache-2.0
 *
 * tar_writer.c - tar archives out: ustar, with a pax header for what ustar cannot hold
 *
 * A sparse file is of GNU's form 1.0: the pax header has its name and length, and a map of decimal
 * numbers, filled up to a whole block, stands in front of its data.
 */
#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "wire/tar_header.h"

#define PAX_NAME "PaxHeaders/member"
#define SPARSE_NAME "GNUSparseFile/member" /* for who does not know the form */
#define MAP_MAX_BYTES ((size_t)(4 * MIB))  /* 65536 pairs of numbers of up to 20 digits fit */

static const char zeroes[TAR_BLOCK_BYTES * 2];

void tar_writer_init(struct tar_writer *w, tar_write_fn *write, void *ctx)
{
	*w = (struct tar_writer){ .write = write, .ctx = ctx };
}

static size_t padding_of(uint64_t bytes)
{
	return (size_t)(-bytes & (TAR_BLOCK_BYTES - 1));
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts its own digits. A full buffer shows in @pax->failed. */
static void add_record(struct strbuf *pax, const char *prefix, struct slice key, struct slice value)
{
	size_t rest = strlen(prefix) + key.len + value.len + 3, len = rest + 1;

	for (size_t digits = 1, limit = 10; len >= limit; digits++, limit *= 10)
		len = rest + digits + 1;
	strbuf_addf(pax, "%zu %s", len, prefix);
	strbuf_add(pax, key.at, key.len);
	strbuf_addc(pax, '=');
	strbuf_add(pax, value.at, value.len);
	strbuf_addc(pax, '\n');
}

static void add_text(struct strbuf *pax, const char *key, const char *text)
{
	add_record(pax, "", slice_of(key), slice_of(text));
}

/* @text goes into the field, and whole into the pax header when the field is too short. */
static void put_text(char *field, size_t len, const char *text, const char *key, struct strbuf *pax)
{
	size_t text_len = text ? strlen(text) : 0;

	if (text_len > 0)
		memcpy(field, text, MIN(text_len, len));
	if (text_len > len)
		add_text(pax, key, text);
}

static void put_number(char *field, size_t len, uint64_t value, const char *key, struct strbuf *pax)
{
	char text[24];

	if (tar_header_set_number(field, len, value))
		return;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	add_text(pax, key, text);
}

static void put_mtime(struct tar_header *h, const struct tar_entry *entry, struct strbuf *pax)
{
	bool fits = entry->mtime_s >= 0 &&
		    tar_header_set_number(h->mtime, sizeof(h->mtime), (uint64_t)entry->mtime_s);
	int64_t seconds = entry->mtime_s;
	uint32_t ns = entry->mtime_ns;
	char text[48];

	if (fits && ns == 0)
		return;
	/* Seconds and fraction have one sign in pax: -1.5 is what we hold as -2 s and +0.5 s. */
	if (seconds < 0 && ns > 0) {
		seconds++;
		ns = 1000000000 - ns;
	}
	(void)snprintf(text, sizeof(text), "%s%llu.%09u", entry->mtime_s < 0 ? "-" : "",
		       (unsigned long long)(seconds < 0 ? -seconds : seconds), ns);
	add_text(pax, "mtime", text);
}

uint64_t tar_entry_data_bytes(const struct tar_entry *entry)
{
	uint64_t bytes = 0;

	if (entry->type != TAR_FILE)
		return 0;
	if (!entry->sparse)
		return entry->size_bytes;
	for (size_t i = 0; i < entry->segments_len; i++)
		bytes += entry->segments[i].len_bytes;

	return bytes;
}

static void add_segment(struct strbuf *map, uint64_t offset_bytes, uint64_t len_bytes)
{
	strbuf_addf(map, "%llu\n%llu\n", (unsigned long long)offset_bytes,
		    (unsigned long long)len_bytes);
}

/*
 * Where the data of a sparse file goes: a line for the number of segments, two for each. An empty
 * one at the end of the file is the last: GNU tar takes the length from there.
 */
static void make_map(const struct tar_entry *entry, struct strbuf *map)
{
	strbuf_addf(map, "%zu\n", entry->segments_len + 1);
	for (size_t i = 0; i < entry->segments_len; i++)
		add_segment(map, entry->segments[i].offset_bytes, entry->segments[i].len_bytes);
	add_segment(map, entry->size_bytes, 0);
	strbuf_add(map, zeroes, padding_of(map->len));
}

static void put_name(struct tar_header *h, const struct tar_entry *entry, struct strbuf *pax)
{
	char size_text[24];

	if (!entry->sparse) {
		put_text(h->name, sizeof(h->name), entry->name, "path", pax);
		return;
	}
	memcpy(h->name, SPARSE_NAME, sizeof(SPARSE_NAME));
	(void)snprintf(size_text, sizeof(size_text), "%llu", (unsigned long long)entry->size_bytes);
	add_text(pax, "GNU.sparse.major", "1");
	add_text(pax, "GNU.sparse.minor", "0");
	add_text(pax, "GNU.sparse.name", entry->name);
	add_text(pax, "GNU.sparse.realsize", size_text);
}

/* @stored_bytes follow the header: the data, and the map of a sparse file. */
static void fill_header(struct tar_header *h, const struct tar_entry *entry, uint64_t stored_bytes,
			struct strbuf *pax)
{
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	h->type = (char)entry->type;
	put_name(h, entry, pax);
	put_text(h->link, sizeof(h->link), entry->link, "linkpath", pax);
	put_text(h->uname, sizeof(h->uname) - 1, entry->uname, "uname", pax);
	put_text(h->gname, sizeof(h->gname) - 1, entry->gname, "gname", pax);
	put_number(h->mode, sizeof(h->mode), entry->mode & 07777, "", pax);
	put_number(h->uid, sizeof(h->uid), entry->uid, "uid", pax);
	put_number(h->gid, sizeof(h->gid), entry->gid, "gid", pax);
	put_number(h->size, sizeof(h->size), stored_bytes, "size", pax);
	put_number(h->dev_major, sizeof(h->dev_major), entry->dev_major, "", pax);
	put_number(h->dev_minor, sizeof(h->dev_minor), entry->dev_minor, "", pax);
	put_mtime(h, entry, pax);
	for (size_t i = 0; i < entry->xattrs_len; i++)
		add_record(pax, "SCHILY.xattr.", entry->xattrs[i].name, entry->xattrs[i].value);
	tar_header_set_sum(h);
}

static int write_pax(struct tar_writer *w, const struct strbuf *pax, struct err *err)
{
	struct tar_header h = { .type = 'x', .name = PAX_NAME, .magic = "ustar" };
	struct strbuf none = STRBUF_INIT(0);
	int r;

	memcpy(h.version, "00", 2);
	put_number(h.mode, sizeof(h.mode), 0644, "", &none);
	put_number(h.uid, sizeof(h.uid), 0, "", &none);
	put_number(h.gid, sizeof(h.gid), 0, "", &none);
	put_number(h.size, sizeof(h.size), pax->len, "", &none);
	put_number(h.mtime, sizeof(h.mtime), 0, "", &none);
	tar_header_set_sum(&h);
	r = w->write(w->ctx, &h, sizeof(h), err);
	if (r == 0)
		r = w->write(w->ctx, pax->text, pax->len, err);
	if (r == 0 && padding_of(pax->len) > 0)
		r = w->write(w->ctx, zeroes, padding_of(pax->len), err);

	return r;
}

static bool is_short(const struct tar_writer *w, struct err *err)
{
	if (w->left_bytes == 0)
		return false;
	err_set(err, EINVAL, "archive member lacks %llu bytes of data",
		(unsigned long long)w->left_bytes);

	return true;
}

int tar_writer_entry(struct tar_writer *w, const struct tar_entry *entry, struct err *err)
{
	struct tar_header h = { 0 };
	auto_done(strbuf) pax = STRBUF_INIT(TAR_MAX_EXTENSION_BYTES);
	auto_done(strbuf) map = STRBUF_INIT(MAP_MAX_BYTES);
	uint64_t data_bytes = tar_entry_data_bytes(entry);
	int r = 0;

	if (is_short(w, err))
		return -EINVAL;
	if (entry->sparse)
		make_map(entry, &map);
	fill_header(&h, entry, data_bytes + map.len, &pax);
	if (pax.failed || map.failed || entry->segments_len > TAR_MAX_SPARSE_SEGMENTS)
		return err_set(err, E2BIG, "%s: more metadata than an archive can hold",
			       entry->name);
	if (pax.len > 0)
		r = write_pax(w, &pax, err);
	if (r == 0)
		r = w->write(w->ctx, &h, sizeof(h), err);
	if (r == 0 && map.len > 0)
		r = w->write(w->ctx, map.text, map.len, err);
	if (r < 0)
		return r;
	w->left_bytes = data_bytes;
	w->pad_bytes = padding_of(w->left_bytes);

	return 0;
}

int tar_writer_data(struct tar_writer *w, const void *buf, size_t len, struct err *err)
{
	int r;

	if (len > w->left_bytes)
		return err_set(err, EINVAL, "archive member has more data than announced");
	if (len == 0)
		return 0;
	r = w->write(w->ctx, buf, len, err);
	if (r < 0)
		return r;
	w->left_bytes -= len;
	if (w->left_bytes == 0 && w->pad_bytes > 0)
		r = w->write(w->ctx, zeroes, w->pad_bytes, err);

	return r;
}

int tar_writer_finish(struct tar_writer *w, struct err *err)
{
	if (is_short(w, err))
		return -EINVAL;

	return w->write(w->ctx, zeroes, sizeof(zeroes), err);
}
