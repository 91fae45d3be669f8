/* SPDX-License-Identifier: Apache-2.0
 *
 * mem.c - allocation that ends the program when there is no memory
 */
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static NORETURN void mem_out(void)
{
	static const char text[] = "hull: out of memory\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n;
	abort();
}

void *mem_calloc(size_t count, size_t bytes)
{
	void *ptr = calloc(MAX(count, (size_t)1), MAX(bytes, (size_t)1));

	if (!ptr)
		mem_out();

	return ptr;
}

void *mem_realloc(void *ptr, size_t count, size_t bytes)
{
	void *bigger = reallocarray(ptr, MAX(count, (size_t)1), MAX(bytes, (size_t)1));

	if (!bigger)
		mem_out();

	return bigger;
}

char *mem_strdup(const char *text)
{
	return text ? mem_strndup(text, strlen(text)) : NULL;
}

char *mem_strndup(const char *text, size_t len)
{
	char *copy;

	if (!text)
		return NULL;
	copy = strndup(text, len);
	if (!copy)
		mem_out();

	return copy;
}

char *mem_printf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		mem_out();

	return text;
}
