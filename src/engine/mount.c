/* SPDX-License-Identifier: Apache-2.0
 *
 * mount.c - reads what users write after -v, --mount and --tmpfs
 */
#include "engine/mount.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "spec/sandbox.h"

#define PARTS_MAX 3

static int bad(struct err *err, const char *option, const char *text, const char *why)
{
	return err_setk(err, ERR_USAGE, EINVAL, "invalid %s '%s': %s", option, text, why);
}

static char *slice_dup(struct slice s)
{
	return mem_strndup(s.at, s.len);
}

static bool is_propagation(struct slice word)
{
	static const char *const known[] = { "rprivate", "rslave", "rshared",
					     "private",	 "slave",  "shared" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (slice_eq(word, known[i]))
			return true;

	return false;
}

/* Letters, digits and _ . - ; the first one a letter or digit. */
static bool is_volume_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		bool alnum =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!alnum && (i == 0 || !strchr("_.-", c)))
			return false;
	}

	return name.len > 1;
}

static int check_target(const char *option, const char *text, const struct engine_mount *m,
			struct err *err)
{
	if (!m->target || m->target[0] != '/')
		return bad(err, option, text, "the target must be an absolute path");
	if (m->target[strspn(m->target, "/")] == '\0')
		return bad(err, option, text, "the target cannot be '/'");

	return 0;
}

static int volume_option(struct engine_mount *m, struct slice word)
{
	static const char *const without_effect[] = { "rw",	"z",	      "Z",
						      "cached", "consistent", "delegated" };

	for (size_t i = 0; i < ARRAY_SIZE(without_effect); i++)
		if (slice_eq(word, without_effect[i]))
			return 0;
	if (slice_eq(word, "ro")) {
		m->flags |= SPEC_MOUNT_READONLY;
	} else if (slice_eq(word, "nocopy")) {
		m->no_copy = true;
	} else if (is_propagation(word) && m->type == ENGINE_MOUNT_BIND) {
		free(m->propagation);
		m->propagation = slice_dup(word);
	} else {
		return -EINVAL;
	}

	return 0;
}

int engine_mount_parse_volume(const char *text, struct engine_mount *ret, struct err *err)
{
	auto_done(engine_mount) m = { .type = ENGINE_MOUNT_VOLUME };
	struct slice rest = slice_of(text), parts[PARTS_MAX] = { 0 }, word;
	size_t len = 0;
	int r;

	while (len < PARTS_MAX && slice_next(&rest, ':', &parts[len]))
		len++;
	if (rest.at)
		return bad(err, "volume", text, "too many colons");
	m.target = slice_dup(parts[len == 1 ? 0 : 1]);
	if (len == 1) {
		m.anonymous = true;
	} else {
		m.source = slice_dup(parts[0]);
		if (parts[0].len > 0 && parts[0].at[0] == '/') {
			m.type = ENGINE_MOUNT_BIND;
			m.flags |= SPEC_MOUNT_RECURSIVE;
			m.make_source = true;
		} else if (!is_volume_name(parts[0])) {
			bad(err, "volume", text,
			    "the source is neither an absolute path nor a "
			    "name of letters, digits, '_', '.' and '-'");
			err_hint(err, "for a directory of the host write its absolute path");
			return -EINVAL;
		}
	}
	r = check_target("volume", text, &m, err);
	if (r < 0)
		return r;
	while (slice_next(&parts[2], ',', &word))
		if (volume_option(&m, word) < 0)
			return bad(err, "volume", text, "unknown option");
	*ret = m;
	m = (struct engine_mount){ 0 };

	return 0;
}

static int parse_type(struct engine_mount *m, struct slice value)
{
	if (slice_eq(value, "bind"))
		m->type = ENGINE_MOUNT_BIND;
	else if (slice_eq(value, "volume"))
		m->type = ENGINE_MOUNT_VOLUME;
	else if (slice_eq(value, "tmpfs"))
		m->type = ENGINE_MOUNT_TMPFS;
	else
		return -EINVAL;

	return 0;
}

/* A member without "=value" is true. */
static int parse_flag(struct slice value, bool *ret)
{
	auto_free char *text = value.at ? slice_dup(value) : NULL;

	*ret = true;

	return text ? parse_bool(text, ret) : 0;
}

static int parse_slice_size(struct slice value, uint64_t *ret_bytes)
{
	auto_free char *text = slice_dup(value);

	return text ? parse_size(text, ret_bytes) : -EINVAL;
}

static void set_text(char **member, struct slice value)
{
	free(*member);
	*member = slice_dup(value);
}

/* One "key=value" of --mount. -EINVAL: a bad value; -ENOENT: not a key. */
static int mount_member(struct engine_mount *m, bool *non_recursive, struct slice key,
			struct slice value)
{
	uint64_t mode;
	bool on = false;
	int r;

