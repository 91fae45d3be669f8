/* SPDX-License-Identifier: Apache-2.0
 *
 * format.c - tables, JSON, and --format templates
 */
#include "cli/format.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "base/strv.h"
#include "cli/template.h"
#include "cli/template_func.h"
#include "wire/json.h"

#define OUTPUT_MAX_BYTES (16 * MIB) /* of one row or document */
#define COLUMNS_MAX 64
#define COLUMN_MIN_CHARS 10
#define COLUMN_GAP_CHARS 3

/* Characters, not bytes: UTF-8 continuation bytes do not count. */
static size_t text_width(struct slice text)
{
	size_t chars = 0;

	for (size_t i = 0; i < text.len; i++)
		chars += ((unsigned char)text.at[i] & 0xc0) != 0x80;

	return chars;
}

/* @lines hold cells divided by tabs: print them in columns. */
static void print_aligned(FILE *out, const struct strv *lines)
{
	size_t widths[COLUMNS_MAX] = { 0 };
	struct slice rest, cell;

	for (size_t i = 0; i < lines->len; i++) {
		rest = slice_of(lines->items[i]);
		for (size_t c = 0; c < COLUMNS_MAX && slice_next(&rest, '\t', &cell); c++)
			widths[c] = MAX(widths[c], text_width(cell));
	}
	for (size_t i = 0; i < lines->len; i++) {
		rest = slice_of(lines->items[i]);
		for (size_t c = 0; slice_next(&rest, '\t', &cell); c++) {
			size_t width =
				MAX(widths[MIN(c, (size_t)COLUMNS_MAX - 1)] + COLUMN_GAP_CHARS,
				    (size_t)COLUMN_MIN_CHARS);

			fprintf(out, "%.*s", (int)cell.len, cell.at);
			for (size_t w = text_width(cell); rest.at && w < width; w++)
				fputc(' ', out);
		}
		fputc('\n', out);
	}
}

static void print_columns(FILE *out, const struct format_column *columns, const json_t *rows)
{
	auto_done(strv) lines = { 0 };

	for (size_t line = 0; line <= json_array_size(rows); line++) {
		auto_done(strbuf) text = STRBUF_INIT(OUTPUT_MAX_BYTES);
		const json_t *row = line == 0 ? NULL : json_array_get(rows, line - 1);

		for (const struct format_column *c = columns; c->heading; c++) {
			const json_t *value = json_object_get(row, c->field);

			if (c->hidden)
				continue;
			if (text.len > 0 || c != columns)
				strbuf_addc(&text, '\t');
			if (!row)
				strbuf_adds(&text, c->heading);
			else if (value && !json_is_null(value))
				template_print(value, &text);
		}
		(void)strv_give(&lines, strbuf_take(&text));
	}
	print_aligned(out, &lines);
}

