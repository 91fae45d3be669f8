/* SPDX-License-Identifier: Apache-2.0
 *
 * archive.c - files by name in a folder or in an uncompressed tar
 */
#include "image/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "wire/tar.h"

struct member {
	char *name; /* without "./", doubled and final slashes */
	char *link; /* of a symbolic link, else NULL */
	enum tar_type type;
	bool sparse;
	uint64_t at, len;
};

struct archive {
	int fd;
	bool is_dir;
	int file_fd; /* of a folder: what was found last */
	struct member *members;
	size_t members_len;
};

/* "./a//b/" -> "a/b"; NULL for "..", absolute names and the root. The caller frees it. */
static char *clean_name(const char *name)
{
	auto_done(strbuf) clean = STRBUF_INIT(TAR_MAX_NAME_BYTES);
	struct slice rest = slice_of(name), part;

	if (name[0] == '/')
		return NULL;
	while (slice_next(&rest, '/', &part)) {
		if (part.len == 0 || slice_eq(part, "."))
			continue;
		if (slice_eq(part, ".."))
			return NULL;
		if (clean.len > 0)
			strbuf_addc(&clean, '/');
		strbuf_add(&clean, part.at, part.len);
	}

	return clean.len > 0 ? strbuf_take(&clean) : NULL;
}

/* The target of a link, as seen from the root of the archive. */
static char *link_name(const char *from, const char *target)
{
	auto_done(strbuf) path = STRBUF_INIT(TAR_MAX_NAME_BYTES);
	const char *slash = strrchr(from, '/');
	struct slice rest = slice_of(target), part;

	if (target[0] == '/')
		return NULL;
	if (slash)
		strbuf_add(&path, from, (size_t)(slash - from));
	while (slice_next(&rest, '/', &part)) {
		if (part.len == 0 || slice_eq(part, "."))
			continue;
		if (slice_eq(part, "..")) {
			const char *last = path.len ? memrchr(path.text, '/', path.len) : NULL;

			if (path.len == 0)
				return NULL;
			path.len = last ? (size_t)(last - path.text) : 0;
			path.text[path.len] = '\0';
			continue;
		}
		if (path.len > 0)
			strbuf_addc(&path, '/');
		strbuf_add(&path, part.at, part.len);
	}

	return path.len > 0 ? strbuf_take(&path) : NULL;
}

static int on_entry(void *ctx, const struct tar_entry *entry, struct err *err)
{
	struct archive *a = ctx;
	struct member *members;
	char *name = clean_name(entry->name);

	/* What no document can name may stand there; it is never looked at. */
	if (!name)
		return 0;
	if (a->members_len == ARCHIVE_MAX_MEMBERS) {
		free(name);
		return err_setk(err, ERR_USAGE, E2BIG, "archive has more than %d members",
				ARCHIVE_MAX_MEMBERS);
	}
	members = reallocarray(a->members, a->members_len + 1, sizeof(*members));
	if (!members) {
		free(name);
		return err_set(err, ENOMEM, "out of memory");
	}
	a->members = members;
	members[a->members_len++] = (struct member){
		.name = name,
		.link = entry->link[0] ? mem_strdup(entry->link) : NULL,
		.type = entry->type,
		.sparse = entry->sparse,
		.len = entry->size_bytes,
	};

	return 0;
}

static int make_index(struct archive *a, uint64_t file_bytes, struct err *err)
{
	static const struct tar_reader_ops ops = { .entry = on_entry };
	auto_ptr(tar_reader) *reader = tar_reader_new(&ops, a);
	uint8_t piece[TAR_BLOCK_BYTES];
	uint64_t at = 0;

	if (!reader)
		return err_set(err, ENOMEM, "out of memory");
	while (!tar_reader_at_end(reader) && at < file_bytes) {
		size_t known = a->members_len;
		ssize_t n = pread(a->fd, piece, sizeof(piece), (off_t)at);
		int r;

		if (n < 0)
			return err_sys(err, "reading the archive");
		if (n == 0)
			break;
		r = tar_reader_feed(reader, piece, (size_t)n, err);
		if (r < 0)
			return r;
		at += (uint64_t)n;
		/* The block ended a header: its data is next, and is passed over unread. */
		if (a->members_len > known)
			a->members[known].at = at;
		at += tar_reader_skip(reader);
	}
	if (at > file_bytes)
		return err_setk(err, ERR_USAGE, EBADMSG, "archive is truncated");

	return tar_reader_finish(reader, err);
}