	if (slice_eq(key, "type"))
		return parse_type(m, value);
	if (slice_eq(key, "source") || slice_eq(key, "src")) {
		set_text(&m->source, value);
	} else if (slice_eq(key, "target") || slice_eq(key, "dst") ||
		   slice_eq(key, "destination")) {
		set_text(&m->target, value);
	} else if (slice_eq(key, "readonly") || slice_eq(key, "ro")) {
		r = parse_flag(value, &on);
		m->flags |= on ? SPEC_MOUNT_READONLY : 0;
		return r;
	} else if (slice_eq(key, "volume-nocopy")) {
		return parse_flag(value, &m->no_copy);
	} else if (slice_eq(key, "bind-nonrecursive")) {
		return parse_flag(value, non_recursive);
	} else if (slice_eq(key, "bind-propagation")) {
		if (!is_propagation(value))
			return -EINVAL;
		set_text(&m->propagation, value);
	} else if (slice_eq(key, "tmpfs-size")) {
		return parse_slice_size(value, &m->size_bytes);
	} else if (slice_eq(key, "tmpfs-mode")) {
		r = parse_octal(value, 07777, &mode);
		if (r == 0)
			m->mode = (uint32_t)mode;
		return r;
	} else if (!slice_eq(key, "consistency")) {
		return -ENOENT;
	}

	return 0;
}

static int check_mount(const char *text, const struct engine_mount *m, struct err *err)
{
	if (m->type == ENGINE_MOUNT_BIND && (!m->source || m->source[0] != '/'))
		return bad(err, "mount", text, "a bind mount needs an absolute source");
	if (m->type == ENGINE_MOUNT_TMPFS && m->source)
		return bad(err, "mount", text, "a tmpfs takes no source");
	if (m->type == ENGINE_MOUNT_VOLUME && m->source && !is_volume_name(slice_of(m->source)))
		return bad(err, "mount", text, "this is no name of a volume");
	if (m->type != ENGINE_MOUNT_TMPFS && (m->size_bytes || m->mode))
		return bad(err, "mount", text, "tmpfs-size and tmpfs-mode are for type=tmpfs");

	return check_target("mount", text, m, err);
}

int engine_mount_parse_mount(const char *text, struct engine_mount *ret, struct err *err)
{
	auto_done(engine_mount) m = { .type = ENGINE_MOUNT_VOLUME };
	struct slice rest = slice_of(text), member, key;
	bool non_recursive = false;
	int r;

	while (slice_next(&rest, ',', &member)) {
		struct slice value = member;

		(void)slice_next(&value, '=', &key);
		r = mount_member(&m, &non_recursive, key, value);
		if (r == -ENOENT)
			return err_setk(err, ERR_USAGE, EINVAL,
					"invalid mount '%s': '%.*s' is not supported", text,
					(int)key.len, key.at);
		if (r < 0)
			return err_setk(err, ERR_USAGE, EINVAL,
					"invalid mount '%s': bad value of '%.*s'", text,
					(int)key.len, key.at);
	}
	if (m.source && !*m.source)
		free(take_ptr(m.source));
	r = check_mount(text, &m, err);
	if (r < 0)
		return r;
	m.anonymous = m.type == ENGINE_MOUNT_VOLUME && !m.source;
	if (m.type == ENGINE_MOUNT_BIND && !non_recursive)
		m.flags |= SPEC_MOUNT_RECURSIVE;
	if (m.type == ENGINE_MOUNT_TMPFS)
		m.flags |= SPEC_MOUNT_NOEXEC | SPEC_MOUNT_NOSUID | SPEC_MOUNT_NODEV;
	*ret = m;
	m = (struct engine_mount){ 0 };

	return 0;
}

static int tmpfs_option(struct engine_mount *m, struct slice word)
{
	static const struct {
		const char *name;
		uint32_t set, clear;
	} flags[] = {
		{ "ro", SPEC_MOUNT_READONLY, 0 },   { "rw", 0, SPEC_MOUNT_READONLY },
		{ "noexec", SPEC_MOUNT_NOEXEC, 0 }, { "exec", 0, SPEC_MOUNT_NOEXEC },
		{ "nosuid", SPEC_MOUNT_NOSUID, 0 }, { "suid", 0, SPEC_MOUNT_NOSUID },
		{ "nodev", SPEC_MOUNT_NODEV, 0 },   { "dev", 0, SPEC_MOUNT_NODEV },
	};
	struct slice key, value = word;
	uint64_t mode;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (slice_eq(word, flags[i].name)) {
			m->flags = (m->flags & ~flags[i].clear) | flags[i].set;
			return 0;
		}
	}
	(void)slice_next(&value, '=', &key);
	if (slice_eq(key, "size"))
		return parse_slice_size(value, &m->size_bytes);
	if (!slice_eq(key, "mode"))
		return -EINVAL;
	r = parse_octal(value, 07777, &mode);
	if (r == 0)
		m->mode = (uint32_t)mode;

	return r;
}

int engine_mount_parse_tmpfs(const char *text, struct engine_mount *ret, struct err *err)
{
	auto_done(engine_mount) m = {
		.type = ENGINE_MOUNT_TMPFS,
		.flags = SPEC_MOUNT_NOEXEC | SPEC_MOUNT_NOSUID | SPEC_MOUNT_NODEV,
	};
	struct slice rest = slice_of(text), target, word;
	int r;

	(void)slice_next(&rest, ':', &target);
	m.target = slice_dup(target);
	r = check_target("tmpfs", text, &m, err);
	if (r < 0)
		return r;
	while (slice_next(&rest, ',', &word))
		if (word.len > 0 && tmpfs_option(&m, word) < 0)
			return bad(err, "tmpfs", text, "unknown option, or a bad value");
	*ret = m;
	m = (struct engine_mount){ 0 };

	return 0;
}
