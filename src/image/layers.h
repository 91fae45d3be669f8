/* SPDX-License-Identifier: Apache-2.0
 *
 * layers.h - all layers of an image into the store, two at a time
 *
 * Each layer is unpacked by a child of its own (unpack.h), which this process feeds: it waits for
 * whichever pipe has room. The largest goes first, so that the last to end is a small one.
 * Layers that the store has are not unpacked. One that another process is unpacking is left for
 * later, and waited for only while none is being unpacked here: two imports of the same layers
 * cannot wait for each other.
 */
#ifndef IMAGE_LAYERS_H
#define IMAGE_LAYERS_H

#include "base/err.h"
#include "image/archive.h"
#include "image/progress.h"
#include "spec/image.h"
#include "store/store.h"

/**
 * struct layer - one layer of an image
 * @name:	of its file in the archive, borrowed
 * @diff_id:	what the config says of the tar in it, borrowed
 * @want:	what the manifest says of the blob, borrowed; NULL: nothing
 * @digest:	filled in: digest of the blob; "" when the store had the layer, so it was not read
 * @blob_bytes:	filled in likewise: its length
 * @format:	filled in likewise: enum inflate_format
 */
struct layer {
	const char *name, *diff_id;
	const struct spec_descriptor *want;
	char digest[SPEC_DIGEST_BYTES];
	uint64_t blob_bytes;
	int format;
};

/* Where layers come from and how they are taken; see struct import_request. */
struct layers_source {
	struct archive *archive;
	bool keep_blobs;
	unsigned max_ratio;
};

/**
 * layers_ingest() - Bring all layers
 * @s:		store
 * @source:	where they are
 * @layers:	what they must turn out to be
 * @layers_len:	their number
 * @progress:	told of every step; one bar a layer
 * @err:	filled in on failure, may be NULL
 *
 * What does not fit its digests is not kept. Must be called from a single-threaded process.
 *
 * Return: 0 or a negative errno.
 */
int layers_ingest(struct store *s, const struct layers_source *source, struct layer *layers,
		  size_t layers_len, struct progress *progress, struct err *err);

#endif
