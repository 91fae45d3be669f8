/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture.c - a store in a temporary directory, and images to put into it
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/strbuf.h"

#define EROFS_BYTES 4096

void fixture_assert_ok(struct fixture *f, int r, const char *file, int line)
{
	char text[800];

	if (r >= 0)
		return;
	print_error("%s:%d: %s\n", file, line, err_text(&f->err, text, sizeof(text)));
	_fail(file, line);
}

int fixture_setup(void **state)
{
	struct fixture *f = mem_calloc(1, sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/hull-store-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	(void)snprintf(f->root, sizeof(f->root), "%s/root", f->dir);
	(void)snprintf(f->run_root, sizeof(f->run_root), "%s/run", f->dir);
	*state = f;

	return store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err);
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	char layers[96];
	int r;

	store_close(f->store);
	(void)snprintf(layers, sizeof(layers), "%s/layers", f->run_root);
	(void)umount2(layers, MNT_DETACH);
	r = path_rmtree(AT_FDCWD, f->dir, NULL);
	free(f);

	return r;
}

void fixture_reopen(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	assert_ok(f, store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err));
}

void fixture_digest(unsigned seed, char ret[STORE_DIGEST_BYTES])
{
	(void)snprintf(ret, STORE_DIGEST_BYTES, "sha256:%08x%056x", seed * 0x9e3779b9U, seed);
}

static void put_le(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* One block: superblock, root inode 36, its directory inline. */
static void make_erofs(uint8_t image[EROFS_BYTES], unsigned seed)
{
	uint8_t *super = image + 1024, *inode = image + 1152, *dir = inode + 32;

	memset(image, 0, EROFS_BYTES);
	put_le(super, 0xe0f5e1e2, 4);
	super[12] = 12;		      /* blkszbits */
	put_le(super + 14, 36, 2);    /* root_nid */
	put_le(super + 16, 1, 8);     /* inos */
	put_le(super + 36, 1, 4);     /* blocks */
	put_le(super + 48, seed, 4);  /* uuid: the content tells layers apart */
	put_le(inode, 2 << 1, 2);     /* compact, inline data */
	put_le(inode + 4, 040755, 2); /* mode */
	put_le(inode + 6, 2, 2);      /* nlink */
	put_le(inode + 8, 24 + 3, 4); /* size */
	put_le(inode + 20, 1, 4);     /* ino */
	for (unsigned i = 0; i < 2; i++) {
		put_le(dir + 12 * i, 36, 8);
		put_le(dir + 12 * i + 8, 24 + i, 2);
		dir[12 * i + 10] = 2; /* directory */
	}
	memcpy(dir + 24, "...", 3);
}

int fixture_add_layer(struct fixture *f, unsigned seed)
{
	uint8_t image[EROFS_BYTES];
	char digest[STORE_DIGEST_BYTES];
	struct store_ingest *in;
	int r;

	fixture_digest(seed, digest);
	r = store_ingest_begin(f->store, digest, 0, &in, &f->err);
	if (r < 0 || !in)
		return r;
	make_erofs(image, seed);
	r = fd_write_all(store_ingest_layer_fd(in), image, sizeof(image));
	if (r == 0)
		r = fd_write_all(store_ingest_skeleton_fd(in), "skeleton", 8);
	if (r < 0) {
		store_ingest_abort(in);
		return r;
	}

	return store_ingest_commit(in, 10240, &f->err);
}

void fixture_image(struct store_image *ret, const unsigned *seeds, size_t len, const char *name,
		   const char *salt)
{
	auto_done(strbuf) config = STRBUF_INIT(64 * KIB);
	struct store_image image = { .layers_len = len };

	image.layers = mem_calloc(len, sizeof(*image.layers));
	(void)strbuf_addf(&config,
			  "{\"created\":\"2026-01-02T03:04:05Z\",\"salt\":\"%s\","
			  "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
			  salt);
	for (size_t i = 0; i < len; i++) {
		fixture_digest(seeds[i], image.layers[i].diff_id);
		(void)strbuf_addf(&config, "%s\"%s\"", i ? "," : "", image.layers[i].diff_id);
	}
	(void)strbuf_adds(&config, "]}}");
	image.config_len = config.len;
	image.config = strbuf_take(&config);
	image.manifest = mem_printf("{\"config\":\"%s\"}", salt);
	image.manifest_len = strlen(image.manifest);
	sha256_digest(image.config, image.config_len, image.id);
	sha256_digest(image.manifest, image.manifest_len, image.manifest_digest);
	if (name)
		assert_int_equal(strv_add(&image.names, name), 0);
	*ret = image;
}

int fixture_add_image(struct fixture *f, const unsigned *seeds, size_t len, const char *name,
		      char ret_id[STORE_DIGEST_BYTES])
{
	auto_done(store_image) image = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < len; i++)
		r = fixture_add_layer(f, seeds[i]);
	if (r < 0)
		return r;
	fixture_image(&image, seeds, len, name, name);
	if (ret_id)
		memcpy(ret_id, image.id, sizeof(image.id));

	return store_image_add(f->store, &image, &f->err);
}

void fixture_container(struct store_container *ret, unsigned seed, const char *name,
		       const char *image_id)
{
	char digest[STORE_DIGEST_BYTES];

	fixture_digest(seed, digest);
	*ret = (struct store_container){
		.id = mem_strdup(digest + strlen("sha256:")),
		.name = mem_strdup(name),
		.image_id = mem_strdup(image_id),
		.image_ref = mem_strdup("test"),
		.level = mem_strdup("container"),
		.config = mem_strdup("{}"),
		.created_wall_ns = seed,
		.uid_count = 65536,
	};
}

bool fixture_exists(struct fixture *f, const char *path)
{
	return faccessat(store_root_fd(f->store), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

unsigned fixture_count_files(struct fixture *f, const char *path)
{
	auto_free char *full = mem_printf("%s/%s", f->root, path);
	char *const paths[] = { full, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	unsigned files = 0;
	FTSENT *entry;

	assert_non_null(fts);
	while ((entry = fts_read(fts)))
		files += entry->fts_info == FTS_F;
	(void)fts_close(fts);

	return files;
}

void fixture_kill_at(struct fixture *f, const char *name, void (*fn)(struct fixture *f))
{
	pid_t pid;
	int status;

	/* SQLite connections do not survive fork(). */
	store_close(f->store);
	f->store = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setenv("HULL_FAILPOINT", name, 1);
		if (store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err) == 0)
			fn(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("failpoint %s was not reached", name);
	assert_ok(f, store_open(f->root, f->run_root, STORE_WRITER, &f->store, &f->err));
}

int fixture_shell(const char *command)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void print_finding(void *ctx, const char *what, bool mended)
{
	(void)ctx;
	print_error("found: %s%s\n", what, mended ? " (mended)" : "");
}

void fixture_assert_clean(struct fixture *f)
{
	int left = store_check(f->store, false, print_finding, NULL, &f->err);

	assert_ok(f, left);
	assert_int_equal(left, 0);
}
