/* SPDX-License-Identifier: Apache-2.0
 *
 * blockio.c - io_uring by its system calls, as little of it as a disk needs
 *
 * The rings are shared with the kernel: our tail and its head, its tail and our head are
 * exchanged with release and acquire. As many entries are never in flight as would overflow the
 * completion ring, which has twice as many.
 */
#include "vmm/virtio/blockio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"

const struct confine_list blockio_ring_calls = CONFINE_LIST(CONFINE_ALLOW(SYS_io_uring_enter));
const struct confine_list blockio_plain_calls =
	CONFINE_LIST(CONFINE_ALLOW(SYS_preadv2), CONFINE_ALLOW(SYS_pwritev2),
		     CONFINE_ALLOW(SYS_fdatasync), CONFINE_ALLOW(SYS_fallocate));

static int sys_enter(int ring_fd, unsigned submit, unsigned wait, unsigned flags)
{
	long r = syscall(SYS_io_uring_enter, ring_fd, submit, wait, flags, NULL, 0);

	return r < 0 ? -errno : (int)r;
}

static int sys_register(int ring_fd, unsigned what, const void *arg, unsigned len)
{
	return syscall(SYS_io_uring_register, ring_fd, what, arg, len) < 0 ? -errno : 0;
}

static int restrict_ring(const struct blockio *io)
{
	static const uint8_t allowed[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
					   IORING_OP_FALLOCATE };
	struct io_uring_restriction list[ARRAY_SIZE(allowed) + 1] = { 0 };
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		list[i].opcode = IORING_RESTRICTION_SQE_OP;
		list[i].sqe_op = allowed[i];
	}
	/* Registered files alone; other flags (links, drains, buffer selection) are refused. */
	list[ARRAY_SIZE(allowed)].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	list[ARRAY_SIZE(allowed)].sqe_flags = IOSQE_FIXED_FILE;

	r = sys_register(io->ring_fd, IORING_REGISTER_FILES, &io->file_fd, 1);
	if (r == 0)
		r = sys_register(io->ring_fd, IORING_REGISTER_RESTRICTIONS, list, ARRAY_SIZE(list));
	if (r == 0)
		r = sys_register(io->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

	return r;
}

static int map_ring(struct blockio *io, const struct io_uring_params *p)
{
	size_t sq_bytes = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t cq_bytes = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	char *base;

	if (!(p->features & IORING_FEAT_SINGLE_MMAP))
		return -ENOSYS;
	io->rings_bytes = MAX(sq_bytes, cq_bytes);
	base = mmap(NULL, io->rings_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    io->ring_fd, IORING_OFF_SQ_RING);
	if (base == MAP_FAILED)
		return -errno;
	io->rings = base;
	io->sqes_bytes = p->sq_entries * sizeof(struct io_uring_sqe);
	io->sqes = mmap(NULL, io->sqes_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			io->ring_fd, IORING_OFF_SQES);
	if (io->sqes == MAP_FAILED) {
		io->sqes = NULL;
		return -errno;
	}
	io->sq_head = (void *)(base + p->sq_off.head);
	io->sq_tail = (void *)(base + p->sq_off.tail);
	io->sq_array = (void *)(base + p->sq_off.array);
	io->sq_mask = p->sq_entries - 1;
	io->cq_head = (void *)(base + p->cq_off.head);
	io->cq_tail = (void *)(base + p->cq_off.tail);
	io->cq_mask = p->cq_entries - 1;
	io->cqes = (void *)(base + p->cq_off.cqes);

	return 0;
}

static void drop_ring(struct blockio *io)
{
	if (io->rings)
		(void)munmap(io->rings, io->rings_bytes);
	if (io->sqes)
		(void)munmap(io->sqes, io->sqes_bytes);
	io->rings = NULL;
	io->sqes = NULL;
	io->ring_fd = fd_close(io->ring_fd);
}

static int make_ring(struct blockio *io)
{
	/* Completions need no interrupt of the thread: it looks when it is back from epoll. */
	struct io_uring_params params = { .flags = IORING_SETUP_R_DISABLED |
						   IORING_SETUP_COOP_TASKRUN };
	int r;

	io->ring_fd = (int)syscall(SYS_io_uring_setup, io->entries, &params);
	if (io->ring_fd < 0)
		return -errno;
	r = map_ring(io, &params);
	if (r == 0)
		r = restrict_ring(io);
	if (r == 0)
		io->wake_fd = io->ring_fd;

	return r;
}

int blockio_init(struct blockio *io, int file_fd, unsigned entries, bool use_ring, struct err *err)
{
	*io = (struct blockio){
		.file_fd = file_fd, .wake_fd = -1, .ring_fd = -1, .entries = entries
	};
	if (use_ring && make_ring(io) == 0)
		return 0;
	drop_ring(io);
	io->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (io->wake_fd < 0)
		return err_sys(err, "make an eventfd");
	io->done = calloc(entries, sizeof(*io->done));

	return io->done ? 0 : err_set(err, ENOMEM, "no memory");
}

