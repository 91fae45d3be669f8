/* SPDX-License-Identifier: Apache-2.0
 *
 * block.c - virtio disk (virtio 1.2, section 5.2): requests on one file, many at a time
 *
 * Theory of operation
 *
 * A request is a header (read once), data and a status byte. Each chain that is taken occupies a
 * struct request until it is pushed; there are as many as the queue has entries, so the guest
 * decides nothing about memory. A request takes one or more steps, each an operation of
 * blockio.h: a short read or write continues where it ended, a discard or write-zeroes goes
 * through its segments, and zeroes that the file system cannot make cheaply are written.
 *
 * Durability: a write is done when it is in the host's page cache and a flush makes all writes
 * that were done before it durable. A driver that did not negotiate flushes gets writes that are
 * durable one by one.
 *
 * A reset waits: while a request is in flight the kernel may still write into guest memory.
 */
#include "vmm/virtio/block.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/virtio/blockio.h"

#define QUEUE_SIZE 128
#define SECTOR_BYTES 512ULL
#define SEGMENTS_MAX 16 /* of a discard or write-zeroes request */
/* A longer one keeps a worker of the kernel busy for too long. */
#define SEGMENT_MAX_SECTORS (1 * GIB / SECTOR_BYTES)
#define PAGE_SECTORS 8
#define ZEROES_BYTES (64 * KIB)
#define PCI_CLASS_OTHER_STORAGE 0x018000

struct request {
	struct virtq_chain chain; /* what is left of its data */
	uint8_t *status;
	uint32_t type;	 /* VIRTIO_BLK_T_* */
	uint64_t offset; /* in the file, of the next step */
	struct virtio_blk_discard_write_zeroes segments[SEGMENTS_MAX];
	unsigned segments_len, segment; /* the one at hand */
	uint64_t segment_done_bytes;
	bool write_zeroes; /* the file system cannot make them */
};

struct virtio_block {
	struct virtio_device dev; /* first, so that the device is the disk */
	struct virtio_blk_config config;
	int fd;
	bool readonly;
	uint64_t capacity_bytes;
	char serial[VIRTIO_BLOCK_SERIAL_MAX];
	struct blockio io;
	struct loop_source done;
	struct request *requests; /* QUEUE_SIZE of them */
	uint16_t idle[QUEUE_SIZE];
	unsigned idle_len;
	char *zeroes;
	struct virtio_block_stats stats;
};

static struct virtio_block *block_of(struct virtio_device *dev)
{
	return (struct virtio_block *)dev;
}

static bool in_range(const struct virtio_block *block, uint64_t sector, uint64_t bytes)
{
	uint64_t at;

	return !mul_overflows(sector, SECTOR_BYTES, &at) && at <= block->capacity_bytes &&
	       bytes <= block->capacity_bytes - at;
}

/* Give @req back to the driver. */
static void finish(struct virtio_block *block, struct request *req, uint8_t status)
{
	__atomic_store_n(req->status, status, __ATOMIC_RELAXED);
	virtq_push(&block->dev.queues[0], req->chain.head, req->chain.written_bytes + 1);
	block->idle[block->idle_len++] = (uint16_t)(req - block->requests);
}

static void begin(struct virtio_block *block, const struct request *req, struct blockio_op op)
{
	op.tag = (unsigned)(req - block->requests);
	blockio_begin(&block->io, &op);
}

/* Write zeroes from where the segment at hand has come to. */
static void begin_zeroes(struct virtio_block *block, struct request *req, uint64_t left_bytes)
{
	unsigned n = 0;

	/* The chain's buffers are used up by now: its array serves. */
	while (left_bytes > 0 && n < ARRAY_SIZE(req->chain.iov)) {
		size_t bytes = MIN(left_bytes, ZEROES_BYTES);

		req->chain.iov[n++] = (struct iovec){ block->zeroes, bytes };
		left_bytes -= bytes;
	}
	begin(block, req,
	      (struct blockio_op){
		      .kind = BLOCKIO_WRITE,
		      .iov = req->chain.iov,
		      .iov_len = n,
		      .offset = req->offset + req->segment_done_bytes,
		      .durable = !virtio_has(&block->dev, VIRTIO_BLK_F_FLUSH),
	      });
}

