/* SPDX-License-Identifier: Apache-2.0
 *
 * bootstrap_debian.c - a Debian image by mmdebstrap, from the machine's own apt sources
 *
 * The image is made as Debian's images for containers are: what every Debian must have and apt,
 * no package lists, no cache; and procps, since who looks into a container types ps.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "image/aptlog.h"
#include "image/aptsources.h"
#include "image/bootstrap.h"
#include "image/child.h"
#include "image/ingest.h"
#include "image/rootfs.h"
#include "spec/sandbox.h"

#define SUITE_MAX_BYTES 64
#define PACKAGES "abcdefghijklmnopqrstuvwxyz0123456789+-.:," /* names, between commas */

/* One image on its way; all is borrowed but @argv. */
struct making {
	struct store *store;
	struct progress *progress;
	const char *suite, *name;
	struct strv argv;
};

static inline void making_done(struct making *m)
{
	strv_done(&m->argv);
}
DEFINE_AUTO_DONE(making)

/* Names come from the command line and become arguments: no options, no paths, no patterns. */
static int check_words(const char *suite, const struct strv *include, struct err *err)
{
	size_t len = suite ? strlen(suite) : 0;

	if (!suite)
		return err_setk(err, ERR_USAGE, EINVAL,
				"this machine is no Debian: say which one, as debian:stable");
	if (len == 0 || len > SUITE_MAX_BYTES ||
	    strspn(suite, "abcdefghijklmnopqrstuvwxyz0123456789-") != len || suite[0] == '-')
		return err_setk(err, ERR_USAGE, EINVAL, "\"%.64s\" is no name of a suite", suite);
	for (size_t i = 0; i < include->len; i++)
		if (strspn(include->items[i], PACKAGES) != strlen(include->items[i]))
			return err_setk(err, ERR_USAGE, EINVAL, "\"%.64s\" is no list of packages",
					include->items[i]);

	return 0;
}

static int make_argv(struct strv *argv, const struct strv *include, const char *suite,
		     const char *own_suite)
{
	/* A container is thrown away: no translations of lists, no sync for each package. */
	static const char *const fixed[] = { "mmdebstrap",
					     "--variant=minbase",
					     "--format=tar",
					     "--include=procps",
					     "--aptopt=Acquire::Languages \"none\"",
					     "--dpkgopt=force-unsafe-io" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fixed); i++)
		r = strv_add(argv, fixed[i]);
	for (size_t i = 0; r == 0 && i < include->len; i++)
		r = strv_give(argv, mem_printf("--include=%s", include->items[i]));
	if (r == 0)
		r = strv_add(argv, suite);
	if (r == 0)
		r = strv_add(argv, "-");

	return r < 0 ? r : aptsources_add(suite, own_suite, argv);
}

/* What it tells until its archive begins, which is when all the work has been done. */
static int follow(const struct child *child, struct aptlog *log, struct progress *progress,
		  struct err *err)
{
	struct pollfd fds[] = { { .fd = child->out_fd, .events = POLLIN },
				{ .fd = child->err_fd, .events = POLLIN } };
	char text[4096];

	while (fds[0].revents == 0) {
		ssize_t n;

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno != EINTR)
				return err_sys(err, "waiting for %s", child->name);
			continue;
		}
		if (fds[1].revents == 0)
			continue;
		n = read(child->err_fd, text, sizeof(text));
		if (n <= 0) {
			fds[1].fd = -1;
			continue;
		}
		aptlog_feed(log, text, (size_t)n);
		progress_note(progress, log->stage);
	}

	return 0;
}

/* The rest of what it tells, up to its end. */
static void drain(const struct child *child, struct aptlog *log)
{
	char text[4096];
	ssize_t n;

	while ((n = read(child->err_fd, text, sizeof(text))) > 0)
		aptlog_feed(log, text, (size_t)n);
}

