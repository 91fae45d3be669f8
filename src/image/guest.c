/* SPDX-License-Identifier: Apache-2.0
 *
 * guest.c - kernel and initrd of a virtual machine
 */
#include "image/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rand.h"
#include "image/initrd.h"
#include "image/kconfig.h"
#include "image/kmod.h"
#include "image/vmlinux.h"

#define AGENT_MAX_BYTES (64 * MIB)

/*
 * In the order of loading. Debian's cloud kernel has ext4 and unix sockets built in; others have
 * them as modules. crc32c-intel is what erofs and ext4 find their checksums by, through a name
 * that no dependency tells of.
 */
static const struct kmod_want wants[] = {
	{ "virtio_pci", false },    { "virtio_mmio", true },
	{ "virtio_blk", false },    { "virtio_console", false },
	{ "virtio_net", true },	    { "fuse", false },
	{ "virtiofs", false },	    { "overlay", false },
	{ "crc32c_intel", true },   { "crc32c_generic", true },
	{ "erofs", false },	    { "ext4", false },
	{ "unix", true },	    { "virtio_rng", true },
	{ "virtio_balloon", true }, { "pvpanic_mmio", true },
};

static int write_vmlinux(int dir_fd, const char *kernel, struct err *err)
{
	auto_close int fd = openat(dir_fd, "vmlinux", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	auto_free char *image = NULL;
	size_t image_len;
	int r;

	if (fd < 0)
		return err_sys(err, "vmlinux");
	r = fd_read_file(AT_FDCWD, kernel, VMLINUX_MAX_FILE_BYTES, &image, &image_len, err);
	if (r == 0)
		r = vmlinux_extract(image, image_len, fd, err);
	if (r == 0)
		r = vmlinux_trim(fd, err);

	return r < 0 ? err_wrap(err, r, "kernel %s", kernel) : 0;
}

/*
 * Modules come from the same place as the kernel itself, whose signature nobody looks at either:
 * without theirs Debian's kernel has its drivers in a sixth of the time where it takes them.
 */
static void drop_signatures(struct kmod_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		kmod_drop_signature(&list->items[i]);
}

static int write_initrd(int dir_fd, const char *const paths[3], struct err *err)
{
	const char *kernel = paths[0], *modules = paths[1], *agent = paths[2];
	auto_close int fd = openat(dir_fd, "initrd", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	auto_done(kmod_list) list = { 0 };
	auto_free char *program = NULL;
	size_t program_len;
	int r;

	if (fd < 0)
		return err_sys(err, "initrd");
	r = modules ? kmod_collect(modules, wants, ARRAY_SIZE(wants), &list, err) : 0;
	if (r < 0)
		return r;
	if (modules && kconfig_takes_unsigned(kernel, modules))
		drop_signatures(&list);
	r = fd_read_file(AT_FDCWD, agent, AGENT_MAX_BYTES, &program, &program_len, err);
	if (r < 0)
		return err_wrap(err, r, "agent %s", agent);

	return initrd_write(fd, program, program_len, &list, err);
}

/* @made takes the place of @out; what was there goes. */
static int put_in_place(int parent_fd, const char *made, const char *out, struct err *err)
{
	if (renameat2(parent_fd, made, parent_fd, out, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EEXIST || renameat2(parent_fd, made, parent_fd, out, RENAME_EXCHANGE) < 0)
		return err_sys(err, "putting %s in place", out);

	return path_rmtree(parent_fd, made, err);
}

static int build_in(int parent_fd, const char *name, const char *const paths[3], struct err *err)
{
	auto_close int dir_fd = -1;
	int r;

	if (mkdirat(parent_fd, name, 0755) < 0)
		return err_sys(err, "%s", name);
	dir_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return err_sys(err, "%s", name);
	r = write_vmlinux(dir_fd, paths[0], err);

	return r < 0 ? r : write_initrd(dir_fd, paths, err);
}

int guest_build(const char *kernel, const char *modules, const char *agent, const char *out,
		struct err *err)
{
	const char *const paths[3] = { kernel, modules, agent };
	const char *slash = strrchr(out, '/');
	const char *name = slash ? slash + 1 : out;
	auto_free char *parent = slash ? mem_strndup(out, (size_t)(slash - out)) : mem_strdup(".");
	auto_free char *made = NULL;
	auto_close int parent_fd = -1;
	char suffix[13];
	int r;

	if (*name == '\0')
		return err_setk(err, ERR_USAGE, EINVAL, "%s: name of a folder expected", out);
	parent_fd = open(*parent ? parent : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return err_sys(err, "%s", parent);
	rand_hex(suffix, sizeof(suffix) - 1);
	made = mem_printf(".%s.%s", name, suffix);
	r = build_in(parent_fd, made, paths, err);
	if (r == 0)
		r = put_in_place(parent_fd, made, name, err);
	if (r < 0)
		(void)path_rmtree(parent_fd, made, NULL);

	return r;
}
