/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_layer.c - the layer path: what it takes, it can give back byte for byte, and cover
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/cover.h"
#include "image/erofs.h"
#include "image/planner.h"
#include "image/skeleton.h"

#define INPUT_MAX_BYTES (1 << 20)

static const uint8_t seed[16];

/* What has been rebuilt so far must be the input's beginning. */
struct rebuilt {
	const uint8_t *data;
	size_t len, at;
};

static int compare(void *ctx, const void *buf, size_t len, struct err *err)
{
	struct rebuilt *r = ctx;

	(void)err;
	fuzz_assert(len <= r->len - r->at);
	fuzz_assert(memcmp(r->data + r->at, buf, len) == 0);
	r->at += len;

	return 0;
}

static int plan(const uint8_t *data, size_t len, int layer_fd, int skeleton_fd)
{
	auto_ptr(planner) *p = planner_new(layer_fd, skeleton_fd, seed, NULL);
	int r;

	fuzz_assert(p);
	r = planner_feed(p, data, len, NULL);

	return r < 0 ? r : planner_finish(p, NULL);
}

/* Over itself: what comes out is a layer that needs no other one, or a reason. */
static void cover(int layer_fd, int skeleton_fd)
{
	auto_close int out_fd = memfd_create("cover", MFD_CLOEXEC);
	auto_close int cover_fd = memfd_create("layer", MFD_CLOEXEC);
	auto_close int cover_skeleton_fd = memfd_create("skeleton", MFD_CLOEXEC);
	const int layers[] = { layer_fd, layer_fd }, skeletons[] = { skeleton_fd, skeleton_fd };
	const int traits = erofs_get_traits(layer_fd, NULL), both[] = { traits, traits };
	int r = cover_write(skeletons, layers, 2, seed, out_fd, NULL);
	struct stat st;
	void *tar;

	fuzz_assert(traits >= 0);
	fuzz_assert(r >= 0 || r == -ENOENT || r == -EINVAL || r == -EFBIG || r == -E2BIG);
	if (r != 1)
		return;
	fuzz_assert(cover_is_needed(both, 2));
	fuzz_assert(fstat(out_fd, &st) == 0);
	tar = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, out_fd, 0);
	fuzz_assert(tar != MAP_FAILED);
	fuzz_assert(plan(tar, (size_t)st.st_size, cover_fd, cover_skeleton_fd) == 0);
	fuzz_assert((erofs_get_traits(cover_fd, NULL) & ~EROFS_SETS_ROOT) == 0);
	(void)munmap(tar, (size_t)st.st_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_close int layer_fd = memfd_create("layer", MFD_CLOEXEC);
	auto_close int skeleton_fd = memfd_create("skeleton", MFD_CLOEXEC);
	struct rebuilt r = { .data = data, .len = len };

	if (len > INPUT_MAX_BYTES)
		return 0;
	fuzz_assert(layer_fd >= 0 && skeleton_fd >= 0);
	if (plan(data, len, layer_fd, skeleton_fd) < 0)
		return 0;
	fuzz_assert(lseek(skeleton_fd, 0, SEEK_SET) == 0);
	fuzz_assert(skeleton_rebuild(skeleton_fd, layer_fd, compare, &r, NULL) == 0);
	fuzz_assert(r.at == len);
	cover(layer_fd, skeleton_fd);

	return 0;
}