static int run_mmdebstrap(const struct making *m, struct ingest *ingest, struct err *err)
{
	struct blob blob = { .len = UINT64_MAX };
	struct aptlog log = { 0 };
	struct child child;
	int r, status, why;

	r = child_start((const char *const *)strv_argv(&m->argv), CHILD_PIPE_STDERR, &child, err);
	if (r == -ENOENT) {
		err_kind(err, ERR_UNSUPPORTED);
		err_hint(err, "install the package mmdebstrap");
	}
	if (r < 0)
		return r;
	r = follow(&child, &log, m->progress, err);
	blob.fd = child.out_fd;
	if (r == 0)
		r = ingest_feed_blob(ingest, &blob, err);
	/* So that it does not wait for us when we failed. */
	child.out_fd = fd_close(child.out_fd);
	drain(&child, &log);
	status = child_wait(&child, r < 0 ? NULL : err);
	if (r < 0 || status == 0)
		return r;
	why = aptlog_explain(&log, m->suite, err);

	return why < 0 ? err_wrap(err, why, "mmdebstrap") : status;
}

/*
 * An interrupt from the terminal is for mmdebstrap, which then removes what it made; that it
 * failed ends us, and the store's files have no names yet.
 */
static int run_uninterrupted(const struct making *m, struct ingest *ingest, struct err *err)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before;
	int r;

	(void)sigaction(SIGINT, &ignore, &before);
	r = run_mmdebstrap(m, ingest, err);
	(void)sigaction(SIGINT, &before, NULL);

	return r;
}

/* When it was made: as the environment says, as for the files in it, else now (NULL). */
static char *created_text(void)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	char text[CLOCK_RFC3339_BYTES];
	uint64_t seconds;

	if (!epoch || parse_slice_u64(slice_of(epoch), 0, INT64_MAX / NS_PER_SEC, &seconds) < 0)
		return NULL;

	return mem_strdup(clock_rfc3339((int64_t)seconds * NS_PER_SEC, text));
}

static int make_image(const struct making *m, char ret_id[STORE_DIGEST_BYTES], struct err *err)
{
	auto_done(spec_image) image = { .created = created_text() };
	struct ingest ingest;
	int r = ingest_begin(&ingest, m->store, 0, m->progress, err);

	if (r < 0)
		return r;
	r = run_uninterrupted(m, &ingest, err);
	if (r == 0 && (strv_add(&image.cmd, "bash") < 0 ||
		       strv_add(&image.env, "PATH=" SPEC_PATH_DEFAULT) < 0))
		r = err_set(err, ENOMEM, "out of memory");
	if (r < 0) {
		ingest_abort(&ingest);
		return r;
	}

	return rootfs_add(&ingest, &image, "hull image bootstrap debian", m->name, ret_id, err);
}

int bootstrap_debian(struct store *s, const struct bootstrap_debian *want,
		     struct progress *progress, char **ret_name, char ret_id[STORE_DIGEST_BYTES],
		     struct err *err)
{
	auto_free char *own_suite = aptsources_own_suite();
	auto_free char *name = NULL;
	auto_done(making) m = { .store = s,
				.progress = progress,
				.suite = want->suite ? want->suite : own_suite };
	int r = check_words(m.suite, &want->include, err);

	if (r < 0)
		return r;
	if (make_argv(&m.argv, &want->include, m.suite, own_suite) < 0)
		return err_set(err, ENOMEM, "out of memory");
	name = want->name ? mem_strdup(want->name) : mem_printf("debian:%s", m.suite);
	m.name = name;
	progress_begin(progress, name, 0);
	r = make_image(&m, ret_id, err);
	progress_end(progress, r < 0 ? NULL : "done");
	/* Who did not say which Debian finds it as plain "debian". */
	if (r == 0 && !want->name && !want->suite)
		r = store_image_tag(s, name, "debian:latest", err);
	if (r == 0)
		*ret_name = take_ptr(name);

	return r;
}
