/* SPDX-License-Identifier: Apache-2.0
 *
 * tar_reader.c - tar archives in, one push at a time
 *
 * The reader is a machine with one state per kind of block it may be in. Header blocks, the
 * payload of extension headers and sparse maps are gathered, since a push may end anywhere;
 * data passes straight through. What an extension header says is kept until the member that it
 * describes is complete, because the entry's strings point into it.
 */
#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "wire/tar_header.h"
#include "wire/tar_pax.h"

enum state {
	AT_HEADER,	/* gathering a header block */
	IN_EXTENSION,	/* gathering the payload of an L, K or x header */
	IN_SKIPPED,	/* passing over the payload of a g or V header */
	AT_MORE_SPARSE, /* gathering a further block of an old GNU sparse map */
	IN_MAP,		/* gathering a block of a GNU sparse 1.0 map */
	IN_DATA,	/* stored data of a member */
	IN_PADDING,	/* zeroes up to the next block */
	AT_END,		/* behind the two blocks of zeroes */
};

struct tar_reader {
	const struct tar_reader_ops *ops;
	void *ctx;
	enum state state;
	bool started; /* a header was read */
	bool seen_zero_block;

	unsigned char block[TAR_BLOCK_BYTES];
	size_t block_len;
	uint64_t left_bytes; /* of the payload or data that the state is in */
	size_t pad_bytes;    /* that follow it */

	/* Extension headers of the member to come. */
	char extension_type;
	size_t extensions;
	struct strbuf extension, pax_text, long_name, long_link;
	struct tar_pax pax;

	/* The member itself. */
	struct tar_header header;
	struct tar_entry entry;
	struct strbuf name, link, uname, gname;
	struct tar_map map;
	size_t segment;	      /* of the map, the one that data goes to */
	uint64_t at_bytes;    /* offset in the unpacked file */
	uint64_t map_numbers; /* that a 1.0 map still lacks; UINT64_MAX: count not read yet */
	uint64_t map_number;  /* digits so far */
	bool map_digits;      /* there were some */
	uint64_t map_offset_bytes;
	bool map_has_offset;
};

static int malformed(const struct tar_reader *r, struct err *err, const char *what)
{
	if (r->entry.name)
		return err_setk(err, ERR_USAGE, EBADMSG, "malformed archive: %s: %s", r->entry.name,
				what);

	return err_setk(err, ERR_USAGE, EBADMSG, "malformed archive: %s", what);
}

struct tar_reader *tar_reader_new(const struct tar_reader_ops *ops, void *ctx)
{
	struct tar_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->ops = ops;
	r->ctx = ctx;
	r->extension.max_bytes = TAR_MAX_EXTENSION_BYTES;
	r->pax_text.max_bytes = TAR_MAX_EXTENSION_BYTES;
	r->long_name.max_bytes = r->long_link.max_bytes = TAR_MAX_EXTENSION_BYTES;
	r->name.max_bytes = r->link.max_bytes = TAR_MAX_NAME_BYTES;
	r->uname.max_bytes = r->gname.max_bytes = TAR_MAX_NAME_BYTES;

	return r;
}

void tar_reader_free(struct tar_reader *r)
{
	if (!r)
		return;
	strbuf_done(&r->extension);
	strbuf_done(&r->pax_text);
	strbuf_done(&r->long_name);
	strbuf_done(&r->long_link);
	strbuf_done(&r->name);
	strbuf_done(&r->link);
	strbuf_done(&r->uname);
	strbuf_done(&r->gname);
	tar_pax_done(&r->pax);
	tar_map_done(&r->map);
	free(r);
}

static int emit_raw(struct tar_reader *r, const void *buf, size_t len, struct err *err)
{
	return r->ops->raw && len > 0 ? r->ops->raw(r->ctx, buf, len, err) : 0;
}

static size_t padding_of(uint64_t bytes)
{
	return (size_t)(-bytes & (TAR_BLOCK_BYTES - 1));
}

