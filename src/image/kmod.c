/* SPDX-License-Identifier: Apache-2.0
 *
 * kmod.c - kernel modules and what they depend on
 */
#include "image/kmod.h"

#include <dirent.h>
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/strv.h"
#include "image/inflate.h"

/* The end of a signed module: the signature, this, the magic words. */
#define SIGNATURE_MAGIC "~Module signature appended~\n"
struct signature_end {
	uint8_t not_used[8];
	uint32_t bytes; /* of the signature, big-endian */
};

/* All module files of a kernel: name and path run in parallel. */
struct index {
	struct strv names, paths, builtin;
};

static void index_done(struct index *index)
{
	strv_done(&index->names);
	strv_done(&index->paths);
	strv_done(&index->builtin);
}
DEFINE_AUTO_DONE(index)

void kmod_list_done(struct kmod_list *list)
{
	for (size_t i = 0; i < list->len; i++) {
		free(list->items[i].name);
		free(list->items[i].data);
	}
	free(list->items);
	*list = (struct kmod_list){ 0 };
}

/* "dir/virtio-rng.ko.xz" -> "virtio_rng"; NULL when it is no module. The caller frees it. */
static char *module_name(struct slice path)
{
	const char *slash = memrchr(path.at, '/', path.len);
	const char *dot;
	char *name;

	if (slash) {
		path.len -= (size_t)(slash + 1 - path.at);
		path.at = slash + 1;
	}
	dot = memmem(path.at, path.len, ".ko", 3);
	if (!dot || dot == path.at || (dot + 3 < path.at + path.len && dot[3] != '.'))
		return NULL;
	name = mem_strndup(path.at, (size_t)(dot - path.at));
	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = '_';

	return name;
}

static int add_file(struct index *index, const char *path, struct err *err)
{
	auto_free char *name = module_name(slice_of(path));

	if (!name)
		return 0;
	if (index->names.len == KMOD_MAX_FILES)
		return err_set(err, E2BIG, "more than %d modules", KMOD_MAX_FILES);
	if (strv_give(&index->names, take_ptr(name)) < 0 || strv_add(&index->paths, path) < 0)
		return err_set(err, ENOMEM, "out of memory");

	return 0;
}

static int walk(int dir_fd, const char *path, int depth, struct index *index, struct err *err)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = err_sys(err, "%s", path);
		fd_close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		auto_free char *below = mem_printf("%s/%s", path, entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_DIR && depth < KMOD_MAX_DEPTH)
			r = walk(dir_fd, below, depth + 1, index, err);
		else if (entry->d_type == DT_REG)
			r = add_file(index, below, err);
	}
	closedir(dir);

	return r;
}

/* modules.builtin: a path a line, as if they were files. */
static int read_builtin(int dir_fd, struct index *index, struct err *err)
{
	auto_free char *text = NULL;
	struct slice rest, line;
	int r = fd_read_file(dir_fd, "modules.builtin", 4 * MIB, &text, NULL, err);

	if (r < 0)
		return r;
	rest = slice_of(text);
	while (slice_next(&rest, '\n', &line)) {
		char *name = module_name(line);

		if (name && strv_give(&index->builtin, name) < 0)
			return err_set(err, ENOMEM, "out of memory");
	}

	return 0;
}

/* The range is checked, the section is not read. */
static bool section_at(struct slice file, const Elf64_Ehdr *ehdr, size_t i, Elf64_Shdr *ret)
{
	uint64_t at = ehdr->e_shoff + i * sizeof(*ret);

	if (ehdr->e_shoff > file.len || at > file.len || file.len - at < sizeof(*ret))
		return false;
	memcpy(ret, file.at + at, sizeof(*ret));

	return ret->sh_type == SHT_NOBITS ||
	       (ret->sh_offset <= file.len && ret->sh_size <= file.len - ret->sh_offset);
}

static bool find_section(struct slice file, const char *name, struct slice *ret)
{
	size_t name_bytes = strlen(name) + 1;
	Elf64_Shdr names, section;
	Elf64_Ehdr ehdr;

	if (file.len < sizeof(ehdr))
		return false;
	memcpy(&ehdr, file.at, sizeof(ehdr));
	if (memcmp(ehdr.e_ident, ELFMAG, SELFMAG) != 0 || ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
	    ehdr.e_shentsize != sizeof(section) || ehdr.e_shstrndx >= ehdr.e_shnum ||
	    !section_at(file, &ehdr, ehdr.e_shstrndx, &names) || names.sh_type == SHT_NOBITS)
		return false;
	for (size_t i = 0; i < ehdr.e_shnum; i++) {
		if (!section_at(file, &ehdr, i, &section))
			return false;
		if (section.sh_type == SHT_NOBITS || section.sh_name > names.sh_size ||
		    names.sh_size - section.sh_name < name_bytes ||
		    memcmp(file.at + names.sh_offset + section.sh_name, name, name_bytes) != 0)
			continue;
		*ret = (struct slice){ file.at + section.sh_offset, section.sh_size };
		return true;
	}

	return false;
}

int kmod_depends(const void *module, size_t module_len, const char **ret_at, size_t *ret_len,
		 struct err *err)
{
	static const char key[] = "depends=";
	struct slice info, record;

