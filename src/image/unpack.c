/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack.c - a layer's blob, fed as it comes, to a jailed child
 */
#include "image/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rand.h"
#include "image/jail.h"
#include "image/unpack_child.h"

#define PIPE_BYTES (1 << 20)

struct unpack {
	pid_t pid;
	int blob_fd, report_fd;
	EVP_MD_CTX *sha;
	uint64_t blob_bytes;
};

void unpack_digest_text(const uint8_t sum[32], char ret[UNPACK_DIGEST_BYTES])
{
	size_t at = (size_t)snprintf(ret, UNPACK_DIGEST_BYTES, "sha256:");

	for (size_t i = 0; i < 32; i++)
		at += (size_t)snprintf(ret + at, UNPACK_DIGEST_BYTES - at, "%02x", sum[i]);
}

static void unpack_free(struct unpack *u)
{
	fd_close(u->blob_fd);
	fd_close(u->report_fd);
	EVP_MD_CTX_free(u->sha);
	free(u);
}

/* One of the descriptors may be absent: -1. */
static void run_child(const struct unpack_fds *given, unsigned max_ratio,
		      const uint8_t seed[16]) NORETURN;
static void run_child(const struct unpack_fds *given, unsigned max_ratio, const uint8_t seed[16])
{
	int list[] = { given->blob, given->layer, given->skeleton, given->report };
	struct unpack_report report = { .err = ERR_INIT };
	struct unpack_fds fds;

	if (jail_keep_fds(list, ARRAY_SIZE(list), &report.err) < 0)
		_exit(fd_write_all(given->report, &report, sizeof(report)) < 0);
	fds = (struct unpack_fds){ list[0], list[1], list[2], list[3] };
	unpack_child(&fds, max_ratio, seed);
}

int unpack_start(const struct unpack_job *job, struct unpack **ret, struct err *err)
{
	struct unpack *u = calloc(1, sizeof(*u));
	int blob[2], report[2];
	uint8_t seed[16];

	if (!u)
		return err_set(err, ENOMEM, "out of memory");
	u->blob_fd = u->report_fd = -1;
	u->sha = EVP_MD_CTX_new();
	/* Also loads what the child could not load any more. */
	if (!u->sha || !EVP_DigestInit_ex(u->sha, EVP_sha256(), NULL)) {
		unpack_free(u);
		return err_set(err, ENOMEM, "out of memory");
	}
	if (pipe2(blob, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0) {
		unpack_free(u);
		return err_sys(err, "making a pipe");
	}
	(void)fcntl(blob[1], F_SETPIPE_SZ, PIPE_BYTES);
	/* Of this end alone: the child's waits. */
	if (job->nonblock)
		(void)fd_set_nonblock(blob[1], 1);
	u->blob_fd = blob[1];
	u->report_fd = report[0];
	rand_bytes(seed, sizeof(seed));
	u->pid = fork();
	if (u->pid == 0)
		run_child(
			&(struct unpack_fds){ blob[0], job->layer_fd, job->skeleton_fd, report[1] },
			job->max_ratio ? job->max_ratio : UNPACK_MAX_RATIO, seed);
	fd_close(blob[0]);
	fd_close(report[1]);
	if (u->pid < 0) {
		int r = err_sys(err, "starting the unpacker");

		unpack_free(u);
		return r;
	}
	*ret = u;

	return 0;
}

/* The child's report; without one, how it died says why. Reaps it. */
static int take_report(struct unpack *u, struct unpack_report *ret, struct err *err)
{
	ssize_t n = fd_read_all(u->report_fd, ret, sizeof(*ret));
	int status = 0;

	while (waitpid(u->pid, &status, 0) < 0 && errno == EINTR)
		;
	u->pid = -1;
	if (n != (ssize_t)sizeof(*ret)) {
		if (WIFSIGNALED(status))
			return err_set(err, EIO, "the unpacker was killed by signal %d",
				       WTERMSIG(status));
		return err_set(err, EIO, "the unpacker ended without a result");
	}
	if (ret->err.code != 0) {
		err_sanitize(&ret->err);
		if (err)
			*err = ret->err;
		return -ret->err.code;
	}

	return 0;
}

static int count_fed(struct unpack *u, const void *buf, size_t len, struct err *err)
{
	u->blob_bytes += len;

	return EVP_DigestUpdate(u->sha, buf, len) ? 0 : err_set(err, EIO, "SHA-256 failed");
}

static int feed_failed(struct unpack *u, int r, struct err *err)
{
	struct unpack_report report;

	if (r != -EPIPE)
		return err_wrap(err, r, "feeding the unpacker");
	/* It gave up, and tells why. */
	r = take_report(u, &report, err);

	return r < 0 ? r : err_set(err, EIO, "the unpacker stopped early");
}

int unpack_feed(struct unpack *u, const void *buf, size_t len, struct err *err)
{
	int r = fd_write_all(u->blob_fd, buf, len);

	return r < 0 ? feed_failed(u, r, err) : count_fed(u, buf, len, err);
}

ssize_t unpack_feed_some(struct unpack *u, const void *buf, size_t len, struct err *err)
{
	ssize_t n = write(u->blob_fd, buf, len);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return feed_failed(u, -errno, err);
	r = count_fed(u, buf, (size_t)n, err);

	return r < 0 ? r : n;
}

int unpack_blob_fd(const struct unpack *u)
{
	return u->blob_fd;
}

int unpack_result_fd(const struct unpack *u)
{
	return u->report_fd;
}

void unpack_end(struct unpack *u)
{
	u->blob_fd = fd_close(u->blob_fd);
}

int unpack_finish(struct unpack *u, struct unpack_result *ret, struct err *err)
{
	struct unpack_report report;
	uint8_t sum[EVP_MAX_MD_SIZE];
	int r;

	unpack_end(u);
	r = take_report(u, &report, err);
	if (r == 0 && !EVP_DigestFinal_ex(u->sha, sum, NULL))
		r = err_set(err, EIO, "SHA-256 failed");
	if (r == 0) {
		*ret = (struct unpack_result){ .blob_bytes = u->blob_bytes,
					       .tar_bytes = report.tar_bytes,
					       .entries = report.entries,
					       .format = report.format };
		unpack_digest_text(sum, ret->digest);
		unpack_digest_text(report.diff_sum, ret->diff_id);
	}
	unpack_free(u);

	return r;
}

void unpack_abort(struct unpack *u)
{
	if (!u)
		return;
	if (u->pid > 0) {
		(void)kill(u->pid, SIGKILL);
		while (waitpid(u->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	unpack_free(u);
}