/* Forget the extension headers: their member is complete. */
static void forget_extensions(struct tar_reader *r)
{
	tar_pax_done(&r->pax);
	tar_map_done(&r->map);
	strbuf_reset(&r->pax_text);
	strbuf_reset(&r->long_name);
	strbuf_reset(&r->long_link);
	r->extensions = 0;
	r->entry = (struct tar_entry){ 0 };
}

static int end_entry(struct tar_reader *r, struct err *err)
{
	int rc = r->ops->end ? r->ops->end(r->ctx, err) : 0;

	forget_extensions(r);
	r->state = r->pad_bytes > 0 ? IN_PADDING : AT_HEADER;

	return rc;
}

/* ---- the header of a member ---- */

/* A text that becomes a C string; the pax header's wins over the one in the header. */
static int set_text(struct tar_reader *r, struct strbuf *sb, struct slice text, const char *what,
		    struct err *err)
{
	strbuf_reset(sb);
	if (text.len > 0 && memchr(text.at, '\0', text.len))
		return malformed(r, err, "a NUL within a name");
	if (strbuf_add(sb, text.at, text.len) < 0)
		return err_setk(err, ERR_USAGE, E2BIG, "%s is longer than %llu bytes", what,
				TAR_MAX_NAME_BYTES);

	return 0;
}

static int set_name(struct tar_reader *r, struct err *err)
{
	const struct tar_header *h = &r->header;
	enum tar_dialect dialect = tar_header_dialect(h);
	struct slice text = tar_header_text(h->name, sizeof(h->name)), prefix = { 0 };
	int rc;

	if (dialect == TAR_POSIX)
		prefix = tar_header_text(h->prefix, sizeof(h->prefix));
	else if (dialect == TAR_STAR)
		prefix = tar_header_text(h->star.prefix, sizeof(h->star.prefix));
	if (r->long_name.len > 0)
		text = (struct slice){ r->long_name.text, r->long_name.len };
	if (r->pax.path.at)
		text = r->pax.path;
	if ((r->pax.has & TAR_PAX_REAL_SIZE) && r->pax.sparse_name.at)
		text = r->pax.sparse_name;

	if (text.at != h->name || prefix.len == 0) {
		rc = set_text(r, &r->name, text, "name of a member", err);
	} else {
		rc = set_text(r, &r->name, prefix, "name of a member", err);
		if (rc == 0 &&
		    (strbuf_addc(&r->name, '/') < 0 || strbuf_add(&r->name, text.at, text.len) < 0))
			rc = err_set(err, ENOMEM, "out of memory");
	}
	if (rc < 0)
		return rc;
	if (r->name.len == 0)
		return malformed(r, err, "a member without name");
	r->entry.name = strbuf_get(&r->name);

	return 0;
}

static int set_link(struct tar_reader *r, struct err *err)
{
	struct slice text = tar_header_text(r->header.link, sizeof(r->header.link));
	int rc;

	r->entry.link = "";
	if (r->entry.type != TAR_HARDLINK && r->entry.type != TAR_SYMLINK)
		return 0;
	if (r->long_link.len > 0)
		text = (struct slice){ r->long_link.text, r->long_link.len };
	if (r->pax.link.at)
		text = r->pax.link;
	rc = set_text(r, &r->link, text, "target of a link", err);
	if (rc < 0)
		return rc;
	if (r->link.len == 0)
		return malformed(r, err, "a link without target");
	r->entry.link = strbuf_get(&r->link);

	return 0;
}

static int set_owner_names(struct tar_reader *r, struct err *err)
{
	bool none = tar_header_dialect(&r->header) == TAR_V7;
	struct slice uname = tar_header_text(r->header.uname, none ? 0 : sizeof(r->header.uname));
	struct slice gname = tar_header_text(r->header.gname, none ? 0 : sizeof(r->header.gname));
	int rc = set_text(r, &r->uname, r->pax.uname.at ? r->pax.uname : uname, "user name", err);

	if (rc == 0)
		rc = set_text(r, &r->gname, r->pax.gname.at ? r->pax.gname : gname, "group name",
			      err);
	r->entry.uname = strbuf_get(&r->uname);
	r->entry.gname = strbuf_get(&r->gname);

	return rc;
}

