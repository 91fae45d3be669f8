/* SPDX-License-Identifier: Apache-2.0
 *
 * memory.c - the memory of a guest, and the sole translation of its addresses
 */
#include "vmm/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* Private memory of zeroes, aligned to a huge page; with PROT_NONE addresses and no more. */
static unsigned char *map_aligned(uint64_t bytes, int prot)
{
	uint64_t whole = bytes + MEMORY_HUGE_BYTES, before;
	unsigned char *map, *at;

	map = mmap(NULL, whole, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)map & (MEMORY_HUGE_BYTES - 1);
	at = map + before;
	if (before > 0)
		(void)munmap(map, before);
	(void)munmap(at + bytes, MEMORY_HUGE_BYTES - before);

	return at;
}

static int map_region(struct memory *mem, uint64_t start, uint64_t bytes, struct err *err)
{
	struct memory_region *region = &mem->regions[mem->regions_len];
	int flags = MAP_FIXED | MAP_NORESERVE |
		    (mem->backing == MEMORY_SHARED ? MAP_SHARED : MAP_PRIVATE);
	bool has_file = mem->fd >= 0;

	*region = (struct memory_region){ .start = start, .bytes = bytes };
	if (mem->regions_len > 0)
		region->file_offset = region[-1].file_offset + region[-1].bytes;
	region->host = map_aligned(bytes, has_file ? PROT_NONE : PROT_READ | PROT_WRITE);
	if (!region->host)
		return err_sys(err, "find room for the guest's memory");
	mem->regions_len++;
	if (has_file && mmap(region->host, bytes, PROT_READ | PROT_WRITE, flags, mem->fd,
			     (off_t)region->file_offset) == MAP_FAILED)
		return err_sys(err, "map the guest's memory");
	/* Without them it is only slower; a guest's memory is no part of our core dumps. */
	(void)madvise(region->host, bytes, MADV_HUGEPAGE);
	(void)madvise(region->host, bytes, MADV_DONTDUMP);

	return 0;
}

/* Daemons that map it rely on its size: it can neither shrink nor grow. */
static int make_shared(uint64_t bytes, struct err *err)
{
	auto_close int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_sys(err, "make the guest's memory");

	return take_fd(fd);
}

int memory_init(struct memory *mem, uint64_t bytes, enum memory_backing backing, int file_fd,
		struct err *err)
{
	uint64_t low = MIN(bytes, MEMORY_HOLE_START);
	int r;

	*mem = (struct memory){ .bytes = bytes, .backing = backing, .fd = file_fd };
	if (bytes < MEMORY_MIN_BYTES || bytes > MEMORY_MAX_BYTES ||
	    bytes % MEMORY_HUGE_BYTES != 0) {
		memory_done(mem);
		return err_setk(err, ERR_USAGE, EINVAL,
				"a machine cannot have %llu bytes of memory",
				(unsigned long long)bytes);
	}
	if (backing == MEMORY_SHARED) {
		mem->fd = make_shared(bytes, err);
		if (mem->fd < 0)
			return mem->fd;
	}
	r = map_region(mem, 0, low, err);
	if (r == 0 && bytes > low)
		r = map_region(mem, MEMORY_HOLE_END, bytes - low, err);
	if (r < 0)
		memory_done(mem);

	return r;
}

static uint64_t files_start(const struct memory *mem)
{
	const struct memory_region *last = &mem->regions[mem->regions_len - 1];

	if (mem->files_len == 0)
		return (MAX(last->start + last->bytes, MEMORY_HOLE_END) + MEMORY_FILES_ALIGN - 1) &
		       ~(MEMORY_FILES_ALIGN - 1);
	last = &mem->files[mem->files_len - 1];

	return last->start + last->bytes;
}

