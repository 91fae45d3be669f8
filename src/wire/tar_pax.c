/* SPDX-License-Identifier: Apache-2.0
 *
 * tar_pax.c - pax extended headers
 *
 * A header is a row of records "LENGTH KEY=VALUE\n", where LENGTH counts the whole record, so
 * that a value may hold any byte. Keys that mean nothing to us are skipped.
 */
#include "wire/tar_pax.h"

#include <errno.h>
#include <string.h>

#define XATTR_PREFIX "SCHILY.xattr."
#define SEGMENTS_FIRST 16

int tar_map_add(struct tar_map *map, uint64_t offset_bytes, uint64_t len_bytes, struct err *err)
{
	uint64_t end_bytes;

	if (add_overflows(offset_bytes, len_bytes, &end_bytes) || end_bytes > INT64_MAX ||
	    offset_bytes < map->end_bytes)
		return err_setk(err, ERR_USAGE, EBADMSG, "sparse map is out of order");
	map->end_bytes = end_bytes;
	if (len_bytes == 0)
		return 0;
	if (map->len == TAR_MAX_SPARSE_SEGMENTS)
		return err_setk(err, ERR_USAGE, E2BIG, "sparse map has more than %d segments",
				TAR_MAX_SPARSE_SEGMENTS);
	if (map->len == map->room) {
		size_t room = map->room ? map->room * 2 : SEGMENTS_FIRST;
		struct tar_segment *segments = reallocarray(map->segments, room, sizeof(*segments));

		if (!segments)
			return err_set(err, ENOMEM, "out of memory");
		map->segments = segments;
		map->room = room;
	}
	map->segments[map->len++] = (struct tar_segment){ offset_bytes, len_bytes };
	map->stored_bytes += len_bytes;

	return 0;
}

void tar_map_done(struct tar_map *map)
{
	free(map->segments);
	*map = (struct tar_map){ 0 };
}

void tar_pax_done(struct tar_pax *pax)
{
	tar_map_done(&pax->map);
	free(pax->xattrs);
	*pax = (struct tar_pax){ 0 };
}

static int bad_value(struct slice key, struct err *err)
{
	return err_setk(err, ERR_USAGE, EBADMSG, "pax header: bad value of '%.*s'", (int)key.len,
			key.at);
}

static int set_number(struct tar_pax *pax, enum tar_pax_has flag, struct slice value, uint64_t max,
		      uint64_t *ret_value)
{
	if (parse_slice_u64(value, 0, max, ret_value) < 0)
		return -EBADMSG;
	pax->has |= flag;

	return 0;
}

static int set_id(struct tar_pax *pax, enum tar_pax_has flag, struct slice value, uint32_t *ret_id)
{
	uint64_t id;

	/* The highest id is the kernel's "no change". */
	if (set_number(pax, flag, value, UINT32_MAX - 1, &id) < 0)
		return -EBADMSG;
	*ret_id = (uint32_t)id;

	return 0;
}

/* "[-]SECONDS[.FRACTION]"; digits beyond nanoseconds are cut off. */
static int set_mtime(struct tar_pax *pax, struct slice value)
{
	bool negative = value.len > 0 && value.at[0] == '-';
	struct slice whole, fraction = { 0 };
	uint64_t seconds, ns = 0;

	if (negative) {
		value.at++;
		value.len--;
	}
	if (!slice_next(&value, '.', &whole) ||
	    parse_slice_u64(whole, 0, INT64_MAX - 1, &seconds) < 0)
		return -EBADMSG;
	if (value.at) {
		fraction = value;
		for (size_t i = 0; i < fraction.len; i++)
			if (fraction.at[i] < '0' || fraction.at[i] > '9')
				return -EBADMSG;
	}
	for (size_t i = 0; i < 9; i++)
		ns = ns * 10 + (i < fraction.len ? (uint64_t)(fraction.at[i] - '0') : 0);

	pax->mtime_s = negative ? -(int64_t)seconds - (ns > 0) : (int64_t)seconds;
	pax->mtime_ns = (uint32_t)(negative && ns > 0 ? 1000000000 - ns : ns);
	pax->has |= TAR_PAX_MTIME;

	return 0;
}

/* GNU sparse 0.1: "offset,length,offset,length..." */
static int set_map(struct tar_pax *pax, struct slice value, struct err *err)
{
	struct slice offset, len;

	tar_map_done(&pax->map);
	while (slice_next(&value, ',', &offset)) {
		uint64_t offset_bytes, len_bytes;
		int r;

		if (!slice_next(&value, ',', &len) ||
		    parse_slice_u64(offset, 0, INT64_MAX, &offset_bytes) < 0 ||
		    parse_slice_u64(len, 0, INT64_MAX, &len_bytes) < 0)
			return err_setk(err, ERR_USAGE, EBADMSG, "pax header: bad sparse map");
		r = tar_map_add(&pax->map, offset_bytes, len_bytes, err);
		if (r < 0)
			return r;
	}
	pax->map_given = true;

	return 0;
}

