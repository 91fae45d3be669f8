/* SPDX-License-Identifier: Apache-2.0
 *
 * shape.h - how a struct of spec/ is written as JSON: a table for each, one codec for all
 *
 * A shape lists the members of a struct. Encoding, decoding and release walk the same table, so
 * that they cannot disagree. Zeroes, NULL and empty lists are not written and come back as such.
 * A member that the table does not know is refused: a reader must not ignore a restriction that
 * its writer asked for. Uint64 values above INT64_MAX are written as the negative number of the
 * same bits (UINT64_MAX is -1).
 */
#ifndef SPEC_SHAPE_H
#define SPEC_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

enum spec_field_type {
	SPEC_FIELD_BOOL,
	SPEC_FIELD_U32,
	SPEC_FIELD_I32,
	SPEC_FIELD_U64,
	SPEC_FIELD_I64,
	SPEC_FIELD_ENUM,   /* int or enum, written by its name */
	SPEC_FIELD_TEXT,   /* char *, owned */
	SPEC_FIELD_STRV,   /* struct strv */
	SPEC_FIELD_OBJECT, /* struct of @shape, in place */
	SPEC_FIELD_LIST,   /* pointer to an owned array of @shape, and a size_t at @len_at */
};

/**
 * struct spec_field - one member
 * @key:	name in the document
 * @type:	how it is kept in memory
 * @at:		offset in the struct
 * @len_at:	offset of a list's length
 * @min:	least value of a U32, I32 or I64
 * @max:	greatest value of these; most bytes of a text; most entries of a list
 * @shape:	of an object, or of each entry of a list
 * @names:	of an enum: indexed by value, ends with NULL
 */
struct spec_field {
	const char *key;
	enum spec_field_type type;
	size_t at, len_at;
	int64_t min, max;
	const struct spec_shape *shape;
	const char *const *names;
};

/**
 * struct spec_shape - one struct
 * @what:	for messages
 * @bytes:	sizeof the struct
 * @fields:	its members
 * @fields_len:	their number
 * @check:	what no single member can tell; NULL when nothing. 0 or a negative errno
 */
struct spec_shape {
	const char *what;
	size_t bytes;
	const struct spec_field *fields;
	size_t fields_len;
	int (*check)(const void *thing, struct err *err);
};

#define SPEC_BOOL(type, member, name)                                \
	{                                                            \
		name, SPEC_FIELD_BOOL, offsetof(struct type, member) \
	}
#define SPEC_U32(type, member, name, most)                                         \
	{                                                                          \
		name, SPEC_FIELD_U32, offsetof(struct type, member), .max = (most) \
	}
#define SPEC_I32(type, member, name, least, most)                                                  \
	{                                                                                          \
		name, SPEC_FIELD_I32, offsetof(struct type, member), .min = (least), .max = (most) \
	}
#define SPEC_U64(type, member, name)                                \
	{                                                           \
		name, SPEC_FIELD_U64, offsetof(struct type, member) \
	}
#define SPEC_I64(type, member, name, least, most)                                                  \
	{                                                                                          \
		name, SPEC_FIELD_I64, offsetof(struct type, member), .min = (least), .max = (most) \
	}
#define SPEC_ENUM(type, member, name, table)                                           \
	{                                                                              \
		name, SPEC_FIELD_ENUM, offsetof(struct type, member), .names = (table) \
	}
#define SPEC_TEXT(type, member, name, most_bytes)                                         \
	{                                                                                 \
		name, SPEC_FIELD_TEXT, offsetof(struct type, member), .max = (most_bytes) \
	}
#define SPEC_STRV(type, member, name, most)                                         \
	{                                                                           \
		name, SPEC_FIELD_STRV, offsetof(struct type, member), .max = (most) \
	}
#define SPEC_OBJECT(type, member, name, of)                                           \
	{                                                                             \
		name, SPEC_FIELD_OBJECT, offsetof(struct type, member), .shape = (of) \
	}
#define SPEC_LIST(type, member, name, of, most)                                       \
	{                                                                             \
		name, SPEC_FIELD_LIST, offsetof(struct type, member),                 \
			.len_at = offsetof(struct type, member##_len), .shape = (of), \
			.max = (most)                                                 \
	}

/* The shape of struct @type with the table @table; then .check, where there is one. */
#define SPEC_SHAPE(type, text, table, ...)                                       \
	{                                                                        \
		.what = (text), .bytes = sizeof(struct type), .fields = (table), \
		.fields_len = ARRAY_SIZE(table), __VA_ARGS__                     \
	}

/* Shapes that more than one document contains. */
extern const struct spec_shape spec_process_shape, spec_resources_shape;

/* As spec_sandbox_encode(), for any shape. */
int spec_shape_encode(const struct spec_shape *shape, const void *thing, char **ret_text,
		      struct err *err);

/* As spec_sandbox_decode(), for any shape. */
int spec_shape_decode(const struct spec_shape *shape, const char *text, size_t len, void *ret,
		      struct err *err);

/* Release what @thing owns and clear it; NULL allowed. */
void spec_shape_done(const struct spec_shape *shape, void *thing);

/* 0, or -EINVAL naming @what when @path is not absolute. */
int spec_check_absolute(const char *path, const char *what, struct err *err);

#endif
