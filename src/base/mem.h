/* SPDX-License-Identifier: Apache-2.0
 *
 * mem.h - allocation that ends the program when there is no memory
 *
 * For short-lived commands only. The monitor, the agent and whatever takes sizes from
 * outside use malloc() and answer -ENOMEM.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

#include "base/macro.h"

/* Zeroed memory for @count things of @bytes each. Never NULL; aborts on overflow too. */
void *mem_calloc(size_t count, size_t bytes);

/* realloc() to @count things of @bytes each; never NULL. */
void *mem_realloc(void *ptr, size_t count, size_t bytes);

/* Copies; NULL gives NULL. */
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);

/* A formatted heap string; never NULL. */
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
