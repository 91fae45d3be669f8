/* SPDX-License-Identifier: Apache-2.0
 *
 * save.c - images as an OCI archive
 */
#include "image/save.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/output.h"
#include "base/sha256.h"
#include "image/skeleton.h"
#include "image/unpack.h"
#include "spec/image.h"
#include "wire/tar.h"
#include "wire/tar_file.h"

#define BUFFER_BYTES ((size_t)(256 * KIB)) /* of a blob that is copied */
#define LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}"

/**
 * struct saved - one image of the archive
 * @image:	from the store
 * @names:	that it has in the archive
 * @manifest:	the one that is written
 * @text:	the same as text
 * @digest:	of @text
 */
struct saved {
	struct store_image image;
	struct strv names;
	struct spec_manifest manifest;
	char *text;
	char digest[SHA256_DIGEST_BYTES];
};

struct saver {
	struct store *store;
	struct progress *progress;
	struct saved *images; /* each once */
	size_t images_len;
	struct strv written; /* digests of blobs */
	struct tar_writer tar;
	struct tar_file file;
	EVP_MD_CTX *sha; /* of the layer that is being written */
};

static void saver_done(struct saver *sv)
{
	for (size_t i = 0; i < sv->images_len; i++) {
		store_image_done(&sv->images[i].image);
		strv_done(&sv->images[i].names);
		spec_manifest_done(&sv->images[i].manifest);
		free(sv->images[i].text);
	}
	free(sv->images);
	strv_done(&sv->written);
	tar_file_done(&sv->file);
	EVP_MD_CTX_free(sv->sha);
}
DEFINE_AUTO_DONE(saver)

static int put_file(struct saver *sv, const char *name, struct slice data, struct err *err)
{
	const struct tar_entry entry = {
		.type = TAR_FILE, .name = name, .mode = 0644, .size_bytes = data.len
	};
	int r = tar_writer_entry(&sv->tar, &entry, err);

	return r < 0 ? r : tar_writer_data(&sv->tar, data.at, data.len, err);
}

static void blob_name(const char *digest, char *buf, size_t buf_bytes)
{
	(void)snprintf(buf, buf_bytes, "blobs/sha256/%s", digest + strlen("sha256:"));
}

/* Is this blob to be written? 1: yes, once for each; 0: it is there; or a negative errno. */
static int is_new(struct saver *sv, const char *digest, struct err *err)
{
	for (size_t i = 0; i < sv->written.len; i++)
		if (strcmp(sv->written.items[i], digest) == 0)
			return 0;

	return strv_add(&sv->written, digest) < 0 ? err_set(err, ENOMEM, "out of memory") : 1;
}

static int put_document(struct saver *sv, const char *digest, struct slice data, struct err *err)
{
	char name[128];
	int r = is_new(sv, digest, err);

	if (r != 1)
		return r;
	blob_name(digest, name, sizeof(name));

	return put_file(sv, name, data, err);
}

static int put_dir(struct saver *sv, const char *name, struct err *err)
{
	const struct tar_entry entry = { .type = TAR_DIR, .name = name, .mode = 0755 };

	return tar_writer_entry(&sv->tar, &entry, err);
}

/* ---- layers ---- */

static int to_member(void *ctx, const void *buf, size_t len, struct err *err)
{
	struct saver *sv = ctx;

	if (!EVP_DigestUpdate(sv->sha, buf, len))
		return err_set(err, EIO, "SHA-256 failed");
	progress_add(sv->progress, len);

	return tar_writer_data(&sv->tar, buf, len, err);
}

static int check_digest(struct saver *sv, const char *diff_id, struct err *err)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	char text[UNPACK_DIGEST_BYTES];

	if (!EVP_DigestFinal_ex(sv->sha, sum, NULL))
		return err_set(err, EIO, "SHA-256 failed");
	unpack_digest_text(sum, text);
	if (strcmp(text, diff_id) == 0)
		return 0;
	(void)err_set(err, EUCLEAN, "the store's copy is damaged: its digest is %s", text);
	err_hint(err, "hull system check --repair tells more; importing the image again mends it");

	return -EUCLEAN;
}

/* The layer's archive, made again from its files. */
static int rebuild_layer(struct saver *sv, const char *diff_id, struct err *err)
{
	auto_close int layer_fd = store_layer_open(sv->store, diff_id, err);
	auto_close int skeleton_fd = -1;

	if (layer_fd < 0)
		return layer_fd;
	skeleton_fd = store_layer_open_skeleton(sv->store, diff_id, err);
	if (skeleton_fd < 0)
		return skeleton_fd;

	return skeleton_rebuild(skeleton_fd, layer_fd, to_member, sv, err);
}

