/* SPDX-License-Identifier: Apache-2.0
 *
 * test_guest.c - kernels out of bzImages, modules in their order, and the initrd that has them
 */
#include "image/vmlinux.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "check.h"
#include "image/initrd.h"
#include "image/kconfig.h"
#include "image/kmod.h"

#define PAYLOAD_AT (5 * 512 + 64) /* four setup sectors and the boot sector, then an offset */

/* A kernel that loads nothing: an ELF header and one program header. */
static size_t make_elf(unsigned char buf[4096], uint16_t machine)
{
	Elf64_Ehdr ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB },
			    .e_type = ET_EXEC,
			    .e_machine = machine,
			    .e_phoff = sizeof(ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 1 };

	memset(buf, 'k', 4096);
	memcpy(buf, &ehdr, sizeof(ehdr));

	return 4096;
}

static void put_le32(unsigned char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static void make_bzimage(struct strbuf *image, const void *payload, size_t len)
{
	unsigned char head[PAYLOAD_AT] = { 0 };

	head[0x1f1] = 4;
	head[0x1fe] = 0x55;
	head[0x1ff] = 0xaa;
	memcpy(head + 0x202, "HdrS\x0f\x02", 6);
	put_le32(head + 0x248, 64);
	/* The build appends the kernel's length. */
	put_le32(head + 0x24c, (uint32_t)len + 4);
	strbuf_add(image, head, sizeof(head));
	strbuf_add(image, payload, len);
	strbuf_add(image, "\0\x10\0\0", 4);
}

static int extract(const struct strbuf *image, void *ret, size_t room, size_t *ret_len)
{
	auto_close int fd = memfd_create("vmlinux", MFD_CLOEXEC);
	int r = vmlinux_extract(image->text, image->len, fd, NULL);
	ssize_t n = pread(fd, ret, room, 0);

	assert_true(n >= 0);
	*ret_len = (size_t)n;

	return r;
}

static void test_bzimage(void **state)
{
	unsigned char elf[4096], packed[8192], got[8192];
	size_t elf_len = make_elf(elf, EM_X86_64), got_len;
	size_t packed_len = ZSTD_compress(packed, sizeof(packed), elf, elf_len, 3);
	auto_done(strbuf) image = STRBUF_INIT(MIB);

	(void)state;
	make_bzimage(&image, packed, packed_len);
	assert_int_equal(extract(&image, got, sizeof(got), &got_len), 0);
	assert_int_equal(got_len, elf_len);
	assert_memory_equal(got, elf, elf_len);

	/* Cut off anywhere, it is refused. */
	for (size_t len = image.len - 1; len > 100; len -= 97) {
		struct strbuf cut = { .text = image.text, .len = len };

		assert_true(extract(&cut, got, sizeof(got), &got_len) < 0);
	}
	/* The offset of the payload leads out of the file. */
	put_le32((unsigned char *)image.text + 0x248, UINT32_MAX);
	assert_int_equal(extract(&image, got, sizeof(got), &got_len), -EBADMSG);
}

static void test_plain_elf(void **state)
{
	unsigned char elf[4096], got[8192];
	size_t got_len;
	struct strbuf image = { .text = (char *)elf, .len = make_elf(elf, EM_X86_64) };

	(void)state;
	assert_int_equal(extract(&image, got, sizeof(got), &got_len), 0);
	assert_memory_equal(got, elf, sizeof(elf));
	make_elf(elf, EM_AARCH64);
	assert_int_equal(extract(&image, got, sizeof(got), &got_len), -EOPNOTSUPP);
	make_elf(elf, EM_X86_64);
	elf[offsetof(Elf64_Ehdr, e_phoff) + 3] = 1;
	assert_int_equal(extract(&image, got, sizeof(got), &got_len), -EBADMSG);
	image.len = 3;
	assert_int_equal(extract(&image, got, sizeof(got), &got_len), -EBADMSG);
}

/* Two segments share a file: one ends in zeroes that its file need not have, one does not. */
static void test_trim(void **state)
{
	static unsigned char elf[3 * MIB];
	Elf64_Ehdr ehdr;
	Elf64_Phdr got[3], headers[] = {
		{ .p_type = PT_LOAD, .p_offset = 4096, .p_filesz = 2 * MIB, .p_memsz = 4 * MIB },
		{ .p_type = PT_LOAD, .p_offset = 5000, .p_filesz = 5000, .p_memsz = 5000 },
		{ .p_type = PT_NOTE, .p_offset = 2 * MIB, .p_filesz = 100, .p_memsz = 100 },
	};
	auto_close int fd = memfd_create("vmlinux", MFD_CLOEXEC);

	(void)state;
	make_elf(elf, EM_X86_64);
	memset(elf + 4096, 'k', 6000);
	memcpy(&ehdr, elf, sizeof(ehdr));
	ehdr.e_phnum = ARRAY_SIZE(headers);
	memcpy(elf, &ehdr, sizeof(ehdr));
	memcpy(elf + ehdr.e_phoff, headers, sizeof(headers));
	assert_int_equal(fd_write_all(fd, elf, sizeof(elf)), 0);

	assert_int_equal(vmlinux_trim(fd, NULL), 0);
	assert_int_equal(pread(fd, got, sizeof(got), (off_t)ehdr.e_phoff), sizeof(got));
	assert_int_equal(got[0].p_filesz, 2 * 4096);
	assert_int_equal(got[0].p_memsz, 4 * MIB);
	assert_int_equal(got[1].p_filesz, 5000);
	assert_memory_equal(&got[2], &headers[2], sizeof(got[2]));
	/* No content at all, or more than there is: the loader sees to those. */
	headers[0].p_offset = 2 * MIB;
	headers[0].p_filesz = 1 * MIB;
	headers[1].p_offset = 3 * MIB - 1;
	assert_int_equal(pwrite(fd, headers, sizeof(headers), (off_t)ehdr.e_phoff),
			 sizeof(headers));
	assert_int_equal(vmlinux_trim(fd, NULL), 0);
	assert_int_equal(pread(fd, got, sizeof(got), (off_t)ehdr.e_phoff), sizeof(got));
	assert_memory_equal(got, headers, sizeof(got));
}

/* A module: an ELF header, .modinfo, names of sections, the table of three sections. */
static size_t make_module(char buf[1024], const char *depends)
{
	static const char names[] = "\0.shstrtab\0.modinfo";
	Elf64_Shdr sections[3] = { 0 };
	Elf64_Ehdr ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB },
			    .e_type = ET_REL,
			    .e_shoff = 512,
			    .e_shentsize = sizeof(Elf64_Shdr),
			    .e_shnum = 3,
			    .e_shstrndx = 1 };
	int info_len;

	memset(buf, 0, 1024);
	memcpy(buf, &ehdr, sizeof(ehdr));
	memcpy(buf + 100, names, sizeof(names));
	info_len = snprintf(buf + 200, 300, "license=GPL%cdepends=%s%cname=x", 0, depends, 0);
	sections[1] = (Elf64_Shdr){
		.sh_name = 1, .sh_type = SHT_STRTAB, .sh_offset = 100, .sh_size = sizeof(names)
	};
	sections[2] = (Elf64_Shdr){ .sh_name = 11,
				    .sh_type = SHT_PROGBITS,
				    .sh_offset = 200,
				    .sh_size = (size_t)info_len + 1 };
	memcpy(buf + 512, sections, sizeof(sections));

	return 512 + sizeof(sections);
}