void blockio_done(struct blockio *io)
{
	struct blockio_done done;

	while (io->in_flight > 0) {
		if (io->ring_fd >= 0 &&
		    sys_enter(io->ring_fd, io->unsubmitted, 1, IORING_ENTER_GETEVENTS) >= 0)
			io->unsubmitted = 0;
		while (blockio_reap(io, &done))
			;
	}
	if (io->ring_fd >= 0)
		drop_ring(io);
	else
		fd_close(io->wake_fd);
	free(io->done);
	io->done = NULL;
	io->wake_fd = -1;
}

static ssize_t do_op(const struct blockio *io, const struct blockio_op *op)
{
	switch (op->kind) {
	case BLOCKIO_READ:
		return preadv2(io->file_fd, op->iov, (int)op->iov_len, (off_t)op->offset, 0);
	case BLOCKIO_WRITE:
		return pwritev2(io->file_fd, op->iov, (int)op->iov_len, (off_t)op->offset,
				op->durable ? RWF_DSYNC : 0);
	case BLOCKIO_SYNC:
		return fdatasync(io->file_fd);
	case BLOCKIO_FALLOCATE:
		return fallocate(io->file_fd, op->mode, (off_t)op->offset, (off_t)op->bytes);
	default:
		errno = EINVAL;
		return -1;
	}
}

static void do_now(struct blockio *io, const struct blockio_op *op)
{
	ssize_t n = do_op(io, op);

	io->done[io->done_len++] = (struct blockio_done){
		.tag = op->tag,
		.result = n < 0 ? -errno : (int)n,
	};
	fd_raise(io->wake_fd);
}

void blockio_begin(struct blockio *io, const struct blockio_op *op)
{
	static const uint8_t opcodes[] = {
		[BLOCKIO_READ] = IORING_OP_READV,
		[BLOCKIO_WRITE] = IORING_OP_WRITEV,
		[BLOCKIO_SYNC] = IORING_OP_FSYNC,
		[BLOCKIO_FALLOCATE] = IORING_OP_FALLOCATE,
	};
	unsigned tail, index;
	struct io_uring_sqe *sqe;

	io->in_flight++;
	if (io->ring_fd < 0) {
		do_now(io, op);
		return;
	}
	tail = *io->sq_tail; /* ours alone */
	index = tail & io->sq_mask;
	sqe = &io->sqes[index];
	*sqe = (struct io_uring_sqe){
		.opcode = opcodes[op->kind],
		.flags = IOSQE_FIXED_FILE,
		.fd = 0, /* the one registered */
		.off = op->offset,
		.user_data = op->tag,
	};
	if (op->kind == BLOCKIO_SYNC) {
		sqe->off = 0;
		sqe->fsync_flags = IORING_FSYNC_DATASYNC;
	} else if (op->kind == BLOCKIO_FALLOCATE) {
		sqe->addr = op->bytes;
		sqe->len = (uint32_t)op->mode;
	} else {
		sqe->addr = (uintptr_t)op->iov;
		sqe->len = op->iov_len;
		sqe->rw_flags = op->durable ? RWF_DSYNC : 0;
	}
	io->sq_array[index] = index;
	__atomic_store_n(io->sq_tail, tail + 1, __ATOMIC_RELEASE);
	io->unsubmitted++;
}

bool blockio_submit(struct blockio *io)
{
	while (io->unsubmitted > 0) {
		int r = sys_enter(io->ring_fd, io->unsubmitted, 0, 0);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return false;
		io->unsubmitted -= (unsigned)r;
	}

	return true;
}

bool blockio_has_done(const struct blockio *io)
{
	if (io->ring_fd < 0)
		return io->done_len > 0;

	return *io->cq_head != __atomic_load_n(io->cq_tail, __ATOMIC_ACQUIRE);
}

bool blockio_reap(struct blockio *io, struct blockio_done *ret)
{
	const struct io_uring_cqe *cqe;
	unsigned head;

	if (io->ring_fd < 0) {
		uint64_t count;

		if (io->done_len == 0) {
			(void)!read(io->wake_fd, &count, sizeof(count));
			return false;
		}
		*ret = io->done[--io->done_len];
		io->in_flight--;
		return true;
	}
	head = *io->cq_head; /* ours alone */
	if (head == __atomic_load_n(io->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	cqe = &io->cqes[head & io->cq_mask];
	*ret = (struct blockio_done){ .tag = (unsigned)cqe->user_data, .result = cqe->res };
	__atomic_store_n(io->cq_head, head + 1, __ATOMIC_RELEASE);
	io->in_flight--;

	return true;
}
