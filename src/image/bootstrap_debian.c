/* SPDX-License-Identifier: Apache-2.0
 *
 * bootstrap_debian.c - a Debian image by mmdebstrap, from the machine's own apt sources
 *
 * For the host's own suite mmdebstrap gets the host's source files. For another suite it gets
 * one line with the host's mirror, since the files name the host's suite.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "image/bootstrap.h"
#include "image/child.h"
#include "image/ingest.h"
#include "image/rootfs.h"

#define SOURCES_DIR "/etc/apt/sources.list.d"
#define SOURCES_LIST "/etc/apt/sources.list"
#define SOURCES_MAX_BYTES (1 * MIB)
#define SUITE_MAX_BYTES 64

/* VERSION_CODENAME of the host; the caller frees it. NULL: it has none. */
static char *host_suite(void)
{
	static const char key[] = "VERSION_CODENAME=";
	auto_free char *text = NULL;
	struct slice rest, line;

	if (fd_read_file(AT_FDCWD, "/etc/os-release", SOURCES_MAX_BYTES, &text, NULL, NULL) < 0)
		return NULL;
	rest = slice_of(text);
	while (slice_next(&rest, '\n', &line)) {
		if (line.len <= sizeof(key) - 1 || memcmp(line.at, key, sizeof(key) - 1) != 0)
			continue;
		line.at += sizeof(key) - 1;
		line.len -= sizeof(key) - 1;
		if (line.len >= 2 && line.at[0] == '"') {
			line.at++;
			line.len -= 2;
		}
		return mem_strndup(line.at, line.len);
	}

	return NULL;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* Paths of the host's apt sources. */
static int find_sources(struct strv *ret, struct err *err)
{
	DIR *dir = opendir(SOURCES_DIR);
	struct dirent *entry;
	int r = 0;

	if (access(SOURCES_LIST, R_OK) == 0)
		r = strv_add(ret, SOURCES_LIST);
	while (r == 0 && dir && (entry = readdir(dir)))
		if (has_suffix(entry->d_name, ".list") || has_suffix(entry->d_name, ".sources"))
			r = strv_give(ret, mem_printf(SOURCES_DIR "/%s", entry->d_name));
	if (dir)
		closedir(dir);

	return r < 0 ? err_set(err, -r, "out of memory") : 0;
}

/* The first http or https address in a file; the caller frees it, or NULL. */
static char *first_address(const char *path)
{
	auto_free char *text = NULL;
	struct slice rest, line;

	if (fd_read_file(AT_FDCWD, path, SOURCES_MAX_BYTES, &text, NULL, NULL) < 0)
		return NULL;
	rest = slice_of(text);
	while (slice_next(&rest, '\n', &line)) {
		const char *at = line.len > 4 ? memmem(line.at, line.len, "http", 4) : NULL;
		size_t len = 0;

		if (!at || line.at[0] == '#')
			continue;
		while (at + len < line.at + line.len && at[len] != ' ' && at[len] != '\t')
			len++;
		return mem_strndup(at, len);
	}

	return NULL;
}

/* What mmdebstrap takes its packages from: files, or one line for a suite that is not ours. */
static int add_mirrors(struct strv *argv, const char *suite, const char *own_suite, struct err *err)
{
	auto_done(strv) sources = { 0 };
	int r = find_sources(&sources, err);

	if (r < 0)
		return r;
	if (own_suite && strcmp(suite, own_suite) == 0 && sources.len > 0)
		return strv_add_all(argv, &sources) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
	for (size_t i = 0; i < sources.len; i++) {
		auto_free char *address = first_address(sources.items[i]);

		if (!address)
			continue;
		return strv_give(argv, mem_printf("deb %s %s main", address, suite)) < 0
			       ? err_set(err, ENOMEM, "out of memory")
			       : 0;
	}
	/* Without any, mmdebstrap has a mirror of its own. */
	return 0;
}

static int make_argv(struct strv *argv, const struct bootstrap_debian *want, const char *suite,
		     const char *own_suite, struct err *err)
{
	static const char *const fixed[] = { "mmdebstrap", "--variant=minbase", "--format=tar",
					     "--quiet" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fixed); i++)
		r = strv_add(argv, fixed[i]);
	if (r == 0 && want->include)
		r = strv_give(argv, mem_printf("--include=%s", want->include));
	if (r == 0)
		r = strv_add(argv, suite);
	if (r == 0)
		r = strv_add(argv, "-");

	return r < 0 ? err_set(err, -r, "out of memory") : add_mirrors(argv, suite, own_suite, err);
}

