/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest.c - manifests, indexes and the docker-archive's list of images
 */
#include <errno.h>
#include <string.h>

#include "spec/image.h"
#include "wire/json.h"

#define NAME_OCI "org.opencontainers.image.ref.name"
#define NAME_CONTAINERD "io.containerd.image.name"

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

static void descriptor_done(struct spec_descriptor *d)
{
	free(d->media_type);
	free(d->os);
	free(d->architecture);
	free(d->variant);
	free(d->name);
}

static void descriptors_free(struct spec_descriptor *list, size_t len)
{
	for (size_t i = 0; i < len; i++)
		descriptor_done(&list[i]);
	free(list);
}

void spec_manifest_done(struct spec_manifest *manifest)
{
	if (!manifest)
		return;
	free(manifest->media_type);
	descriptor_done(&manifest->config);
	descriptors_free(manifest->layers, manifest->layers_len);
	*manifest = (struct spec_manifest){ 0 };
}

void spec_index_done(struct spec_index *index)
{
	if (!index)
		return;
	descriptors_free(index->manifests, index->manifests_len);
	*index = (struct spec_index){ 0 };
}

void spec_docker_archive_done(struct spec_docker_archive *archive)
{
	if (!archive)
		return;
	for (size_t i = 0; i < archive->images_len; i++) {
		free(archive->images[i].config);
		strv_done(&archive->images[i].repo_tags);
		strv_done(&archive->images[i].layers);
	}
	free(archive->images);
	*archive = (struct spec_docker_archive){ 0 };
}

bool spec_media_is_index(const char *media_type)
{
	return media_type && (strcmp(media_type, SPEC_MEDIA_OCI_INDEX) == 0 ||
			      strcmp(media_type, SPEC_MEDIA_DOCKER_LIST) == 0);
}

static bool media_is_manifest(const char *media_type)
{
	return strcmp(media_type, SPEC_MEDIA_OCI_MANIFEST) == 0 ||
	       strcmp(media_type, SPEC_MEDIA_DOCKER_MANIFEST) == 0;
}

/* ---- reading ---- */

static int read_platform(struct spec_descriptor *d, const json_t *object, struct err *err)
{
	const json_t *platform = NULL;
	int r = json_get_object(object, "platform", &platform, err);

	if (r < 0 || !platform)
		return r;
	r = json_get_strdup(platform, "os", &d->os, err);
	if (r == 0)
		r = json_get_strdup(platform, "architecture", &d->architecture, err);
	if (r == 0)
		r = json_get_strdup(platform, "variant", &d->variant, err);

	return r;
}

static int read_name(struct spec_descriptor *d, const json_t *object, struct err *err)
{
	const json_t *annotations = NULL;
	int r = json_get_object(object, "annotations", &annotations, err);

	if (r < 0 || !annotations)
		return r;
	r = json_get_strdup(annotations, NAME_CONTAINERD, &d->name, err);
	if (r == 0 && !d->name)
		r = json_get_strdup(annotations, NAME_OCI, &d->name, err);

	return r;
}

/* On failure, what was read so far stays in @d for its owner to release. */
static int read_descriptor(struct spec_descriptor *d, const json_t *object, struct err *err)
{
	const char *digest = NULL;
	int64_t size_bytes = -1;
	int r;

	if (!json_is_object(object))
		return err_setk(err, ERR_USAGE, EINVAL, "a descriptor is not an object");
	r = json_get_text(object, "digest", &digest, err);
	if (r == 0)
		r = json_get_i64(object, "size", 0, INT64_MAX, &size_bytes, err);
	if (r == 0)
		r = json_get_strdup(object, "mediaType", &d->media_type, err);
	if (r == 0)
		r = read_platform(d, object, err);
	if (r == 0)
		r = read_name(d, object, err);
	if (r < 0)
		return r;
	if (!spec_digest_valid(digest))
		return err_setk(err, ERR_USAGE, EINVAL,
				"malformed digest \"%.100s\" (want sha256: and 64 digits)",
				digest ? digest : "");
	if (size_bytes < 0)
		return err_setk(err, ERR_USAGE, EINVAL, "descriptor of %s has no size", digest);
	memcpy(d->digest, digest, strlen(digest) + 1);
	d->size_bytes = (uint64_t)size_bytes;

	return 0;
}

