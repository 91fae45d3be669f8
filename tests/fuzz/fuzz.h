/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz.h - what libFuzzer, or replay.c in its place, calls in each target
 *
 * A target feeds the bytes to a reader of foreign data and checks properties of the result; a
 * broken one ends the process with fuzz_assert(), which also holds in builds without assert(3).
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Once, before the first input. A target that needs nothing leaves it out. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define fuzz_assert(condition)                                                                \
	do {                                                                                  \
		if (!(condition)) {                                                           \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                              \
		}                                                                             \
	} while (0)

#endif