static bool number_within(const char *field, size_t len, int64_t max, int64_t *ret_value)
{
	return tar_header_number(field, len, ret_value) == 0 && *ret_value >= 0 &&
	       *ret_value <= max;
}

static int set_numbers(struct tar_reader *r, struct err *err)
{
	const struct tar_header *h = &r->header;
	struct tar_entry *e = &r->entry;
	bool device = e->type == TAR_CHAR || e->type == TAR_BLOCK;
	int64_t mode, uid = r->pax.uid, gid = r->pax.gid, major = 0, minor = 0;

	if (!number_within(h->mode, sizeof(h->mode), INT64_MAX, &mode))
		return malformed(r, err, "bad mode");
	if (!(r->pax.has & TAR_PAX_UID) &&
	    !number_within(h->uid, sizeof(h->uid), UINT32_MAX - 1, &uid))
		return malformed(r, err, "bad owner");
	if (!(r->pax.has & TAR_PAX_GID) &&
	    !number_within(h->gid, sizeof(h->gid), UINT32_MAX - 1, &gid))
		return malformed(r, err, "bad group");
	if (device && (!number_within(h->dev_major, sizeof(h->dev_major), 0xfff, &major) ||
		       !number_within(h->dev_minor, sizeof(h->dev_minor), 0xfffff, &minor)))
		return malformed(r, err, "bad device number");
	if (r->pax.has & TAR_PAX_MTIME) {
		e->mtime_s = r->pax.mtime_s;
		e->mtime_ns = r->pax.mtime_ns;
	} else if (tar_header_number(h->mtime, sizeof(h->mtime), &e->mtime_s) < 0) {
		return malformed(r, err, "bad modification time");
	}
	e->mode = (uint32_t)mode & 07777;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->dev_major = (uint32_t)major;
	e->dev_minor = (uint32_t)minor;
	e->xattrs = r->pax.xattrs;
	e->xattrs_len = r->pax.xattrs_len;

	return 0;
}

/* The type field; -1 for one that we cannot honour. */
static int type_of(const struct tar_reader *r)
{
	switch (r->header.type) {
	case '\0':
		return r->name.len > 0 && r->name.text[r->name.len - 1] == '/' ? TAR_DIR : TAR_FILE;
	case '0':
	case '7': /* contiguous, which no system of today has */
	case 'S': /* sparse, old GNU */
		return TAR_FILE;
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
		return r->header.type;
	default:
		return -1;
	}
}

/* The whole member is known, but for its data: tell the caller. */
static int begin_entry(struct tar_reader *r, struct err *err)
{
	int rc;

	if (r->entry.sparse) {
		if (r->map.stored_bytes != r->left_bytes || r->map.end_bytes > r->entry.size_bytes)
			return malformed(r, err, "sparse map does not fit the size");
		r->entry.segments = r->map.segments;
		r->entry.segments_len = r->map.len;
	}
	r->segment = 0;
	r->at_bytes = 0;
	r->state = IN_DATA;
	rc = r->ops->entry(r->ctx, &r->entry, err);
	if (rc < 0)
		return rc;

	return r->left_bytes == 0 ? end_entry(r, err) : 0;
}

static int add_old_segments(struct tar_reader *r, const struct tar_header_segment *segments,
			    size_t len, struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		int64_t offset_bytes, len_bytes;
		int rc;

		if (segments[i].offset[0] == '\0' || segments[i].len[0] == '\0')
			break;
		if (!number_within(segments[i].offset, sizeof(segments[i].offset), INT64_MAX,
				   &offset_bytes) ||
		    !number_within(segments[i].len, sizeof(segments[i].len), INT64_MAX, &len_bytes))
			return malformed(r, err, "bad sparse map");
		rc = tar_map_add(&r->map, (uint64_t)offset_bytes, (uint64_t)len_bytes, err);
		if (rc < 0)
			return rc;
	}

	return 0;
}