static int read_descriptors(const json_t *array, size_t max, struct spec_descriptor **ret,
			    size_t *ret_len, struct err *err)
{
	size_t len = json_array_size(array);

	if (len > max)
		return err_setk(err, ERR_USAGE, EFBIG, "more than %zu entries", max);
	*ret = calloc(len + 1, sizeof(**ret));
	if (!*ret)
		return out_of_memory(err);
	*ret_len = len;
	for (size_t i = 0; i < len; i++) {
		int r = read_descriptor(&(*ret)[i], json_array_get(array, i), err);

		if (r < 0)
			return r;
	}

	return 0;
}

static int read_manifest(struct spec_manifest *m, const json_t *root, struct err *err)
{
	const json_t *config = NULL, *layers = NULL;
	int r = json_get_strdup(root, "mediaType", &m->media_type, err);

	if (r == 0)
		r = json_get_object(root, "config", &config, err);
	if (r == 0)
		r = json_get_array(root, "layers", &layers, err);
	if (r < 0)
		return r;
	if (m->media_type && !media_is_manifest(m->media_type))
		return err_setk(err, ERR_UNSUPPORTED, EINVAL, "media type \"%.100s\"",
				m->media_type);
	if (json_object_get(root, "manifests"))
		return err_setk(err, ERR_USAGE, EINVAL, "it is an index as well");
	if (!config || !layers)
		return err_setk(err, ERR_USAGE, EINVAL, "'config' or 'layers' is missing");
	r = read_descriptor(&m->config, config, err);
	if (r < 0)
		return err_wrap(err, r, "'config'");
	r = read_descriptors(layers, SPEC_MAX_LAYERS, &m->layers, &m->layers_len, err);

	return r < 0 ? err_wrap(err, r, "'layers'") : 0;
}

int spec_manifest_decode(const char *text, size_t len, struct spec_manifest *ret, struct err *err)
{
	auto_done(spec_manifest) manifest = { 0 };
	auto_json *root = NULL;
	int r = json_parse(text, len, "manifest", &root, err);

	if (r == 0)
		r = read_manifest(&manifest, root, err);
	if (r < 0)
		return err_wrap(err, r, "reading the manifest");
	*ret = manifest;
	manifest = (struct spec_manifest){ 0 };

	return 0;
}

static int read_index(struct spec_index *index, const json_t *root, struct err *err)
{
	const json_t *manifests = NULL;
	const char *media_type = NULL;
	int r = json_get_text(root, "mediaType", &media_type, err);

	if (r == 0)
		r = json_get_array(root, "manifests", &manifests, err);
	if (r < 0)
		return r;
	if (media_type && !spec_media_is_index(media_type))
		return err_setk(err, ERR_UNSUPPORTED, EINVAL, "media type \"%.100s\"", media_type);
	if (json_object_get(root, "layers") || json_object_get(root, "config"))
		return err_setk(err, ERR_USAGE, EINVAL, "it is a manifest as well");
	if (!manifests)
		return err_setk(err, ERR_USAGE, EINVAL, "'manifests' is missing");

	return read_descriptors(manifests, SPEC_MAX_MANIFESTS, &index->manifests,
				&index->manifests_len, err);
}

int spec_index_decode(const char *text, size_t len, struct spec_index *ret, struct err *err)
{
	auto_done(spec_index) index = { 0 };
	auto_json *root = NULL;
	int r = json_parse(text, len, "index", &root, err);

	if (r == 0)
		r = read_index(&index, root, err);
	if (r < 0)
		return err_wrap(err, r, "reading the index");
	*ret = index;
	index = (struct spec_index){ 0 };

	return 0;
}

static int read_docker_image(struct spec_docker_image *image, const json_t *item, struct err *err)
{
	int r;

	if (!json_is_object(item))
		return err_setk(err, ERR_USAGE, EINVAL, "an entry is not an object");
	r = json_get_strdup(item, "Config", &image->config, err);
	if (r == 0)
		r = json_get_strv(item, "RepoTags", &image->repo_tags, err);
	if (r == 0)
		r = json_get_strv(item, "Layers", &image->layers, err);
	if (r < 0)
		return r;
	if (!image->config)
		return err_setk(err, ERR_USAGE, EINVAL, "'Config' is missing");
	if (image->layers.len > SPEC_MAX_LAYERS)
		return err_setk(err, ERR_USAGE, EFBIG, "more than %d layers", SPEC_MAX_LAYERS);

	return 0;
}