/* Keys that begin with "GNU.sparse."; @key is what follows. */
static int sparse_record(struct tar_pax *pax, struct slice key, struct slice value, struct err *err)
{
	uint64_t number = 0;

	if (slice_eq(key, "name")) {
		pax->sparse_name = value;
	} else if (slice_eq(key, "size") || slice_eq(key, "realsize")) {
		if (set_number(pax, TAR_PAX_REAL_SIZE, value, INT64_MAX, &pax->real_size_bytes) < 0)
			return bad_value(key, err);
	} else if (slice_eq(key, "major")) {
		/* Versions 0.x have no such key, or a 0. */
		if (set_number(pax, 0, value, 1, &number) < 0)
			return bad_value(key, err);
		pax->has |= number == 1 ? TAR_PAX_MAP_IN_DATA : 0;
	} else if (slice_eq(key, "map")) {
		return set_map(pax, value, err);
	} else if (slice_eq(key, "offset")) {
		if (set_number(pax, 0, value, INT64_MAX, &pax->pending_offset_bytes) < 0)
			return bad_value(key, err);
		pax->offset_pending = true;
	} else if (slice_eq(key, "numbytes")) {
		if (!pax->offset_pending || set_number(pax, 0, value, INT64_MAX, &number) < 0)
			return bad_value(key, err);
		pax->offset_pending = false;
		pax->map_given = true;
		return tar_map_add(&pax->map, pax->pending_offset_bytes, number, err);
	}

	return 0;
}

static int add_xattr(struct tar_pax *pax, struct slice name, struct slice value, struct err *err)
{
	size_t i;

	if (name.len == 0 || memchr(name.at, '\0', name.len))
		return err_setk(err, ERR_USAGE, EBADMSG, "malformed name of an extended attribute");
	if (value.len > TAR_MAX_XATTR_BYTES)
		return err_setk(err, ERR_USAGE, E2BIG,
				"extended attribute is longer than %llu bytes",
				TAR_MAX_XATTR_BYTES);
	for (i = 0; i < pax->xattrs_len; i++)
		if (pax->xattrs[i].name.len == name.len &&
		    memcmp(pax->xattrs[i].name.at, name.at, name.len) == 0)
			break;
	if (i == TAR_MAX_XATTRS)
		return err_setk(err, ERR_USAGE, E2BIG, "more than %d extended attributes",
				TAR_MAX_XATTRS);
	if (!pax->xattrs) {
		pax->xattrs = calloc(TAR_MAX_XATTRS, sizeof(*pax->xattrs));
		if (!pax->xattrs)
			return err_set(err, ENOMEM, "out of memory");
	}
	pax->xattrs[i] = (struct tar_xattr){ .name = name, .value = value };
	pax->xattrs_len = MAX(pax->xattrs_len, i + 1);

	return 0;
}

static bool take_prefix(struct slice *s, const char *prefix)
{
	size_t len = strlen(prefix);

	if (s->len < len || memcmp(s->at, prefix, len) != 0)
		return false;
	s->at += len;
	s->len -= len;

	return true;
}

static int record(struct tar_pax *pax, struct slice key, struct slice value, struct err *err)
{
	struct slice rest = key;
	int r = 0;

	if (take_prefix(&rest, XATTR_PREFIX))
		return add_xattr(pax, rest, value, err);
	/* An empty value means: as in the header. */
	if (value.len == 0)
		return 0;
	if (take_prefix(&rest, "GNU.sparse."))
		return sparse_record(pax, rest, value, err);

	if (slice_eq(key, "path"))
		pax->path = value;
	else if (slice_eq(key, "linkpath"))
		pax->link = value;
	else if (slice_eq(key, "uname"))
		pax->uname = value;
	else if (slice_eq(key, "gname"))
		pax->gname = value;
	else if (slice_eq(key, "uid"))
		r = set_id(pax, TAR_PAX_UID, value, &pax->uid);
	else if (slice_eq(key, "gid"))
		r = set_id(pax, TAR_PAX_GID, value, &pax->gid);
	else if (slice_eq(key, "size"))
		r = set_number(pax, TAR_PAX_SIZE, value, INT64_MAX, &pax->size_bytes);
	else if (slice_eq(key, "mtime"))
		r = set_mtime(pax, value);

	return r < 0 ? bad_value(key, err) : 0;
}

int tar_pax_parse(struct tar_pax *pax, struct slice text, struct err *err)
{
	while (text.len > 0) {
		const char *space = memchr(text.at, ' ', MIN(text.len, (size_t)20));
		struct slice digits, key, value;
		const char *equals;
		uint64_t len;
		int r;

		/* Some writers pad the header with NULs. */
		if (text.at[0] == '\0')
			break;
		digits = (struct slice){ .at = text.at,
					 .len = space ? (size_t)(space - text.at) : 0 };
		if (!space || parse_slice_u64(digits, digits.len + 3, text.len, &len) < 0 ||
		    text.at[len - 1] != '\n')
			return err_setk(err, ERR_USAGE, EBADMSG, "pax header: malformed record");
		key.at = space + 1;
		key.len = len - digits.len - 2;
		equals = memchr(key.at, '=', key.len);
		if (!equals || equals == key.at)
			return err_setk(err, ERR_USAGE, EBADMSG, "pax header: record without key");
		value.at = equals + 1;
		value.len = (size_t)(key.at + key.len - value.at);
		key.len = (size_t)(equals - key.at);
		r = record(pax, key, value, err);
		if (r < 0)
			return r;
		text.at += len;
		text.len -= len;
	}

	return 0;
}