/* How the file's data is stored. Ends in the state that reads what comes next. */
static int begin_file(struct tar_reader *r, int64_t stored_bytes, struct err *err)
{
	int rc;

	r->left_bytes = (uint64_t)stored_bytes;
	r->pad_bytes = padding_of(r->left_bytes);
	r->entry.size_bytes = r->left_bytes;
	if (r->header.type == 'S') {
		int64_t real_bytes;

		if (!number_within(r->header.gnu.real_size, sizeof(r->header.gnu.real_size),
				   INT64_MAX, &real_bytes))
			return malformed(r, err, "bad size");
		r->entry.size_bytes = (uint64_t)real_bytes;
		r->entry.sparse = true;
		rc = add_old_segments(r, r->header.gnu.segments, TAR_GNU_SEGMENTS, err);
		if (rc < 0)
			return rc;
		if (r->header.gnu.is_extended) {
			r->state = AT_MORE_SPARSE;
			return 0;
		}
	} else if (r->pax.has & TAR_PAX_REAL_SIZE) {
		r->entry.size_bytes = r->pax.real_size_bytes;
		r->entry.sparse = true;
		if (r->pax.has & TAR_PAX_MAP_IN_DATA) {
			r->state = IN_MAP;
			r->map_numbers = UINT64_MAX;
			r->map_number = 0;
			r->map_digits = r->map_has_offset = false;
			return 0;
		}
		/* Some writers note the size alone: then the file is stored whole. */
		r->entry.sparse = r->pax.map_given;
		if (!r->entry.sparse && r->entry.size_bytes != r->left_bytes)
			return malformed(r, err, "sparse file without a map");
		r->map = r->pax.map;
		r->pax.map = (struct tar_map){ 0 };
	}

	return begin_entry(r, err);
}

static int read_member(struct tar_reader *r, struct err *err)
{
	const struct tar_header *h = &r->header;
	int64_t stored_bytes = (int64_t)r->pax.size_bytes;
	int type, rc;

	rc = set_name(r, err);
	if (rc < 0)
		return rc;
	type = type_of(r);
	if (type < 0)
		return malformed(r, err, "unknown type of member");
	r->entry.type = (enum tar_type)type;
	rc = set_link(r, err);
	if (rc == 0)
		rc = set_owner_names(r, err);
	if (rc == 0)
		rc = set_numbers(r, err);
	if (rc < 0)
		return rc;

	/* Only files have data; what the size field of others holds means nothing. */
	if (type != TAR_FILE) {
		r->left_bytes = r->pad_bytes = 0;
		return begin_entry(r, err);
	}
	if (!(r->pax.has & TAR_PAX_SIZE) &&
	    !number_within(h->size, sizeof(h->size), INT64_MAX, &stored_bytes))
		return malformed(r, err, "bad size");

	return begin_file(r, stored_bytes, err);
}

/* ---- extension headers ---- */

static int begin_extension(struct tar_reader *r, bool skipped, struct err *err)
{
	int64_t len;

	if (!number_within(r->header.size, sizeof(r->header.size), INT64_MAX, &len))
		return malformed(r, err, "bad size of an extension header");
	if (len > (int64_t)TAR_MAX_EXTENSION_BYTES)
		return err_setk(err, ERR_USAGE, E2BIG, "extension header is longer than %llu bytes",
				TAR_MAX_EXTENSION_BYTES);
	if (!skipped && ++r->extensions > TAR_MAX_EXTENSIONS)
		return err_setk(err, ERR_USAGE, E2BIG,
				"more than %d extension headers before a member",
				TAR_MAX_EXTENSIONS);
	r->extension_type = r->header.type;
	r->left_bytes = (uint64_t)len;
	r->pad_bytes = padding_of(r->left_bytes);
	r->state = skipped ? IN_SKIPPED : IN_EXTENSION;
	strbuf_reset(&r->extension);

	return 0;
}