static void test_depends(void **state)
{
	char module[1024];
	size_t len = make_module(module, "one,two"), found_len;
	const char *found;

	(void)state;
	assert_int_equal(kmod_depends(module, len, &found, &found_len, NULL), 0);
	assert_int_equal(found_len, 7);
	assert_memory_equal(found, "one,two", 7);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(kmod_depends(module, cut, &found, &found_len, NULL), -EBADMSG);
}

/* As scripts/sign-file leaves it. */
static void test_signature(void **state)
{
	static const char magic[] = "~Module signature appended~\n";
	unsigned char data[200] = "module";
	struct kmod module = { .data = data };

	(void)state;
	memset(data + 60, 's', 100);
	data[160 + 11] = 100;
	memcpy(data + 172, magic, 28);
	/* Any part of it is not the whole. */
	for (module.data_len = 0; module.data_len < sizeof(data); module.data_len++) {
		size_t before = module.data_len;

		kmod_drop_signature(&module);
		assert_int_equal(module.data_len, before);
	}
	data[160 + 8] = 1; /* of more bytes than there are */
	kmod_drop_signature(&module);
	assert_int_equal(module.data_len, 200);
	data[160 + 8] = 0;
	kmod_drop_signature(&module);
	assert_int_equal(module.data_len, 60);
	kmod_drop_signature(&module);
	assert_int_equal(module.data_len, 60);
}

static void write_file(int dir_fd, const char *name, const void *bytes, size_t len)
{
	auto_close int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, len), 0);
}