int memory_add_file(struct memory *mem, int fd, const struct memory_region **ret, struct err *err)
{
	struct memory_region *file = &mem->files[mem->files_len];
	unsigned char *host;
	struct stat st;
	uint64_t bytes;

	if (mem->files_len == MEMORY_FILES_MAX)
		return err_set(err, ENOSPC, "more than %d files in memory", MEMORY_FILES_MAX);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "look at a file for the guest's memory");
	if (!S_ISREG(st.st_mode) || st.st_size < 1 || st.st_size > (off_t)MEMORY_FILE_MAX_BYTES)
		return err_set(err, EINVAL, "this cannot be mapped into the guest's memory");
	bytes = ((uint64_t)st.st_size + MEMORY_HUGE_BYTES - 1) & ~(MEMORY_HUGE_BYTES - 1);
	/* Behind the file's last page there would be nothing, which ends whoever looks. */
	host = map_aligned(bytes, PROT_READ);
	if (!host)
		return err_sys(err, "find room for a file");
	if (mmap(host, (size_t)st.st_size, PROT_READ, MAP_FIXED | MAP_SHARED, fd, 0) ==
	    MAP_FAILED) {
		int r = err_sys(err, "map a file into the guest's memory");

		(void)munmap(host, bytes);
		return r;
	}
	(void)madvise(host, bytes, MADV_DONTDUMP);
	*file = (struct memory_region){ .start = files_start(mem), .bytes = bytes, .host = host };
	mem->files_len++;
	*ret = file;

	return 0;
}

void memory_done(struct memory *mem)
{
	for (size_t i = 0; i < mem->files_len; i++)
		(void)munmap(mem->files[i].host, mem->files[i].bytes);
	mem->files_len = 0;
	for (size_t i = 0; i < mem->regions_len; i++)
		(void)munmap(mem->regions[i].host, mem->regions[i].bytes);
	mem->regions_len = 0;
	mem->fd = fd_close(mem->fd);
}

/* Where the range is mapped, if one of @regions has all of it; else NULL. */
static unsigned char *look_up(const struct memory_region *regions, size_t len, struct gpa gpa,
			      uint64_t bytes)
{
	for (size_t i = 0; i < len; i++) {
		/* An address below the region wraps to an offset beyond its end. */
		uint64_t offset = gpa.v - regions[i].start;

		if (offset <= regions[i].bytes && bytes <= regions[i].bytes - offset)
			return regions[i].host + offset;
	}

	return NULL;
}

void *memory_at(const struct memory *mem, struct gpa gpa, uint64_t bytes)
{
	return look_up(mem->regions, mem->regions_len, gpa, bytes);
}

const void *memory_source_at(const struct memory *mem, struct gpa gpa, uint64_t bytes)
{
	const void *at = memory_at(mem, gpa, bytes);

	return at ? at : look_up(mem->files, mem->files_len, gpa, bytes);
}

int memory_read(const struct memory *mem, struct gpa gpa, void *buf, size_t bytes)
{
	const void *at = memory_at(mem, gpa, bytes);

	if (!at)
		return -EFAULT;
	memcpy(buf, at, bytes);

	return 0;
}

int memory_write(const struct memory *mem, struct gpa gpa, const void *buf, size_t bytes)
{
	void *at = memory_at(mem, gpa, bytes);

	if (!at)
		return -EFAULT;
	memcpy(at, buf, bytes);

	return 0;
}

int memory_zero(const struct memory *mem, struct gpa gpa, uint64_t bytes)
{
	void *at = memory_at(mem, gpa, bytes);

	if (!at)
		return -EFAULT;
	memset(at, 0, bytes);

	return 0;
}

int memory_load(const struct memory *mem, struct gpa gpa, int fd, uint64_t offset, uint64_t bytes)
{
	unsigned char *at = memory_at(mem, gpa, bytes);

	if (!at)
		return -EFAULT;
	while (bytes > 0) {
		ssize_t n = pread(fd, at, bytes, (off_t)offset);

		if (n == 0)
			return -ENODATA;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}

	return 0;
}

int memory_discard(const struct memory *mem, struct gpa gpa, uint64_t bytes)
{
	void *at = memory_at(mem, gpa, bytes);
	int advice = mem->backing == MEMORY_SHARED ? MADV_REMOVE : MADV_DONTNEED;

	if (!at)
		return -EFAULT;

	return madvise(at, bytes, advice) < 0 ? -errno : 0;
}
