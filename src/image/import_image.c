/* SPDX-License-Identifier: Apache-2.0
 *
 * import_image.c - one image of an archive into the store: what the formats have in common
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "image/cover.h"
#include "image/import_priv.h"

/* Layers of one image, its cover among them: what overlayfs can have below (OVL_MAX_STACK). */
#define MAX_LAYERS 500

int import_document(struct importer *im, const char *name, struct document *ret, struct err *err)
{
	int r = archive_read(im->archive, name, IMPORT_MAX_DOCUMENT_BYTES, &ret->text, &ret->len,
			     err);

	if (r == 0)
		sha256_digest(ret->text, ret->len, ret->digest);

	return r;
}

int import_note(struct importer *im, const struct strv *names, const char *id, struct err *err)
{
	struct import_result *result = im->result;
	int r = names->len > 0 ? strv_add_all(&result->names, names) : strv_add(&result->names, id);

	if (r == 0)
		r = strv_add(&result->ids, id);

	return r < 0 ? err_set(err, -r, "out of memory") : 0;
}

int import_names(const struct importer *im, const struct strv *from, struct strv *ret,
		 struct err *err)
{
	size_t len = im->request->name ? 1 : from->len;

	for (size_t i = 0; i < len; i++) {
		char *full;
		int r = store_name_normalize(im->request->name ? im->request->name : from->items[i],
					     &full, err);

		if (r < 0)
			return r;
		if (strv_give(ret, full) < 0)
			return err_set(err, ENOMEM, "out of memory");
	}

	return 0;
}

int import_add(struct importer *im, const struct document *config, const struct document *manifest,
	       const struct spec_image *image, const struct strv *names, struct err *err)
{
	auto_free struct store_layer *layers = mem_calloc(image->diff_ids.len + 1, sizeof(*layers));
	auto_done(strv) full_names = { 0 };
	struct store_image out = { .config = config->text,
				   .config_len = config->len,
				   .manifest = manifest->text,
				   .manifest_len = manifest->len,
				   .layers = layers,
				   .layers_len = image->diff_ids.len };
	int r = import_names(im, names, &full_names, err);

	if (r == 0)
		r = cover_make(im->store, &image->diff_ids, layers[out.layers_len].diff_id, err);
	failpoint("image-covered");
	if (r < 0)
		return r;
	out.covered = layers[out.layers_len].diff_id[0] != '\0';
	out.layers_len += out.covered;
	if (out.layers_len > MAX_LAYERS)
		return err_setk(err, ERR_UNSUPPORTED, E2BIG,
				"the image has %zu layers%s, and no more than %d can be shown",
				out.layers_len, out.covered ? " with its cover" : "", MAX_LAYERS);
	memcpy(out.id, config->digest, sizeof(out.id));
	memcpy(out.manifest_digest, manifest->digest, sizeof(out.manifest_digest));
	for (size_t i = 0; i < image->diff_ids.len; i++)
		(void)snprintf(layers[i].diff_id, sizeof(layers[i].diff_id), "%s",
			       image->diff_ids.items[i]);
	out.names = full_names;
	r = store_image_add(im->store, &out, err);

	return r < 0 ? r : import_note(im, &full_names, config->digest, err);
}

int import_layers(struct importer *im, struct layer *layers, size_t len, struct err *err)
{
	const struct layers_source source = { .archive = im->archive,
					      .keep_blobs = im->request->keep_blobs,
					      .max_ratio = im->request->max_ratio };

	return layers_ingest(im->store, &source, layers, len, im->progress, err);
}
