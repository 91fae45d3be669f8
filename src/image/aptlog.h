/* SPDX-License-Identifier: Apache-2.0
 *
 * aptlog.h - what mmdebstrap and the apt below it tell: stages while they work, then a reason
 */
#ifndef IMAGE_APTLOG_H
#define IMAGE_APTLOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define APTLOG_LINE_BYTES 400

/* All members are its own; zeroes to begin with. */
struct aptlog {
	char line[APTLOG_LINE_BYTES]; /* one that has not ended yet */
	size_t line_len;
	char stage[48];			/* "downloading packages with apt", or "" */
	char reason[APTLOG_LINE_BYTES]; /* the first error of apt, or of mmdebstrap where it is
					   alone */
	bool reason_is_own;		/* it is mmdebstrap's own, which apt's replaces */
	bool in_fetch;			/* the next line says why a fetch failed */
};

/* The next bytes of its standard error. */
void aptlog_feed(struct aptlog *log, const char *text, size_t len);

/**
 * aptlog_explain() - Turn what was told into an error
 * @log:	log of a run that failed
 * @suite:	suite that was asked for
 * @err:	filled in, with the hint that helps; may be NULL
 *
 * Return: -ENOENT for a suite or package that is not there, -ENETUNREACH when the archive could
 * not be reached, 0 when nothing was told.
 */
int aptlog_explain(const struct aptlog *log, const char *suite, struct err *err);

#endif
