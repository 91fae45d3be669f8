/* SPDX-License-Identifier: Apache-2.0
 *
 * image_rows.c - images as rows of a table
 */
#include "cli/image_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/format.h"
#include "wire/json.h"

#define NONE "<none>"
#define DATE_CHARS 10 /* "2026-11-26" */
#define TIME_CHARS 8  /* "00:47:39" */

char *image_time(int64_t wall_ns, char buf[IMAGE_TIME_BYTES])
{
	char text[CLOCK_RFC3339_BYTES];

	if (wall_ns == 0) {
		(void)snprintf(buf, IMAGE_TIME_BYTES, "N/A");
		return buf;
	}
	clock_rfc3339(wall_ns, text);
	(void)snprintf(buf, IMAGE_TIME_BYTES, "%.*s %.*s +0000 UTC", DATE_CHARS, text, TIME_CHARS,
		       text + DATE_CHARS + 1);

	return buf;
}

char *image_ago(int64_t wall_ns, char buf[IMAGE_TIME_BYTES])
{
	char age[FORMAT_TEXT_BYTES];

	if (wall_ns == 0)
		(void)snprintf(buf, IMAGE_TIME_BYTES, "N/A");
	else
		(void)snprintf(buf, IMAGE_TIME_BYTES, "%s ago",
			       format_age(clock_wall_ns() - wall_ns, age));

	return buf;
}

static json_t *image_row(const struct engine_image *image, const char *name, bool no_trunc)
{
	const char *colon = name ? strrchr(name, ':') : NULL;
	auto_free char *repository =
		colon ? mem_strndup(name, (size_t)(colon - name)) : mem_strdup(NONE);
	auto_free char *id = mem_strdup(image->row.id);
	char when[IMAGE_TIME_BYTES], size[FORMAT_TEXT_BYTES];
	json_t *row = json_object();

	if (!no_trunc)
		id[strlen("sha256:") + IMAGE_SHORT_ID] = '\0';
	json_set_text(row, "ID", no_trunc ? id : id + strlen("sha256:"));
	json_set_text(row, "Repository", repository);
	json_set_text(row, "Tag", colon ? colon + 1 : NONE);
	json_set_text(row, "Digest", image->row.manifest_digest);
	json_set_text(row, "CreatedSince", image_ago(image->row.created_wall_ns, when));
	json_set_text(row, "CreatedAt", image_time(image->row.created_wall_ns, when));
	json_set_text(row, "Size", format_bytes(image->row.size_bytes, size));
	json_set_text(row, "VirtualSize", size);
	json_set_text(row, "SharedSize", format_bytes(image->shared_bytes, size));
	json_set_text(row, "UniqueSize",
		      format_bytes(image->row.size_bytes - image->shared_bytes, size));
	(void)snprintf(size, sizeof(size), "%llu", (unsigned long long)image->containers);
	json_set_text(row, "Containers", size);

	return row;
}

json_t *image_rows(const struct engine_images *images, bool no_trunc)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < images->len; i++) {
		const struct engine_image *image = &images->items[i];

		if (image->row.names.len == 0)
			json_array_append_new(rows, image_row(image, NULL, no_trunc));
		for (size_t n = 0; n < image->row.names.len; n++)
			json_array_append_new(
				rows, image_row(image, image->row.names.items[n], no_trunc));
	}

	return rows;
}
