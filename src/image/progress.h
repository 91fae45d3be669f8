/* SPDX-License-Identifier: Apache-2.0
 *
 * progress.h - how far an import is: a bar for each layer on a terminal, else a line when done
 */
#ifndef IMAGE_PROGRESS_H
#define IMAGE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_BARS 2

struct progress;

/* What stands on the terminal: a line for each of @bars. All members are its own. */
struct progress_screen {
	const struct progress *bars[PROGRESS_BARS];
	size_t lines; /* drawn, with the cursor at the end of the last */
	int64_t drawn_ns;
};

/* One step at a time, beside those of others on the same screen. All members are its own. */
struct progress {
	bool quiet, terminal;
	struct progress_screen *screen;
	char name[44], note[48];
	uint64_t done_bytes, total_bytes; /* total 0: not known */
	int64_t started_ns;
};

/* Writes to stderr. @screen is borrowed; initialised here. */
void progress_init(struct progress *p, struct progress_screen *screen, bool quiet);

/* Another on the same screen, for what goes on at the same time. */
struct progress progress_beside(const struct progress *p);

/* A step begins; @name is shown, cut to twelve characters where it is a digest. */
void progress_begin(struct progress *p, const char *name, uint64_t total_bytes);
/* So many bytes more. */
void progress_add(struct progress *p, uint64_t bytes);
/* Nothing can be counted yet; @what is being done is shown instead, on a terminal. */
void progress_note(struct progress *p, const char *what);
/* It ended: @what is "done", "exists already" ... NULL after a failure. */
void progress_end(struct progress *p, const char *what);

/* "1.2 GB", in powers of 1000, as Docker writes sizes. */
#define PROGRESS_SIZE_BYTES 16
char *progress_size(uint64_t bytes, char buf[PROGRESS_SIZE_BYTES]);

#endif
