/* SPDX-License-Identifier: Apache-2.0
 *
 * aptsources.h - where this machine gets Debian's packages from
 */
#ifndef IMAGE_APTSOURCES_H
#define IMAGE_APTSOURCES_H

#include <stdbool.h>

#include "base/strv.h"

/* The suite of a host that is Debian itself; the caller frees it. NULL: it is none. */
char *aptsources_own_suite(void);

/**
 * aptsources_add() - Add mirrors as mmdebstrap takes them: files, or a line of sources.list
 * @suite:	suite that is wanted
 * @own_suite:	that of the host, or NULL
 * @ret:	appended to; nothing when the host does not tell, then mmdebstrap has a mirror of
 * its own
 *
 * For its own suite the host's source files are taken, those of Debian itself: what other
 * archives sign, the image could not verify. For another suite it is one line with the host's
 * mirror, since the files name the host's suite.
 *
 * Return: 0 or -ENOMEM.
 */
int aptsources_add(const char *suite, const char *own_suite, struct strv *ret);

/* Does the text of a source file speak of Debian's own archive of this suite? */
bool aptsources_is_debian(const char *text, const char *suite);

#endif
