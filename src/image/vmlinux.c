/* SPDX-License-Identifier: Apache-2.0
 *
 * vmlinux.c - an uncompressed ELF kernel out of a bzImage
 */
#include "image/vmlinux.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "image/inflate.h"

/* Offsets in the setup header (boot.rst, "The Real-Mode Kernel Header"). */
#define SETUP_SECTS 0x1f1
#define BOOT_FLAG 0x1fe
#define BOOT_MAGIC 0x202
#define VERSION 0x206
#define PAYLOAD_OFFSET 0x248
#define PAYLOAD_LENGTH 0x24c
#define SETUP_END 0x268
#define SECTOR_BYTES 512

#define VERSION_WITH_PAYLOAD 0x0208
#define OUT_PIECE_BYTES (1 * MIB)
#define PAGE_BYTES 4096

static uint32_t le32(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static int malformed(struct err *err, const char *why)
{
	return err_setk(err, ERR_USAGE, EBADMSG, "malformed kernel: %s", why);
}

/* What boots it reads program headers: check that they lie within the file. */
static int check_elf(const unsigned char *head, size_t head_len, uint64_t file_bytes,
		     struct err *err)
{
	Elf64_Ehdr ehdr;

	if (head_len < sizeof(ehdr))
		return malformed(err, "too short for an ELF file");
	memcpy(&ehdr, head, sizeof(ehdr));
	if (ehdr.e_ident[EI_CLASS] != ELFCLASS64 || ehdr.e_ident[EI_DATA] != ELFDATA2LSB ||
	    ehdr.e_machine != EM_X86_64)
		return err_setk(err, ERR_UNSUPPORTED, EOPNOTSUPP, "kernel is not for x86-64");
	if (ehdr.e_type != ET_EXEC)
		return err_setk(err, ERR_USAGE, EBADMSG, "an ELF file, but no kernel");
	if (ehdr.e_phentsize != sizeof(Elf64_Phdr) || ehdr.e_phnum == 0 ||
	    ehdr.e_phoff > file_bytes ||
	    (file_bytes - ehdr.e_phoff) / sizeof(Elf64_Phdr) < ehdr.e_phnum)
		return malformed(err, "program headers beyond its end");

	return 0;
}

/* Decompress to @out_fd; the first bytes are kept for a check once the length is known. */
static int unpack(struct slice payload, enum inflate_format format, int out_fd, struct err *err)
{
	auto_ptr(inflate) *inf = inflate_new(format, err);
	auto_free uint8_t *piece = malloc(OUT_PIECE_BYTES);
	struct inflate_io io = { .in = (const uint8_t *)payload.at, .in_bytes = payload.len };
	unsigned char head[sizeof(Elf64_Ehdr)];
	size_t head_len = 0;
	uint64_t total_bytes = 0;

	if (!inf || !piece)
		return err_set(err, ENOMEM, "out of memory");
	for (;;) {
		size_t len;
		int r;

		io.out = piece;
		io.out_bytes = OUT_PIECE_BYTES;
		r = inflate_run(inf, &io, err);
		if (r < 0)
			return err_wrap(err, r, "unpacking the kernel");
		len = OUT_PIECE_BYTES - io.out_bytes;
		if (len == 0)
			break;
		if (total_bytes == 0) {
			head_len = MIN(len, sizeof(head));
			memcpy(head, piece, head_len);
		}
		total_bytes += len;
		if (total_bytes > VMLINUX_MAX_BYTES)
			return err_setk(err, ERR_USAGE, EFBIG,
					"kernel unpacks to more than %llu bytes",
					VMLINUX_MAX_BYTES);
		r = fd_write_all(out_fd, piece, len);
		if (r < 0)
			return err_wrap(err, r, "writing the kernel");
	}
	if (!inflate_is_whole(inf))
		return malformed(err, "it is truncated");
	if (head_len < SELFMAG || memcmp(head, ELFMAG, SELFMAG) != 0)
		return malformed(err, "no ELF file in it");

	return check_elf(head, head_len, total_bytes, err);
}

static int extract_bzimage(const unsigned char *image, size_t len, int out_fd, struct err *err)
{
	uint64_t offset, payload_bytes;
	enum inflate_format format;

	if ((image[VERSION] | image[VERSION + 1] << 8) < VERSION_WITH_PAYLOAD)
		return err_setk(err, ERR_UNSUPPORTED, EOPNOTSUPP, "kernel is older than 2.6.26");
	/* Zero sectors stand for four, as ever. */
	offset = ((image[SETUP_SECTS] ? image[SETUP_SECTS] : 4U) + 1U) * SECTOR_BYTES +
		 (uint64_t)le32(image + PAYLOAD_OFFSET);
	payload_bytes = le32(image + PAYLOAD_LENGTH);
	if (offset > len || payload_bytes > len - offset || payload_bytes < INFLATE_HEAD_BYTES)
		return malformed(err, "payload beyond its end");
	format = inflate_detect(image + offset, payload_bytes);
	if (format == INFLATE_NONE)
		return err_setk(
			err, ERR_UNSUPPORTED, EOPNOTSUPP,
			"kernel is compressed by something else than LZ4, gzip, xz or zstd");
	/* Behind all but gzip's own trailer the build appends the length of the kernel. */
	if (format != INFLATE_GZIP)
		payload_bytes -= sizeof(uint32_t);

	return unpack((struct slice){ (const char *)image + offset, payload_bytes }, format, out_fd,
		      err);
}

int vmlinux_extract(const void *kernel, size_t kernel_len, int out_fd, struct err *err)
{
	const unsigned char *image = kernel;
	struct slice whole = { kernel, kernel_len };

	if (kernel_len > SELFMAG && memcmp(image, ELFMAG, SELFMAG) == 0)
		return unpack(whole, INFLATE_NONE, out_fd, err);
	if (kernel_len < SETUP_END || image[BOOT_FLAG] != 0x55 || image[BOOT_FLAG + 1] != 0xaa ||
	    memcmp(image + BOOT_MAGIC, "HdrS", 4) != 0)
		return err_setk(err, ERR_USAGE, EBADMSG, "neither a bzImage nor an ELF file");

	return extract_bzimage(image, kernel_len, out_fd, err);
}

/* Bytes of the @bytes at @offset up to the last one that is not zero; negative errno. */
static int64_t content_bytes(int fd, uint64_t offset, uint64_t bytes, unsigned char *piece)
{
	while (bytes > 0) {
		size_t len = MIN(bytes, (uint64_t)OUT_PIECE_BYTES);
		ssize_t n;

		bytes -= len;
		n = pread(fd, piece, len, (off_t)(offset + bytes));
		if (n < 0)
			return -errno;
		if ((size_t)n < len)
			return -ENODATA;
		while (len > 0 && piece[len - 1] == 0)
			len--;
		if (len > 0)
			return (int64_t)(bytes + len);
	}

	return 0;
}

static int trim_segment(int fd, uint64_t header_at, unsigned char *piece)
{
	Elf64_Phdr header;
	int64_t bytes;

	if (pread(fd, &header, sizeof(header), (off_t)header_at) != sizeof(header))
		return -ENODATA;
	/* What does not fit is for the loader to refuse. */
	if (header.p_type != PT_LOAD || header.p_offset > VMLINUX_MAX_BYTES ||
	    header.p_filesz > VMLINUX_MAX_BYTES || header.p_filesz > header.p_memsz)
		return 0;
	bytes = content_bytes(fd, header.p_offset, header.p_filesz, piece);
	if (bytes <= 0)
		return bytes == -ENODATA ? 0 : (int)bytes;
	header.p_filesz =
		MIN(header.p_filesz, ((uint64_t)bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1ULL));

	return pwrite(fd, &header, sizeof(header), (off_t)header_at) == sizeof(header) ? 0 : -EIO;
}

int vmlinux_trim(int fd, struct err *err)
{
	auto_free unsigned char *piece = malloc(OUT_PIECE_BYTES);
	Elf64_Ehdr ehdr;
	int r = 0;

	if (!piece)
		return err_set(err, ENOMEM, "out of memory");
	if (pread(fd, &ehdr, sizeof(ehdr), 0) != sizeof(ehdr))
		return malformed(err, "too short for an ELF file");
	for (unsigned i = 0; r == 0 && i < ehdr.e_phnum; i++)
		r = trim_segment(fd, ehdr.e_phoff + i * sizeof(Elf64_Phdr), piece);

	return r < 0 ? err_set(err, -r, "rewrite the kernel: %s", strerrordesc_np(-r)) : 0;
}
