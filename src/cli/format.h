/* SPDX-License-Identifier: Apache-2.0
 *
 * format.h - what commands print: tables, JSON, and --format templates
 *
 * A command makes a JSON object per row, with the field names that Docker's users write in
 * templates ({{.ID}}), and says which of them make its table.
 */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/* A column of a table: what stands above, and the field of the row. */
struct format_column {
	const char *heading;
	const char *field;
	bool hidden; /* only for its heading in "table {{.Field}}" */
};

/**
 * format_rows() - Print @rows the way --format asks for
 * @out:	stream
 * @format:	NULL or "table": the columns; "json": one object a line; "table TEMPLATE": a
 *		table of the template's tab-separated cells; else a template, one line a row
 * @columns:	ends with a NULL heading
 * @rows:	array of objects, borrowed
 * @err:	kind USAGE for a bad template
 *
 * Return: 0 or a negative errno.
 */
int format_rows(FILE *out, const char *format, const struct format_column *columns,
		const json_t *rows, struct err *err);

/**
 * format_documents() - Print what inspect shows
 * @out:	stream
 * @format:	NULL or "json": a JSON array, indented (compact for "json"); else a template
 * @documents:	array, borrowed
 * @err:	kind USAGE for a bad template
 *
 * Return: 0 or a negative errno.
 */
int format_documents(FILE *out, const char *format, const json_t *documents, struct err *err);

/* Print one value of each row, a line each: what -q shows. */
void format_field(FILE *out, const json_t *rows, const char *field);

#define FORMAT_TEXT_BYTES 32

/* "3 minutes", "About an hour", "2 weeks" as Docker words them. Returns @buf. */
char *format_age(int64_t age_ns, char buf[FORMAT_TEXT_BYTES]);

/* "1.24MB" (powers of 1000, as in image sizes). Returns @buf. */
char *format_bytes(uint64_t bytes, char buf[FORMAT_TEXT_BYTES]);

/* "7.6MiB" (powers of 1024, as in stats). Returns @buf. */
char *format_bytes_iec(uint64_t bytes, char buf[FORMAT_TEXT_BYTES]);

#endif