static int read_docker_archive(struct spec_docker_archive *archive, const json_t *root,
			       struct err *err)
{
	size_t len = json_array_size(root);

	if (len > SPEC_MAX_MANIFESTS)
		return err_setk(err, ERR_USAGE, EFBIG, "more than %d images", SPEC_MAX_MANIFESTS);
	archive->images = calloc(len + 1, sizeof(*archive->images));
	if (!archive->images)
		return out_of_memory(err);
	archive->images_len = len;
	for (size_t i = 0; i < len; i++) {
		int r = read_docker_image(&archive->images[i], json_array_get(root, i), err);

		if (r < 0)
			return r;
	}

	return 0;
}

int spec_docker_archive_decode(const char *text, size_t len, struct spec_docker_archive *ret,
			       struct err *err)
{
	auto_done(spec_docker_archive) archive = { 0 };
	auto_json *root = NULL;
	int r = json_parse_array(text, len, "manifest.json", &root, err);

	if (r == 0)
		r = read_docker_archive(&archive, root, err);
	if (r < 0)
		return err_wrap(err, r, "reading the archive's list of images");
	*ret = archive;
	archive = (struct spec_docker_archive){ 0 };

	return 0;
}

/* ---- writing ---- */

static int set_platform(json_t *object, const struct spec_descriptor *d)
{
	json_t *platform;

	if (!d->os && !d->architecture)
		return 0;
	platform = json_object();
	if (json_object_set_new(object, "platform", platform) < 0)
		return -ENOMEM;
	if (json_set_text(platform, "architecture", d->architecture) < 0 ||
	    json_set_text(platform, "os", d->os) < 0 ||
	    json_set_text(platform, "variant", d->variant) < 0)
		return -ENOMEM;

	return 0;
}

static int set_name(json_t *object, const struct spec_descriptor *d)
{
	json_t *annotations;

	if (!d->name)
		return 0;
	annotations = json_object();
	if (json_object_set_new(object, "annotations", annotations) < 0)
		return -ENOMEM;

	/* Two keys, since some readers look for the one and some for the other. */
	return json_set_text(annotations, NAME_CONTAINERD, d->name) < 0 ||
			       json_set_text(annotations, NAME_OCI, d->name) < 0
		       ? -ENOMEM
		       : 0;
}

/* NULL without memory. */
static json_t *descriptor_json(const struct spec_descriptor *d)
{
	auto_json *object = json_object();

	if (json_set_text(object, "mediaType", d->media_type) < 0 ||
	    json_set_text(object, "digest", d->digest) < 0 ||
	    json_set_i64(object, "size", (int64_t)d->size_bytes) < 0 ||
	    set_platform(object, d) < 0 || set_name(object, d) < 0)
		return NULL;

	return take_ptr(object);
}

static int set_descriptors(json_t *root, const char *key, const struct spec_descriptor *list,
			   size_t len)
{
	json_t *array = json_array();

	if (json_object_set_new(root, key, array) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++)
		if (json_array_append_new(array, descriptor_json(&list[i])) < 0)
			return -ENOMEM;

	return 0;
}

static int finish(json_t *root, int r, char **ret_text, struct err *err)
{
	char *text = r < 0 ? NULL : json_text(root);

	if (!text)
		return out_of_memory(err);
	*ret_text = text;

	return 0;
}

int spec_manifest_encode(const struct spec_manifest *manifest, char **ret_text, struct err *err)
{
	auto_json *root = json_object();
	const char *media_type =
		manifest->media_type ? manifest->media_type : SPEC_MEDIA_OCI_MANIFEST;
	int r = json_set_i64(root, "schemaVersion", 2);

	if (r == 0)
		r = json_set_text(root, "mediaType", media_type);
	if (r == 0)
		r = json_object_set_new(root, "config", descriptor_json(&manifest->config));
	if (r == 0)
		r = set_descriptors(root, "layers", manifest->layers, manifest->layers_len);

	return finish(root, r, ret_text, err);
}

int spec_index_encode(const struct spec_index *index, char **ret_text, struct err *err)
{
	auto_json *root = json_object();
	int r = json_set_i64(root, "schemaVersion", 2);

	if (r == 0)
		r = json_set_text(root, "mediaType", SPEC_MEDIA_OCI_INDEX);
	if (r == 0)
		r = set_descriptors(root, "manifests", index->manifests, index->manifests_len);

	return finish(root, r, ret_text, err);
}
