/* SPDX-License-Identifier: Apache-2.0
 *
 * tar.h - tar archives as streams, read and written without seeking
 *
 * The reader is pushed: bytes go in as they arrive, in pieces of any size, and entries come out
 * through callbacks, their data as pointers into the very buffer that was fed. It reads v7,
 * ustar and GNU headers (long names, base-256 numbers, sparse files of the old form) and pax
 * headers (SCHILY.xattr, GNU sparse 0.0, 0.1 and 1.0). Global pax headers are skipped, as other
 * image tools skip them. Names are bytes: they need not be UTF-8, and whether one is safe to
 * use is for the caller to judge.
 *
 * The writer makes ustar headers, preceded by a pax header where ustar cannot hold a value, and
 * sparse files of GNU's form 1.0.
 *
 * References: POSIX.1-2017 pax(1); GNU tar manual, "Storing Sparse Files"; tar(5) of libarchive.
 */
#ifndef WIRE_TAR_H
#define WIRE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macro.h"
#include "base/parse.h"

#define TAR_BLOCK_BYTES 512
#define TAR_MAX_NAME_BYTES (16 * KIB)	  /* of a name or a link target */
#define TAR_MAX_EXTENSION_BYTES (1 * MIB) /* of one pax header */
#define TAR_MAX_EXTENSIONS 16		  /* extension headers before one entry */
#define TAR_MAX_XATTRS 256		  /* of one entry */
#define TAR_MAX_XATTR_BYTES (64 * KIB)	  /* of one value, the kernel's own limit */
#define TAR_MAX_SPARSE_SEGMENTS 65536	  /* of one entry */

enum tar_type {
	TAR_FILE = '0',
	TAR_HARDLINK = '1',
	TAR_SYMLINK = '2',
	TAR_CHAR = '3',
	TAR_BLOCK = '4',
	TAR_DIR = '5',
	TAR_FIFO = '6',
};

/* @name is without the "SCHILY.xattr." prefix; both may hold any byte, @name no NUL. */
struct tar_xattr {
	struct slice name, value;
};

/* Bytes of a sparse file that are stored; what lies between is a hole. Ascending, disjoint. */
struct tar_segment {
	uint64_t offset_bytes, len_bytes;
};

/**
 * struct tar_entry - one member of an archive
 * @type:	kind of file
 * @name:	as stored, NUL-terminated, never empty; may end in slashes
 * @link:	target of a symlink, or name of the member a hard link equals; "" for others
 * @mode:	permission bits, 07777 at most
 * @uid:	owner
 * @gid:	group
 * @uname:	name of the owner, "" when not stored
 * @gname:	name of the group, "" when not stored
 * @mtime_s:	seconds since 1970, may be negative
 * @mtime_ns:	0 to 999,999,999
 * @size_bytes:	length of the file once unpacked, holes included; 0 for all but TAR_FILE
 * @dev_major:	of a device
 * @dev_minor:	of a device
 * @xattrs:	extended attributes
 * @xattrs_len:	their number
 * @sparse:	true when @segments says which parts are stored
 * @segments:	valid while @sparse
 * @segments_len: their number; 0 for a file that is one hole
 */
struct tar_entry {
	enum tar_type type;
	const char *name, *link;
	uint32_t mode;
	uint32_t uid, gid;
	const char *uname, *gname;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t size_bytes;
	uint32_t dev_major, dev_minor;
	const struct tar_xattr *xattrs;
	size_t xattrs_len;
	bool sparse;
	const struct tar_segment *segments;
	size_t segments_len;
};

/**
 * struct tar_reader_ops - who receives what the reader finds
 * @entry:	a member begins; @entry and all it points to are valid during the call only
 * @data:	the next stored bytes of it, in ascending order of @offset_bytes
 * @end:	the member is complete; called once for every @entry. NULL: not wanted
 * @raw:	every byte of the archive that is not stored data, in order: headers, padding, what
 *		follows the end; a header's bytes come before its @entry. NULL: not wanted
 *
 * A negative return ends the reading and is what tar_reader_feed() returns.
 */
