/* SPDX-License-Identifier: Apache-2.0
 *
 * erofs_format.h - the parts of EROFS' on-disk format that we write
 *
 * References: Linux, fs/erofs/erofs_fs.h and Documentation/filesystems/erofs.rst. Everything is
 * little-endian. Inodes are addressed by nid: their offset in 32-byte units from the start of
 * the metadata area, which is the start of the file in ours.
 */
#ifndef IMAGE_EROFS_FORMAT_H
#define IMAGE_EROFS_FORMAT_H

#include <endian.h>
#include <stdint.h>

#define EROFS_BLOCK_BITS 12
#define EROFS_BLOCK_BYTES (1U << EROFS_BLOCK_BITS)
#define EROFS_SUPER_AT 1024
#define EROFS_MAGIC 0xe0f5e1e2U
#define EROFS_COMPAT_CHECKSUM 0x1U
#define EROFS_COMPAT_MTIME 0x2U
#define EROFS_INCOMPAT_CHUNKED_FILE 0x4U
#define EROFS_SLOT_BYTES 32U /* unit of a nid */
#define EROFS_HOLE 0xffffffffU

/* Values in the file, so that no code forgets to convert them. */
struct le16 {
	uint16_t raw;
};
struct le32 {
	uint32_t raw;
};
struct le64 {
	uint64_t raw;
};

static inline struct le16 to_le16(uint16_t value)
{
	return (struct le16){ htole16(value) };
}

static inline struct le32 to_le32(uint32_t value)
{
	return (struct le32){ htole32(value) };
}

static inline struct le64 to_le64(uint64_t value)
{
	return (struct le64){ htole64(value) };
}

struct erofs_super {
	struct le32 magic;
	struct le32 checksum; /* crc32c from here to the end of the block, with this field 0 */
	struct le32 feature_compat;
	uint8_t block_bits;
	uint8_t ext_slots;
	struct le16 root_nid;
	struct le64 inodes;
	struct le64 build_time_s;
	struct le32 build_time_ns;
	struct le32 blocks;
	struct le32 meta_block;
	struct le32 xattr_block;
	uint8_t uuid[16];
	uint8_t volume_name[16];
	struct le32 feature_incompat;
	uint8_t unused[44];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_super) == 128, "size of the superblock");

enum erofs_layout {
	EROFS_PLAIN = 0,  /* data in whole blocks */
	EROFS_INLINE = 2, /* what is left after whole blocks follows the inode */
	EROFS_CHUNKS = 4, /* a map of chunks follows the inode */
};

#define EROFS_INODE_EXTENDED 1U /* bit 0 of @format; the layout is in the bits above */

struct erofs_inode {
	struct le16 format;
	struct le16 xattr_units; /* 0, or 1 + units of 4 bytes behind the xattr header */
	struct le16 mode;
	struct le16 unused1;
	struct le64 size;
	struct le32 block; /* first block, or device number, or chunk bits */
	struct le32 ino;
	struct le32 uid;
	struct le32 gid;
	struct le64 mtime_s;
	struct le32 mtime_ns;
	struct le32 nlink;
	uint8_t unused2[16];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_inode) == 64, "size of an extended inode");

/* Begins the extended attributes behind an inode; @shared offsets, then entries, follow. */
struct erofs_xattr_header {
	struct le32 name_filter;
	uint8_t shared;
	uint8_t unused[7];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_xattr_header) == 12, "size of the xattr header");

struct erofs_xattr_entry {
	uint8_t name_len;
	uint8_t name_index; /* stands for the prefix */
	struct le16 value_len;
} __attribute__((packed));

struct erofs_dirent {
	struct le64 nid;
	struct le16 name_at; /* in the block */
	uint8_t type;
	uint8_t unused;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_dirent) == 12, "size of a directory entry");

#endif
