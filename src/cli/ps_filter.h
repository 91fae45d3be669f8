/* SPDX-License-Identifier: Apache-2.0
 *
 * ps_filter.h - hull ps --filter
 */
#ifndef CLI_PS_FILTER_H
#define CLI_PS_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"

struct engine_container;
struct engine_containers;
struct ps_term;

/**
 * struct ps_filter - what is to be shown
 * @terms:	one for each --filter; those of one key are alternatives, keys all hold
 * @terms_len:	their number
 * @any_status: a filter looks at the status, so that -a is implied
 */
struct ps_filter {
	struct ps_term *terms;
	size_t terms_len;
	bool any_status;
};

/* Read "key=value" texts, borrowed. 0 or -EINVAL. */
int ps_filter_parse(const struct strv *texts, struct ps_filter *ret, struct err *err);
void ps_filter_done(struct ps_filter *filter);
DEFINE_AUTO_DONE(ps_filter)

/* Find the containers that before= and since= name. 0, or -ENOENT with kind NOT_FOUND. */
int ps_filter_resolve(struct ps_filter *filter, const struct engine_containers *list,
		      struct err *err);

/* Is it to be shown? */
bool ps_filter_matches(const struct ps_filter *filter, const struct engine_container *c);

#endif