/* The layer as it came. */
static int copy_blob(struct saver *sv, const char *diff_id, struct err *err)
{
	auto_close int fd = store_layer_open_blob(sv->store, diff_id);
	auto_free void *buf = malloc(BUFFER_BYTES);

	if (fd < 0)
		return err_wrap(err, fd, "opening the compressed layer");
	if (!buf)
		return err_set(err, ENOMEM, "out of memory");
	for (;;) {
		ssize_t n = fd_read_all(fd, buf, BUFFER_BYTES);
		int r;

		if (n <= 0)
			return n < 0 ? err_wrap(err, (int)n, "reading the compressed layer") : 0;
		r = to_member(sv, buf, (size_t)n, err);
		if (r < 0)
			return r;
	}
}

static int put_layer(struct saver *sv, const struct spec_descriptor *blob, const char *diff_id,
		     struct err *err)
{
	struct tar_entry entry = { .type = TAR_FILE, .mode = 0644, .size_bytes = blob->size_bytes };
	char name[128];
	int r;

	if (!EVP_DigestInit_ex(sv->sha, EVP_sha256(), NULL))
		return err_set(err, EIO, "SHA-256 failed");
	blob_name(blob->digest, name, sizeof(name));
	entry.name = name;
	progress_begin(sv->progress, diff_id, blob->size_bytes);
	r = tar_writer_entry(&sv->tar, &entry, err);
	if (r == 0)
		r = strcmp(blob->digest, diff_id) == 0 ? rebuild_layer(sv, diff_id, err)
						       : copy_blob(sv, diff_id, err);
	if (r == 0)
		r = check_digest(sv, blob->digest, err);
	progress_end(sv->progress, r < 0 ? NULL : "done");

	return r < 0 ? err_wrap(err, r, "layer %s", diff_id) : 0;
}

/* Each once, however often the images have it. */
static int put_layers(struct saver *sv, const struct saved *saved, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < saved->manifest.layers_len; i++) {
		const struct spec_descriptor *blob = &saved->manifest.layers[i];

		r = is_new(sv, blob->digest, err);
		if (r == 1)
			r = put_layer(sv, blob, saved->image.layers[i].diff_id, err);
	}

	return r;
}

/* ---- documents ---- */

/* Can all that the manifest names be written: rebuilt, or copied from what was kept? */
static bool manifest_fits(struct store *s, const struct store_image *image,
			  const struct spec_manifest *m)
{
	if (m->layers_len != store_image_own_layers(image))
		return false;
	for (size_t i = 0; i < m->layers_len; i++) {
		const char *diff_id = image->layers[i].diff_id;
		auto_close int fd = -1;
		struct stat st;

		if (strcmp(m->layers[i].digest, diff_id) == 0)
			continue;
		/* Another variant of the layer may have been kept; its digest will tell. */
		fd = store_layer_open_blob(s, diff_id);
		if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size != m->layers[i].size_bytes)
			return false;
	}

	return true;
}

/* A manifest of the layers uncompressed, as they can always be written. */
static int make_manifest(const struct store_image *image, char **ret, struct err *err)
{
	char config_media[] = SPEC_MEDIA_OCI_CONFIG, layer_media[] = SPEC_MEDIA_OCI_LAYER;
	auto_free struct spec_descriptor *layers =
		mem_calloc(image->layers_len + 1, sizeof(*layers));
	struct spec_manifest m = { .config = { .media_type = config_media,
					       .size_bytes = image->config_len },
				   .layers = layers,
				   .layers_len = store_image_own_layers(image) };

	memcpy(m.config.digest, image->id, sizeof(m.config.digest));
	for (size_t i = 0; i < m.layers_len; i++) {
		layers[i].media_type = layer_media;
		layers[i].size_bytes = image->layers[i].tar_bytes;
		memcpy(layers[i].digest, image->layers[i].diff_id, sizeof(layers[i].digest));
	}

	return spec_manifest_encode(&m, ret, err);
}

/* The manifest to write, as text and as what it says. */
static int choose_manifest(struct store *s, struct saved *saved, struct err *err)
{
	const struct store_image *image = &saved->image;
	int r = spec_manifest_decode(image->manifest, image->manifest_len, &saved->manifest, err);

	if (r == 0 && manifest_fits(s, image, &saved->manifest)) {
		saved->text = mem_strndup(image->manifest, image->manifest_len);
	} else {
		spec_manifest_done(&saved->manifest);
		r = make_manifest(image, &saved->text, err);
		if (r == 0)
			r = spec_manifest_decode(saved->text, strlen(saved->text), &saved->manifest,
						 err);
	}
	if (r == 0)
		sha256_digest(saved->text, strlen(saved->text), saved->digest);

	return r;
}

static int add_name(struct strv *names, const char *name)
{
	for (size_t i = 0; i < names->len; i++)
		if (strcmp(names->items[i], name) == 0)
			return 0;

	return strv_add(names, name);
}

