/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture.h - a store in a temporary directory, and images to put into it
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "check.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

struct fixture {
	char dir[64], root[80], run_root[80];
	struct store *store;
	struct err err;
};

/* A new store, open for writing. cmocka's setup and teardown functions; *state is the fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Close and open again, as a new process would. */
void fixture_reopen(struct fixture *f);

/* Fail the test with the error's text unless @r is 0 or more. */
#define assert_ok(f, r) fixture_assert_ok((f), (r), __FILE__, __LINE__)
void fixture_assert_ok(struct fixture *f, int r, const char *file, int line);

/* Digest whose 64 digits all are those of @seed. */
void fixture_digest(unsigned seed, char ret[STORE_DIGEST_BYTES]);

/* Ingest an EROFS image with an empty root directory as layer number @seed. 0 or -errno. */
int fixture_add_layer(struct fixture *f, unsigned seed);

/* Fill in an image of layers @seeds, named @name (may be NULL); @salt makes its config differ. */
void fixture_image(struct store_image *ret, const unsigned *seeds, size_t len, const char *name,
		   const char *salt);

/* Both: layers and the image, added. */
int fixture_add_image(struct fixture *f, const unsigned *seeds, size_t len, const char *name,
		      char ret_id[STORE_DIGEST_BYTES]);

/* A container record; the caller adds or changes what it wants, strings are the caller's. */
void fixture_container(struct store_container *ret, unsigned seed, const char *name,
		       const char *image_id);

/* Does @path, below the store's root, exist? */
bool fixture_exists(struct fixture *f, const char *path);

/* Number of regular files below @path of the store's root. */
unsigned fixture_count_files(struct fixture *f, const char *path);

/*
 * Run @fn in a child that dies at the failpoint @name; fails the test if it does not die there.
 * The child opens the store for itself.
 */
void fixture_kill_at(struct fixture *f, const char *name, void (*fn)(struct fixture *f));

/* Run a command with sh(1). Its exit status, or -1. */
int fixture_shell(const char *command);

/* store_check() without repair finds nothing, not even after a power cut; prints what it finds. */
void fixture_assert_clean(struct fixture *f);

#endif