/* Names come from the command line and become arguments: no options, no paths. */
static int check_suite(const char *suite, struct err *err)
{
	size_t len = suite ? strlen(suite) : 0;

	if (!suite)
		return err_setk(err, ERR_USAGE, EINVAL,
				"the host's release has no name: say which one, as debian:SUITE");
	if (len == 0 || len > SUITE_MAX_BYTES ||
	    strspn(suite, "abcdefghijklmnopqrstuvwxyz0123456789-") != len || suite[0] == '-')
		return err_setk(err, ERR_USAGE, EINVAL, "\"%.64s\" is no name of a suite", suite);

	return 0;
}

static int run_mmdebstrap(const struct strv *argv, struct ingest *ingest, struct err *err)
{
	struct child child;
	struct blob blob = { .len = UINT64_MAX };
	int r, status;

	r = child_start((const char *const *)strv_argv(argv), &child, err);
	if (r == -ENOENT) {
		err_kind(err, ERR_UNSUPPORTED);
		err_hint(err, "install the package mmdebstrap");
	}
	if (r < 0)
		return r;
	blob.fd = child.out_fd;
	r = ingest_feed_blob(ingest, &blob, err);
	status = child_wait(&child, r < 0 ? NULL : err);
	/* Of two failures the program's own is the cause, and it has told it on stderr. */
	return r < 0 ? r : status;
}

static int make_image(struct store *s, const struct strv *argv, const char *name,
		      struct progress *progress, char ret_id[STORE_DIGEST_BYTES], struct err *err)
{
	auto_done(spec_image) image = { 0 };
	struct ingest ingest;
	int r = ingest_begin(&ingest, s, progress, err);

	if (r < 0)
		return r;
	r = run_mmdebstrap(argv, &ingest, err);
	if (r == 0 && (strv_add(&image.cmd, "bash") < 0 ||
		       strv_add(&image.env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
					    "/usr/bin:/sbin:/bin") < 0))
		r = err_set(err, ENOMEM, "out of memory");
	if (r < 0) {
		ingest_abort(&ingest);
		return r;
	}

	return rootfs_add(s, &ingest, &image, "hull image bootstrap debian", name, ret_id, err);
}

int bootstrap_debian(struct store *s, const struct bootstrap_debian *want,
		     struct progress *progress, char **ret_name, char ret_id[STORE_DIGEST_BYTES],
		     struct err *err)
{
	auto_free char *own_suite = host_suite();
	const char *suite = want->suite ? want->suite : own_suite;
	auto_free char *name = NULL;
	auto_done(strv) argv = { 0 };
	int r = check_suite(suite, err);

	if (r == 0)
		r = make_argv(&argv, want, suite, own_suite, err);
	if (r < 0)
		return r;
	name = want->name ? mem_strdup(want->name) : mem_printf("debian:%s", suite);
	progress_begin(progress, name, 0);
	r = make_image(s, &argv, name, progress, ret_id, err);
	progress_end(progress, r < 0 ? NULL : "done");
	/* Who did not say which Debian finds it as plain "debian". */
	if (r == 0 && !want->name && !want->suite)
		r = store_image_tag(s, name, "debian:latest", err);
	if (r == 0)
		*ret_name = take_ptr(name);

	return r;
}
