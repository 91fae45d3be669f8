/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack_child.c - the jailed process that reads a layer
 */
#include "image/unpack_child.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/inflate.h"
#include "image/jail.h"
#include "image/planner.h"
#include "image/ring.h"
#include "image/unpack.h"

#define IN_BYTES ((size_t)(256 * KIB))

struct child {
	const struct unpack_fds *fds;
	unsigned max_ratio;
	struct planner *planner;
	struct inflate *inflate;
	struct ring ring;
	pthread_t hasher;
	EVP_MD_CTX *sha;
	uint8_t *in;
	uint64_t blob_bytes;
	struct unpack_report report;
};

static void *hash_main(void *arg)
{
	struct child *c = arg;
	const uint8_t *slot;
	size_t len;

	while ((slot = ring_peek(&c->ring, &len))) {
		(void)EVP_DigestUpdate(c->sha, slot, len);
		ring_release(&c->ring);
	}

	return NULL;
}

/* Everything that needs more system calls than the filter will leave. */
static int prepare(struct child *c, const uint8_t seed[16], struct err *err)
{
	int r = jail_enter(PLANNER_MAX_FILE_BYTES, err);

	if (r < 0)
		return r;
	if (c->fds->skeleton >= 0) {
		c->planner = planner_new(c->fds->layer, c->fds->skeleton, seed, err);
		if (!c->planner)
			return -ENOMEM;
	}
	c->in = malloc(IN_BYTES);
	c->sha = EVP_MD_CTX_new();
	if (!c->in || !c->sha || !EVP_DigestInit_ex(c->sha, EVP_sha256(), NULL) ||
	    ring_init(&c->ring) < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = pthread_create(&c->hasher, NULL, hash_main, c);
	if (r != 0)
		return err_set(err, r, "starting a thread: %s", strerror(r));

	return jail_seal(err);
}

static int check_size(const struct child *c, struct err *err)
{
	uint64_t out_bytes = c->report.tar_bytes;

	if (out_bytes > UNPACK_MAX_TAR_BYTES)
		return err_setk(err, ERR_USAGE, EFBIG, "layer unpacks to more than %llu GiB",
				UNPACK_MAX_TAR_BYTES / GIB);
	if (out_bytes > UNPACK_FREE_BYTES && out_bytes / c->max_ratio > c->blob_bytes) {
		(void)err_setk(err, ERR_USAGE, EFBIG,
			       "expansion ratio above %u (%llu MiB from %llu KiB): a decompression "
			       "bomb",
			       c->max_ratio, (unsigned long long)(out_bytes / MIB),
			       (unsigned long long)(c->blob_bytes / KIB));
		err_hint(err, "an image that you trust can be imported with a higher --max-ratio");
		return -EFBIG;
	}

	return 0;
}

static int use(struct child *c, const uint8_t *buf, size_t len, struct err *err)
{
	int r;

	if (c->planner)
		return planner_feed(c->planner, buf, len, err);
	r = fd_write_all(c->fds->layer, buf, len);

	return r < 0 ? err_wrap(err, r, "writing what was unpacked") : 0;
}

/* Decompress @in_bytes of c->in, each buffer through the archive reader and then to the hasher. */
static int unpack_some(struct child *c, size_t in_bytes, struct err *err)
{
	struct inflate_io io = { .in = c->in, .in_bytes = in_bytes };
	size_t len;

	do {
		uint8_t *slot = ring_reserve(&c->ring);
		int r;

		io.out = slot;
		io.out_bytes = RING_SLOT_BYTES;
		r = inflate_run(c->inflate, &io, err);
		if (r < 0)
			return r;
		len = RING_SLOT_BYTES - io.out_bytes;
		if (len == 0)
			return 0;
		c->report.tar_bytes += len;
		r = check_size(c, err);
		if (r == 0)
			r = use(c, slot, len, err);
		if (r < 0)
			return r;
		ring_publish(&c->ring, len);
	} while (len == RING_SLOT_BYTES);

	return 0;
}

static int unpack_all(struct child *c, struct err *err)
{
	for (;;) {
		/* Whole buffers, so that the format shows in the first one. */
		ssize_t n = fd_read_all(c->fds->blob, c->in, IN_BYTES);
		int r;

		if (n < 0)
			return err_wrap(err, (int)n, "reading the layer");
		if (!c->inflate) {
			c->report.format = (int32_t)inflate_detect(c->in, (size_t)n);
			c->inflate = inflate_new((enum inflate_format)c->report.format, err);
			if (!c->inflate)
				return -ENOMEM;
		}
		if (n == 0)
			break;
		c->blob_bytes += (uint64_t)n;
		r = unpack_some(c, (size_t)n, err);
		if (r < 0)
			return r;
	}
	if (!inflate_is_whole(c->inflate))
		return err_setk(err, ERR_USAGE, EBADMSG, "the %s data is truncated",
				inflate_name((enum inflate_format)c->report.format));

	return c->planner ? planner_finish(c->planner, err) : 0;
}

void unpack_child(const struct unpack_fds *fds, unsigned max_ratio, const uint8_t seed[16])
{
	struct child c = { .fds = fds, .max_ratio = max_ratio };
	int r = prepare(&c, seed, &c.report.err);

	if (r == 0)
		r = unpack_all(&c, &c.report.err);
	if (r == 0) {
		ring_end(&c.ring);
		(void)pthread_join(c.hasher, NULL);
		if (!EVP_DigestFinal_ex(c.sha, c.report.diff_sum, NULL))
			(void)err_set(&c.report.err, EIO, "SHA-256 failed");
		c.report.entries = c.planner ? planner_entries(c.planner) : 0;
	} else if (c.report.err.code == 0) {
		(void)err_set(&c.report.err, -r, "unpacking failed");
	}
	/* Memory goes with the process: freeing it piece by piece would only take time. */
	_exit(fd_write_all(fds->report, &c.report, sizeof(c.report)) < 0);
}
