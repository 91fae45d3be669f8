/* SPDX-License-Identifier: Apache-2.0
 *
 * blockio.h - asynchronous input and output on one file, by a ring that can do nothing else
 *
 * The ring (io_uring) is made disabled, restricted to reading, writing, syncing and fallocate()
 * on the one registered file, and then enabled; from then on the kernel refuses any other
 * operation and any further registration on it, whoever gets hold of the process. Where the host
 * does not allow io_uring, operations are done at once by the caller's thread and reported the
 * same way.
 */
#ifndef VMM_VIRTIO_BLOCKIO_H
#define VMM_VIRTIO_BLOCKIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "vmm/confine.h"

struct io_uring_cqe;
struct io_uring_sqe;

enum blockio_kind {
	BLOCKIO_READ,
	BLOCKIO_WRITE,
	BLOCKIO_SYNC,	   /* the data and what is needed to find it again */
	BLOCKIO_FALLOCATE, /* with @mode */
};

/**
 * struct blockio_op - one operation
 * @kind:	what to do
 * @iov:	buffers to read into or write from; the array may go once the call is back, the
 *		buffers only when the operation is done
 * @iov_len:	their number, at most 1024
 * @offset:	in the file
 * @bytes:	length for BLOCKIO_FALLOCATE
 * @mode:	FALLOC_FL_* for BLOCKIO_FALLOCATE
 * @durable:	BLOCKIO_WRITE that is done only when it would survive a loss of power
 * @tag:	handed back, below the number of entries
 */
struct blockio_op {
	enum blockio_kind kind;
	const struct iovec *iov;
	unsigned iov_len;
	uint64_t offset, bytes;
	int mode;
	bool durable;
	unsigned tag;
};

/* What has become of it: @result is as of the system call, or a negative errno. */
struct blockio_done {
	unsigned tag;
	int result;
};

/**
 * struct blockio - a file and its ring
 * @file_fd:	borrowed
 * @wake_fd:	readable until all that is done has been reaped: @ring_fd, or an eventfd where there
 *		is no ring; the caller watches it
 * @ring_fd:	the ring, or -1: operations are done by the caller
 * @in_flight:	begun and not reported yet
 */
struct blockio {
	int file_fd;
	int wake_fd;
	int ring_fd;
	unsigned entries, in_flight, unsubmitted;
	void *rings;
	size_t rings_bytes;
	struct io_uring_sqe *sqes;
	size_t sqes_bytes;
	unsigned *sq_head, *sq_tail, *sq_array, sq_mask;
	unsigned *cq_head, *cq_tail, cq_mask;
	struct io_uring_cqe *cqes;
	struct blockio_done *done; /* without a ring: @entries of them */
	unsigned done_len;
};

/**
 * blockio_init() - Make the ring
 * @io:		to fill in
 * @file_fd:	borrowed until blockio_done()
 * @entries:	most operations at once, a power of two
 * @use_ring:	false: do operations in the caller's thread
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno. A host without io_uring is not a failure.
 */
int blockio_init(struct blockio *io, int file_fd, unsigned entries, bool use_ring, struct err *err);

/* Wait for what is in flight, then release everything. Allowed after a failed init. */
void blockio_done(struct blockio *io);

/* Begin an operation. At most as many as entries may be in flight. */
void blockio_begin(struct blockio *io, const struct blockio_op *op);

/* Hand everything begun to the kernel. False when it has no memory for that: try again later. */
bool blockio_submit(struct blockio *io);

/* Is there one that is done? What the host has in its cache is, as soon as it was submitted. */
bool blockio_has_done(const struct blockio *io);

/* The next operation that is done. False when there is none: only then @wake_fd is quiet. */
bool blockio_reap(struct blockio *io, struct blockio_done *ret);

/* System calls of this file while the guest runs, for a host with and without io_uring. */
extern const struct confine_list blockio_ring_calls;
extern const struct confine_list blockio_plain_calls;

#endif
