/* SPDX-License-Identifier: Apache-2.0
 *
 * user.c - passwd(5) and group(5) of a root, read as data
 */
#include "runtime/user.h"

#include <errno.h>
#include <stdbool.h>

#include "base/parse.h"
#include "runtime/root.h"

/* The kernel's "no such id". */
#define ID_MAX (UINT32_MAX - 1)
#define FIELDS_MAX 7

/* One line, split at its colons; missing fields are empty. */
static void split_line(struct slice line, struct slice fields[FIELDS_MAX])
{
	for (int i = 0; i < FIELDS_MAX; i++)
		if (!slice_next(&line, ':', &fields[i]))
			fields[i] = (struct slice){ "", 0 };
}

static bool slice_same(struct slice a, struct slice b)
{
	return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

static bool to_id(struct slice text, uint32_t *ret_id)
{
	uint64_t value;

	if (parse_slice_u64(text, 0, ID_MAX, &value) < 0)
		return false;
	*ret_id = (uint32_t)value;

	return true;
}

/* Digits only: a number, in range or not. */
static bool is_number(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;

	return text.len > 0;
}

/* Find a line by the name in its first field, or the number in its third. */
static bool find_line(const char *text, struct slice who, struct slice fields[FIELDS_MAX])
{
	struct slice rest = slice_of(text), line;
	uint32_t id = 0, other;
	bool number = is_number(who) && to_id(who, &id);

	while (slice_next(&rest, '\n', &line)) {
		split_line(line, fields);
		if (fields[0].len == 0)
			continue;
		if (number ? to_id(fields[2], &other) && other == id : slice_same(fields[0], who))
			return true;
	}

	return false;
}

static int add_group(struct user *user, gid_t gid, struct err *err)
{
	for (size_t i = 0; i < user->groups_len; i++)
		if (user->groups[i] == gid)
			return 0;
	if (user->groups_len == USER_MAX_GROUPS)
		return err_set(err, E2BIG, "more than %d groups", USER_MAX_GROUPS);
	user->groups[user->groups_len++] = gid;

	return 0;
}

/* Groups whose member list has @name. */
static int add_memberships(const char *group_text, struct slice name, struct user *user,
			   struct err *err)
{
	struct slice rest = slice_of(group_text), line, fields[FIELDS_MAX], member;
	uint32_t gid;
	int r = 0;

	while (r == 0 && slice_next(&rest, '\n', &line)) {
		split_line(line, fields);
		if (!to_id(fields[2], &gid))
			continue;
		while (r == 0 && slice_next(&fields[3], ',', &member))
			if (slice_same(member, name))
				r = add_group(user, gid, err);
	}

	return r;
}

static int find_gid(const char *group_text, struct slice group, gid_t *ret_gid, struct err *err)
{
	struct slice fields[FIELDS_MAX];

	if (is_number(group)) {
		if (to_id(group, ret_gid))
			return 0;
	} else if (find_line(group_text, group, fields) && to_id(fields[2], ret_gid)) {
		return 0;
	}

	return err_setk(err, ERR_USAGE, EINVAL, "no group '%.*s' in the image's /etc/group",
			(int)group.len, group.at);
}

static int find_uid(const char *passwd_text, struct slice who, struct user *user,
		    struct slice *ret_name, struct err *err)
{
	struct slice fields[FIELDS_MAX];

	if (find_line(passwd_text, who, fields)) {
		if (!to_id(fields[2], &user->uid) || !to_id(fields[3], &user->gid))
			return err_setk(err, ERR_USAGE, EINVAL,
					"the image's /etc/passwd is malformed for user '%.*s'",
					(int)who.len, who.at);
		*ret_name = fields[0];
		if (fields[5].len > 0 && fields[5].len < sizeof(user->home)) {
			memcpy(user->home, fields[5].at, fields[5].len);
			user->home[fields[5].len] = '\0';
		}
		return 0;
	}
	if (is_number(who) && to_id(who, &user->uid))
		return 0;

	return err_setk(err, ERR_USAGE, EINVAL,
			is_number(who) ? "user id '%.*s' is out of range"
				       : "no user '%.*s' in the image's /etc/passwd",
			(int)who.len, who.at);
}

static int find_in(const char *passwd_text, const char *group_text, const char *name,
		   struct user *ret, struct err *err)
{
	struct slice group = slice_of(name), who = { "", 0 }, login = { "", 0 };
	bool has_group;
	int r;

	(void)slice_next(&group, ':', &who);
	has_group = group.len > 0;
	if (who.len == 0)
		who = slice_of("0");
	r = find_uid(passwd_text, who, ret, &login, err);
	if (r < 0)
		return r;
	if (has_group)
		r = find_gid(group_text, group, &ret->gid, err);
	if (r < 0)
		return r;
	r = add_group(ret, ret->gid, err);
	if (r == 0 && !has_group && login.len > 0)
		r = add_memberships(group_text, login, ret, err);

	return r;
}

int user_find(int root_fd, const char *name, const struct strv *group_add, struct user *ret,
	      struct err *err)
{
	auto_free char *passwd_text = NULL, *group_text = NULL;
	int r;

	ret->uid = 0;
	ret->gid = 0;
	ret->groups_len = 0;
	memcpy(ret->home, "/", 2);
	r = root_read_file(root_fd, "/etc/passwd", &passwd_text, err);
	if (r == 0)
		r = root_read_file(root_fd, "/etc/group", &group_text, err);
	if (r == 0)
		r = find_in(passwd_text, group_text, name, ret, err);
	for (size_t i = 0; r == 0 && i < group_add->len; i++) {
		gid_t gid;

		r = find_gid(group_text, slice_of(group_add->items[i]), &gid, err);
		if (r == 0)
			r = add_group(ret, gid, err);
	}

	r = MIN(r, 0);

	return name && *name ? err_wrap(err, r, "find user '%s'", name) : r;
}