/* The payload is complete: it takes the place of an earlier one of its kind. */
static int end_extension(struct tar_reader *r, struct err *err)
{
	struct strbuf *to = r->extension_type == 'x'   ? &r->pax_text
			    : r->extension_type == 'L' ? &r->long_name
						       : &r->long_link;
	struct strbuf old = *to;
	int rc;

	r->state = r->pad_bytes > 0 ? IN_PADDING : AT_HEADER;
	if (r->extension_type == 'x')
		tar_pax_done(&r->pax);
	*to = r->extension;
	r->extension = old;
	if (r->extension_type == 'x') {
		rc = tar_pax_parse(&r->pax, (struct slice){ to->text, to->len }, err);
		return rc < 0 ? err_wrap(err, rc, "malformed archive") : 0;
	}
	/* GNU names end in a NUL that counts. */
	to->len = strnlen(strbuf_get(to), to->len);

	return 0;
}

/* ---- sparse maps ---- */

static int read_more_sparse(struct tar_reader *r, struct err *err)
{
	struct tar_header_more more;
	int rc;

	memcpy(&more, r->block, sizeof(more));
	rc = add_old_segments(r, more.segments, TAR_GNU_MORE_SEGMENTS, err);
	if (rc < 0)
		return rc;

	return more.is_extended ? 0 : begin_entry(r, err);
}

/* A number of a 1.0 map is complete: first the count, then offset and length in turn. */
static int map_number(struct tar_reader *r, struct err *err)
{
	uint64_t value = r->map_number;

	if (!r->map_digits)
		return malformed(r, err, "bad sparse map");
	r->map_number = 0;
	r->map_digits = false;
	if (r->map_numbers == UINT64_MAX) {
		/* And an empty one that says where the file ends. */
		if (value > TAR_MAX_SPARSE_SEGMENTS + 1)
			return err_setk(err, ERR_USAGE, E2BIG,
					"sparse map has more than %d segments",
					TAR_MAX_SPARSE_SEGMENTS);
		r->map_numbers = value * 2;
		return 0;
	}
	r->map_numbers--;
	r->map_has_offset = !r->map_has_offset;
	if (r->map_has_offset) {
		r->map_offset_bytes = value;
		return 0;
	}

	return tar_map_add(&r->map, r->map_offset_bytes, value, err);
}

/* A block of a 1.0 map: decimal numbers, each with a newline, then zeroes. */
static int read_map(struct tar_reader *r, struct err *err)
{
	if (r->left_bytes < TAR_BLOCK_BYTES)
		return malformed(r, err, "sparse map is longer than the data");
	r->left_bytes -= TAR_BLOCK_BYTES;
	for (size_t i = 0; i < TAR_BLOCK_BYTES && r->map_numbers > 0; i++) {
		unsigned char c = r->block[i];
		int rc;

		if (c == '\n') {
			rc = map_number(r, err);
			if (rc < 0)
				return rc;
		} else if (c < '0' || c > '9' || r->map_number > INT64_MAX / 10 - 1) {
			return malformed(r, err, "bad sparse map");
		} else {
			r->map_number = r->map_number * 10 + (c - '0');
			r->map_digits = true;
		}
	}

	return r->map_numbers > 0 ? 0 : begin_entry(r, err);
}

/* ---- the machine ---- */

static bool is_zero(const unsigned char *block)
{
	return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK_BYTES - 1) == 0;
}

static int read_header(struct tar_reader *r, struct err *err)
{
	if (is_zero(r->block)) {
		if (r->extensions > 0)
			return malformed(r, err, "it ends after an extension header");
		r->state = r->seen_zero_block ? AT_END : AT_HEADER;
		r->seen_zero_block = true;
		return 0;
	}
	if (r->seen_zero_block)
		return malformed(r, err, "data after a block of zeroes");

	memcpy(&r->header, r->block, sizeof(r->header));
	if (!tar_header_sum_ok(&r->header) && !r->started)
		return err_setk(err, ERR_USAGE, EBADMSG, "not a tar archive");
	r->started = true;
	if (!tar_header_sum_ok(&r->header))
		return malformed(r, err, "wrong checksum of a header");
	switch (r->header.type) {
	case 'L':
	case 'K':
	case 'x':
		return begin_extension(r, false, err);
	case 'g': /* for all members to come; only comments are seen in practice */
	case 'V': /* name of the volume */
		return begin_extension(r, true, err);
	default:
		return read_member(r, err);
	}
}

