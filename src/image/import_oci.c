/* SPDX-License-Identifier: Apache-2.0
 *
 * import_oci.c - OCI image layouts (OCI image-spec 1.1, image-layout.md)
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "image/import_priv.h"
#include "image/rootfs.h"

#define MAX_INDEX_DEPTH 4

static int mismatch(struct err *err, const char *what, const char *got, const char *want)
{
	return err_setk(err, ERR_USAGE, EBADMSG, "%s has digest %s, not %s", what, got, want);
}

static void blob_name(const char *digest, char *buf, size_t buf_bytes)
{
	(void)snprintf(buf, buf_bytes, "blobs/sha256/%s", digest + strlen("sha256:"));
}

/* A document by its descriptor; what does not fit it is refused. */
static int read_document(struct importer *im, const struct spec_descriptor *d, const char *what,
			 struct document *ret, struct err *err)
{
	auto_done(document) doc = { 0 };
	char name[128];
	int r;

	blob_name(d->digest, name, sizeof(name));
	r = import_document(im, name, &doc, err);
	if (r < 0)
		return r;
	if (doc.len != d->size_bytes)
		return err_setk(err, ERR_USAGE, EBADMSG, "%s has %zu bytes, not %llu", what,
				doc.len, (unsigned long long)d->size_bytes);
	if (strcmp(doc.digest, d->digest) != 0)
		return mismatch(err, what, doc.digest, d->digest);
	*ret = doc;
	doc = (struct document){ 0 };

	return 0;
}

static int ingest_layers(struct importer *im, const struct spec_manifest *manifest,
			 const struct spec_image *image, struct err *err)
{
	auto_free struct layer *layers = mem_calloc(manifest->layers_len + 1, sizeof(*layers));
	auto_done(strv) names = { 0 };
	char name[128];

	if (manifest->layers_len != image->diff_ids.len)
		return err_setk(err, ERR_USAGE, EBADMSG,
				"the manifest has %zu layers, the config %zu", manifest->layers_len,
				image->diff_ids.len);
	for (size_t i = 0; i < manifest->layers_len; i++) {
		blob_name(manifest->layers[i].digest, name, sizeof(name));
		if (strv_add(&names, name) < 0)
			return err_set(err, ENOMEM, "out of memory");
		layers[i].name = names.items[i];
		layers[i].diff_id = image->diff_ids.items[i];
		layers[i].want = &manifest->layers[i];
	}

	return import_layers(im, layers, manifest->layers_len, err);
}

static int import_manifest(struct importer *im, const struct spec_descriptor *d,
			   const struct strv *names, struct err *err)
{
	auto_done(document) manifest_doc = { 0 };
	auto_done(document) config_doc = { 0 };
	auto_done(spec_manifest) manifest = { 0 };
	auto_done(spec_image) image = { 0 };
	int r = read_document(im, d, "manifest", &manifest_doc, err);

	if (r == 0)
		r = spec_manifest_decode(manifest_doc.text, manifest_doc.len, &manifest, err);
	if (r == 0)
		r = read_document(im, &manifest.config, "config", &config_doc, err);
	if (r == 0)
		r = spec_image_decode(config_doc.text, config_doc.len, &image, err);
	if (r == 0)
		r = ingest_layers(im, &manifest, &image, err);

	return r < 0 ? r : import_add(im, &config_doc, &manifest_doc, &image, names, err);
}

/* Documents without platform are taken at their word: they are for whoever asks. */
static bool fits_host(const struct spec_descriptor *d)
{
	return (!d->os || strcmp(d->os, "linux") == 0) &&
	       (!d->architecture || strcmp(d->architecture, rootfs_architecture()) == 0);
}

/* The name of an image is worth having when it is one: a lone tag is not. */
static int add_name(struct strv *names, const struct spec_descriptor *d, struct err *err)
{
	if (!d->name || !(strchr(d->name, ':') || strchr(d->name, '/')))
		return 0;

	return strv_add(names, d->name) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
}

static int import_descriptor(struct importer *im, const struct spec_descriptor *d,
			     const struct strv *names, int depth, struct err *err);

/* An index within an index is one image for several platforms: take ours. */
static int import_index(struct importer *im, const struct spec_descriptor *d,
			const struct strv *names, int depth, struct err *err)
{
	auto_done(document) doc = { 0 };
	auto_done(spec_index) index = { 0 };
	int r;

	if (depth > MAX_INDEX_DEPTH)
		return err_setk(err, ERR_USAGE, ELOOP, "indexes within indexes, more than %d deep",
				MAX_INDEX_DEPTH);
	r = read_document(im, d, "index", &doc, err);
	if (r == 0)
		r = spec_index_decode(doc.text, doc.len, &index, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < index.manifests_len; i++)
		if (fits_host(&index.manifests[i]))
			return import_descriptor(im, &index.manifests[i], names, depth + 1, err);

	return err_setk(err, ERR_UNSUPPORTED, ENOENT, "no image for linux/%s in it",
			rootfs_architecture());
}

static int import_descriptor(struct importer *im, const struct spec_descriptor *d,
			     const struct strv *names, int depth, struct err *err)
{
	if (spec_media_is_index(d->media_type))
		return import_index(im, d, names, depth, err);

	return import_manifest(im, d, names, err);
}

/* Entries that share their digest are names of one image. */
static int import_entry(struct importer *im, const struct spec_index *index, size_t at,
			struct err *err)
{
	auto_done(strv) names = { 0 };
	int r = 0;

	for (size_t i = 0; i < at; i++)
		if (strcmp(index->manifests[i].digest, index->manifests[at].digest) == 0)
			return 0;
	for (size_t i = at; r == 0 && i < index->manifests_len; i++)
		if (strcmp(index->manifests[i].digest, index->manifests[at].digest) == 0)
			r = add_name(&names, &index->manifests[i], err);

	return r < 0 ? r : import_descriptor(im, &index->manifests[at], &names, 0, err);
}

static size_t count_fitting(const struct spec_index *index)
{
	size_t count = 0;

	for (size_t i = 0; i < index->manifests_len; i++)
		count += fits_host(&index->manifests[i]);

	return count;
}

int import_oci(struct importer *im, struct err *err)
{
	auto_done(document) doc = { 0 };
	auto_done(spec_index) index = { 0 };
	int r = import_document(im, "index.json", &doc, err);

	if (r == 0)
		r = spec_index_decode(doc.text, doc.len, &index, err);
	if (r < 0)
		return r;
	if (count_fitting(&index) == 0)
		return err_setk(err, ERR_UNSUPPORTED, ENOENT, "no image for linux/%s in it",
				rootfs_architecture());
	if (im->request->name && count_fitting(&index) > 1)
		return err_setk(err, ERR_USAGE, EINVAL,
				"it holds several images, so one name cannot be given");
	for (size_t i = 0; r == 0 && i < index.manifests_len; i++)
		if (fits_host(&index.manifests[i]))
			r = import_entry(im, &index, i, err);

	return r;
}
