/* SPDX-License-Identifier: Apache-2.0
 *
 * tool_xattr.c - extended attributes that travel in archives
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/xattr.h>

#include "runtime/root.h"
#include "runtime/tool_jobs.h"

#define CAPABILITY "security.capability"
#define XATTR_LIST_MAX_BYTES 65536 /* the kernel's own limit */

static bool has_prefix(struct slice s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && memcmp(s.at, prefix, len) == 0;
}

/*
 * Capabilities and ACLs are converted by the kernel between user namespaces; what other security
 * modules store means something on one host only, and "overlay" attributes would change how a
 * layer is read.
 */
static bool may_travel(struct slice name)
{
	static const char *const exact[] = { CAPABILITY, "system.posix_acl_access",
					     "system.posix_acl_default" };

	for (size_t i = 0; i < ARRAY_SIZE(exact); i++)
		if (slice_eq(name, exact[i]))
			return true;

	return has_prefix(name, "user.") && !has_prefix(name, "user.overlay.") &&
	       !slice_eq(name, ROOT_PLACE_MARK);
}

void tool_xattrs_done(struct tool_xattrs *xattrs)
{
	if (!xattrs)
		return;
	/* One allocation holds the name, a NUL and the value. */
	for (size_t i = 0; i < xattrs->len; i++)
		free((char *)(uintptr_t)xattrs->items[i].name.at);
	free(xattrs->items);
	*xattrs = (struct tool_xattrs){ 0 };
}

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

/* Append one attribute; @value_len bytes of value are to be filled in at the result, or NULL. */
static char *add(struct tool_xattrs *xattrs, struct slice name, size_t value_len)
{
	struct tar_xattr *items = reallocarray(xattrs->items, xattrs->len + 1, sizeof(*items));
	char *text;

	if (!items)
		return NULL;
	xattrs->items = items;
	text = malloc(name.len + 1 + value_len);
	if (!text)
		return NULL;
	memcpy(text, name.at, name.len);
	text[name.len] = '\0';
	items[xattrs->len++] = (struct tar_xattr){
		.name = { .at = text, .len = name.len },
		.value = { .at = text + name.len + 1, .len = value_len },
	};

	return text + name.len + 1;
}

static int read_one(int fd, const char *name, struct tool_xattrs *ret, struct err *err)
{
	auto_free char *value = malloc(TAR_MAX_XATTR_BYTES);
	ssize_t len;
	char *room;

	if (!value)
		return out_of_memory(err);
	len = fgetxattr(fd, name, value, TAR_MAX_XATTR_BYTES);
	/* Removed since it was listed. */
	if (len < 0 && errno == ENODATA)
		return 0;
	if (len < 0)
		return err_sys(err, "read attribute '%s'", name);
	room = add(ret, slice_of(name), (size_t)len);
	if (!room)
		return out_of_memory(err);
	memcpy(room, value, (size_t)len);

	return 0;
}

int tool_xattrs_read(int fd, struct tool_xattrs *ret, struct err *err)
{
	auto_free char *names = NULL;
	ssize_t len = flistxattr(fd, NULL, 0);

	if (len == 0 || (len < 0 && errno == ENOTSUP))
		return 0;
	names = malloc(XATTR_LIST_MAX_BYTES);
	if (!names)
		return out_of_memory(err);
	len = flistxattr(fd, names, XATTR_LIST_MAX_BYTES);
	if (len < 0)
		return err_sys(err, "list attributes");
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		int r = may_travel(slice_of(name)) ? read_one(fd, name, ret, err) : 0;

		if (r < 0)
			return r;
	}

	return 0;
}

int tool_xattrs_copy(const struct tar_entry *entry, bool elevate, struct tool_xattrs *ret,
		     struct err *err)
{
	for (size_t i = 0; i < entry->xattrs_len; i++) {
		struct slice name = entry->xattrs[i].name, value = entry->xattrs[i].value;
		char *room;

		if (!may_travel(name) || (!elevate && slice_eq(name, CAPABILITY)))
			continue;
		room = add(ret, name, value.len);
		if (!room)
			return out_of_memory(err);
		memcpy(room, value.at, value.len);
	}

	return 0;
}

int tool_xattrs_write(int fd, const struct tool_xattrs *xattrs, struct err *err)
{
	for (size_t i = 0; i < xattrs->len; i++) {
		const struct tar_xattr *xattr = &xattrs->items[i];
		bool is_user = strncmp(xattr->name.at, "user.", 5) == 0;

		if (fsetxattr(fd, xattr->name.at, xattr->value.at, xattr->value.len, 0) == 0)
			continue;
		if (errno != ENOTSUP && !(errno == EPERM && is_user))
			return err_sys(err, "set attribute '%s'", xattr->name.at);
	}

	return 0;
}
