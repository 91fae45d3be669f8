/* SPDX-License-Identifier: Apache-2.0
 *
 * aptlog.c - what mmdebstrap and the apt below it tell: stages while they work, then a reason
 *
 * Lines begin with "I: " (a stage), "E: " (an error) or "Err:N " (a fetch, whose reason is the
 * next line, indented). mmdebstrap adds errors of its own behind those of apt: that apt failed.
 */
#include "image/aptlog.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void keep_reason(struct aptlog *log, const char *text, bool is_own)
{
	if (log->reason[0] && (is_own || !log->reason_is_own))
		return;
	(void)snprintf(log->reason, sizeof(log->reason), "%s", text);
	log->reason_is_own = is_own;
}

static void take_line(struct aptlog *log)
{
	char *line = log->line;

	/* It goes to a terminal: no escape sequences of whoever answers for the archive. */
	for (size_t i = 0; i < log->line_len; i++)
		if (!isprint((unsigned char)line[i]))
			line[i] = ' ';
	if (log->in_fetch && line[0] == ' ')
		keep_reason(log, line + strspn(line, " "), false);
	log->in_fetch = begins(line, "Err:");
	if (begins(line, "E: "))
		keep_reason(log, line + 3,
			    begins(line + 3, "mmdebstrap") || begins(line + 3, "setup failed") ||
				    begins(line + 3, "apt-get "));
	if (begins(line, "I: ") && strlen(line) > 6 && strcmp(line + strlen(line) - 3, "...") == 0)
		(void)snprintf(log->stage, sizeof(log->stage), "%.*s",
			       (int)MIN(strlen(line) - 6, sizeof(log->stage) - 1), line + 3);
}

void aptlog_feed(struct aptlog *log, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n') {
			log->line[log->line_len] = '\0';
			take_line(log);
			log->line_len = 0;
		} else if (log->line_len < sizeof(log->line) - 1) {
			log->line[log->line_len++] = text[i];
		}
	}
}

static bool tells(const struct aptlog *log, const char *const words[], size_t words_len)
{
	for (size_t i = 0; i < words_len; i++)
		if (strstr(log->reason, words[i]))
			return true;

	return false;
}

int aptlog_explain(const struct aptlog *log, const char *suite, struct err *err)
{
	static const char *const no_suite[] = { "404", "does not have a Release file" };
	static const char *const no_package[] = { "Unable to locate package",
						  "has no installation" };
	static const char *const no_network[] = { "Could not connect", "resolv",  "unreachable",
						  "timed out",	       "timeout", "refused",
						  "Failed to fetch" };

	if (!log->reason[0])
		return 0;
	if (tells(log, no_package, ARRAY_SIZE(no_package))) {
		(void)err_setk(err, ERR_NOT_FOUND, ENOENT, "%s", log->reason);
		err_hint(err, "packages of --include must be in %s's main component", suite);
		return -ENOENT;
	}
	if (tells(log, no_suite, ARRAY_SIZE(no_suite))) {
		(void)err_setk(err, ERR_NOT_FOUND, ENOENT, "no suite %s in the archive: %s", suite,
			       log->reason);
		err_hint(err,
			 "the archive of this machine's apt sources has to have it; for example "
			 "stable");
		return -ENOENT;
	}
	if (tells(log, no_network, ARRAY_SIZE(no_network))) {
		(void)err_set(err, ENETUNREACH, "the package archive cannot be reached: %s",
			      log->reason);
		err_hint(err, "see whether apt-get update works on this machine");
		return -ENETUNREACH;
	}

	return err_set(err, EIO, "%s", log->reason);
}
