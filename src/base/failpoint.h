/* SPDX-License-Identifier: Apache-2.0
 *
 * failpoint.h - named places where a test may have the process killed
 *
 * HULL_FAILPOINT=name ends the process with SIGKILL at FAILPOINT "name", as a crash would.
 * Placed where a resource exists that its record does not tell of yet, or the reverse.
 */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

/* Die here if the environment says so; else cheap. */
void failpoint(const char *name);

#endif
