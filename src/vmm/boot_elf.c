/* SPDX-License-Identifier: Apache-2.0
 *
 * boot_elf.c - an ELF kernel that is entered by the PVH protocol
 *
 * The note that names the entry, and the structs that the kernel is given, are Xen's ("x86/HVM
 * direct boot ABI"). The file is not trusted: everything in it has a limit and loads into RAM
 * from LAYOUT_KERNEL on or not at all.
 */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "vmm/boot_priv.h"
#include "vmm/layout.h"

#define PROGRAM_HEADERS_MAX 64
#define NOTES_MAX_BYTES (64 * KIB)
#define NOTE_PVH_ENTRY 18
#define NOTE_OWNER "Xen"
#define START_MAGIC 0x336ec578
#define CR0_PE_ET 0x11

/* What the kernel is given; all of it is little-endian. */
struct start_info {
	uint32_t magic, version, flags, modules_len;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t memmap_len, reserved;
};

struct start_module {
	uint64_t start, bytes, cmdline, reserved;
};

struct start_range {
	uint64_t start, bytes;
	uint32_t type, reserved;
};

/* The beginning of the file: linkers put the table of segments right behind the header. */
struct elf_start {
	Elf64_Ehdr elf;
	Elf64_Phdr headers[PROGRAM_HEADERS_MAX];
};

static int read_exactly(int fd, void *buf, size_t bytes, uint64_t offset, struct err *err)
{
	ssize_t n = offset > INT64_MAX ? 0 : pread(fd, buf, bytes, (off_t)offset);

	if (n < 0)
		return err_sys(err, "read the file");

	return (size_t)n == bytes ? 0 : err_set(err, ENODATA, "the file is cut short");
}

static int load_segment(const struct memory *mem, int fd, const Elf64_Phdr *header,
			struct boot_image *image, struct err *err)
{
	uint64_t start = header->p_paddr, end;
	int r;

	if (header->p_filesz > header->p_memsz || start < LAYOUT_KERNEL ||
	    add_overflows(start, header->p_memsz, &end))
		return err_set(err, EINVAL, "a segment is where no segment can be");
	if (!memory_at(mem, GPA(start), header->p_memsz))
		return err_set(err, E2BIG, "it does not fit into %llu MiB of memory",
			       (unsigned long long)(mem->bytes / MIB));
	/* What is beyond the file's part is zero: so is memory that nobody has touched yet. */
	r = memory_load(mem, GPA(start), fd, header->p_offset, header->p_filesz);
	if (r < 0)
		return err_set(err, -r, "read a segment: %s", strerrordesc_np(-r));
	image->end = MAX(image->end, end);

	return 0;
}

/* Notes are aligned to four bytes each: name length, content length, type, name, content. */
static bool find_entry(const uint8_t *notes, size_t bytes, uint64_t *ret_entry)
{
	Elf64_Nhdr note;
	uint32_t entry;

	while (bytes >= sizeof(note)) {
		size_t name_bytes, content_bytes, at = sizeof(note);

		memcpy(&note, notes, sizeof(note));
		name_bytes = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		content_bytes = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		if (name_bytes > bytes - at || content_bytes > bytes - at - name_bytes)
			return false;
		if (note.n_type == NOTE_PVH_ENTRY && note.n_namesz == sizeof(NOTE_OWNER) &&
		    memcmp(notes + at, NOTE_OWNER, sizeof(NOTE_OWNER)) == 0 &&
		    note.n_descsz >= sizeof(entry)) {
			memcpy(&entry, notes + at + name_bytes, sizeof(entry));
			*ret_entry = le32toh(entry);
			return true;
		}
		at += name_bytes + content_bytes;
		notes += at;
		bytes -= at;
	}

	return false;
}

static int read_notes(int fd, const Elf64_Phdr *header, struct boot_image *image, struct err *err)
{
	auto_free uint8_t *notes = NULL;
	int r;

	if (header->p_filesz > NOTES_MAX_BYTES)
		return err_set(err, E2BIG, "its notes are too long");
	notes = malloc(header->p_filesz + 1);
	if (!notes)
		return err_set(err, ENOMEM, "out of memory");
	r = read_exactly(fd, notes, header->p_filesz, header->p_offset, err);
	if (r == 0)
		(void)find_entry(notes, header->p_filesz, &image->entry);

	return r;
}