static void begin_segment(struct virtio_block *block, struct request *req)
{
	const struct virtio_blk_discard_write_zeroes *segment = &req->segments[req->segment];
	uint64_t bytes = segment->num_sectors * SECTOR_BYTES;
	bool unmap = req->type == VIRTIO_BLK_T_DISCARD ||
		     (segment->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);

	req->offset = segment->sector * SECTOR_BYTES;
	if (req->write_zeroes) {
		begin_zeroes(block, req, bytes - req->segment_done_bytes);
		return;
	}
	begin(block, req,
	      (struct blockio_op){
		      .kind = BLOCKIO_FALLOCATE,
		      .offset = req->offset,
		      .bytes = bytes,
		      .mode = FALLOC_FL_KEEP_SIZE |
			      (unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
	      });
}

static void begin_data(struct virtio_block *block, struct request *req)
{
	bool read = req->type == VIRTIO_BLK_T_IN;

	begin(block, req,
	      (struct blockio_op){
		      .kind = read ? BLOCKIO_READ : BLOCKIO_WRITE,
		      .iov = read ? req->chain.writable : req->chain.readable,
		      .iov_len = read ? req->chain.writable_len : req->chain.readable_len,
		      .offset = req->offset,
		      .durable = !virtio_has(&block->dev, VIRTIO_BLK_F_FLUSH),
	      });
}

/* The segments of a discard or write-zeroes, read once and checked. Returns a status. */
static uint8_t read_segments(struct virtio_block *block, struct request *req)
{
	struct virtio_blk_discard_write_zeroes *s = req->segments;
	uint32_t flags = req->type == VIRTIO_BLK_T_DISCARD ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	size_t bytes = req->chain.readable_bytes;

	if (bytes == 0 || bytes % sizeof(*s) || bytes > sizeof(req->segments))
		return VIRTIO_BLK_S_IOERR;
	(void)virtq_chain_read(&req->chain, s, bytes);
	req->segments_len = (unsigned)(bytes / sizeof(*s));
	for (unsigned i = 0; i < req->segments_len; i++) {
		s[i].sector = le64toh(s[i].sector);
		s[i].num_sectors = le32toh(s[i].num_sectors);
		s[i].flags = le32toh(s[i].flags);
		if (s[i].flags & ~flags)
			return VIRTIO_BLK_S_UNSUPP;
		if (s[i].num_sectors == 0 || s[i].num_sectors > SEGMENT_MAX_SECTORS ||
		    !in_range(block, s[i].sector, s[i].num_sectors * SECTOR_BYTES))
			return VIRTIO_BLK_S_IOERR;
	}

	return VIRTIO_BLK_S_OK;
}

static uint8_t start_data(struct virtio_block *block, struct request *req, uint64_t sector)
{
	bool read = req->type == VIRTIO_BLK_T_IN;
	size_t bytes = read ? req->chain.writable_bytes : req->chain.readable_bytes;

	if (bytes == 0 || bytes % SECTOR_BYTES || !in_range(block, sector, bytes) ||
	    (!read && block->readonly))
		return VIRTIO_BLK_S_IOERR;
	req->offset = sector * SECTOR_BYTES;
	if (read) {
		block->stats.reads++;
		block->stats.read_bytes += bytes;
	} else {
		block->stats.writes++;
		block->stats.written_bytes += bytes;
	}
	begin_data(block, req);

	return VIRTIO_BLK_S_OK;
}

static uint8_t start_segments(struct virtio_block *block, struct request *req)
{
	unsigned feature = req->type == VIRTIO_BLK_T_DISCARD ? VIRTIO_BLK_F_DISCARD
							     : VIRTIO_BLK_F_WRITE_ZEROES;
	uint8_t status;

	if (!virtio_has(&block->dev, feature))
		return VIRTIO_BLK_S_UNSUPP;
	status = read_segments(block, req);
	if (status != VIRTIO_BLK_S_OK)
		return status;
	block->stats.discards++;
	begin_segment(block, req);

	return VIRTIO_BLK_S_OK;
}

/* Begin what the header asks for. True when there is something to wait for. */
static bool start(struct virtio_block *block, struct request *req,
		  const struct virtio_blk_outhdr *head, uint8_t *ret_status)
{
	*ret_status = VIRTIO_BLK_S_OK;
	switch (req->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		*ret_status = start_data(block, req, le64toh(head->sector));
		break;
	case VIRTIO_BLK_T_FLUSH:
		block->stats.flushes++;
		if (block->readonly)
			return false;
		begin(block, req, (struct blockio_op){ .kind = BLOCKIO_SYNC });
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		*ret_status = start_segments(block, req);
		break;
	case VIRTIO_BLK_T_GET_ID:
		(void)virtq_chain_write(&req->chain, block->serial, sizeof(block->serial));
		return false;
	default:
		*ret_status = VIRTIO_BLK_S_UNSUPP;
		break;
	}

	return *ret_status == VIRTIO_BLK_S_OK;
}

/* Take one chain. False when there is none, or no more. */
static bool take(struct virtio_block *block, struct virtq *q)
{
	struct request *req = &block->requests[block->idle[block->idle_len - 1]];
	struct virtio_blk_outhdr head;
	uint8_t status;

	if (!virtq_pop(q, &req->chain))
		return false;
	if (virtq_chain_read(&req->chain, &head, sizeof(head)) < sizeof(head)) {
		virtq_break(q, "block request without a header");
		return false;
	}
	req->status = virtq_chain_cut_status(&req->chain);
	if (!req->status) {
		virtq_break(q, "block request without a place for its status");
		return false;
	}
	block->idle_len--;
	req->type = le32toh(head.type);
	req->segment = 0;
	req->segment_done_bytes = 0;
	req->write_zeroes = false;
	if (!start(block, req, &head, &status))
		finish(block, req, status);

	return true;
}

static bool kick(struct virtio_device *dev, unsigned queue)
{
	struct virtio_block *block = block_of(dev);
	struct virtq *q = &dev->queues[queue];
	unsigned budget = VIRTIO_BUDGET;
	bool more = true;

	virtq_mute(q);
	/* A driver that offers more chains than the queue has entries waits for some to end. */
	while (more && budget > 0 && block->idle_len > 0) {
		if (take(block, q))
			budget--;
		else
			more = virtq_unmute(q);
	}
	blockio_submit(&block->io);
	virtio_signal(dev, queue);

	return more && budget == 0;
}

/* Go on with a read or write of which @bytes have been done. True while it is not done. */
static bool continue_data(struct virtio_block *block, struct request *req, size_t bytes)
{
	struct virtq_chain *chain = &req->chain;

	req->offset += bytes;
	if (req->type == VIRTIO_BLK_T_IN)
		virtq_chain_filled(chain, bytes);
	else
		virtq_chain_skip(chain, bytes);
	if (chain->readable_len == 0 && chain->writable_len == 0)
		return false;
	begin_data(block, req);

	return true;
}

static bool continue_segments(struct virtio_block *block, struct request *req, size_t bytes)
{
	const struct virtio_blk_discard_write_zeroes *segment = &req->segments[req->segment];

	req->segment_done_bytes += bytes;
	if (!req->write_zeroes || req->segment_done_bytes >= segment->num_sectors * SECTOR_BYTES) {
		req->segment++;
		req->segment_done_bytes = 0;
	}
	if (req->segment >= req->segments_len)
		return false;
	begin_segment(block, req);

	return true;
}

/* A step of @req ended. True when another one has begun; else its status. */
static bool next_step(struct virtio_block *block, struct request *req, int result,
		      uint8_t *ret_status)
{
	bool data = req->type == VIRTIO_BLK_T_IN || req->type == VIRTIO_BLK_T_OUT;

	*ret_status = VIRTIO_BLK_S_IOERR;
	if (block->dev.state.resetting)
		return false;
	if (result == -EOPNOTSUPP && req->type == VIRTIO_BLK_T_WRITE_ZEROES && !req->write_zeroes) {
		req->write_zeroes = true;
		begin_segment(block, req);
		return true;
	}
	/* Nothing at all: somebody has cut the file short. */
	if (result < 0 || (result == 0 && (data || req->write_zeroes)))
		return false;
	*ret_status = VIRTIO_BLK_S_OK;
	if (data)
		return continue_data(block, req, (size_t)result);

	return req->type != VIRTIO_BLK_T_FLUSH && continue_segments(block, req, (size_t)result);
}

static void on_done(void *ctx, uint32_t events UNUSED)
{
	struct virtio_block *block = ctx;
	struct blockio_done done;
	uint64_t count;

	(void)!read(block->io.event_fd, &count, sizeof(count));
	while (blockio_reap(&block->io, &done)) {
		struct request *req = &block->requests[done.tag];
		uint8_t status;

		if (!next_step(block, req, done.result, &status))
			finish(block, req, status);
	}
	blockio_submit(&block->io);
	virtio_signal(&block->dev, 0);
	if (block->io.in_flight == 0)
		virtio_reset_done(&block->dev);
	/* Chains that found no idle request wait unannounced. */
	if (virtio_running(&block->dev) && virtq_pending(&block->dev.queues[0]))
		virtio_ring(&block->dev, 0);
	virtio_check(&block->dev);
}

static bool reset(struct virtio_device *dev)
{
	return block_of(dev)->io.in_flight == 0;
}

static const struct virtio_ops ops = {
	.kick = kick,
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
	*ret_bytes -= *ret_bytes % SECTOR_BYTES;

	return 0;
}

/* Can holes be punched? Behind the end, where there is nothing to lose. */
static bool can_punch(int fd, uint64_t bytes)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)(bytes + ZEROES_BYTES), (off_t)ZEROES_BYTES) == 0 ||
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
		.capacity = htole64(block->capacity_bytes / SECTOR_BYTES),
		.seg_max = htole32(QUEUE_SIZE - 2), /* header and status are not segments */
		.blk_size = htole32(SECTOR_BYTES),
		.physical_block_exp = 3, /* the host writes pages */
		.min_io_size = htole16(PAGE_SECTORS),
		.max_discard_sectors = htole32(SEGMENT_MAX_SECTORS),
		.max_discard_seg = htole32(SEGMENTS_MAX),
		.discard_sector_alignment = htole32(PAGE_SECTORS),
		.max_write_zeroes_sectors = htole32(SEGMENT_MAX_SECTORS),
		.max_write_zeroes_seg = htole32(SEGMENTS_MAX),
		.write_zeroes_may_unmap = 1,
	};
}

static int init(struct virtio_block *block, const struct virtio_env *env,
		const struct virtio_block_options *options, struct err *err)
{
	static const uint16_t sizes[] = { QUEUE_SIZE };
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
	block->requests = calloc(QUEUE_SIZE, sizeof(*block->requests));
	block->zeroes = calloc(1, ZEROES_BYTES);
	if (!block->requests || !block->zeroes)
		return err_set(err, ENOMEM, "block: no memory");
	while (block->idle_len < QUEUE_SIZE) {
		block->idle[block->idle_len] = (uint16_t)(QUEUE_SIZE - 1 - block->idle_len);
		block->idle_len++;
	}
	r = capacity(block->fd, &block->capacity_bytes, err);
	if (r == 0)
		r = blockio_init(&block->io, block->fd, QUEUE_SIZE, !options->no_ring, err);
	if (r < 0)
		return r;
	block->done.fd = block->io.event_fd;
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
	block->io.ring_fd = block->io.event_fd = -1;
	block->done = (struct loop_source){ .fd = -1, .fn = on_done, .ctx = block };
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
