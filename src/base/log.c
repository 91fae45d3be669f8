/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c - one line per event
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = { "error", "warn", "info", "debug" };
static enum log_level current_level = LOG_WARN;
static const char *program = "hull";
static int sink_fd = STDERR_FILENO;

int log_set_level(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			current_level = (enum log_level)i;
			return 0;
		}
	}

	return -EINVAL;
}

enum log_level log_get_level(void)
{
	return current_level;
}

void log_set_fd(int fd)
{
	sink_fd = fd;
}

void log_set_program(const char *name)
{
	program = name;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	char line[1024];
	va_list ap;
	size_t len;
	ssize_t n;
	int r;

	if (level > current_level)
		return;

	r = snprintf(line, sizeof(line), "%s: %s: ", program, level_names[level]);
	len = r > 0 ? MIN((size_t)r, sizeof(line) - 2) : 0;
	va_start(ap, fmt);
	errno = saved;
	r = vsnprintf(line + len, sizeof(line) - 1 - len, fmt, ap);
	va_end(ap);
	if (r > 0)
		len = MIN(len + (size_t)r, sizeof(line) - 2);
	for (size_t i = 0; i < len; i++)
		if (line[i] == '\n')
			line[i] = ' ';
	line[len++] = '\n';
	n = write(sink_fd, line, len);
	(void)n;
	errno = saved;
}