/* The name that the user gave, when it is one of the image's; else all of them. */
static int add_names(struct saved *saved, const char *ref)
{
	const struct strv *all = &saved->image.names;
	auto_free char *full = NULL;
	int r = 0;

	if (store_name_normalize(ref, &full, NULL) == 0)
		for (size_t i = 0; i < all->len; i++)
			if (strcmp(all->items[i], full) == 0)
				return add_name(&saved->names, full);
	for (size_t i = 0; r == 0 && i < all->len; i++)
		r = add_name(&saved->names, all->items[i]);

	return r;
}

/* A second name of an image that is there adds no more than that name. */
static int add_image(struct saver *sv, const char *ref, struct err *err)
{
	struct saved saved = { 0 };
	size_t at = 0;
	int r = store_image_find(sv->store, ref, &saved.image, err);

	if (r < 0)
		return r;
	while (at < sv->images_len && strcmp(sv->images[at].image.id, saved.image.id) != 0)
		at++;
	if (at < sv->images_len) {
		store_image_done(&saved.image);
	} else {
		sv->images = mem_realloc(sv->images, at + 1, sizeof(*sv->images));
		sv->images[sv->images_len++] = saved;
		r = choose_manifest(sv->store, &sv->images[at], err);
	}
	if (r == 0 && add_names(&sv->images[at], ref) < 0)
		r = err_set(err, ENOMEM, "out of memory");

	return r;
}

static int put_index(struct saver *sv, struct err *err)
{
	char media[] = SPEC_MEDIA_OCI_MANIFEST;
	struct spec_index index = { 0 };
	auto_free char *text = NULL;
	int r;

	for (size_t i = 0; i < sv->images_len; i++) {
		const struct saved *saved = &sv->images[i];
		size_t len = MAX(saved->names.len, (size_t)1);

		index.manifests = mem_realloc(index.manifests, index.manifests_len + len,
					      sizeof(*index.manifests));
		for (size_t n = 0; n < len; n++) {
			struct spec_descriptor *entry = &index.manifests[index.manifests_len++];

			*entry = (struct spec_descriptor){
				.media_type = media,
				.size_bytes = strlen(saved->text),
				.name = saved->names.len > 0 ? saved->names.items[n] : NULL,
			};
			memcpy(entry->digest, saved->digest, sizeof(entry->digest));
		}
	}
	r = spec_index_encode(&index, &text, err);
	free(index.manifests);

	return r < 0 ? r : put_file(sv, "index.json", slice_of(text), err);
}

static int put_image(struct saver *sv, const struct saved *saved, struct err *err)
{
	const struct slice config = { saved->image.config, saved->image.config_len };
	int r = put_layers(sv, saved, err);

	if (r == 0)
		r = put_document(sv, saved->image.id, config, err);
	if (r == 0)
		r = put_document(sv, saved->digest, slice_of(saved->text), err);

	return r;
}

static int put_all(struct saver *sv, struct err *err)
{
	int r = put_file(sv, "oci-layout", slice_of(LAYOUT_TEXT), err);

	if (r == 0)
		r = put_dir(sv, "blobs/", err);
	if (r == 0)
		r = put_dir(sv, "blobs/sha256/", err);
	for (size_t i = 0; r == 0 && i < sv->images_len; i++)
		r = put_image(sv, &sv->images[i], err);
	if (r == 0)
		r = put_index(sv, err);
	if (r == 0)
		r = tar_writer_finish(&sv->tar, err);

	return r < 0 ? r : tar_file_flush(&sv->file, err);
}

static int save_to_path(struct saver *sv, const char *path, struct err *err)
{
	auto_done(output) output = OUTPUT_INIT;
	int r = output_open(&output, path, 0644, err);

	sv->file.fd = output.fd;
	if (r == 0)
		r = put_all(sv, err);

	return r < 0 ? r : output_finish(&output, err);
}

int save_images(struct store *s, const struct strv *refs, const char *path,
		struct progress *progress, struct err *err)
{
	auto_done(saver) sv = { .store = s, .progress = progress, .sha = EVP_MD_CTX_new() };
	int r = sv.sha ? 0 : err_set(err, ENOMEM, "out of memory");

	if (r == 0)
		r = tar_file_init(&sv.file, STDOUT_FILENO, err);
	for (size_t i = 0; r == 0 && i < refs->len; i++)
		r = add_image(&sv, refs->items[i], err);
	if (r < 0)
		return r;
	tar_writer_init(&sv.tar, tar_file_write, &sv.file);
	if (strcmp(path, "-") != 0)
		return save_to_path(&sv, path, err);
	if (isatty(STDOUT_FILENO)) {
		r = err_setk(err, ERR_USAGE, EINVAL, "an archive is not for a terminal");
		err_hint(err, "say where to put it with -o FILE");
		return r;
	}

	return put_all(&sv, err);
}
