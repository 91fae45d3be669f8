/* SPDX-License-Identifier: Apache-2.0
 *
 * rootfs.c - an image of one layer out of a root filesystem's archive
 */
#include "image/rootfs.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "image/cover.h"

const char *rootfs_architecture(void)
{
	static const char *const names[][2] = {
		{ "x86_64", "amd64" },	  { "aarch64", "arm64" }, { "riscv64", "riscv64" },
		{ "ppc64le", "ppc64le" }, { "s390x", "s390x" },
	};
	struct utsname host;

	if (uname(&host) == 0)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (strcmp(host.machine, names[i][0]) == 0)
				return names[i][1];

	return "unknown";
}

static void set_default(char **text, const char *value)
{
	if (!*text)
		*text = mem_strdup(value);
}

static int encode_manifest(const struct unpack_result *layer, const char *config_id,
			   size_t config_len, char **ret, struct err *err)
{
	char config_media[] = SPEC_MEDIA_OCI_CONFIG, layer_media[] = SPEC_MEDIA_OCI_LAYER;
	struct spec_descriptor blob = { .media_type = layer_media, .size_bytes = layer->tar_bytes };
	struct spec_manifest manifest = { .config = { .media_type = config_media,
						      .size_bytes = config_len },
					  .layers = &blob,
					  .layers_len = 1 };

	memcpy(blob.digest, layer->diff_id, sizeof(blob.digest));
	memcpy(manifest.config.digest, config_id, sizeof(manifest.config.digest));

	return spec_manifest_encode(&manifest, ret, err);
}

static int add_image(struct store *s, const struct spec_image *image,
		     const struct unpack_result *layer, const char *name,
		     char ret_id[STORE_DIGEST_BYTES], struct err *err)
{
	struct store_layer store_layer = { 0 };
	struct store_image out = { .layers = &store_layer, .layers_len = 1 };
	auto_free char *config = NULL;
	auto_free char *manifest = NULL;
	int r = spec_image_encode(image, &config, err);

	if (r < 0)
		return r;
	sha256_digest(config, strlen(config), out.id);
	r = encode_manifest(layer, out.id, strlen(config), &manifest, err);
	if (r < 0)
		return r;
	sha256_digest(manifest, strlen(manifest), out.manifest_digest);
	memcpy(store_layer.diff_id, layer->diff_id, sizeof(store_layer.diff_id));
	out.config = config;
	out.config_len = strlen(config);
	out.manifest = manifest;
	out.manifest_len = strlen(manifest);
	if (name && strv_add(&out.names, name) < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = store_image_add(s, &out, err);
	strv_done(&out.names);
	if (r == 0)
		memcpy(ret_id, out.id, sizeof(out.id));

	return r;
}

int rootfs_add(struct ingest *ingest, struct spec_image *image, const char *made_by,
	       const char *name, char ret_id[STORE_DIGEST_BYTES], struct err *err)
{
	struct store *s = ingest->store;
	struct unpack_result layer;
	char now[CLOCK_RFC3339_BYTES], cover[STORE_DIGEST_BYTES];
	int r = ingest_finish(ingest, &layer, err);

	if (r < 0)
		return r;
	set_default(&image->architecture, rootfs_architecture());
	set_default(&image->os, "linux");
	set_default(&image->created, clock_rfc3339(clock_wall_ns(), now));
	if (strv_add(&image->diff_ids, layer.diff_id) < 0 ||
	    spec_image_add_history(image, image->created, made_by, NULL, false) < 0)
		return err_set(err, ENOMEM, "out of memory");
	/* Of one layer none is ever made; a link that leads out of it is refused. */
	r = cover_make(s, &image->diff_ids, cover, err);
	if (r < 0)
		return r;

	return add_image(s, image, &layer, name, ret_id, err);
}
