/* SPDX-License-Identifier: Apache-2.0
 *
 * compare_view.c - a comparison as a table and as JSON
 */
#include "cli/compare_view.h"

#include <string.h>

#include "base/clock.h"
#include "cli/format.h"
#include "wire/json.h"

#define HEADING_WIDTH 28
#define COLUMN_WIDTH 20

static const struct {
	const char *key, *heading;
} figures[COMPARE_FIGURES] = {
	[COMPARE_START_NS] = { "start_ns", "Start to first output" },
	[COMPARE_RUN_CPU_NS] = { "run_cpu_ns", "CPU time of that run" },
	[COMPARE_REST_CPU_PPM] = { "rest_cpu_ppm", "CPU at rest" },
	[COMPARE_REST_BYTES] = { "rest_bytes", "Memory at rest" },
	[COMPARE_BEYOND_BYTES] = { "beyond_bytes", "  beyond the workload's own" },
	[COMPARE_DISK_BYTES] = { "disk_bytes", "Disk that a start takes" },
	[COMPARE_CALL_PS] = { "call_ps", "System call (getppid)" },
	[COMPARE_WRITE_BPS] = { "write_bps", "Write and sync a file" },
	[COMPARE_READ_BPS] = { "read_bps", "Read it again" },
};

const char *compare_heading(enum compare_figure figure)
{
	return figures[figure].heading;
}

static void write_time(int64_t ns, char buf[COMPARE_VALUE_BYTES])
{
	double ms = (double)ns / (double)NS_PER_MS;

	(void)snprintf(buf, COMPARE_VALUE_BYTES, ms < 1000 ? "%.*f ms" : "%.*f s",
		       ms < 10 || ms >= 1000 ? 2 : 0, ms < 1000 ? ms : ms / 1000);
}

char *compare_value(enum compare_figure figure, int64_t value, char buf[COMPARE_VALUE_BYTES])
{
	switch (figure) {
	case COMPARE_START_NS:
	case COMPARE_RUN_CPU_NS:
		write_time(value, buf);
		break;
	case COMPARE_REST_CPU_PPM:
		(void)snprintf(buf, COMPARE_VALUE_BYTES, "%.2f %%", (double)value / 10000);
		break;
	case COMPARE_CALL_PS:
		(void)snprintf(buf, COMPARE_VALUE_BYTES, "%.0f ns", (double)value / 1000);
		break;
	case COMPARE_WRITE_BPS:
	case COMPARE_READ_BPS:
		(void)snprintf(buf, COMPARE_VALUE_BYTES, "%.0f MB/s", (double)value / 1e6);
		break;
	default:
		(void)format_bytes_iec((uint64_t)value, buf);
		break;
	}

	return buf;
}

char *compare_row_title(const struct compare_row *row, char buf[64])
{
	(void)snprintf(buf, 64, *row->machine ? "%s (%s)" : "%s", row->name, row->machine);

	return buf;
}

static void print_kernels(FILE *out, const struct compare_result *result)
{
	fprintf(out, "%-*s", HEADING_WIDTH, "Kernel it sees");
	for (size_t i = 0; i < result->len; i++)
		if (!*result->rows[i].why)
			fprintf(out, "  %-*s", COLUMN_WIDTH, result->rows[i].kernel);
	fputc('\n', out);
}

static void print_titles(FILE *out, const struct compare_result *result)
{
	char title[64];

	fprintf(out, "%-*s", HEADING_WIDTH, "");
	for (size_t i = 0; i < result->len; i++)
		if (!*result->rows[i].why)
			fprintf(out, "  %-*s", COLUMN_WIDTH,
				compare_row_title(&result->rows[i], title));
	fputc('\n', out);
}

void compare_table(FILE *out, const struct compare_result *result)
{
	print_titles(out, result);
	for (int figure = 0; figure < COMPARE_FIGURES; figure++) {
		fprintf(out, "%-*s", HEADING_WIDTH, figures[figure].heading);
		for (size_t i = 0; i < result->len; i++) {
			const struct compare_row *row = &result->rows[i];
			char text[COMPARE_VALUE_BYTES] = "--";
			int64_t value;

			if (compare_median(&row->figures[figure], &value))
				compare_value((enum compare_figure)figure, value, text);
			if (!*row->why)
				fprintf(out, "  %-*s", COLUMN_WIDTH, text);
		}
		fputc('\n', out);
	}
	print_kernels(out, result);
	fputs("\nShared with this host:\n", out);
	for (size_t i = 0; i < result->len; i++)
		if (!*result->rows[i].why)
			fprintf(out, "  %-10s  %s\n", result->rows[i].name, result->rows[i].shared);
	for (size_t i = 0; i < result->len; i++) {
		const struct compare_row *row = &result->rows[i];

		if (*row->why)
			fprintf(out, "\nNot measured: %s: %s\n", row->name, row->why);
		if (*row->why && *row->hint)
			fprintf(out, "  hint: %s\n", row->hint);
	}
}

static json_t *figure_json(const struct compare_series *series)
{
	json_t *object = json_object(), *values = json_array();
	int64_t median;

	for (size_t i = 0; i < series->len; i++)
		(void)json_array_append_new(values, json_integer(series->values[i]));
	if (compare_median(series, &median))
		(void)json_set_i64(object, "median", median);
	(void)json_object_set_new(object, "values", values);

	return object;
}

json_t *compare_json(const char *image, const struct compare_result *result)
{
	json_t *object = json_object(), *rows = json_array();

	(void)json_set_text(object, "image", image);
	(void)json_object_set_new(object, "rows", rows);
	for (size_t i = 0; i < result->len; i++) {
		const struct compare_row *row = &result->rows[i];
		json_t *one = json_object();

		(void)json_array_append_new(rows, one);
		(void)json_set_text(one, "name", row->name);
		(void)json_set_bool(one, "measured", !*row->why);
		if (*row->why) {
			(void)json_set_text(one, "why", row->why);
			(void)json_set_text(one, "hint", row->hint);
			continue;
		}
		(void)json_set_text(one, "machine", row->machine);
		(void)json_set_text(one, "kernel", row->kernel);
		(void)json_set_text(one, "shared", row->shared);
		for (int figure = 0; figure < COMPARE_FIGURES; figure++)
			if (row->figures[figure].len > 0)
				(void)json_object_set_new(one, figures[figure].key,
							  figure_json(&row->figures[figure]));
	}

	return object;
}
