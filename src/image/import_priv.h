/* SPDX-License-Identifier: Apache-2.0
 *
 * import_priv.h - shared by import*.c: import.c calls those of the formats, which call
 * import_image.c
 */
#ifndef IMAGE_IMPORT_PRIV_H
#define IMAGE_IMPORT_PRIV_H

#include "image/archive.h"
#include "image/import.h"
#include "image/layers.h"
#include "spec/image.h"

#define IMPORT_MAX_DOCUMENT_BYTES ((size_t)(4 * MIB))

/* One run of import_path(). */
struct importer {
	struct store *store;
	const struct import_request *request;
	struct progress *progress;
	struct import_result *result;
	struct archive *archive;
};

/* A document as it is in the archive, and its digest. */
struct document {
	char *text;
	size_t len;
	char digest[SPEC_DIGEST_BYTES];
};

static inline void document_done(struct document *doc)
{
	free(doc->text);
}
DEFINE_AUTO_DONE(document)

/* Names as the store has them; one that a user gave replaces those of the archive. */
int import_names(const struct importer *im, const struct strv *from, struct strv *ret,
		 struct err *err);

/* Say in the result that the image @id is there, under @names or none. */
int import_note(struct importer *im, const struct strv *names, const char *id, struct err *err);

/* An image all of whose layers are in the store: make it visible. @names is what it is called. */
int import_add(struct importer *im, const struct document *config, const struct document *manifest,
	       const struct spec_image *image, const struct strv *names, struct err *err);

/* Read a document by its name in the archive; computes its digest. */
int import_document(struct importer *im, const char *name, struct document *ret, struct err *err);

/* Bring layers as the request wants them. 0 or a negative errno. */
int import_layers(struct importer *im, struct layer *layers, size_t len, struct err *err);

/* Import all images of @im->archive, which has an index.json. 0 or a negative errno. */
int import_oci(struct importer *im, struct err *err);
/* The same for one that has the manifest.json of docker save. */
int import_docker(struct importer *im, struct err *err);

#endif
