/* SPDX-License-Identifier: Apache-2.0
 *
 * confirm.h - asking before something is thrown away
 */
#ifndef CLI_CONFIRM_H
#define CLI_CONFIRM_H

#include <stdbool.h>

/* Say @warning, ask, read one line from stdin. True only for "y" or "yes". */
bool confirm(const char *warning);

#endif
