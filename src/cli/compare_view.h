/* SPDX-License-Identifier: Apache-2.0
 *
 * compare_view.h - a comparison as a table, as JSON, and as a picture
 */
#ifndef CLI_COMPARE_VIEW_H
#define CLI_COMPARE_VIEW_H

#include <jansson.h>
#include <stdio.h>

#include "engine/compare.h"

#define COMPARE_VALUE_BYTES 32

/* What a figure is called in tables: "Memory at rest". */
const char *compare_heading(enum compare_figure figure);

/* "1.53 ms", "0.40 %", "3.2MiB", "78 ns", "950 MB/s". Returns @buf. */
char *compare_value(enum compare_figure figure, int64_t value, char buf[COMPARE_VALUE_BYTES]);

/* "vm (qemu-tcg)". Returns @buf. */
char *compare_row_title(const struct compare_row *row, char buf[64]);

/* Medians side by side, a column for each row that was measured; below, why others were not. */
void compare_table(FILE *out, const struct compare_result *result);

/* Everything: medians and single values. The caller owns it. */
json_t *compare_json(const char *image, const struct compare_result *result);

/* An SVG document: a panel for each figure, a bar for each row. @title is the user's text. */
void compare_plot(FILE *out, const char *title, const struct compare_result *result);

#endif