/* Users type \t and \n in quotes that the shell leaves alone. */
static char *unescape(const char *format)
{
	char *text = mem_strdup(format), *to = text;

	for (const char *at = format; *at; at++) {
		if (at[0] == '\\' && (at[1] == 't' || at[1] == 'n')) {
			*to++ = at[1] == 't' ? '\t' : '\n';
			at++;
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';

	return text;
}

/* What stands above the columns of "table {{.ID}}\t{{.Name}}": the same template over names. */
static json_t *headings(const struct format_column *columns, const json_t *rows)
{
	json_t *first = json_array_get(rows, 0), *names = json_object();
	const char *key;
	json_t *value;

	json_object_foreach (first, key, value) {
		auto_free char *upper = mem_strdup(key);

		for (char *at = upper; *at; at++)
			if (*at >= 'a' && *at <= 'z')
				*at = (char)(*at - 'a' + 'A');
		json_set_text(names, key, upper);
	}
	for (; columns->heading; columns++)
		json_set_text(names, columns->field, columns->heading);

	return names;
}

static int print_template_table(FILE *out, const struct template *template,
				const struct format_column *columns, const json_t *rows,
				struct err *err)
{
	auto_json *names = headings(columns, rows);
	auto_done(strv) lines = { 0 };

	for (size_t i = 0; i <= json_array_size(rows); i++) {
		auto_done(strbuf) text = STRBUF_INIT(OUTPUT_MAX_BYTES);
		int r = template_run(template, i == 0 ? names : json_array_get(rows, i - 1), &text,
				     err);

		if (r < 0)
			return r;
		(void)strv_give(&lines, strbuf_take(&text));
	}
	print_aligned(out, &lines);

	return 0;
}

static int print_templates(FILE *out, const struct template *template, const json_t *values,
			   struct err *err)
{
	const json_t *value;
	size_t i;

	json_array_foreach (values, i, value) {
		auto_done(strbuf) text = STRBUF_INIT(OUTPUT_MAX_BYTES);
		int r = template_run(template, value, &text, err);

		if (r < 0)
			return r;
		fprintf(out, "%s\n", strbuf_get(&text));
	}

	return 0;
}

static void print_json_lines(FILE *out, const json_t *values)
{
	const json_t *value;
	size_t i;

	json_array_foreach (values, i, value) {
		auto_free char *text = json_text(value);

		fprintf(out, "%s\n", text ? text : "null");
	}
}

int format_rows(FILE *out, const char *format, const struct format_column *columns,
		const json_t *rows, struct err *err)
{
	auto_done(template) template = { 0 };
	auto_free char *text = NULL;
	const char *body;
	int r;

	if (!format || !*format || strcmp(format, "table") == 0) {
		print_columns(out, columns, rows);
		return 0;
	}
	if (strcmp(format, "json") == 0) {
		print_json_lines(out, rows);
		return 0;
	}
	text = unescape(format);
	body = strncmp(text, "table ", 6) == 0 ? text + 6 + strspn(text + 6, " ") : text;
	r = template_parse(body, &template, err);
	if (r < 0)
		return r;
	if (body != text)
		return print_template_table(out, &template, columns, rows, err);

	return print_templates(out, &template, rows, err);
}

int format_documents(FILE *out, const char *format, const json_t *documents, struct err *err)
{
	auto_done(template) template = { 0 };
	auto_free char *text = NULL;
	int r;

	if (format && *format && strcmp(format, "json") != 0) {
		r = template_parse(format, &template, err);
		if (r < 0)
			return r;
		return print_templates(out, &template, documents, err);
	}
	text = format && *format ? json_text(documents)
				 : json_dumps(documents, JSON_INDENT(4) | JSON_PRESERVE_ORDER);
	if (!text)
		return err_set(err, ENOMEM, "out of memory");
	fprintf(out, "%s\n", text);

	return 0;
}

void format_field(FILE *out, const json_t *rows, const char *field)
{
	const json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		auto_done(strbuf) text = STRBUF_INIT(OUTPUT_MAX_BYTES);
		const json_t *value = json_object_get(row, field);

		if (value)
			template_print(value, &text);
		fprintf(out, "%s\n", strbuf_get(&text));
	}
}

char *format_age(int64_t age_ns, char buf[FORMAT_TEXT_BYTES])
{
	static const struct {
		int64_t below_s; /* applies to ages under this */
		int64_t unit_s;
		const char *units; /* "N units", or NULL: */
		const char *text;
	} words[] = {
		{ 1, 1, NULL, "Less than a second" },
		{ 2, 1, NULL, "1 second" },
		{ 60, 1, "seconds", NULL },
		{ 120, 60, NULL, "About a minute" },
		{ 3600, 60, "minutes", NULL },
		{ 5400, 3600, NULL, "About an hour" },
		{ 48 * 3600, 3600, "hours", NULL },
		{ 14 * 86400, 86400, "days", NULL },
		{ 60 * 86400, 7 * 86400, "weeks", NULL },
		{ 730 * 86400, 30 * 86400, "months", NULL },
		{ INT64_MAX, 365 * 86400, "years", NULL },
	};
	int64_t seconds = MAX(age_ns, (int64_t)0) / NS_PER_SEC;
	size_t i = 0;

	while (seconds >= words[i].below_s)
		i++;
	if (words[i].text)
		(void)snprintf(buf, FORMAT_TEXT_BYTES, "%s", words[i].text);
	else
		(void)snprintf(buf, FORMAT_TEXT_BYTES, "%lld %s",
			       (long long)(seconds / words[i].unit_s), words[i].units);

	return buf;
}

/* Four significant digits, as Docker's go-units prints them. */
static char *format_scaled(uint64_t bytes, double step, const char *const *units, size_t units_len,
			   char buf[FORMAT_TEXT_BYTES])
{
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= step && unit + 1 < units_len) {
		value /= step;
		unit++;
	}
	(void)snprintf(buf, FORMAT_TEXT_BYTES, "%.4g%s", value, units[unit]);

	return buf;
}

char *format_bytes(uint64_t bytes, char buf[FORMAT_TEXT_BYTES])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };

	return format_scaled(bytes, 1000, units, ARRAY_SIZE(units), buf);
}

char *format_bytes_iec(uint64_t bytes, char buf[FORMAT_TEXT_BYTES])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };

	return format_scaled(bytes, 1024, units, ARRAY_SIZE(units), buf);
}