/* -ENOEXEC, with nothing in @err, when it is not ELF. */
static int read_start(int fd, struct elf_start *ret, struct err *err)
{
	ssize_t n = pread(fd, ret, sizeof(*ret), 0);
	const Elf64_Ehdr *elf = &ret->elf;
	size_t bytes;

	if (n < 0)
		return err_sys(err, "read the file");
	if ((size_t)n < sizeof(*elf))
		return err_set(err, ENODATA, "the file is cut short");
	if (memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (elf->e_ident[EI_CLASS] != ELFCLASS64 || elf->e_machine != EM_X86_64 ||
	    elf->e_phentsize != sizeof(ret->headers[0]) || elf->e_phnum > PROGRAM_HEADERS_MAX)
		return err_set(err, EINVAL, "it is no ELF kernel for this machine");
	bytes = elf->e_phnum * sizeof(ret->headers[0]);
	if (elf->e_phoff == sizeof(*elf) && (size_t)n >= sizeof(*elf) + bytes)
		return 0;

	return read_exactly(fd, ret->headers, bytes, elf->e_phoff, err);
}

int boot_elf_load(const struct memory *mem, int fd, struct boot_image *ret, struct err *err)
{
	struct boot_image image = { .initrd_max = MEMORY_HOLE_START };
	struct elf_start start;
	const Elf64_Phdr *headers = start.headers;
	int r = read_start(fd, &start, err);

	for (unsigned i = 0; r == 0 && i < start.elf.e_phnum; i++) {
		if (headers[i].p_type == PT_LOAD && headers[i].p_memsz > 0)
			r = load_segment(mem, fd, &headers[i], &image, err);
		else if (headers[i].p_type == PT_NOTE)
			r = read_notes(fd, &headers[i], &image, err);
	}
	if (r == 0 && image.entry == 0)
		r = err_set(err, EINVAL, "it has no PVH entry");
	if (r == 0 && image.end == 0)
		r = err_set(err, EINVAL, "it has no segments");
	if (r < 0)
		return r;
	*ret = image;

	return 0;
}

int boot_elf_params(const struct memory *mem, const struct boot_config *config,
		    const struct boot_image *image)
{
	struct {
		struct start_info info;
		struct start_module module;
		struct start_range ranges[BOOT_RANGES_MAX];
	} params = { 0 };
	struct boot_range ranges[BOOT_RANGES_MAX];
	size_t ranges_len = boot_ranges(mem, ranges);

	for (size_t i = 0; i < ranges_len; i++)
		params.ranges[i] = (struct start_range){ .start = htole64(ranges[i].start),
							 .bytes = htole64(ranges[i].bytes),
							 .type = htole32(ranges[i].type) };
	params.module = (struct start_module){ .start = htole64(image->initrd),
					       .bytes = htole64(image->initrd_bytes) };
	params.info = (struct start_info){
		.magic = htole32(START_MAGIC),
		.version = htole32(1),
		.modules_len = htole32(image->initrd_bytes > 0),
		.modules = htole64(LAYOUT_START_INFO + sizeof(params.info)),
		.cmdline = htole64(LAYOUT_CMDLINE),
		.rsdp = htole64(config->rsdp_gpa),
		.memmap = htole64(LAYOUT_START_INFO + sizeof(params.info) + sizeof(params.module)),
		.memmap_len = htole32((uint32_t)ranges_len),
	};

	return memory_write(mem, GPA(LAYOUT_START_INFO), &params, sizeof(params));
}

void boot_elf_entry(const struct boot_image *image, struct boot_entry *ret)
{
	struct kvm_segment data = { .limit = UINT32_MAX,
				    .selector = 0x10,
				    .type = 3,
				    .present = 1,
				    .db = 1,
				    .s = 1,
				    .g = 1 };
	struct kvm_segment code = data;

	code.selector = 8;
	code.type = 11;
	ret->sregs.cs = code;
	ret->sregs.ds = ret->sregs.es = ret->sregs.ss = data;
	ret->sregs.fs = ret->sregs.gs = data;
	ret->sregs.tr = (struct kvm_segment){ .limit = 0x67, .type = 11, .present = 1 };
	ret->sregs.cr0 = CR0_PE_ET;
	ret->regs.rflags = 2;
	ret->regs.rip = image->entry;
	ret->regs.rbx = LAYOUT_START_INFO;
}