	if (!find_section((struct slice){ module, module_len }, ".modinfo", &info))
		return err_setk(err, ERR_USAGE, EBADMSG, "not a kernel module");
	*ret_at = "";
	*ret_len = 0;
	while (slice_next(&info, '\0', &record)) {
		if (record.len < sizeof(key) - 1 || memcmp(record.at, key, sizeof(key) - 1) != 0)
			continue;
		*ret_at = record.at + sizeof(key) - 1;
		*ret_len = record.len - (sizeof(key) - 1);
	}

	return 0;
}

static int unpack(struct slice packed, struct kmod *module, struct err *err)
{
	enum inflate_format format = inflate_detect(packed.at, packed.len);
	auto_ptr(inflate) *inf = inflate_new(format, err);
	struct inflate_io io = { .in = (const uint8_t *)packed.at, .in_bytes = packed.len };
	size_t room = format == INFLATE_NONE ? packed.len + 1 : MAX(packed.len * 4, 64 * KIB);

	if (!inf)
		return -ENOMEM;
	for (;;) {
		int r;

		if (room > KMOD_MAX_BYTES)
			return err_set(err, EFBIG, "larger than %llu bytes", KMOD_MAX_BYTES);
		module->data = mem_realloc(module->data, room, 1);
		io.out = (uint8_t *)module->data + module->data_len;
		io.out_bytes = room - module->data_len;
		r = inflate_run(inf, &io, err);
		if (r < 0)
			return r;
		module->data_len = room - io.out_bytes;
		if (io.out_bytes > 0)
			break;
		room *= 2;
	}

	return inflate_is_whole(inf) ? 0 : err_setk(err, ERR_USAGE, EBADMSG, "truncated");
}

struct collector {
	int dir_fd;
	struct index index;
	struct kmod_list *list;
};

static bool contains(const struct strv *v, const char *text)
{
	for (size_t i = 0; i < v->len; i++)
		if (strcmp(v->items[i], text) == 0)
			return true;

	return false;
}

static bool is_loaded(const struct collector *c, const char *name)
{
	for (size_t i = 0; i < c->list->len; i++)
		if (strcmp(c->list->items[i].name, name) == 0)
			return true;

	return contains(&c->index.builtin, name);
}

static int collect(struct collector *c, const char *name, int depth, struct err *err);

static int collect_needed(struct collector *c, const struct kmod *module, int depth,
			  struct err *err)
{
	struct slice rest, part;
	int r = kmod_depends(module->data, module->data_len, &rest.at, &rest.len, err);

	while (r == 0 && slice_next(&rest, ',', &part)) {
		auto_free char *name = mem_strndup(part.at, part.len);

		if (part.len == 0)
			continue;
		for (char *ch = name; *ch; ch++)
			if (*ch == '-')
				*ch = '_';
		r = collect(c, name, depth + 1, err);
	}

	return r;
}

static int load(struct collector *c, const char *path, struct kmod *module, struct err *err)
{
	auto_free char *packed = NULL;
	size_t packed_len;
	int r = fd_read_file(c->dir_fd, path, KMOD_MAX_BYTES, &packed, &packed_len, err);

	return r < 0 ? r : unpack((struct slice){ packed, packed_len }, module, err);
}

static int collect(struct collector *c, const char *name, int depth, struct err *err)
{
	struct kmod module = { 0 };
	size_t i = 0;
	int r;

	if (is_loaded(c, name))
		return 0;
	while (i < c->index.names.len && strcmp(c->index.names.items[i], name) != 0)
		i++;
	if (i == c->index.names.len)
		return err_setk(err, ERR_NOT_FOUND, ENOENT, "this kernel has no module %s", name);
	if (depth > KMOD_MAX_DEPTH)
		return err_set(err, ELOOP, "module %s needs itself", name);

	r = load(c, c->index.paths.items[i], &module, err);
	if (r == 0)
		r = collect_needed(c, &module, depth, err);
	if (r < 0) {
		free(module.data);
		return err_wrap(err, r, "module %s", name);
	}
	module.name = mem_strdup(name);
	c->list->items = mem_realloc(c->list->items, c->list->len + 1, sizeof(module));
	c->list->items[c->list->len++] = module;

	return 0;
}

int kmod_collect(const char *dir, const struct kmod_want *wants, size_t wants_len,
		 struct kmod_list *ret, struct err *err)
{
	auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_done(kmod_list) list = { 0 };
	auto_done(index) index = { 0 };
	struct collector c = { .dir_fd = dir_fd, .list = &list };
	int r;

	if (dir_fd < 0)
		return err_sys(err, "%s", dir);
	r = read_builtin(dir_fd, &index, err);
	if (r == 0)
		r = walk(dir_fd, "kernel", 0, &index, err);
	c.index = index;
	for (size_t i = 0; r == 0 && i < wants_len; i++) {
		r = collect(&c, wants[i].name, 0, err);
		if (r == -ENOENT && wants[i].optional)
			r = 0;
	}
	if (r < 0)
		return err_wrap(err, r, "kernel modules in %s", dir);
	*ret = list;
	list = (struct kmod_list){ 0 };

	return 0;
}

void kmod_drop_signature(struct kmod *module)
{
	const size_t magic_len = strlen(SIGNATURE_MAGIC);
	const unsigned char *data = module->data;
	struct signature_end end;
	size_t left = module->data_len;

	if (left < magic_len + sizeof(end) ||
	    memcmp(data + left - magic_len, SIGNATURE_MAGIC, magic_len) != 0)
		return;
	left -= magic_len + sizeof(end);
	memcpy(&end, data + left, sizeof(end));
	if (be32toh(end.bytes) <= left)
		module->data_len = left - be32toh(end.bytes);
}
