/* SPDX-License-Identifier: Apache-2.0
 *
 * compare_place.c - read what the probe says, and tell what a place shares with this host
 *
 * The probe's words come from inside: they are data of a workload.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "engine/compare_internal.h"

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

static const char *const namespaces[] = { "cgroup", "ipc",  "mnt",  "net",
					  "pid",    "time", "user", "uts" };

void compare_add(struct compare_series *series, int64_t value)
{
	if (series->len < COMPARE_REPEAT_MAX)
		series->values[series->len++] = value;
}

bool compare_median(const struct compare_series *series, int64_t *ret)
{
	int64_t sorted[COMPARE_REPEAT_MAX];
	size_t len = 0;

	if (series->len == 0)
		return false;
	for (size_t i = 0; i < series->len; i++) {
		size_t at = len++;

		for (; at > 0 && sorted[at - 1] > series->values[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = series->values[i];
	}
	*ret = sorted[(len - 1) / 2];

	return true;
}

struct slice compare_word(const char *line, const char *name)
{
	struct slice rest = slice_of(line), word;
	size_t len = strlen(name);

	while (slice_next(&rest, ' ', &word))
		if (word.len > len && memcmp(word.at, name, len) == 0 && word.at[len] == '=')
			return (struct slice){ .at = word.at + len + 1, .len = word.len - len - 1 };

	return (struct slice){ 0 };
}

int64_t compare_number(const char *line, const char *name)
{
	uint64_t value;

	return parse_slice_u64(compare_word(line, name), 0, INT64_MAX, &value) < 0 ? -1
										   : (int64_t)value;
}

/* "pid:[4026531836]" of @name among words. */
static struct slice namespace_of(const char *line, const char *name)
{
	struct slice rest = slice_of(line), word;
	size_t len = strlen(name);

	while (slice_next(&rest, ' ', &word))
		if (word.len > len && memcmp(word.at, name, len) == 0 && word.at[len] == ':')
			return word;

	return (struct slice){ 0 };
}

static bool same(struct slice a, struct slice b)
{
	return a.len > 0 && a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* Numbers of namespaces say something only within one kernel. */
static void describe_shared(const char *line, const char *own, char *buf, size_t buf_bytes)
{
	auto_done(strbuf) text = STRBUF_INIT(buf_bytes - 1);
	int shared = 0;

	if (!same(compare_word(line, "boot"), compare_word(own, "boot"))) {
		(void)snprintf(buf, buf_bytes, "hardware");
		return;
	}
	strbuf_adds(&text, "kernel, page cache");
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (same(namespace_of(line, namespaces[i]), namespace_of(own, namespaces[i])))
			strbuf_addf(&text, "%s%s", shared++ ? " " : ", namespaces ", namespaces[i]);
	(void)snprintf(buf, buf_bytes, "%s", strbuf_get(&text));
}

void compare_describe(const char *line, const char *own, struct compare_row *row)
{
	struct slice kernel = compare_word(line, "kernel");

	(void)snprintf(row->kernel, sizeof(row->kernel), "%.*s",
		       (int)MIN(kernel.len, sizeof(row->kernel) - 1), kernel.at ? kernel.at : "");
	for (char *c = row->kernel; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
			*c = '?';
	describe_shared(line, own, row->shared, sizeof(row->shared));
}

void compare_own_place(char *buf, size_t buf_bytes)
{
	auto_done(strbuf) text = STRBUF_INIT(buf_bytes - 1);
	auto_free char *boot = NULL;
	char path[64], link[64];

	if (fd_read_file(AT_FDCWD, BOOT_ID_FILE, 256, &boot, NULL, NULL) == 0)
		strbuf_addf(&text, "boot=%.*s", (int)strcspn(boot, "\n"), boot);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		n = readlink(path, link, sizeof(link));
		if (n > 0)
			strbuf_addf(&text, " %.*s", (int)n, link);
	}
	(void)snprintf(buf, buf_bytes, "%s", strbuf_get(&text));
}