int archive_open(int fd, struct archive **ret, struct err *err)
{
	struct archive *a = mem_calloc(1, sizeof(*a));
	struct stat st;
	int r = 0;

	a->fd = fd;
	a->file_fd = -1;
	if (fstat(fd, &st) < 0)
		r = err_sys(err, "archive");
	else if (S_ISDIR(st.st_mode))
		a->is_dir = true;
	else
		r = make_index(a, (uint64_t)st.st_size, err);
	if (r < 0) {
		archive_close(a);
		return r;
	}
	*ret = a;

	return 0;
}

void archive_close(struct archive *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->members_len; i++) {
		free(a->members[i].name);
		free(a->members[i].link);
	}
	free(a->members);
	fd_close(a->file_fd);
	free(a);
}

/* The last one of a name counts, as when an archive is unpacked. */
static const struct member *lookup(const struct archive *a, const char *name)
{
	for (size_t i = a->members_len; i > 0; i--)
		if (strcmp(a->members[i - 1].name, name) == 0)
			return &a->members[i - 1];

	return NULL;
}

bool archive_has(const struct archive *a, const char *name)
{
	if (!a->is_dir)
		return lookup(a, name) != NULL;

	return faccessat(a->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int not_there(struct err *err, const char *name)
{
	return err_setk(err, ERR_USAGE, ENOENT, "\"%.120s\" is missing in the archive", name);
}

static int find_in_tar(const struct archive *a, const char *name, struct blob *ret, struct err *err)
{
	auto_free char *at = clean_name(name);

	for (int hops = 0; at && hops < ARCHIVE_MAX_LINKS; hops++) {
		const struct member *m = lookup(a, at);
		char *next;

		if (!m)
			break;
		if (m->type == TAR_FILE && !m->sparse) {
			*ret = (struct blob){
				.fd = a->fd, .at = m->at, .len = m->len, .seekable = true
			};
			return 0;
		}
		if ((m->type != TAR_SYMLINK && m->type != TAR_HARDLINK) || !m->link)
			return err_setk(err, ERR_USAGE, EINVAL, "\"%.120s\" is no regular file",
					name);
		next = m->type == TAR_SYMLINK ? link_name(at, m->link) : clean_name(m->link);
		free(at);
		at = next;
	}

	return not_there(err, name);
}

static int find_in_dir(struct archive *a, const char *name, struct blob *ret, struct err *err)
{
	struct stat st;

	fd_close(a->file_fd);
	/* Not to wait for a writer, should it be a fifo. */
	a->file_fd = fd_open_in(a->fd, name, O_RDONLY | O_NONBLOCK, 0, NULL);
	if (a->file_fd == -ENOENT)
		return not_there(err, name);
	if (a->file_fd < 0) {
		errno = -a->file_fd;
		return err_sys(err, "%s", name);
	}
	if (fstat(a->file_fd, &st) < 0)
		return err_sys(err, "%s", name);
	if (!S_ISREG(st.st_mode))
		return err_setk(err, ERR_USAGE, EINVAL, "\"%.120s\" is no regular file", name);
	*ret = (struct blob){ .fd = a->file_fd, .len = (uint64_t)st.st_size, .seekable = true };

	return 0;
}

int archive_find(struct archive *a, const char *name, struct blob *ret, struct err *err)
{
	return a->is_dir ? find_in_dir(a, name, ret, err) : find_in_tar(a, name, ret, err);
}

int archive_read(struct archive *a, const char *name, size_t max_bytes, char **ret, size_t *ret_len,
		 struct err *err)
{
	auto_free char *text = NULL;
	struct blob blob;
	size_t len = 0;
	int r = archive_find(a, name, &blob, err);

	if (r < 0)
		return r;
	if (blob.len > max_bytes)
		return err_setk(err, ERR_USAGE, EFBIG, "\"%.120s\" is longer than %zu bytes", name,
				max_bytes);
	text = malloc(blob.len + 1);
	if (!text)
		return err_set(err, ENOMEM, "out of memory");
	while (len < blob.len) {
		ssize_t n = pread(blob.fd, text + len, blob.len - len, (off_t)(blob.at + len));

		if (n < 0)
			return err_sys(err, "%s", name);
		if (n == 0)
			return err_setk(err, ERR_USAGE, EBADMSG, "archive is truncated");
		len += (size_t)n;
	}
	text[len] = '\0';
	*ret = take_ptr(text);
	*ret_len = len;

	return 0;
}

bool archive_looks_like_image(const char *first_member)
{
	static const char *const names[] = { "blobs", "oci-layout", "index.json", "manifest.json",
					     "repositories" };
	auto_free char *name = clean_name(first_member);
	size_t digits;

	if (!name)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t len = strlen(names[i]);

		if (strncmp(name, names[i], len) == 0 && (name[len] == '\0' || name[len] == '/'))
			return true;
	}
	/* A layer of docker save: 64 digits, then ".json", ".tar" or its folder. */
	digits = strspn(name, "0123456789abcdef");

	return digits == 64;
}
