/* SPDX-License-Identifier: Apache-2.0
 *
 * input.h - take an input apart into the operands of a stream of operations
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *at;
	size_t left;
};

/* The next byte; 0 beyond the end. */
static inline uint8_t input_byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;

	return *in->at++;
}

/* The next @bytes, at most 8, little-endian. */
static inline uint64_t input_number(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)input_byte(in) << 8 * i;

	return value;
}

/* At most @max of what is left, taken. */
static inline struct input input_take(struct input *in, size_t max)
{
	struct input taken = { in->at, max < in->left ? max : in->left };

	in->at += taken.left;
	in->left -= taken.left;

	return taken;
}

#endif
