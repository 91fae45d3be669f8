/* SPDX-License-Identifier: Apache-2.0
 *
 * strv.c - a list of heap strings
 */
#include "base/strv.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

void strv_done(struct strv *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->len; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct strv){ 0 };
}

int strv_give(struct strv *v, char *text)
{
	/* Capacity is the next power of two that holds the strings and the NULL. */
	bool full = !v->items || (v->len >= 3 && ((v->len + 1) & v->len) == 0);

	if (!text)
		return -ENOMEM;
	if (full) {
		char **items =
			reallocarray(v->items, v->items ? (v->len + 1) * 2 : 4, sizeof(*items));

		if (!items) {
			free(text);
			return -ENOMEM;
		}
		v->items = items;
	}
	v->items[v->len++] = text;
	v->items[v->len] = NULL;

	return 0;
}

int strv_add(struct strv *v, const char *text)
{
	return strv_give(v, strdup(text));
}

int strv_add_all(struct strv *v, const struct strv *from)
{
	for (size_t i = 0; i < from->len; i++) {
		int r = strv_add(v, from->items[i]);

		if (r < 0)
			return r;
	}

	return 0;
}

int strv_add_option(struct strv *v, const char *name, const char *value)
{
	int r = value ? strv_add(v, name) : 0;

	return r == 0 && value ? strv_add(v, value) : r;
}

static size_t name_len(const char *assignment)
{
	return strcspn(assignment, "=");
}

const char *strv_env_find(const struct strv *v, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = v->len; i > 0; i--) {
		const char *item = v->items[i - 1];

		if (strncmp(item, name, len) == 0 && item[len] == '=')
			return item + len + 1;
	}

	return NULL;
}

int strv_env_set(struct strv *v, const char *assignment)
{
	size_t len = name_len(assignment);

	for (size_t i = 0; i < v->len; i++) {
		if (name_len(v->items[i]) == len && strncmp(v->items[i], assignment, len) == 0) {
			char *copy = strdup(assignment);

			if (!copy)
				return -ENOMEM;
			free(v->items[i]);
			v->items[i] = copy;
			return 0;
		}
	}

	return strv_add(v, assignment);
}

char *const *strv_argv(const struct strv *v)
{
	static char *const none[] = { NULL };

	return v->items ? v->items : none;
}
