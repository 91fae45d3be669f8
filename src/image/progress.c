/* SPDX-License-Identifier: Apache-2.0
 *
 * progress.c - how far an import is
 */
#include "image/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"

#define DRAW_EVERY_NS (100 * NS_PER_MS)
#define BAR_MAX 30
#define BAR_MIN 4
#define REST_COLUMNS 50 /* name, sizes, rate and time beside the bar */

void progress_init(struct progress *p, struct progress_screen *screen, bool quiet)
{
	*screen = (struct progress_screen){ 0 };
	*p = (struct progress){ .quiet = quiet,
				.terminal = isatty(STDERR_FILENO) == 1,
				.screen = screen };
}

struct progress progress_beside(const struct progress *p)
{
	return (struct progress){ .quiet = p->quiet, .terminal = p->terminal, .screen = p->screen };
}

char *progress_size(uint64_t bytes, char buf[PROGRESS_SIZE_BYTES])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 999.95 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1000;
		unit++;
	}
	(void)snprintf(buf, PROGRESS_SIZE_BYTES, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);

	return buf;
}

/* Replace @from by @to on the screen; NULL is a free place. */
static void change_bar(struct progress_screen *screen, const struct progress *from,
		       const struct progress *to)
{
	for (size_t i = 0; i < PROGRESS_BARS; i++)
		if (screen->bars[i] == from) {
			screen->bars[i] = to;
			return;
		}
}

void progress_begin(struct progress *p, const char *name, uint64_t total_bytes)
{
	bool digest = strncmp(name, "sha256:", 7) == 0;

	(void)snprintf(p->name, sizeof(p->name), "%.*s", digest ? 12 : 40,
		       digest ? name + 7 : name);
	p->note[0] = '\0';
	p->done_bytes = 0;
	p->total_bytes = total_bytes;
	p->started_ns = clock_now_ns();
	change_bar(p->screen, NULL, p);
}

static int bar_columns(void)
{
	struct winsize size = { 0 };
	int columns = 80;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		columns = size.ws_col;

	return MAX(MIN(columns - REST_COLUMNS, BAR_MAX), BAR_MIN);
}

/* "name [=====>    ] 45.2 MB/119.0 MB  310.0 MB/s  0:02" */
static void draw_bar(const struct progress *p, int64_t now_ns)
{
	char done[PROGRESS_SIZE_BYTES], total[PROGRESS_SIZE_BYTES], rate[PROGRESS_SIZE_BYTES];
	double seconds = (double)(now_ns - p->started_ns) / (double)NS_PER_SEC;
	double per_second = seconds > 0 ? (double)p->done_bytes / seconds : 0;
	char bar[BAR_MAX + 1];
	int columns = bar_columns(), filled;
	uint64_t at_bytes = MIN(p->done_bytes, p->total_bytes), left_s = 0;

	progress_size(p->done_bytes, done);
	progress_size((uint64_t)per_second, rate);
	if (p->done_bytes == 0 && p->note[0]) {
		fprintf(stderr, "%-12s %s", p->name, p->note);
		return;
	}
	if (p->total_bytes == 0) {
		fprintf(stderr, "%-12s %s  %s/s", p->name, done, rate);
		return;
	}
	filled = (int)((double)at_bytes / (double)p->total_bytes * columns);
	memset(bar, ' ', sizeof(bar));
	memset(bar, '=', (size_t)filled);
	if (filled < columns)
		bar[filled] = '>';
	bar[columns] = '\0';
	if (per_second > 0)
		left_s = (uint64_t)((double)(p->total_bytes - at_bytes) / per_second);
	fprintf(stderr, "%-12s [%s] %s/%s  %s/s  %llu:%02llu", p->name, bar, done,
		progress_size(p->total_bytes, total), rate, (unsigned long long)left_s / 60,
		(unsigned long long)left_s % 60);
}

/* Back to the start of the first line, with all of them gone. */
static void clear(struct progress_screen *screen)
{
	if (screen->lines > 1)
		fprintf(stderr, "\033[%zuA", screen->lines - 1);
	if (screen->lines > 0)
		fprintf(stderr, "\r\033[J");
	screen->lines = 0;
}

static void draw(const struct progress *p, bool now)
{
	struct progress_screen *screen = p->screen;
	int64_t now_ns = clock_now_ns();

	if (p->quiet || !p->terminal || (!now && now_ns - screen->drawn_ns < DRAW_EVERY_NS))
		return;
	clear(screen);
	for (size_t i = 0; i < PROGRESS_BARS; i++) {
		if (!screen->bars[i])
			continue;
		if (screen->lines > 0)
			fputc('\n', stderr);
		draw_bar(screen->bars[i], now_ns);
		screen->lines++;
	}
	screen->drawn_ns = now_ns;
}

void progress_add(struct progress *p, uint64_t bytes)
{
	if (!p)
		return;
	p->done_bytes += bytes;
	draw(p, false);
}

void progress_note(struct progress *p, const char *what)
{
	(void)snprintf(p->note, sizeof(p->note), "%s", what);
	draw(p, true);
}

void progress_end(struct progress *p, const char *what)
{
	char done[PROGRESS_SIZE_BYTES];
	double seconds = (double)(clock_now_ns() - p->started_ns) / (double)NS_PER_SEC;

	clear(p->screen);
	change_bar(p->screen, p, NULL);
	if (p->quiet)
		return;
	if (what && p->done_bytes > 0)
		fprintf(stderr, "%-12s %s, %s in %.1f s\n", p->name, what,
			progress_size(p->done_bytes, done), seconds);
	else if (what)
		fprintf(stderr, "%-12s %s\n", p->name, what);
}
