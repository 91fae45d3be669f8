/* SPDX-License-Identifier: Apache-2.0
 *
 * confirm.c - asking before something is thrown away
 */
#include "cli/confirm.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ANSWER_BYTES 16

bool confirm(const char *warning)
{
	char answer[ANSWER_BYTES] = "";

	printf("WARNING! %s\nAre you sure you want to continue? [y/N] ", warning);
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	answer[strcspn(answer, "\r\n")] = '\0';

	return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}