/* It must be known that they are not wanted. */
static void test_unsigned(void **state)
{
	static const char takes[] = "CONFIG_MODULES=y\n# CONFIG_MODULE_SIG_FORCE is not set\n";
	static const char *const refuses[] = {
		"CONFIG_MODULES=y\nCONFIG_MODULE_SIG_FORCE=y\n",
		"CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY=y\nCONFIG_MODULES=y\n",
		"CONFIG_MODULES=y\nCONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY=y\n",
		"something else\n",
	};
	char dir[] = "/tmp/test_guest.XXXXXX", kernel[64];
	auto_close int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int dir_fd = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(kernel, sizeof(kernel), "%s/vmlinuz-1", dir);
	assert_false(kconfig_takes_unsigned(kernel, dir));
	write_file(dir_fd, "config", takes, strlen(takes));
	assert_true(kconfig_takes_unsigned(kernel, dir));
	/* What is beside the kernel goes before what is beside the modules. */
	for (size_t i = 0; i < ARRAY_SIZE(refuses); i++) {
		write_file(dir_fd, "config-1", refuses[i], strlen(refuses[i]));
		assert_false(kconfig_takes_unsigned(kernel, dir));
		assert_int_equal(unlinkat(dir_fd, "config-1", 0), 0);
	}
	write_file(dir_fd, "config-1", takes, strlen(takes));
	assert_true(kconfig_takes_unsigned(kernel, "/nowhere"));
	assert_int_equal(path_rmtree(tmp_fd, dir + strlen("/tmp/"), NULL), 0);
}

static void test_order(void **state)
{
	static const struct {
		const char *file, *depends;
	} modules[] = {
		{ "kernel/top.ko", "mid-dle,low" }, { "kernel/sub/mid-dle.ko", "low,built_in" },
		{ "kernel/sub/low.ko", "" },	    { "kernel/loop-a.ko", "loop_b" },
		{ "kernel/loop-b.ko", "loop_a" },   { "kernel/orphan.ko", "nowhere" },
	};
	static const struct kmod_want wants[] = {
		{ "none", true }, { "top", false }, { "low", false }, { "built_in", false }
	};
	static const struct kmod_want loop = { "loop_a", false }, orphan = { "orphan", false };
	static const char order[] =
		"/lib/modules/low.ko\n/lib/modules/mid_dle.ko\n/lib/modules/top.ko\n";
	char dir[] = "/tmp/test_guest.XXXXXX", module[1024];
	auto_close int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int dir_fd = -1;
	auto_close int out_fd = memfd_create("initrd", MFD_CLOEXEC);
	auto_done(kmod_list) list = { 0 };
	auto_done(kmod_list) none = { 0 };
	char initrd[8192] = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(dir_fd, "kernel", 0755), 0);
	assert_int_equal(mkdirat(dir_fd, "kernel/sub", 0755), 0);
	write_file(dir_fd, "modules.builtin", "kernel/lib/built-in.ko\n", 23);
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		write_file(dir_fd, modules[i].file, module,
			   make_module(module, modules[i].depends));

	assert_int_equal(kmod_collect(dir, wants, ARRAY_SIZE(wants), &list, NULL), 0);
	assert_int_equal(list.len, 3);
	assert_string_equal(list.items[0].name, "low");
	assert_string_equal(list.items[1].name, "mid_dle");
	assert_string_equal(list.items[2].name, "top");
	assert_int_equal(kmod_collect(dir, &loop, 1, &none, NULL), -ELOOP);
	assert_int_equal(kmod_collect(dir, &orphan, 1, &none, NULL), -ENOENT);

	assert_int_equal(initrd_write(out_fd, "agent", 5, &list, NULL), 0);
	assert_true(pread(out_fd, initrd, sizeof(initrd), 0) > 0);
	assert_memory_equal(initrd, "070701", 6);
	assert_non_null(memmem(initrd, sizeof(initrd), order, strlen(order)));
	assert_int_equal(path_rmtree(tmp_fd, dir + strlen("/tmp/"), NULL), 0);
}

/* The agent takes the absence of the list for a kernel that has everything built in. */
static void test_initrd_without_modules(void **state)
{
	auto_close int out_fd = memfd_create("initrd", MFD_CLOEXEC);
	struct kmod_list none = { 0 };
	char initrd[4096] = { 0 };
	ssize_t len;

	(void)state;
	assert_int_equal(initrd_write(out_fd, "agent", 5, &none, NULL), 0);
	len = pread(out_fd, initrd, sizeof(initrd), 0);
	assert_true(len > 0 && len % 4 == 0);
	assert_non_null(memmem(initrd, (size_t)len, "00000000init", 13));
	assert_non_null(memmem(initrd, (size_t)len, "TRAILER!!!", 11));
	/* A name follows the eight digits of a checksum that is not used. */
	assert_null(memmem(initrd, (size_t)len, "00000000modules", 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bzimage),	  cmocka_unit_test(test_plain_elf),
		cmocka_unit_test(test_trim),	  cmocka_unit_test(test_depends),
		cmocka_unit_test(test_signature), cmocka_unit_test(test_unsigned),
		cmocka_unit_test(test_order),	  cmocka_unit_test(test_initrd_without_modules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
