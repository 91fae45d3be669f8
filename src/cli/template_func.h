/* SPDX-License-Identifier: Apache-2.0
 *
 * template_func.h - functions that templates call, and how values print
 */
#ifndef CLI_TEMPLATE_FUNC_H
#define CLI_TEMPLATE_FUNC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

/**
 * template_call() - Call a function
 * @name:	as written in the template
 * @args:	values, borrowed
 * @args_len:	their number
 * @ret:	new reference
 * @err:	kind USAGE: no such function, or arguments it cannot take
 *
 * Return: 0 or -EINVAL.
 */
int template_call(const char *name, json_t *const *args, size_t args_len, json_t **ret,
		  struct err *err);

/* Append a value as Go's fmt prints it. */
void template_print(const json_t *value, struct strbuf *out);

/* As Go sees it: not empty, not zero, not false. */
bool template_true(const json_t *value);

#endif
