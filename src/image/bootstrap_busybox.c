/* SPDX-License-Identifier: Apache-2.0
 *
 * bootstrap_busybox.c - a small image out of the host's static busybox
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "image/bootstrap.h"
#include "image/child.h"
#include "image/ingest.h"
#include "image/rootfs.h"
#include "spec/sandbox.h"
#include "wire/tar.h"

#define BUSYBOX "/bin/busybox"
#define BUSYBOX_MAX_BYTES (64 * MIB)
#define APPLETS_MAX_BYTES (64 * KIB)

struct item {
	const char *name;
	uint32_t mode;
	const char *data; /* of a file; NULL: a folder */
};

static const struct item items[] = {
	{ "bin/", 0755, NULL },
	{ "dev/", 0755, NULL },
	{ "etc/", 0755, NULL },
	{ "home/", 0755, NULL },
	{ "lib/", 0755, NULL },
	{ "mnt/", 0755, NULL },
	{ "opt/", 0755, NULL },
	{ "proc/", 0555, NULL },
	{ "root/", 0700, NULL },
	{ "run/", 0755, NULL },
	{ "sbin/", 0755, NULL },
	{ "srv/", 0755, NULL },
	{ "sys/", 0555, NULL },
	{ "tmp/", 01777, NULL },
	{ "usr/", 0755, NULL },
	{ "usr/bin/", 0755, NULL },
	{ "usr/sbin/", 0755, NULL },
	{ "var/", 0755, NULL },
	{ "var/log/", 0755, NULL },
	{ "var/spool/", 0755, NULL },
	{ "var/tmp/", 01777, NULL },
	{ "etc/group", 0644,
	  "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\ntty:x:5:\nmail:x:8:\nwww-data:x:33:\n"
	  "users:x:100:\nnogroup:x:65534:\n" },
	{ "etc/passwd", 0644,
	  "root:x:0:0:root:/root:/bin/sh\n"
	  "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
	  "bin:x:2:2:bin:/bin:/bin/false\n"
	  "www-data:x:33:33:www-data:/var/www:/bin/false\n"
	  "nobody:x:65534:65534:nobody:/home:/bin/false\n" },
	{ "etc/shadow", 0600, "root:*:::::::\ndaemon:*:::::::\nnobody:*:::::::\n" },
	{ "etc/profile", 0644, "export PS1='\\u@\\h:\\w\\$ '\n" },
	{ "etc/nsswitch.conf", 0644, "passwd: files\ngroup: files\nhosts: files dns\n" },
};

struct maker {
	struct ingest ingest;
	struct tar_writer tar;
	int64_t mtime_s;
};

static int to_ingest(void *ctx, const void *buf, size_t len, struct err *err)
{
	struct maker *m = ctx;

	return ingest_feed(&m->ingest, buf, len, err);
}

static int put(struct maker *m, enum tar_type type, const char *name, uint32_t mode,
	       struct slice data, struct err *err)
{
	struct tar_entry entry = {
		.type = type, .name = name, .mode = mode, .mtime_s = m->mtime_s
	};
	int r;

	if (type == TAR_FILE)
		entry.size_bytes = data.len;
	else
		entry.link = data.at;
	r = tar_writer_entry(&m->tar, &entry, err);
	if (r == 0 && type == TAR_FILE)
		r = tar_writer_data(&m->tar, data.at, data.len, err);

	return r;
}

/* A link for every applet where busybox wants it, from anywhere to bin/busybox. */
static int put_applets(struct maker *m, struct err *err)
{
	const char *const argv[] = { BUSYBOX, "--list-full", NULL };
	auto_free char *list = NULL;
	struct slice rest, line;
	int r = child_output(argv, APPLETS_MAX_BYTES, &list, err);

	if (r < 0)
		return r;
	rest = slice_of(list);
	while (r == 0 && slice_next(&rest, '\n', &line)) {
		auto_free char *name = mem_strndup(line.at, line.len);

		if (*name && strcmp(name, "bin/busybox") != 0 && *name != '/' &&
		    !strstr(name, ".."))
			r = put(m, TAR_SYMLINK, name, 0777, slice_of("/bin/busybox"), err);
	}

	return r;
}

