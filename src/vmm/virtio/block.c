/* SPDX-License-Identifier: Apache-2.0
 *
 * block.c - virtio disk (virtio 1.2, section 5.2): what it offers, and its making
 *
 * What it does is in block_request.c.
 */
#include "vmm/virtio/block.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/virtio/block_priv.h"

#define PAGE_SECTORS 8
#define PCI_CLASS_OTHER_STORAGE 0x018000

static bool reset(struct virtio_device *dev)
{
	return ((struct virtio_block *)dev)->io.in_flight == 0;
}

static const struct virtio_ops ops = {
	.kick = block_kick,
	.reset = reset,
};

static int capacity(int fd, uint64_t *ret_bytes, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "block: look at the file");
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, ret_bytes) < 0)
		return err_sys(err, "block: size of the device");
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(err, ENOTBLK, "block: neither a file nor a block device");
	if (S_ISREG(st.st_mode))
		*ret_bytes = (uint64_t)st.st_size;
	*ret_bytes -= *ret_bytes % BLOCK_SECTOR_BYTES;

	return 0;
}

/* Can holes be punched? Behind the end, where there is nothing to lose. */
static bool can_punch(int fd, uint64_t bytes)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)(bytes + BLOCK_ZEROES_BYTES), (off_t)BLOCK_ZEROES_BYTES) == 0 ||
	       errno != EOPNOTSUPP;
}

static void fill_config(struct virtio_block *block, uint64_t *features)
{
	*features = VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
		    VIRTIO_FEATURE(VIRTIO_BLK_F_TOPOLOGY) | VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH);
	if (block->readonly)
		*features |= VIRTIO_FEATURE(VIRTIO_BLK_F_RO);
	else
		*features |= VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
	if (!block->readonly && can_punch(block->fd, block->capacity_bytes))
		*features |= VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD);
	block->config = (struct virtio_blk_config){
		.capacity = htole64(block->capacity_bytes / BLOCK_SECTOR_BYTES),
		.seg_max = htole32(BLOCK_QUEUE_SIZE - 2), /* header and status are not segments */
		.blk_size = htole32(BLOCK_SECTOR_BYTES),
		.physical_block_exp = 3, /* the host writes pages */
		.min_io_size = htole16(PAGE_SECTORS),
		.max_discard_sectors = htole32(BLOCK_SEGMENT_MAX_SECTORS),
		.max_discard_seg = htole32(BLOCK_SEGMENTS_MAX),
		.discard_sector_alignment = htole32(PAGE_SECTORS),
		.max_write_zeroes_sectors = htole32(BLOCK_SEGMENT_MAX_SECTORS),
		.max_write_zeroes_seg = htole32(BLOCK_SEGMENTS_MAX),
		.write_zeroes_may_unmap = 1,
	};
}

static int init(struct virtio_block *block, const struct virtio_env *env,
		const struct virtio_block_options *options, struct err *err)
{
	static const uint16_t sizes[] = { BLOCK_QUEUE_SIZE };
	struct virtio_spec spec = {
		.name = "block",
		.ops = &ops,
		.type = VIRTIO_ID_BLOCK,
		.class_code = PCI_CLASS_OTHER_STORAGE,
		.queue_sizes = sizes,
		.queues_len = ARRAY_SIZE(sizes),
		.config = &block->config,
		.config_bytes = offsetof(struct virtio_blk_config, max_secure_erase_sectors),
	};
	size_t serial_len = options->serial ? strlen(options->serial) : 0;
	int r;

	if (serial_len > sizeof(block->serial))
		return err_set(err, ENAMETOOLONG, "block: serial number %s", options->serial);
	if (serial_len > 0)
		memcpy(block->serial, options->serial, serial_len);
	block->requests = calloc(BLOCK_QUEUE_SIZE, sizeof(*block->requests));
	block->zeroes = calloc(1, BLOCK_ZEROES_BYTES);
	if (!block->requests || !block->zeroes)
		return err_set(err, ENOMEM, "block: no memory");
	while (block->idle_len < BLOCK_QUEUE_SIZE) {
		block->idle[block->idle_len] = (uint16_t)(BLOCK_QUEUE_SIZE - 1 - block->idle_len);
		block->idle_len++;
	}
	r = capacity(block->fd, &block->capacity_bytes, err);
	if (r == 0)
		r = blockio_init(&block->io, block->fd, BLOCK_QUEUE_SIZE, !options->no_ring, err);
	if (r < 0)
		return r;
	block->done.fd = block->io.wake_fd;
	r = loop_add(env->loop, &block->done, EPOLLIN);
	if (r < 0)
		return err_set(err, -r, "block: watch the ring");
	fill_config(block, &spec.features);

	return virtio_init(&block->dev, &spec, env, err);
}

int virtio_block_new(const struct virtio_env *env, const struct virtio_block_options *options,
		     struct virtio_block **ret, struct err *err)
{
	struct virtio_block *block = calloc(1, sizeof(*block));
	int r;

	if (!block) {
		fd_close(options->fd);
		return err_set(err, ENOMEM, "block: no memory");
	}
	block->fd = options->fd;
	block->readonly = options->readonly;
	block->io.ring_fd = block->io.wake_fd = -1;
	block->done = (struct loop_source){ .fd = -1, .fn = block_on_done, .ctx = block };
	block->retry = (struct loop_timer){ .fn = block_retry, .ctx = block };
	block->dev.env = *env;
	r = init(block, env, options, err);
	if (r < 0) {
		virtio_block_free(block);
		return r;
	}
	*ret = block;

	return 0;
}

void virtio_block_free(struct virtio_block *block)
{
	if (!block)
		return;
	loop_del(block->dev.env.loop, &block->done);
	loop_timer_disarm(block->dev.env.loop, &block->retry);
	blockio_done(&block->io);
	virtio_done(&block->dev);
	fd_close(block->fd);
	free(block->requests);
	free(block->zeroes);
	free(block);
}

struct virtio_device *virtio_block_device(struct virtio_block *block)
{
	return &block->dev;
}

unsigned virtio_block_in_flight(const struct virtio_block *block)
{
	return block->io.in_flight;
}

void virtio_block_get_stats(const struct virtio_block *block, struct virtio_block_stats *ret)
{
	*ret = block->stats;
}

const struct confine_list *virtio_block_calls(const struct virtio_block *block)
{
	return block->io.ring_fd >= 0 ? &blockio_ring_calls : &blockio_plain_calls;
}