struct tar_reader_ops {
	int (*entry)(void *ctx, const struct tar_entry *entry, struct err *err);
	int (*data)(void *ctx, uint64_t offset_bytes, const void *buf, size_t len, struct err *err);
	int (*end)(void *ctx, struct err *err);
	int (*raw)(void *ctx, const void *buf, size_t len, struct err *err);
};

struct tar_reader;

/**
 * tar_reader_new() - Make a reader
 * @ops:	callbacks, borrowed for the life of the reader
 * @ctx:	first argument of the callbacks
 *
 * Return: the reader, released by tar_reader_free(), or NULL without memory.
 */
struct tar_reader *tar_reader_new(const struct tar_reader_ops *ops, void *ctx);
void tar_reader_free(struct tar_reader *r);
DEFINE_AUTO_PTR(tar_reader)

/**
 * tar_reader_feed() - Read the next bytes of the archive
 * @r:		reader
 * @buf:	any number of bytes, from where the last call ended
 * @len:	their number
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0; -EBADMSG for a malformed archive, -E2BIG beyond one of the limits above, -ENOMEM,
 *	   or what a callback returned. The reader is of no further use after a failure.
 */
int tar_reader_feed(struct tar_reader *r, const void *buf, size_t len, struct err *err);

/**
 * tar_reader_finish() - Say that the archive has ended
 * @r:		reader
 * @err:	filled in on failure, may be NULL
 *
 * An archive without the customary two blocks of zeroes is accepted.
 *
 * Return: 0, or -EBADMSG when it ended within a member.
 */
int tar_reader_finish(struct tar_reader *r, struct err *err);

/**
 * tar_reader_skip() - Pass over the stored data that comes next, unread
 * @r:		reader, to be told of whole members only: @end and @data are not called for it
 *
 * For who can seek. Data that has been fed in part is passed over from there; padding counts.
 *
 * Return: bytes to leave out before the next tar_reader_feed(); 0 when none are due.
 */
uint64_t tar_reader_skip(struct tar_reader *r);

/* True once the two blocks of zeroes were read: a reader of a pipe may stop there. */
bool tar_reader_at_end(const struct tar_reader *r);

/* Bytes of data that an entry has: those of a file, without the holes of a sparse one. */
uint64_t tar_entry_data_bytes(const struct tar_entry *entry);

/* Receives the archive in order. 0 or a negative errno, which the writer hands on. */
typedef int tar_write_fn(void *ctx, const void *buf, size_t len, struct err *err);

/**
 * struct tar_writer - a writer; all members are its own
 * @write:	destination
 * @ctx:	its first argument
 * @left_bytes:	data that the current member still lacks
 * @pad_bytes:	zeroes that follow it
 */
struct tar_writer {
	tar_write_fn *write;
	void *ctx;
	uint64_t left_bytes;
	size_t pad_bytes;
};

/* Needs no counterpart: the writer owns nothing. */
void tar_writer_init(struct tar_writer *w, tar_write_fn *write, void *ctx);

/**
 * tar_writer_entry() - Begin a member
 * @w:		writer whose last member, if any, is complete
 * @entry:	what to write. A NULL @link, @uname or @gname counts as ""
 * @err:	filled in on failure, may be NULL
 *
 * To be followed by exactly tar_entry_data_bytes() of tar_writer_data(). GNU tar takes each segment
 * of a sparse file to begin a block, we do not: they mean the same where all but the last have
 * whole blocks, as those that GNU tar makes.
 *
 * Return: 0, -E2BIG beyond a limit, -EINVAL when the last member is short, -ENOMEM, or what the
 *	   destination returned.
 */
int tar_writer_entry(struct tar_writer *w, const struct tar_entry *entry, struct err *err);

/* The next bytes of the member's data. As above; -EINVAL when they are too many. */
int tar_writer_data(struct tar_writer *w, const void *buf, size_t len, struct err *err);

/* The end of the archive: two blocks of zeroes. */
int tar_writer_finish(struct tar_writer *w, struct err *err);

#endif
