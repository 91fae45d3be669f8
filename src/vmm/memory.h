/* SPDX-License-Identifier: Apache-2.0
 *
 * memory.h - the memory of a guest, and the sole translation of its addresses
 *
 * A guest address is a number that the guest chose. Device code never makes a host pointer out
 * of one by itself: memory_at() answers only when the whole range lies in one region, and the
 * helpers below copy once, so that what has been checked cannot change afterwards.
 *
 * Every region's host address is congruent to its guest address modulo 2 MiB, so that huge pages
 * of the host can serve huge pages of the guest. Regions do not change while the guest runs:
 * all of this may be called from any thread.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

#define MEMORY_HUGE_BYTES (2 * MIB)
/* RAM ends here at first; what is beyond continues at 4 GiB. Devices are between. */
#define MEMORY_HOLE_START (3 * GIB)
#define MEMORY_HOLE_END (4 * GIB)
#define MEMORY_MIN_BYTES (64 * MIB)
#define MEMORY_MAX_BYTES (16 * 1024 * GIB)
#define MEMORY_REGIONS_MAX 2
/* Files in the address space are behind RAM, from a multiple of this on: of a guest's sections. */
#define MEMORY_FILES_ALIGN (1 * GIB)
#define MEMORY_FILES_MAX 200
#define MEMORY_FILE_MAX_BYTES (1024 * GIB)

/* A guest physical address. */
struct gpa {
	uint64_t v;
};

#define GPA(value) ((struct gpa){ (value) })

enum memory_backing {
	MEMORY_SHARED,	/* a sealed memfd, which vhost-user daemons map as well */
	MEMORY_PRIVATE, /* of this process: copied from a file at the first write, or empty at first
			 */
};

/**
 * struct memory_region - guest addresses that are RAM, or a file
 * @start:	first guest address
 * @bytes:	size, a multiple of a page
 * @host:	where it is mapped here
 * @file_offset: where it is in the backing file
 */
struct memory_region {
	uint64_t start, bytes;
	unsigned char *host;
	uint64_t file_offset;
};

/**
 * struct memory - all RAM of a guest, and the files that it can read like RAM
 * @regions:	RAM, in ascending order
 * @regions_len: their number
 * @files:	read-only, in ascending order, above all RAM
 * @files_len:	their number
 * @bytes:	of all of @regions
 * @backing:	which kind
 * @fd:		the backing file, owned; -1: private and anonymous
 */
struct memory {
	struct memory_region regions[MEMORY_REGIONS_MAX];
	size_t regions_len;
	struct memory_region files[MEMORY_FILES_MAX];
	size_t files_len;
	uint64_t bytes;
	enum memory_backing backing;
	int fd;
};

/**
 * memory_init() - Make the RAM of a guest
 * @mem:	released with memory_done()
 * @bytes:	a multiple of 2 MiB, MEMORY_MIN_BYTES to MEMORY_MAX_BYTES
 * @backing:	which kind
 * @file_fd:	-1: it is zero at first; else (MEMORY_PRIVATE) a file of @bytes, given
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -EINVAL or another negative errno.
 */
int memory_init(struct memory *mem, uint64_t bytes, enum memory_backing backing, int file_fd,
		struct err *err);
void memory_done(struct memory *mem);
DEFINE_AUTO_DONE(memory)

/**
 * memory_add_file() - Map a file behind all that there is, read-only and shared
 * @mem:	memory of no machine yet
 * @fd:		a file of 1 to MEMORY_FILE_MAX_BYTES bytes, open for reading; borrowed
 * @ret:	where it is; borrowed. Its size is a multiple of MEMORY_HUGE_BYTES: zeroes follow
 *		the file. Whoever cuts the file short later ends the machine
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -EINVAL, -ENOSPC when there are too many, or another negative errno.
 */
int memory_add_file(struct memory *mem, int fd, const struct memory_region **ret, struct err *err);

/**
 * memory_at() - Where a range of guest addresses is mapped
 * @mem:	memory
 * @gpa:	first address
 * @bytes:	size of the range, may be 0
 *
 * Return: a pointer to all of it, or NULL unless the whole range is in one region. The guest
 *	   writes there at any time: read once, with memory_read() or an atomic load.
 */
void *memory_at(const struct memory *mem, struct gpa gpa, uint64_t bytes);

/*
 * The same for what a device only reads: in one region or file. A guest that runs from a file has
 * its devices send pages of it.
 */
const void *memory_source_at(const struct memory *mem, struct gpa gpa, uint64_t bytes);

/* Copy out of the guest's memory. 0, or -EFAULT when not all of the range is RAM. */
int memory_read(const struct memory *mem, struct gpa gpa, void *buf, size_t bytes);

/* Copy into the guest's memory. 0 or -EFAULT. */
int memory_write(const struct memory *mem, struct gpa gpa, const void *buf, size_t bytes);

/* Fill with zeroes. 0 or -EFAULT. */
int memory_zero(const struct memory *mem, struct gpa gpa, uint64_t bytes);

/**
 * memory_load() - Read from a file into the guest's memory
 * @mem:	memory
 * @gpa:	destination
 * @fd:		file, read with pread(2)
 * @offset:	in the file
 * @bytes:	how much; the file must have it
 *
 * Return: 0, -EFAULT, -ENODATA at the end of the file, or another negative errno.
 */
int memory_load(const struct memory *mem, struct gpa gpa, int fd, uint64_t offset, uint64_t bytes);

/*
 * Give the pages of a range back to the host. They hold zeroes afterwards, or what the file of
 * private memory has there. 0 or a negative errno.
 */
int memory_discard(const struct memory *mem, struct gpa gpa, uint64_t bytes);

#endif
