/* SPDX-License-Identifier: Apache-2.0
 *
 * log.h - one line per event on stderr (or a descriptor), key=value
 *
 * Programs log once; library folders return errors and log at debug only. User strings are
 * quoted by log_quote(); credentials never reach a log.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/macro.h"

enum log_level {
	LOG_ERROR = 0,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

/* Name as in --log-level: "error", "warn", "info", "debug". 0 or -EINVAL. */
int log_set_level(const char *name);
enum log_level log_get_level(void);

/* Where lines go; stderr (2) at first. Borrowed. */
void log_set_fd(int fd);

/* Program name at the start of each line, "hull" at first; borrowed for ever. */
void log_set_program(const char *name);

/* One line; a newline is added. Async-signal-safe as long as @fmt needs no allocation. */
void log_at(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                  \
	do {                                            \
		if (log_get_level() >= LOG_DEBUG)       \
			log_at(LOG_DEBUG, __VA_ARGS__); \
	} while (0)

#endif
