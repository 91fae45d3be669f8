/* SPDX-License-Identifier: Apache-2.0
 *
 * import_docker.c - archives of docker save: manifest.json names configs and layers
 *
 * Nothing in such an archive has a digest but the layers' archives, in the config. A manifest is
 * made up: it names the layers uncompressed, by their diff_ids, so the same image gives the same;
 * or compressed, as they came, where they are kept.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "image/import_priv.h"
#include "image/inflate.h"
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

/* What the manifest says of a layer: the blob where that is kept, else the tar in it. */
static int describe(struct importer *im, const struct layer *layer, struct spec_descriptor *ret,
		    struct err *err)
{
	static char tar[] = SPEC_MEDIA_OCI_LAYER, gzip[] = SPEC_MEDIA_OCI_LAYER "+gzip",
		    zstd[] = SPEC_MEDIA_OCI_LAYER "+zstd";
	bool packed = layer->format == INFLATE_GZIP || layer->format == INFLATE_ZSTD;

	if (im->request->keep_blobs && layer->digest[0] && packed) {
		ret->media_type = layer->format == INFLATE_GZIP ? gzip : zstd;
		ret->size_bytes = layer->blob_bytes;
		memcpy(ret->digest, layer->digest, sizeof(ret->digest));
		return 0;
	}
	ret->media_type = tar;
	(void)snprintf(ret->digest, sizeof(ret->digest), "%s", layer->diff_id);

	return tar_bytes_of(im, layer->diff_id, &ret->size_bytes, err);
}

static int make_manifest(struct importer *im, const struct document *config,
			 const struct layer *layers, size_t layers_len, struct document *ret,
			 struct err *err)
{
	char config_media[] = SPEC_MEDIA_OCI_CONFIG;
	auto_free struct spec_descriptor *blobs = mem_calloc(layers_len + 1, sizeof(*blobs));
	struct spec_manifest manifest = { .config = { .media_type = config_media,
						      .size_bytes = config->len },
					  .layers = blobs,
					  .layers_len = layers_len };
	int r = 0;

	memcpy(manifest.config.digest, config->digest, sizeof(config->digest));
	for (size_t i = 0; r == 0 && i < layers_len; i++)
		r = describe(im, &layers[i], &blobs[i], err);
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
	auto_free struct layer *layers = mem_calloc(item->layers.len + 1, sizeof(*layers));
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
	for (size_t i = 0; i < item->layers.len; i++) {
		layers[i].name = item->layers.items[i];
		layers[i].diff_id = image.diff_ids.items[i];
	}
	r = import_layers(im, layers, item->layers.len, err);
	if (r == 0)
		r = make_manifest(im, &config, layers, item->layers.len, &manifest, err);

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
