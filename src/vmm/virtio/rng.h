/* SPDX-License-Identifier: Apache-2.0
 *
 * rng.h - virtio entropy device: random bytes of the host's kernel
 */
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

#include "vmm/virtio/device.h"

struct virtio_rng;

/* Make an entropy device. 0 or a negative errno. */
int virtio_rng_new(const struct virtio_env *env, struct virtio_rng **ret, struct err *err);
void virtio_rng_free(struct virtio_rng *rng);

/* What the machine plugs in; it lives as long as @rng. */
struct virtio_device *virtio_rng_device(struct virtio_rng *rng);

extern const struct confine_list virtio_rng_calls;

#endif