/* A dynamic one would start nothing in an image that has no libraries. */
static int check_static(const char *program, size_t len, struct err *err)
{
	Elf64_Ehdr ehdr;

	if (len < sizeof(ehdr) || memcmp(program, ELFMAG, SELFMAG) != 0)
		return err_set(err, ENOEXEC, BUSYBOX " is not an ELF program");
	memcpy(&ehdr, program, sizeof(ehdr));
	for (size_t i = 0; i < ehdr.e_phnum; i++) {
		uint64_t at = ehdr.e_phoff + i * sizeof(Elf64_Phdr);
		Elf64_Phdr phdr;

		if (at > len || len - at < sizeof(phdr))
			break;
		memcpy(&phdr, program + at, sizeof(phdr));
		if (phdr.p_type != PT_INTERP)
			continue;
		err_setk(err, ERR_UNSUPPORTED, ENOEXEC, BUSYBOX " is not static");
		err_hint(err, "install the package busybox-static");
		return -ENOEXEC;
	}

	return 0;
}

static int put_all(struct maker *m, struct slice program, struct err *err)
{
	int r = put(m, TAR_DIR, "./", 0755, slice_of(""), err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(items); i++)
		r = put(m, items[i].data ? TAR_FILE : TAR_DIR, items[i].name, items[i].mode,
			slice_of(items[i].data ? items[i].data : ""), err);
	if (r == 0)
		r = put(m, TAR_FILE, "bin/busybox", 0755, program, err);
	if (r == 0)
		r = put_applets(m, err);

	return r < 0 ? r : tar_writer_finish(&m->tar, err);
}

static int read_busybox(char **ret, size_t *ret_len, int64_t *ret_mtime_s, struct err *err)
{
	struct stat st;
	int r;

	if (stat(BUSYBOX, &st) < 0) {
		r = err_sys(err, BUSYBOX);
		err_kind(err, ERR_UNSUPPORTED);
		err_hint(err, "install the package busybox-static");
		return r;
	}
	r = fd_read_file(AT_FDCWD, BUSYBOX, BUSYBOX_MAX_BYTES, ret, ret_len, err);
	*ret_mtime_s = st.st_mtime;

	return r < 0 ? r : check_static(*ret, *ret_len, err);
}

int bootstrap_busybox(struct store *s, const char *name, struct progress *progress,
		      char ret_id[STORE_DIGEST_BYTES], struct err *err)
{
	auto_done(spec_image) image = { 0 };
	struct maker m = { 0 };
	auto_free char *program = NULL;
	char created[CLOCK_RFC3339_BYTES];
	size_t program_len;
	int r = read_busybox(&program, &program_len, &m.mtime_s, err);

	if (r < 0)
		return r;
	/* The program's time stands for the image's, so that both stay the same together. */
	image.created = mem_strdup(clock_rfc3339(m.mtime_s * NS_PER_SEC, created));
	if (strv_add(&image.cmd, "sh") < 0 || strv_add(&image.env, "PATH=" SPEC_PATH_DEFAULT) < 0)
		return err_set(err, ENOMEM, "out of memory");
	progress_begin(progress, name, 0);
	tar_writer_init(&m.tar, to_ingest, &m);
	r = ingest_begin(&m.ingest, s, 0, progress, err);
	if (r < 0)
		return r;
	r = put_all(&m, (struct slice){ program, program_len }, err);
	if (r < 0)
		ingest_abort(&m.ingest);
	else
		r = rootfs_add(&m.ingest, &image, "hull image bootstrap busybox", name, ret_id,
			       err);
	progress_end(progress, r < 0 ? NULL : "done");

	return r;
}
