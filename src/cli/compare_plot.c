/* SPDX-License-Identifier: Apache-2.0
 *
 * compare_plot.c - a comparison as an SVG document
 *
 * One panel for each figure, each with its own scale from zero, since the figures have nothing in
 * common; one bar for each row, always in the same order and colour.
 */
#include "cli/compare_view.h"

#include <string.h>

#define COLUMNS 3
#define PANEL_WIDTH 300
#define PANEL_GAP 20
#define MARGIN 24
#define TITLE_HEIGHT 56
#define HEAD_HEIGHT 26
#define BAR_HEIGHT 16
#define BAR_STEP 22
#define LABEL_WIDTH 108
#define BAR_WIDTH 110

static const char *const colours[COMPARE_ROWS_MAX] = { "#8a8f98", "#2f7ed8", "#e07b39", "#3a9d5d",
						       "#8e5bb5", "#c2a633", "#c94f5d", "#4aa3a8" };

/* Text of users and guests, between tags. */
static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			fputs("&lt;", out);
		else if (c == '&')
			fputs("&amp;", out);
		else
			fputc(c < ' ' || c >= 0x7f ? '?' : c, out);
	}
}

static int64_t largest(const struct compare_result *result, int figure)
{
	int64_t most = 0, value;

	for (size_t i = 0; i < result->len; i++)
		if (compare_median(&result->rows[i].figures[figure], &value) && value > most)
			most = value;

	return most;
}

/* What a panel shows of one figure, and where. */
struct panel {
	int figure;
	int64_t most;
	int x, y;
};

static void put_bar(FILE *out, const struct panel *panel, const struct compare_row *row,
		    const char *colour, int y)
{
	int x = panel->x;
	char title[64], text[COMPARE_VALUE_BYTES] = "--";
	double width = 0;
	int64_t value;

	if (compare_median(&row->figures[panel->figure], &value)) {
		compare_value((enum compare_figure)panel->figure, value, text);
		width = panel->most > 0 ? (double)value * BAR_WIDTH / (double)panel->most : 0;
	}
	fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"label\">", x + LABEL_WIDTH - 6, y + 12);
	put_text(out, compare_row_title(row, title));
	fprintf(out,
		"</text>\n<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n"
		"<text x=\"%.1f\" y=\"%d\" class=\"value\">%s</text>\n",
		x + LABEL_WIDTH, y, width, BAR_HEIGHT, colour, x + LABEL_WIDTH + width + 5, y + 12,
		text);
}

static void put_panel(FILE *out, const struct panel *panel, const struct compare_result *result)
{
	const char *heading = compare_heading((enum compare_figure)panel->figure);
	int y = panel->y + HEAD_HEIGHT;

	if (panel->figure == COMPARE_BEYOND_BYTES)
		heading = "Memory beyond the workload's";
	fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"head\">%s</text>\n", panel->x, panel->y + 12,
		heading);
	for (size_t i = 0; i < result->len; i++) {
		if (*result->rows[i].why)
			continue;
		put_bar(out, panel, &result->rows[i], colours[i], y);
		y += BAR_STEP;
	}
}

static void put_absent(FILE *out, const struct compare_row *row, int y)
{
	fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"value\">not measured: ", MARGIN, y);
	put_text(out, row->name);
	fputs(": ", out);
	put_text(out, row->why);
	fputs("</text>\n", out);
}

void compare_plot(FILE *out, const char *title, const struct compare_result *result)
{
	int bars = 0, lines = (COMPARE_FIGURES + COLUMNS - 1) / COLUMNS, panel, width, height, y;

	for (size_t i = 0; i < result->len; i++)
		bars += !*result->rows[i].why;
	panel = HEAD_HEIGHT + BAR_STEP * bars + PANEL_GAP;
	width = 2 * MARGIN + COLUMNS * PANEL_WIDTH + (COLUMNS - 1) * PANEL_GAP;
	y = TITLE_HEIGHT + lines * panel;
	height = y + ((int)result->len - bars) * BAR_STEP + MARGIN;
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		"height=\"%d\" font-family=\"sans-serif\">\n"
		"<style>.title{font-size:18px;font-weight:bold}.head{font-size:13px;"
		"font-weight:bold}.label{font-size:12px;text-anchor:end}.value{font-size:12px}"
		"text{fill:#222}</style>\n"
		"<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
		"<text x=\"%d\" y=\"34\" class=\"title\">",
		width, height, width, height, width, height, MARGIN);
	put_text(out, title);
	fputs("</text>\n", out);
	for (int figure = 0; figure < COMPARE_FIGURES; figure++) {
		const struct panel at = {
			.figure = figure,
			.most = largest(result, figure),
			.x = MARGIN + figure % COLUMNS * (PANEL_WIDTH + PANEL_GAP),
			.y = TITLE_HEIGHT + figure / COLUMNS * panel,
		};

		put_panel(out, &at, result);
	}
	for (size_t i = 0; i < result->len; i++)
		if (*result->rows[i].why)
			put_absent(out, &result->rows[i], y += BAR_STEP);
	fputs("</svg>\n", out);
}