/* A whole block was gathered, and its bytes were reported. */
static int read_block(struct tar_reader *r, struct err *err)
{
	r->block_len = 0;
	switch (r->state) {
	case AT_MORE_SPARSE:
		return read_more_sparse(r, err);
	case IN_MAP:
		return read_map(r, err);
	default:
		return read_header(r, err);
	}
}

static int pass_data(struct tar_reader *r, const void *buf, size_t *len, struct err *err)
{
	uint64_t take = MIN((uint64_t)*len, r->left_bytes);
	uint64_t at_bytes = r->at_bytes;

	if (r->entry.sparse) {
		const struct tar_segment *segment = &r->map.segments[r->segment];
		uint64_t end_bytes = segment->offset_bytes + segment->len_bytes;

		at_bytes = MAX(at_bytes, segment->offset_bytes);
		take = MIN(take, end_bytes - at_bytes);
		if (at_bytes + take == end_bytes)
			r->segment++;
	}
	*len = (size_t)take;
	r->at_bytes = at_bytes + take;
	r->left_bytes -= take;
	if (r->ops->data) {
		int rc = r->ops->data(r->ctx, at_bytes, buf, *len, err);

		if (rc < 0)
			return rc;
	}

	return r->left_bytes == 0 ? end_entry(r, err) : 0;
}

/* Consume some of @buf, at least one byte, and say in @len how many. */
static int step(struct tar_reader *r, const unsigned char *buf, size_t *len, struct err *err)
{
	int rc;

	switch (r->state) {
	case AT_HEADER:
	case AT_MORE_SPARSE:
	case IN_MAP:
		*len = MIN(*len, sizeof(r->block) - r->block_len);
		memcpy(r->block + r->block_len, buf, *len);
		r->block_len += *len;
		rc = emit_raw(r, buf, *len, err);
		if (rc < 0 || r->block_len < sizeof(r->block))
			return rc;
		return read_block(r, err);
	case IN_EXTENSION:
	case IN_SKIPPED:
		*len = (size_t)MIN((uint64_t)*len, r->left_bytes);
		r->left_bytes -= *len;
		rc = emit_raw(r, buf, *len, err);
		if (rc == 0 && r->state == IN_EXTENSION && strbuf_add(&r->extension, buf, *len) < 0)
			rc = err_set(err, ENOMEM, "out of memory");
		return rc;
	case IN_DATA:
		return pass_data(r, buf, len, err);
	case IN_PADDING:
		*len = MIN(*len, r->pad_bytes);
		r->pad_bytes -= *len;
		if (r->pad_bytes == 0)
			r->state = AT_HEADER;
		return emit_raw(r, buf, *len, err);
	case AT_END:
		break;
	}

	return emit_raw(r, buf, *len, err);
}

int tar_reader_feed(struct tar_reader *r, const void *buf, size_t len, struct err *err)
{
	const unsigned char *at = buf;

	while (len > 0) {
		size_t used = len;
		int rc = step(r, at, &used, err);

		if (rc < 0)
			return rc;
		at += used;
		len -= used;
		if (r->state == IN_EXTENSION && r->left_bytes == 0) {
			rc = end_extension(r, err);
			if (rc < 0)
				return rc;
		} else if (r->state == IN_SKIPPED && r->left_bytes == 0) {
			r->state = r->pad_bytes > 0 ? IN_PADDING : AT_HEADER;
		}
	}

	return 0;
}

uint64_t tar_reader_skip(struct tar_reader *r)
{
	uint64_t bytes = r->pad_bytes;

	if (r->state != IN_DATA)
		return 0;
	bytes += r->left_bytes;
	r->left_bytes = 0;
	r->pad_bytes = 0;
	forget_extensions(r);
	r->state = AT_HEADER;

	return bytes;
}

int tar_reader_finish(struct tar_reader *r, struct err *err)
{
	bool whole = r->state == AT_END ||
		     (r->state == AT_HEADER && r->block_len == 0 && r->extensions == 0);

	if (!whole)
		return err_setk(err, ERR_USAGE, EBADMSG, "archive is truncated");

	return 0;
}

bool tar_reader_at_end(const struct tar_reader *r)
{
	return r->state == AT_END;
}
