/* SPDX-License-Identifier: Apache-2.0
 *
 * pmem.h - virtio persistent memory: a file in the guest's address space, read-only and shared
 *
 * The guest reads the file without asking us: its pages are those of the host's page cache, one
 * copy for all machines. Whoever makes the machine maps the file there, read-only; what is here
 * tells the guest where, and answers its flushes.
 */
#ifndef VMM_VIRTIO_PMEM_H
#define VMM_VIRTIO_PMEM_H

#include "vmm/virtio/device.h"

struct virtio_pmem;

/**
 * virtio_pmem_new() - Make a persistent memory device
 * @env:	where it lives
 * @gpa:	where the file is mapped, a multiple of MEMORY_HUGE_BYTES, in no other region
 * @bytes:	size of the mapping, the same
 * @ret:	the device
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int virtio_pmem_new(const struct virtio_env *env, struct gpa gpa, uint64_t bytes,
		    struct virtio_pmem **ret, struct err *err);
void virtio_pmem_free(struct virtio_pmem *pmem);

/* What the machine plugs in; it lives as long as @pmem. */
struct virtio_device *virtio_pmem_device(struct virtio_pmem *pmem);

#endif
