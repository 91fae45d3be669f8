/* SPDX-License-Identifier: Apache-2.0
 *
 * image.h - image documents as structs: OCI and Docker config, manifest, index, docker-archive
 *
 * What is decoded here came from outside: sizes and counts are bounded, duplicate JSON keys are
 * refused, digests have their full form. Members that are not known are skipped, as the
 * specification asks (OCI image-spec 1.1, considerations.md). A document's digest is of its
 * exact bytes, so whoever wants to keep one keeps the text, never what an encoder makes of the
 * struct.
 */
#ifndef SPEC_IMAGE_H
#define SPEC_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

#define SPEC_MAX_LAYERS 512
#define SPEC_MAX_MANIFESTS 1024 /* of one index or one docker-archive */
#define SPEC_MAX_HISTORY 4096
#define SPEC_DIGEST_HEX 64
#define SPEC_DIGEST_BYTES 72 /* "sha256:" + SPEC_DIGEST_HEX + NUL */

#define SPEC_MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define SPEC_MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define SPEC_MEDIA_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define SPEC_MEDIA_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define SPEC_MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define SPEC_MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

/* True for "sha256:" and 64 lower-case hexadecimal digits; NULL is false. */
bool spec_digest_valid(const char *digest);

/* One step of an image's making. Texts are "" when absent. */
struct spec_history {
	char *created, *created_by, *author, *comment;
	bool empty_layer;
};

/**
 * struct spec_image - an image config document
 * @architecture: as Go spells it: "amd64"
 * @variant:	of the architecture, or NULL
 * @os:		"linux"
 * @author:	or NULL
 * @created:	RFC 3339 text as it stands there, or NULL
 * @created_wall_ns: the same as a time, 0 when absent
 * @env:	"NAME=value"
 * @cmd:	default arguments
 * @entrypoint:	command that they follow
 * @working_dir: or NULL
 * @user:	as in spec_process, or NULL
 * @exposed_ports: "80/tcp"
 * @volumes:	absolute paths
 * @labels:	"key=value"; data, never options
 * @stop_signal: "SIGTERM" or a number, or NULL
 * @shell:	for the shell form of Dockerfile commands
 * @onbuild:	triggers
 * @healthcheck: the member's JSON text, or NULL
 * @diff_ids:	digests of the uncompressed layers, lowest first
 * @history:	oldest first
 * @history_len: their number
 */
struct spec_image {
	char *architecture, *variant, *os;
	char *author, *created;
	int64_t created_wall_ns;
	struct strv env, cmd, entrypoint;
	char *working_dir, *user;
	struct strv exposed_ports, volumes, labels;
	char *stop_signal;
	struct strv shell, onbuild;
	char *healthcheck;
	struct strv diff_ids;
	struct spec_history *history;
	size_t history_len;
};
void spec_image_done(struct spec_image *image);
DEFINE_AUTO_DONE(spec_image)

/* Append a step to the history; NULL texts become "". 0 or -ENOMEM. */
int spec_image_add_history(struct spec_image *image, const char *created, const char *created_by,
			   const char *comment, bool empty_layer);

/**
 * spec_image_decode() - Read a config document
 * @text:	JSON
 * @len:	bytes of @text
 * @ret:	filled in; release it with spec_image_done()
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -EINVAL, -EFBIG or -ENOMEM; @ret is untouched on failure.
 */
int spec_image_decode(const char *text, size_t len, struct spec_image *ret, struct err *err);

/* Write a config document (OCI image-spec, config.md); the caller frees @ret_text. 0 or -ENOMEM. */
int spec_image_encode(const struct spec_image *image, char **ret_text, struct err *err);

/**
 * struct spec_descriptor - a reference to a blob
 * @media_type:	or NULL
 * @digest:	valid as spec_digest_valid() says
 * @size_bytes:	of the blob
 * @os:		platform, or NULL
 * @architecture: platform, or NULL
 * @variant:	platform, or NULL
 * @name:	the annotation org.opencontainers.image.ref.name or io.containerd.image.name, which
 *		goes first; or NULL
 */
struct spec_descriptor {
	char *media_type;
	char digest[SPEC_DIGEST_BYTES];
	uint64_t size_bytes;
	char *os, *architecture, *variant;
	char *name;
};

/* A manifest of one image: OCI, or Docker schema 2. @layers are lowest first. */
struct spec_manifest {
	char *media_type;
	struct spec_descriptor config;
	struct spec_descriptor *layers;
	size_t layers_len;
};
void spec_manifest_done(struct spec_manifest *manifest);
DEFINE_AUTO_DONE(spec_manifest)

/* An OCI index or a Docker manifest list. */
struct spec_index {
	struct spec_descriptor *manifests;
	size_t manifests_len;
};
void spec_index_done(struct spec_index *index);
DEFINE_AUTO_DONE(spec_index)

/*
 * Read a manifest or an index. A document that is both, and one whose mediaType is of the other
 * kind, is refused. As spec_image_decode().
 */
int spec_manifest_decode(const char *text, size_t len, struct spec_manifest *ret, struct err *err);
int spec_index_decode(const char *text, size_t len, struct spec_index *ret, struct err *err);

/* True when the media type names an index or a manifest list; NULL is false. */
bool spec_media_is_index(const char *media_type);

/* Write them (OCI form); @media_type NULL becomes OCI's. The caller frees @ret_text. */
int spec_manifest_encode(const struct spec_manifest *manifest, char **ret_text, struct err *err);
int spec_index_encode(const struct spec_index *index, char **ret_text, struct err *err);

/* One image of a docker-archive's manifest.json; names are those of the archive's members. */
struct spec_docker_image {
	char *config;
	struct strv repo_tags;
	struct strv layers; /* lowest first */
};

struct spec_docker_archive {
	struct spec_docker_image *images;
	size_t images_len;
};
void spec_docker_archive_done(struct spec_docker_archive *archive);
DEFINE_AUTO_DONE(spec_docker_archive)

/* Read a manifest.json, which is an array. As spec_image_decode(). */
int spec_docker_archive_decode(const char *text, size_t len, struct spec_docker_archive *ret,
			       struct err *err);

#endif
