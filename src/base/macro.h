/* SPDX-License-Identifier: Apache-2.0
 *
 * macro.h - compiler annotations, ownership helpers and overflow-checked arithmetic
 */
#ifndef BASE_MACRO_H
#define BASE_MACRO_H

#include <stdlib.h>

#define PRINTF_LIKE(fmt_idx, arg_idx) __attribute__((format(printf, fmt_idx, arg_idx)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)                                  \
	({                                         \
		__auto_type min_a_ = (a);          \
		__auto_type min_b_ = (b);          \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX(a, b)                                  \
	({                                         \
		__auto_type max_a_ = (a);          \
		__auto_type max_b_ = (b);          \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

#define KIB (1024ULL)
#define MIB (1024ULL * KIB)
#define GIB (1024ULL * MIB)

static inline void macro_freep(void *ptr)
{
	free(*(void **)ptr);
}

/* A heap pointer that is freed at the end of its scope. */
#define auto_free __attribute__((cleanup(macro_freep)))

/*
 * auto_done(foo) struct foo x = ...: calls foo_done(&x) at the end of the scope;
 * auto_ptr(foo) *x = NULL: calls foo_free(x). The type's header says so once with
 * DEFINE_AUTO_DONE(foo) or DEFINE_AUTO_PTR(foo).
 */
#define auto_done(name) __attribute__((cleanup(name##_donep_))) struct name
#define auto_ptr(name) __attribute__((cleanup(name##_freep_))) struct name
#define DEFINE_AUTO_DONE(name)                                       \
	static inline void UNUSED name##_donep_(struct name *thing_) \
	{                                                            \
		name##_done(thing_);                                 \
	}
#define DEFINE_AUTO_PTR(name)                                         \
	static inline void UNUSED name##_freep_(struct name **thing_) \
	{                                                             \
		name##_free(*thing_);                                 \
	}

/* Hand the pointer to someone else: @ptr becomes NULL. */
#define take_ptr(ptr)                               \
	({                                          \
		__auto_type take_ptr_ = &(ptr);     \
		__auto_type take_val_ = *take_ptr_; \
		*take_ptr_ = NULL;                  \
		take_val_;                          \
	})

/* True when the result does not fit; then *ret is the wrapped value. */
#define add_overflows(a, b, ret) __builtin_add_overflow((a), (b), (ret))
#define sub_overflows(a, b, ret) __builtin_sub_overflow((a), (b), (ret))
#define mul_overflows(a, b, ret) __builtin_mul_overflow((a), (b), (ret))

#endif
