/* SPDX-License-Identifier: Apache-2.0
 *
 * files.c - kernels, initramfs and disks that the user names
 */
#include "bare/files.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define READONLY_SUFFIX ":ro"
/* Of Linux's boot protocol, "The Real-Mode Kernel Header". */
#define HEADER_BYTES 0x210
#define BOOT_FLAG_AT 0x1fe
#define MAGIC_AT 0x202
#define MAGIC "HdrS"

/* A FIFO or a device could keep us waiting for ever: not before it is known to be neither. */
static int open_file(const char *path, int flags, bool block, const char *what, struct err *err)
{
	auto_close int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open the %s '%s'", what, path);
	if (!S_ISREG(st.st_mode) && !(block && S_ISBLK(st.st_mode)))
		return err_setk(err, ERR_USAGE, EINVAL, "the %s '%s' is no file%s", what, path,
				block ? " or block device" : "");

	return take_fd(fd);
}

static bool is_elf(const unsigned char *header, size_t len)
{
	Elf64_Ehdr elf;

	if (len < sizeof(elf))
		return false;
	memcpy(&elf, header, sizeof(elf));

	return memcmp(elf.e_ident, ELFMAG, SELFMAG) == 0 && elf.e_ident[EI_CLASS] == ELFCLASS64 &&
	       elf.e_machine == EM_X86_64;
}

static bool is_bzimage(const unsigned char *header, size_t len)
{
	return len == HEADER_BYTES && header[BOOT_FLAG_AT] == 0x55 &&
	       header[BOOT_FLAG_AT + 1] == 0xaa &&
	       memcmp(header + MAGIC_AT, MAGIC, strlen(MAGIC)) == 0;
}

int files_open_kernel(const char *path, struct err *err)
{
	auto_close int fd = open_file(path, O_RDONLY, false, "kernel", err);
	unsigned char header[HEADER_BYTES];
	ssize_t n = fd < 0 ? 0 : pread(fd, header, sizeof(header), 0);

	if (fd < 0)
		return fd;
	if (n < 0)
		return err_sys(err, "read the kernel '%s'", path);
	if (!is_elf(header, (size_t)n) && !is_bzimage(header, (size_t)n)) {
		err_setk(err, ERR_USAGE, ENOEXEC, "'%s' is no kernel for this machine", path);
		err_hint(err, "an ELF file with a PVH entry boots, and so does a bzImage");
		return -ENOEXEC;
	}

	return take_fd(fd);
}

int files_open_initrd(const char *path, struct err *err)
{
	return open_file(path, O_RDONLY, false, "initramfs", err);
}

int files_open_disk(const char *spec, bool *ret_readonly, struct err *err)
{
	size_t len = strlen(spec), suffix = strlen(READONLY_SUFFIX);
	bool readonly = len > suffix && strcmp(spec + len - suffix, READONLY_SUFFIX) == 0;
	auto_free char *path = strndup(spec, len - (readonly ? suffix : 0));
	auto_close int fd = -1;

	if (!path)
		return err_set(err, ENOMEM, "out of memory");
	fd = open_file(path, readonly ? O_RDONLY : O_RDWR, true, "disk", err);
	if (fd < 0)
		return fd;
	if (flock(fd, (readonly ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_sys(err, "lock the disk '%s'", path);
		err_setk(err, ERR_CONFLICT, EBUSY, "the disk '%s' is in use", path);
		err_hint(err, "machines can share a disk that all of them have as FILE:ro");
		return -EBUSY;
	}
	*ret_readonly = readonly;

	return take_fd(fd);
}
