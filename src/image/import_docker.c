/* SPDX-License-Identifier: Apache-2.0
 *
 * import_docker.c - archives of docker save: manifest.json names configs and layers
 *
 * Nothing in such an archive has a digest but the layers' archives, in the config. A manifest is
 * made up: it names the layers uncompressed, by their diff_ids, so the same image gives the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "image/import_priv.h"
#include "image/skeleton.h"

static int count_bytes(void *ctx, const void *buf, size_t len, struct err *err)
{
	uint64_t *total_bytes = ctx;

	(void)buf;
	(void)err;
	*total_bytes += len;

	return 0;
}

/* Length of a layer's archive, which only the store knows by now. */
static int tar_bytes_of(struct importer *im, const char *diff_id, uint64_t *ret, struct err *err)
{
	auto_close int layer_fd = store_layer_open(im->store, diff_id, err);
	auto_close int skeleton_fd =
		layer_fd < 0 ? -1 : store_layer_open_skeleton(im->store, diff_id, err);
	uint64_t total_bytes = 0;
	int r;

	if (layer_fd < 0)
		return layer_fd;
	if (skeleton_fd < 0)
		return skeleton_fd;
	r = skeleton_rebuild(skeleton_fd, layer_fd, count_bytes, &total_bytes, err);
	if (r == 0)
		*ret = total_bytes;

	return r;
}

static int make_manifest(struct importer *im, const struct document *config,
			 const struct spec_image *image, struct document *ret, struct err *err)
{
	char config_media[] = SPEC_MEDIA_OCI_CONFIG, layer_media[] = SPEC_MEDIA_OCI_LAYER;
	auto_free struct spec_descriptor *layers =
		mem_calloc(image->diff_ids.len + 1, sizeof(*layers));
	struct spec_manifest manifest = { .config = { .media_type = config_media,
						      .size_bytes = config->len },
					  .layers = layers,
					  .layers_len = image->diff_ids.len };
	int r = 0;

	memcpy(manifest.config.digest, config->digest, sizeof(config->digest));
	for (size_t i = 0; r == 0 && i < image->diff_ids.len; i++) {
		layers[i].media_type = layer_media;
		(void)snprintf(layers[i].digest, sizeof(layers[i].digest), "%s",
			       image->diff_ids.items[i]);
		r = tar_bytes_of(im, layers[i].digest, &layers[i].size_bytes, err);
	}
	if (r == 0)
		r = spec_manifest_encode(&manifest, &ret->text, err);
	if (r < 0)
		return r;
	ret->len = strlen(ret->text);
	sha256_digest(ret->text, ret->len, ret->digest);

	return 0;
}

static int import_image(struct importer *im, const struct spec_docker_image *item, struct err *err)
{
	const struct spec_descriptor none = { 0 };
	auto_done(document) config = { 0 };
	auto_done(document) manifest = { 0 };
	auto_done(spec_image) image = { 0 };
	int r = import_document(im, item->config, &config, err);

	if (r == 0)
		r = spec_image_decode(config.text, config.len, &image, err);
	if (r < 0)
		return r;
	if (image.diff_ids.len != item->layers.len)
		return err_setk(err, ERR_USAGE, EBADMSG,
				"manifest.json has %zu layers, the config %zu", item->layers.len,
				image.diff_ids.len);
	for (size_t i = 0; r == 0 && i < item->layers.len; i++) {
		struct blob blob;

		r = archive_find(im->archive, item->layers.items[i], &blob, err);
		if (r == 0)
			r = ingest_layer(im->store, &blob,
					 &(struct ingest_want){ &none, image.diff_ids.items[i],
								im->request->keep_blobs,
								im->request->max_ratio },
					 im->progress, err);
	}
	if (r == 0)
		r = make_manifest(im, &config, &image, &manifest, err);

	return r < 0 ? r : import_add(im, &config, &manifest, &image, &item->repo_tags, err);
}

int import_docker(struct importer *im, struct err *err)
{
	auto_done(document) doc = { 0 };
	auto_done(spec_docker_archive) archive = { 0 };
	int r = import_document(im, "manifest.json", &doc, err);

	if (r == 0)
		r = spec_docker_archive_decode(doc.text, doc.len, &archive, err);
	if (r < 0)
		return r;
	if (archive.images_len == 0)
		return err_setk(err, ERR_USAGE, ENOENT, "no image in it");
	if (im->request->name && archive.images_len > 1)
		return err_setk(err, ERR_USAGE, EINVAL,
				"it holds several images, so one name cannot be given");
	for (size_t i = 0; r == 0 && i < archive.images_len; i++)
		r = import_image(im, &archive.images[i], err);

	return r;
}
