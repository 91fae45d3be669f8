/* SPDX-License-Identifier: Apache-2.0
 *
 * aptsources.c - where this machine gets Debian's packages from
 */
#include "image/aptsources.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"

#define SOURCES_DIR "/etc/apt/sources.list.d"
#define SOURCES_LIST "/etc/apt/sources.list"
#define SOURCES_MAX_BYTES (1 * MIB)

/* Value of a line KEY=VALUE or KEY="VALUE"; the caller frees it. NULL: there is none. */
static char *find_value(const char *text, const char *key)
{
	size_t key_len = strlen(key);
	struct slice rest = slice_of(text), line;

	while (slice_next(&rest, '\n', &line)) {
		if (line.len <= key_len || memcmp(line.at, key, key_len) != 0)
			continue;
		line.at += key_len;
		line.len -= key_len;
		if (line.len >= 2 && line.at[0] == '"') {
			line.at++;
			line.len -= 2;
		}
		return mem_strndup(line.at, line.len);
	}

	return NULL;
}

char *aptsources_own_suite(void)
{
	auto_free char *text = NULL;
	auto_free char *id = NULL;

	if (fd_read_file(AT_FDCWD, "/etc/os-release", SOURCES_MAX_BYTES, &text, NULL, NULL) < 0)
		return NULL;
	id = find_value(text, "ID=");

	return id && strcmp(id, "debian") == 0 ? find_value(text, "VERSION_CODENAME=") : NULL;
}

/* Is @word @suite, or that with one of the suffixes of Debian's own suites? */
static bool is_suite(struct slice word, const char *suite)
{
	static const char *const suffixes[] = { "", "-updates", "-security", "-backports" };
	size_t len = strlen(suite);

	if (word.len < len || memcmp(word.at, suite, len) != 0)
		return false;
	word.at += len;
	word.len -= len;
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (slice_eq(word, suffixes[i]))
			return true;

	return false;
}

bool aptsources_is_debian(const char *text, const char *suite)
{
	struct slice lines = slice_of(text), line, word;
	bool has_suite = false, has_main = false;

	while (slice_next(&lines, '\n', &line)) {
		if (line.len > 0 && line.at[0] == '#')
			continue;
		while (slice_next(&line, ' ', &word)) {
			has_suite = has_suite || is_suite(word, suite);
			has_main = has_main || slice_eq(word, "main");
		}
	}

	return has_suite && has_main;
}

/* Takes @path. */
static int add_source(struct strv *to, char *path, const char *suite)
{
	auto_free char *owned = path;
	auto_free char *text = NULL;

	if (fd_read_file(AT_FDCWD, path, SOURCES_MAX_BYTES, &text, NULL, NULL) < 0 ||
	    !aptsources_is_debian(text, suite))
		return 0;

	return strv_give(to, take_ptr(owned));
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* Paths of the host's files. */
static int find_sources(const char *suite, struct strv *ret)
{
	DIR *dir = opendir(SOURCES_DIR);
	struct dirent *entry;
	int r = add_source(ret, mem_strdup(SOURCES_LIST), suite);

	while (r == 0 && dir && (entry = readdir(dir)))
		if (has_suffix(entry->d_name, ".list") || has_suffix(entry->d_name, ".sources"))
			r = add_source(ret, mem_printf(SOURCES_DIR "/%s", entry->d_name), suite);
	if (dir)
		closedir(dir);

	return r;
}

/* The first http or https address in a file; the caller frees it, or NULL. */
static char *first_address(const char *path)
{
	auto_free char *text = NULL;
	struct slice rest, line, word;

	if (fd_read_file(AT_FDCWD, path, SOURCES_MAX_BYTES, &text, NULL, NULL) < 0)
		return NULL;
	rest = slice_of(text);
	while (slice_next(&rest, '\n', &line)) {
		if (line.len > 0 && line.at[0] == '#')
			continue;
		while (slice_next(&line, ' ', &word))
			if (word.len > 4 && memcmp(word.at, "http", 4) == 0)
				return mem_strndup(word.at, word.len);
	}

	return NULL;
}

int aptsources_add(const char *suite, const char *own_suite, struct strv *ret)
{
	auto_done(strv) sources = { 0 };
	int r = own_suite ? find_sources(own_suite, &sources) : 0;

	if (r < 0)
		return r;
	if (own_suite && strcmp(suite, own_suite) == 0)
		return strv_add_all(ret, &sources);
	for (size_t i = 0; i < sources.len; i++) {
		auto_free char *address = first_address(sources.items[i]);

		if (address)
			return strv_give(ret, mem_printf("deb %s %s main", address, suite));
	}

	return 0;
}
