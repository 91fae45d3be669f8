/* SPDX-License-Identifier: Apache-2.0
 *
 * strv.h - a list of heap strings, NULL-terminated so that it can serve as argv or envp
 */
#ifndef BASE_STRV_H
#define BASE_STRV_H

#include <stddef.h>

#include "base/macro.h"

/* @items is NULL while empty, else @len owned strings and a NULL. */
struct strv {
	char **items;
	size_t len;
};

/* Release all strings and the list. */
void strv_done(struct strv *v);
DEFINE_AUTO_DONE(strv)

/* Append a copy of @text. 0 or -ENOMEM. */
int strv_add(struct strv *v, const char *text);

/* Append @text itself, which must come from malloc(); on failure it is freed. NULL: -ENOMEM. */
int strv_give(struct strv *v, char *text);

/* Append copies of all of @from. 0 or -ENOMEM. */
int strv_add_all(struct strv *v, const struct strv *from);

/* Append @name and @value as an option of a program, unless @value is NULL. 0 or -ENOMEM. */
int strv_add_option(struct strv *v, const char *name, const char *value);

/* Value of the last "NAME=value" entry, borrowed, or NULL. */
const char *strv_env_find(const struct strv *v, const char *name);

/* Replace the entry whose name is that of @assignment ("NAME=value"), or append it. 0 or -ENOMEM.
 */
int strv_env_set(struct strv *v, const char *assignment);

/* The list as an argv, never NULL; borrowed. */
char *const *strv_argv(const struct strv *v);

#endif
