/* SPDX-License-Identifier: Apache-2.0
 *
 * name.c - names of images
 *
 * The grammar is that of the distribution project: [host[:port]/]path[:tag][@digest]. Names
 * are kept as people write them, with a tag: "debian:latest", "localhost:5000/x/y:1". What
 * Docker calls docker.io and library/ are dropped, so that "docker.io/library/debian" is the
 * same image.
 */
#include "store/name.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/internal.h"

#define NAME_MAX_BYTES 255
#define TAG_MAX_BYTES 128

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Alphanumeric runs joined by one '.', one or two '_', or any number of '-'. */
static bool component_valid(struct slice part)
{
	if (part.len == 0 || !is_lower_alnum(part.at[0]) || !is_lower_alnum(part.at[part.len - 1]))
		return false;
	for (size_t i = 1; i < part.len; i++) {
		size_t run = 0;
		char c = part.at[i];

		if (is_lower_alnum(c))
			continue;
		if (c != '.' && c != '_' && c != '-')
			return false;
		while (part.at[i + run] == c) /* ends at the last character, a letter */
			run++;
		if ((c == '.' && run > 1) || (c == '_' && run > 2))
			return false;
		i += run;
		if (!is_lower_alnum(part.at[i]))
			return false;
	}

	return true;
}

static bool host_valid(struct slice host)
{
	if (host.len == 0 || (!is_word(host.at[0]) && host.at[0] != '['))
		return false;
	for (size_t i = 0; i < host.len; i++) {
		char c = host.at[i];

		if (!is_lower_alnum(c) && !(c >= 'A' && c <= 'Z') && !strchr(".-:[]", c))
			return false;
	}

	return true;
}

/* The first component is a host when it looks like one, as for every client of registries. */
static bool looks_like_host(struct slice part)
{
	return memchr(part.at, '.', part.len) || memchr(part.at, ':', part.len) ||
	       slice_eq(part, "localhost");
}

static bool tag_valid(struct slice tag)
{
	if (tag.len == 0 || tag.len > TAG_MAX_BYTES || !is_word(tag.at[0]))
		return false;
	for (size_t i = 1; i < tag.len; i++)
		if (!is_word(tag.at[i]) && tag.at[i] != '.' && tag.at[i] != '-')
			return false;

	return true;
}

static bool path_valid(struct slice path, bool *ret_has_host)
{
	struct slice rest = path, part;
	bool first = true;

	*ret_has_host = false;
	if (path.len == 0 || path.len > NAME_MAX_BYTES)
		return false;
	while (slice_next(&rest, '/', &part)) {
		if (first && rest.at && looks_like_host(part)) {
			*ret_has_host = true;
			if (!host_valid(part))
				return false;
		} else if (!component_valid(part)) {
			return false;
		}
		first = false;
	}

	return true;
}

static void drop_prefix(struct slice *s, const char *prefix)
{
	size_t len = strlen(prefix);

	if (s->len > len && memcmp(s->at, prefix, len) == 0) {
		s->at += len;
		s->len -= len;
	}
}

int name_split(const char *text, struct image_name *ret, struct err *err)
{
	struct image_name name = { .path = slice_of(text) };
	const char *at = strchr(text, '@');
	bool has_host;

	if (at) {
		name.digest = at + 1;
		name.path.len = (size_t)(at - text);
	}
	/* A colon behind the last slash begins the tag; before it, a port. */
	for (size_t i = name.path.len; i > 0 && text[i - 1] != '/'; i--) {
		if (text[i - 1] != ':')
			continue;
		name.tag = (struct slice){ .at = text + i, .len = name.path.len - i };
		name.path.len = i - 1;
		break;
	}
	drop_prefix(&name.path, "index.docker.io/");
	drop_prefix(&name.path, "docker.io/");
	drop_prefix(&name.path, "library/");
	if (!path_valid(name.path, &has_host) || (name.tag.at && !tag_valid(name.tag)) ||
	    (name.digest && !digest_hex(name.digest)))
		return err_setk(err, ERR_USAGE, EINVAL, "invalid reference format: '%s'", text);
	*ret = name;

	return 0;
}

int store_name_normalize(const char *name, char **ret, struct err *err)
{
	struct image_name split;
	int r = name_split(name, &split, err);

	if (r < 0)
		return r;
	if (split.digest)
		return err_setk(err, ERR_USAGE, EINVAL, "'%s': a name cannot hold a digest", name);
	if (!split.tag.at)
		split.tag = slice_of("latest");
	*ret = mem_printf("%.*s:%.*s", (int)split.path.len, split.path.at, (int)split.tag.len,
			  split.tag.at);

	return 0;
}
