/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs_xattr.c - extended attributes as EROFS stores them
 *
 * The area behind an inode has a header and entries; a prefix of the name is an index. What has
 * no index cannot be stored. Attributes of overlayfs itself are left out: an image that brought
 * its own could point a merged folder at any other.
 */
#include <errno.h>
#include <string.h>

#include "image/erofs_priv.h"

#define MAX_SHARED 32 /* the root's inode with that many stays within the first block */

enum {
	INDEX_USER = 1,
	INDEX_ACL_ACCESS = 2,
	INDEX_ACL_DEFAULT = 3,
	INDEX_TRUSTED = 4,
	INDEX_SECURITY = 6,
};

static const struct {
	const char *prefix;
	uint8_t index;
	bool whole; /* the prefix is all of the name */
} prefixes[] = {
	{ "user.", INDEX_USER, false },
	{ "system.posix_acl_access", INDEX_ACL_ACCESS, true },
	{ "system.posix_acl_default", INDEX_ACL_DEFAULT, true },
	{ "trusted.", INDEX_TRUSTED, false },
	{ "security.", INDEX_SECURITY, false },
};

static bool has_prefix(struct slice name, const char *prefix)
{
	size_t len = strlen(prefix);

	return name.len >= len && memcmp(name.at, prefix, len) == 0;
}

/* False for what is not stored. @ret_rest is the name without its prefix. */
static bool split_name(struct slice name, uint8_t *ret_index, struct slice *ret_rest)
{
	if (has_prefix(name, "trusted.overlay.") || has_prefix(name, "user.overlay."))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i].prefix);

		if (!has_prefix(name, prefixes[i].prefix) ||
		    (prefixes[i].whole ? name.len != len : name.len == len))
			continue;
		*ret_index = prefixes[i].index;
		*ret_rest = (struct slice){ name.at + len, name.len - len };
		return ret_rest->len <= UINT8_MAX;
	}

	return false;
}

static void pad4(struct strbuf *out)
{
	static const char zeroes[3];

	strbuf_add(out, zeroes, -out->len & 3);
}

static void add_entry(struct strbuf *out, uint8_t index, struct slice name, struct slice value)
{
	struct erofs_xattr_entry entry = { .name_len = (uint8_t)name.len,
					   .name_index = index,
					   .value_len = to_le16((uint16_t)value.len) };

	strbuf_add(out, &entry, sizeof(entry));
	strbuf_add(out, name.at, name.len);
	strbuf_add(out, value.at, value.len);
	pad4(out);
}

static int too_many(struct err *err)
{
	return err_setk(err, ERR_USAGE, E2BIG, "more extended attributes than an inode can hold");
}

int erofs_xattrs_encode(struct strbuf *out, const struct tree_attr *attr, bool opaque,
			struct err *err)
{
	const struct erofs_xattr_header header = { 0 };

	strbuf_reset(out);
	strbuf_add(out, &header, sizeof(header));
	for (size_t i = 0; i < attr->xattrs_len; i++) {
		const struct tar_xattr *xattr = &attr->xattrs[i];
		struct slice rest;
		uint8_t index;

		if (!split_name(xattr->name, &index, &rest))
			continue;
		if (xattr->value.len > UINT16_MAX)
			return too_many(err);
		add_entry(out, index, rest, xattr->value);
	}
	if (opaque)
		add_entry(out, INDEX_TRUSTED, slice_of("overlay.opaque"), slice_of("y"));
	if (out->failed)
		return too_many(err);
	if (out->len == sizeof(header))
		strbuf_reset(out);

	return 0;
}

/* One entry in the metadata; its number is its offset in units of four bytes. */
static int store_shared(struct erofs *e, const struct strbuf *entry, struct strbuf *out,
			struct err *err)
{
	struct le32 id;
	uint8_t *room;
	uint64_t at;
	int r = erofs_meta_alloc(e, entry->len, sizeof(uint32_t), &room, &at, err);

	if (r < 0)
		return r;
	if (at / sizeof(uint32_t) > UINT32_MAX)
		return too_many(err);
	memcpy(room, entry->text, entry->len);
	id = to_le32((uint32_t)(at / sizeof(uint32_t)));
	strbuf_add(out, &id, sizeof(id));

	return 0;
}

int erofs_xattrs_encode_shared(struct erofs *e, struct strbuf *out, const struct tree_attr *attr,
			       bool opaque, struct err *err)
{
	struct erofs_xattr_header header = { 0 };
	auto_done(strbuf) entry = STRBUF_INIT(MAX_XATTR_AREA_BYTES);
	int r = 0;

	strbuf_reset(out);
	strbuf_add(out, &header, sizeof(header));
	for (size_t i = 0; r == 0 && i <= attr->xattrs_len; i++) {
		bool mark = i == attr->xattrs_len;
		struct tar_xattr xattr = { slice_of("overlay.opaque"), slice_of("y") };
		uint8_t index = INDEX_TRUSTED;

		if (mark ? !opaque : !split_name(attr->xattrs[i].name, &index, &xattr.name))
			continue;
		if (!mark)
			xattr.value = attr->xattrs[i].value;
		if (xattr.value.len > UINT16_MAX || header.shared == MAX_SHARED)
			return too_many(err);
		strbuf_reset(&entry);
		add_entry(&entry, index, xattr.name, xattr.value);
		r = entry.failed ? too_many(err) : store_shared(e, &entry, out, err);
		header.shared++;
	}
	if (r < 0)
		return r;
	if (header.shared > 0)
		memcpy(out->text, &header, sizeof(header));
	else
		strbuf_reset(out);

	return 0;
}
